"""What a model must answer, and which texts are accepted as an answer.

An answer is accepted whole, or rejected with a message that says what is wrong and where. No number is padded,
clipped or guessed, and a text that can be read in two ways is not read at all. Reasoning is no answer (see
`answers.reasoning`), and a draft never stands in for a final answer, even one that breaks off or is only announced.
There are three forms:

| Form | The model writes | Checked against |
|---|---|---|
| `events` | JSON: who did what, over which steps, worth how much, why | the schema that the request carried |
| `curve` | JSON: how many steps each agent had left, at its turning points | the same |
| `arrays` | free text: for each agent one number a step (the paper's form) | the lengths of the episodes |

If tasks are asked for, all forms also carry which task each agent should have had when (`answers.task_answers`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from credit_wrappers.core.errors import AnswerError
from credit_wrappers.llm.answers.arrays import read_arrays
from credit_wrappers.llm.answers.curve import read_curves
from credit_wrappers.llm.answers.events import read_events
from credit_wrappers.llm.answers.reasoning import without_reasoning
from credit_wrappers.llm.answers.schema import EpisodeAnswer, check_form
from credit_wrappers.llm.client import AnswerForm

# Far more than models can write; nothing of that size is an answer, and reading it takes seconds.
_LONGEST_TEXT = 10_000_000
_END = 40  # characters
# Explanations may hold any words, but lone surrogates cannot be encoded, fonts refuse NUL, terminals obey escapes.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

_READERS = {"events": read_events, "arrays": read_arrays, "curve": read_curves}


def parse_answer(
    text: str,
    lengths: Sequence[int],
    names: Sequence[str],
    *,
    form: AnswerForm = "events",
    explain: bool = True,
    tasks: Sequence[str] = (),
    placeholders: frozenset[str] = frozenset(),
    cut: bool = False,
) -> list[EpisodeAnswer]:
    """Return the judgements in the order of the episodes.

    Args:
        text: The model's answer.
        lengths: Steps of episode 1, 2, ...
        names: The agents' names in the prompt.
        form: What was asked for; see `answers.events`, `answers.curve` and `answers.arrays` for what is accepted.
        explain: Whether reasons were asked for. If not, `summary` and `why` are "" where they are absent.
        tasks: The tasks of which each agent was to get one in each step; empty: tasks in the answer are ignored.
        placeholders: Texts of the form that are no judgement; see `placeholder_texts`.
        cut: Whether the text was cut off at `max_tokens`. What goes on behind a complete answer makes it a draft.

    Raises:
        AnswerError: The answer does not fit. Its message can be quoted to the model; its kind is "empty",
            "no_answer", "schema", "placeholder" or "content". Nothing else is raised, whatever the text.
    """
    check_form(form)
    if len(text) > _LONGEST_TEXT:
        raise AnswerError(f"the answer has {len(text)} characters: far too many", "no_answer")
    if not text.strip(" \t\r\n\ufeff\0"):
        raise AnswerError("the answer is empty", "empty")
    whole = text
    text = without_reasoning(whole)
    if not text.strip():
        raise AnswerError("the answer is reasoning only: nothing follows it", "no_answer")
    if cut and not whole.rstrip().endswith(text.rstrip()[-_END:]):
        raise AnswerError("the text goes on with reasoning behind the answer", "no_answer")
    judgements = _READERS[form](text, lengths, names, explain, tasks, placeholders, cut)
    for judged in judgements:
        judged["summary"] = _printable(judged["summary"])
        for event in judged["events"]:
            event["why"] = _printable(event["why"])
        for span in cast(Any, judged).get("tasks", ()):
            span["why"] = _printable(span["why"])
    return judgements


def _printable(words: str) -> str:
    return words if words.isprintable() else _UNFIT.sub("\ufffd", words)
