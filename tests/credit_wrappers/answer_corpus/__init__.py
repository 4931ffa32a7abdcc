"""Wrong and odd answers, each with exactly what must come of it."""

from tests.credit_wrappers.answer_corpus import arrays, content, fields, hostile, json_text
from tests.credit_wrappers.answer_corpus.case import NAMES, Case, Refused, Taken

CASES = [*json_text.CASES, *fields.CASES, *content.CASES, *hostile.CASES, *arrays.CASES]

__all__ = ["CASES", "NAMES", "Case", "Refused", "Taken"]
