"""Placeholders of the form: a model that fills in "one short sentence" has repeated the form and judged nothing.

What counts as a placeholder is read from the form itself: the example in its text, and the descriptions in the schema.
A part of one, or one with words around it, is no judgement either; see `is_placeholder`. Only texts are compared, never
numbers, because an honest answer can hold the example's numbers. If the example names
an agent that exists, it is a worked example of a user's own form. Its texts are no placeholders then: `gripped the
module` may be the honest reason of another event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from credit_wrappers.core.errors import AnswerError
from credit_wrappers.llm.answers.json_text import documents
from credit_wrappers.llm.answers.problems import Problems, quoted
from credit_wrappers.llm.answers.schema import answer_schema
from credit_wrappers.llm.client import AnswerForm

# In the form `arrays`: `Explanation: what happened`, and `agent_?: [0, 0.1, ...]`.
_EXPLANATION = re.compile(r"^\s*(?:Explanation|Summary)[ \t]*:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)
_ROW = re.compile(r"^\s*(\S+)[ \t]*:[ \t]*\[", re.MULTILINE)
_EDGES = " .,:;!…'\"`*()[]<>"
_SPEAKS = re.compile(r"sentence|what happened")  # of words to be written: no worked example does
_NOT_A_LETTER = re.compile(r"[\W\d_]+")
_SMALL = {"a", "an", "the", "one"}  # left out, so that "a short sentence" is "one short sentence"
_LEAST_WORDS = 2  # of a part
_WHOLE_WORDS = 4  # of a placeholder that is recognised among other words
_LEAST_COPIED = 7  # characters of a placeholder that is recognised within a longer text


@lru_cache(maxsize=4096)  # reasons repeat themselves
def folded(text: str) -> str:
    """Return a text without the differences that do not matter: case, white space, marks at its ends."""
    return " ".join(text.casefold().split()).strip(_EDGES)


@lru_cache(maxsize=64)
def placeholder_texts(
    described: str, form: AnswerForm, explain: bool, names: tuple[str, ...], tasks: tuple[str, ...]
) -> frozenset[str]:
    """Return the placeholders of a form of answers, folded; none if its example could be an answer.

    Args:
        described: The text that describes the form to the model.
        form: Which form it describes.
        explain: Whether it asks for reasons.
        names: The agents' names, which are no placeholders.
        tasks: The tasks that it lists, which are no placeholders either.
    """
    texts = set(_EXPLANATION.findall(described)) if form == "arrays" else set()
    agents = set(_ROW.findall(described)) if form == "arrays" else set()
    for found in documents(described):
        for key, value in _fields(found.value):
            (agents if key == "agent" else texts).add(value)
    if agents & set(names):
        return frozenset()
    texts |= agents | set(_descriptions(answer_schema(form, explain, tasks)))
    return frozenset(filter(None, map(folded, texts))) - frozenset(map(folded, tasks))


def is_placeholder(text: str, placeholders: frozenset[str]) -> bool:
    """Return whether a summary or a reason only repeats the form.

    It does if it is a placeholder, and if dots, a part of one, or one among other words stand where the form asks for
    a sentence.
    """
    return folded(text) in placeholders or _repeats(text, placeholders)


@lru_cache(maxsize=4096)
def _repeats(text: str, placeholders: frozenset[str]) -> bool:
    asked = [part for part in placeholders if _SPEAKS.search(part)]
    if not asked or not text.strip():
        return False
    words = _words(text)
    if not any(map(str.isalnum, text)):
        return "." in text or "…" in text
    said = f" {' '.join(words)} "
    for part in asked:
        whole = f" {' '.join(_words(part))} "
        if len(words) >= _LEAST_WORDS and said in whole:
            return True
        if len(_NOT_A_LETTER.split(part)) >= _WHOLE_WORDS and whole in said:
            return True
    return False


def _words(text: str) -> list[str]:
    return [word for word in _NOT_A_LETTER.sub(" ", text.casefold()).split() if word not in _SMALL]


def refuse_placeholders(judgements: Sequence[Mapping[str, Any]], placeholders: frozenset[str]) -> None:
    """Raise AnswerError (kind "placeholder") if an answer has placeholders where its own words belong."""
    if not placeholders:
        return
    problems = Problems("placeholder")
    for judged in judgements:
        episode = f"episode {judged['episode']}"
        if is_placeholder(judged["summary"], placeholders):
            problems.add(f"{episode}: the summary {quoted(judged['summary'])} is only the form's placeholder")
        for part in ("events", "curves", "tasks"):
            for k, item in enumerate(judged.get(part, ()), 1):
                for key, value in _fields(item):
                    if is_placeholder(value, placeholders) if key == "why" else folded(value) in placeholders:
                        where = f"{part.removesuffix('s')} {k}"
                        problems.add(f"{episode}, {where}: {key} {quoted(value)} is only the form's placeholder")
    if problems.count:
        problems.add("judge the episodes in words of your own, with the names of their agents")
    problems.refuse()


def refuse_copied_form(text: str, placeholders: frozenset[str]) -> None:
    """Raise AnswerError (kind "placeholder") for free text without any array that repeats the form."""
    plain = " ".join(text.casefold().split())
    copied = next((part for part in sorted(placeholders) if len(part) >= _LEAST_COPIED and part in plain), None)
    if copied is not None:
        raise AnswerError(f"{quoted(copied)} is only the form's placeholder: judge the episodes", "placeholder")


def _fields(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the key and text of every text in a JSON value; the points of a curve, lists in a list, hold none."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict):
            for key, item in part.items():
                if isinstance(item, str):
                    yield key, item
                elif isinstance(item, (dict, list)):
                    yield from _fields(item)


def _descriptions(schema: dict[str, Any] | None) -> Iterator[str]:
    """Yield what the schema says of each text."""
    for node in () if schema is None else schema["$defs"].values():
        for field in node["properties"].values():
            if field.get("type") == "string" and "description" in field:
                yield field["description"]
