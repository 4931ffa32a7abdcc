"""A report: one HTML file in which a person sees what a critic credited, and why; docs/report.md has the guide."""

from credit_wrappers.report.report_file import ReportOptions, write_report

__all__ = ["ReportOptions", "write_report"]
