"""The JSON of an answer, wherever it stands in a text: alone, in prose, in code fences, after a draft.

A JSON library reads one document. Models write sentences with brackets, drafts and half repetitions around it, so this
module finds the documents, and the standard library's decoder reads them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from credit_wrappers.core.errors import AnswerError
from credit_wrappers.llm.answers.problems import quoted

_NEAR = 40  # characters after a bracket; one of these words within them marks an attempt at an answer, not prose
_ATTEMPT = re.compile(r"episode|event")
# A bracket after which JSON can go on, or one that begins an attempt.
_OPENING = re.compile(
    rf"""\{{(?=\s*+["}}])|\[(?=\s*+[]\[{{"0-9tfnNI-])|[\[{{](?=.{{0,{_NEAR}}}?(?:{_ATTEMPT.pattern}))""", re.DOTALL
)
_CUT = 4096  # characters; a JSONDecodeError counts the lines before it, every time
_LONGEST_INTEGER = 20  # digits; Python itself refuses to convert thousands of them
_FAULTS = (
    ("'", "single quotes; JSON has double quotes"),
    (r"//|/\*|#", "a comment; JSON has none"),
    (r"(?:True|False|None)\b", "a word of Python; JSON has true, false and null"),
    (r'"(?:[^"\\]|\\.)*+\Z', "a text that does not end"),
    ("[\0-\x1f]", "a line break or control character inside a text"),
)


def find_json(text: str, wanted: Callable[[Any], bool], possible: Callable[[Any], bool], key: str) -> Any:
    """Return the last JSON value in `text` that is wanted, else the only one that is possible.

    Values inside other values do not count, nor do values inside an unfinished one. The time is proportional
    to the length of the text.

    Args:
        text: The model's answer.
        wanted: Whether a value has the form that was asked for.
        possible: Whether it has another form that can be read in one way only.
        key: The key that every such value has; messages name it.

    Raises:
        AnswerError: "no_answer": there is no such value, or several that are only possible; "schema": it has
            a key twice.
    """
    repeated: list[str] = []  # keys that an object has twice: Python would silently keep the last value

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            repeated.append(Counter(name for name, _ in pairs).most_common(1)[0][0])
        return found

    decoder = json.JSONDecoder(object_pairs_hook=once, parse_int=_integer)
    best: tuple[Any, list[str]] | None = None  # the last wanted value, and its repeated keys
    others: list[tuple[Any, list[str]]] = []
    broken = (0, 0)  # the longest attempt that failed: its characters, and where it begins
    rest, skipped = text, 0
    opening = _OPENING.search(rest)
    while opening:
        at = opening.start()
        repeated.clear()
        try:
            value, end = decoder.raw_decode(rest, at)
        except json.JSONDecodeError as error:
            # Every bracket that is open here would fail here, too, so none of them is tried again.
            end = max(error.pos, at + 1)
            if _ATTEMPT.search(rest, at, max(end, at + _NEAR)):
                broken = max(broken, (end - at, skipped + at))
        except RecursionError:
            raise AnswerError("brackets are nested too deeply", "no_answer") from None
        else:
            if wanted(value):
                best = value, repeated[:1]
            elif possible(value):
                others.append((value, repeated[:1]))
        if end > _CUT:
            rest, skipped, end = rest[end:], skipped + end, 0
        opening = _OPENING.search(rest, end)
    if best is None:
        if broken[0]:  # the other values may be part of it
            raise AnswerError(_fault(text, sum(broken)), "no_answer")
        if not others:
            raise AnswerError(f'no JSON object with the key "{key}" in the answer', "no_answer")
        if len(others) > 1:
            raise AnswerError(
                f'{len(others)} separate JSON values: put all episodes into one object with the key "{key}"',
                "no_answer",
            )
        best = others[0]
    value, twice = best
    if twice:
        raise AnswerError(f"an object has the key {quoted(twice[0])} twice", "schema")
    return value


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _fault(text: str, at: int) -> str:
    """Return what is wrong with the JSON at a place where it could not be read on."""
    rest, before = text[at:], text[:at].rstrip()
    if not rest.strip():
        return "the JSON ends before it is complete"
    if (rest[0] in "]}" and before.endswith(",")) or re.match(r",\s*[\]}]", rest):  # versions of Python differ
        hint, at = "a comma before the closing bracket", at if rest[0] == "," else len(before) - 1
    else:
        hints = (hint for start, hint in _FAULTS if re.match(start, rest, re.DOTALL))
        hint = next(hints, quoted(rest[:12]))
    line = text.count("\n", 0, at) + 1
    return f"the JSON is broken at line {line}, column {at - text.rfind(chr(10), 0, at)}: {hint}"
