"""Where the JSON of an answer stands in a text: alone, in prose, in code fences, after a draft."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from credit_wrappers.core.errors import AnswerError
from credit_wrappers.llm.answers.problems import quoted

_NEAR = 40  # characters after a bracket in which a word of the form tells an attempt at an answer from prose
_ATTEMPT = re.compile(r"episode|event")
# A bracket after which JSON can go on, or one that begins an attempt.
_OPENING = re.compile(
    rf"""\{{(?=\s*+["}}])|\[(?=\s*+[]\[{{"0-9tfnNI-])|[\[{{](?=.{{0,{_NEAR}}}?(?:{_ATTEMPT.pattern}))""", re.DOTALL
)
_CUT = 4096  # characters; a JSONDecodeError counts the lines before it, every time
_LONGEST_INTEGER = 20  # digits; Python itself refuses to convert thousands of them


class _RepeatedKey(Exception):
    """An object has a key twice: Python would silently keep the last value."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKey(key)
            seen.add(key)
    return found


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


_EXACT = json.JSONDecoder(object_pairs_hook=_once, parse_int=_integer)
_LENIENT = json.JSONDecoder(parse_int=_integer)  # to find where values end; they are decoded again


def find_json(text: str, wanted: Callable[[Any], bool], possible: Callable[[Any], bool], key: str) -> Any:
    """Return the last JSON value in `text` that is wanted, else the only one that is possible.

    Values inside other values do not count, nor do values inside an unfinished one. Takes time proportional
    to the length of the text.

    Args:
        text: The model's answer.
        wanted: Whether a value has the form that was asked for.
        possible: Whether it has another form that can be read in one way.
        key: Stands in every such value; names it in messages.

    Raises:
        AnswerError: "no_answer": there is no such value, or several that are only possible; "schema": it has
            a key twice.
    """
    try:
        try:
            value = _EXACT.decode(text.strip().removeprefix("\ufeff"))
        except (json.JSONDecodeError, _RepeatedKey):
            value = _EXACT.decode(_span(text, wanted, possible, key))
    except _RepeatedKey as error:
        raise AnswerError(f"an object has the key {quoted(error.args[0])} twice", "schema") from None
    except RecursionError:
        raise AnswerError("brackets are nested too deeply", "no_answer") from None
    if not (wanted(value) or possible(value)):
        raise _nothing(key)
    return value


def _span(text: str, wanted: Callable[[Any], bool], possible: Callable[[Any], bool], key: str) -> str:
    """Return the text of the value that counts."""
    found: str | None = None
    others: list[str] = []
    broken: tuple[int, int] | None = None  # the longest attempt that failed: characters, and where it begins
    rest, skipped = text, 0
    opening = _OPENING.search(rest)
    while opening:
        at = opening.start()
        try:
            value, end = _LENIENT.raw_decode(rest, at)
        except json.JSONDecodeError as error:
            # Every bracket that is open here would fail here, too: none of them is tried again.
            end = max(error.pos, at + 1)
            if _ATTEMPT.search(rest, at, max(end, at + _NEAR)):
                broken = max(broken or (0, 0), (end - at, skipped + at))
        else:
            if wanted(value):
                found = rest[at:end]
            elif possible(value):
                others.append(rest[at:end])
        if end > _CUT:
            rest, skipped, end = rest[end:], skipped + end, 0
        opening = _OPENING.search(rest, end)
    if found is not None:
        return found
    if broken is not None:  # what else stands here may be part of it
        raise AnswerError(_fault(text, sum(broken)), "no_answer")
    if len(others) == 1:
        return others[0]
    if others:
        raise AnswerError(
            f'{len(others)} separate JSON values: put all episodes into one object with the key "{key}"', "no_answer"
        )
    raise _nothing(key)


def _nothing(key: str) -> AnswerError:
    return AnswerError(f'no JSON object with the key "{key}" in the answer', "no_answer")


def _fault(text: str, at: int) -> str:
    """Return what is wrong with the JSON at a place where it could not be read on."""
    rest, before = text[at:], text[:at].rstrip()
    if not rest.strip():
        return "the JSON ends before it is complete"
    here = rest[0]
    if here == "'":
        hint = "single quotes; JSON has double quotes"
    elif (here in "]}" and before.endswith(",")) or re.match(r",\s*[\]}]", rest):  # versions of Python differ
        hint, at = "a comma before the closing bracket", at if here == "," else len(before) - 1
    elif rest.startswith(("//", "/*", "#")):
        hint = "a comment; JSON has none"
    elif re.match(r"(True|False|None)\b", rest):
        hint = "a word of Python; JSON has true, false and null"
    elif here == '"' and re.fullmatch(r'"(?:[^"\\]|\\.)*+', rest, re.DOTALL):
        hint = "a text that does not end"
    elif here < " ":
        hint = "a line break or control character inside a text"
    else:
        hint = quoted(rest[:12])
    line = text.count("\n", 0, at) + 1
    return f"the JSON is broken at line {line}, column {at - text.rfind(chr(10), 0, at)}: {hint}"
