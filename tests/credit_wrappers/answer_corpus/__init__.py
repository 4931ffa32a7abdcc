"""Wrong and odd answers, each with exactly what must come of it."""

from . import arrays, content, fields, hostile, json_text
from .case import NAMES, Case, Refused, Taken

CASES = [*json_text.CASES, *fields.CASES, *content.CASES, *hostile.CASES, *arrays.CASES]

__all__ = ["CASES", "NAMES", "Case", "Refused", "Taken"]
