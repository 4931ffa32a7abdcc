"""The JSON of an answer, wherever it stands in a text: alone, in prose, in code fences, after a draft.

A JSON library reads one document. Models write sentences with brackets, drafts and half repetitions around it, so this
module finds the documents, and the standard library's decoder reads them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from credit_wrappers.core.errors import AnswerError
from credit_wrappers.llm.answers.problems import quoted

_NEAR = 40  # characters after a bracket; one of these words within them marks an attempt at an answer, not prose
_ATTEMPT = re.compile(r"episode|event|curves")
# A bracket after which JSON can go on, or one that begins an attempt, or ends the text.
_OPENING = re.compile(
    rf"""\{{(?=\s*+["}}])|\[(?=\s*+[]\[{{"0-9tfnNI-])|[\[{{](?=.{{0,{_NEAR}}}?(?:{_ATTEMPT.pattern})|\s*+\Z)""",
    re.DOTALL,
)
# An answer that was certainly begun: the first key of one, or as much of it as there is before the text ends.
_BEGUN = re.compile(r"""[\[{][\s\[{"'`]*+(?:episode|event|curves|summary|\w{0,7}+\Z)""")
# A key of an answer, with or without quotes: what breaks off behind a complete answer and holds one was an answer, too.
_KEY = re.compile(r"""(?:["'`]|[{,]\s*+)(?:episodes|events|curves|agent)["'`]?\s*+:""")
# A line that says only, or at its end, that another answer follows: `# Final answer`, `I was wrong. Corrected:`.
_ANNOUNCED = re.compile(
    r"(?<!\w)(?:final|corrected|correction|revised|updated)"
    r"(?:\s++(?:answer|version|arrays?|credits?|judge?ments?|scores?|values|numbers))?+([\W_]*+)\Z",
    re.IGNORECASE,
)
_NOTHING_MORE = re.compile(r"[\W_]*+(?:(?:my|the|here (?:is|are))\s++){0,2}", re.IGNORECASE)  # in front of it
_CUT = 4096  # characters; a JSONDecodeError counts the lines before it, every time
_WHITE = " \t\r\n\0\ufeff`"  # with the end of a code fence
_LONGEST_LOOP, _LONGEST_PHRASE = 10_000, 200  # characters
_LONGEST_INTEGER = 20  # digits; Python itself refuses to convert thousands of them
_FAULTS = (
    ("'", "single quotes; JSON has double quotes"),
    (r"//|/\*|#", "a comment; JSON has none"),
    (r"(?:True|False|None)\b", "a word of Python; JSON has true, false and null"),
    (r'"(?:[^"\\]|\\.)*+\Z', "a text that does not end"),
    ("[\0-\x1f]", "a line break or control character inside a text"),
)


class Document(NamedTuple):
    """A JSON value in a text, or an attempt at one that failed."""

    start: int
    stop: int  # one past its last character; where it failed
    value: Any
    twice: str | None  # a key that one of its objects has twice: Python would silently keep the last value
    broken: bool


def documents(text: str) -> Iterator[Document]:
    """Yield the JSON values in `text` and the attempts that failed; values inside values are not among them.

    The time is proportional to the length of the text.

    Raises:
        AnswerError: "no_answer": brackets are nested too deeply.
    """
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            repeated.append(Counter(name for name, _ in pairs).most_common(1)[0][0])
        return found

    decoder = json.JSONDecoder(object_pairs_hook=once, parse_int=_integer)
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
            yield Document(skipped + at, skipped + end, None, None, True)
        except RecursionError:
            raise AnswerError("brackets are nested too deeply", "no_answer") from None
        else:
            yield Document(skipped + at, skipped + end, value, repeated[0] if repeated else None, False)
        if end > _CUT:
            rest, skipped, end = rest[end:], skipped + end, 0
        opening = _OPENING.search(rest, end)


def announces(text: str) -> bool:
    """Return whether a line of the text says that another answer follows."""
    for line in text.splitlines():
        found = _ANNOUNCED.search(line)
        if found and (":" in found[1] or _NOTHING_MORE.fullmatch(line, 0, found.start())):
            return True
    return False


def goes_on(rest: str) -> bool:
    """Return whether the text behind an answer that was cut off is more than white space, or one phrase for ever."""
    rest = rest[:_LONGEST_LOOP]
    periods = range(1, min(_LONGEST_PHRASE, len(rest) // 2) + 1)
    return bool(rest.strip(_WHITE)) and not any(rest.startswith(rest[period:]) for period in periods)


def find_json(
    text: str, wanted: Callable[[Any], bool], possible: Callable[[Any], bool], key: str, cut: bool = False
) -> Any:
    """Return the last JSON value in `text` that is wanted, else the only one that is possible.

    Values inside other values do not count, nor do values inside an unfinished one. If another answer stands, begins
    or is announced behind the last wanted value, there is none: what was meant to be final is never replaced by a
    draft. Only a value that repeats itself, whole or until the text ends, is still an answer. The time is proportional
    to the length of the text.

    Args:
        text: The model's answer, without reasoning.
        wanted: Whether a value has the form that was asked for.
        possible: Whether it has another form that can be read in one way only.
        key: The key that every such value has; messages name it.
        cut: Whether the text was cut off: then nothing may follow the value, because it was going on.

    Raises:
        AnswerError: "no_answer": there is no such value, or several that are only possible; "schema": it has
            a key twice.
    """
    best: Document | None = None  # the last wanted value
    final: Document | None = None  # an answer behind it that breaks off
    others: list[Document] = []
    last_key = max((found.start() for found in _KEY.finditer(text)), default=-1)
    longest, fault = 0, 0  # the longest attempt that failed: its characters, and where it failed
    for found in documents(text):
        if found.broken:
            if _ATTEMPT.search(text, found.start, max(found.stop, found.start + _NEAR)):
                longest, fault = max((longest, fault), (found.stop - found.start, found.stop))
            if (best or others) and final is None and (found.start < last_key or _BEGUN.match(text, found.start)):
                final = found
        elif wanted(found.value):
            best, final = found, None
        elif possible(found.value):
            others.append(found)
            final = final if best else None
    if best is None:
        if longest:  # the other values may be part of it
            raise AnswerError(_fault(text, fault), "no_answer")
        if not others:
            raise AnswerError(f'no JSON object with the key "{key}" in the answer', "no_answer")
        if len(others) > 1:
            raise AnswerError(
                f'{len(others)} separate JSON values: put all episodes into one object with the key "{key}"',
                "no_answer",
            )
        best = others[0]
    if final is not None and not _repeats(text, best, final):
        raise AnswerError(f"another answer begins behind a complete one, but {_fault(text, final.stop)}", "no_answer")
    rest = text[best.stop :]
    behind = [other.value for other in others if other.start > best.start]
    copied = final is not None or (behind and all(_holds(best.value, value, key) for value in behind))
    if not copied and (behind or _KEY.search(rest)):
        raise AnswerError(
            f'another answer stands behind a complete one: give one object with the key "{key}"', "no_answer"
        )
    if final is None and (announces(rest) or (cut and goes_on(rest))):
        raise AnswerError("the text goes on behind a complete answer: give the final answer only", "no_answer")
    if best.twice is not None:
        raise AnswerError(f"an object has the key {quoted(best.twice)} twice", "schema")
    return best.value


def _repeats(text: str, whole: Document, broken: Document) -> bool:
    """Return whether the rest of the text is a value once more: nothing in between, and the same as far as it goes."""
    same = text.startswith(text[broken.start :].rstrip(), whole.start)
    return same and not text[whole.stop : broken.start].strip()


def _holds(whole: Any, part: Any, key: str) -> bool:
    """Return whether an answer has a list of episodes, or one episode, as it is."""
    return part == whole[key] or (isinstance(whole[key], list) and part in whole[key])


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
