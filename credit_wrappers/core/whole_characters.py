"""Texts that any file can hold: a model's answer may have half of a surrogate pair, which no encoding knows."""

from __future__ import annotations


def whole_characters(text: str) -> str:
    """Return a text with the replacement character for each half of a surrogate pair, which no file can hold."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
