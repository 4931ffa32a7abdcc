"""A report: one HTML file in which a person sees what a critic credited, and why; docs/report.md has the guide."""

from credit_wrappers.report.report_file import write_report

__all__ = ["write_report"]
