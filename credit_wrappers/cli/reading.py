"""An entry of a ledger, read again: the text of each episode, and its events with the agents' own names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from credit_wrappers.core.credit import CreditEvent, TaskSpan
from credit_wrappers.core.errors import AnswerError
from credit_wrappers.llm.answers.parse import parse_answer
from credit_wrappers.llm.answers.schema import EpisodeAnswer, tasks_listed
from credit_wrappers.llm.answers.task_answers import task_spans
from credit_wrappers.llm.client import form_asked
from credit_wrappers.llm.ledger.entry import JudgedEpisode, LedgerEntry
from credit_wrappers.llm.prompts.render import agent_name, with_own_names
from credit_wrappers.scripted.read_prompt import tasks_asked

_EPISODE = re.compile(r"^## Episode \d+\n", re.MULTILINE)
_REASK = "\n\n## Your previous answer"  # prompts/reask_*.md


@dataclass(frozen=True)
class Reading:
    """One episode of an entry."""

    judged: JudgedEpisode  # as recorded
    text: str  # as the question described it; its agent_A is `judged.agents[0]`, and so on
    summary: str  # the critic's account; "" without a usable answer
    events: tuple[CreditEvent, ...]  # the reasons, as the critic gave them (before any shaping)
    tasks: tuple[TaskSpan, ...] | None  # None where none were asked for


def read(entry: LedgerEntry) -> list[Reading]:
    """Return the entry's episodes, without events if the answer was unusable or this version cannot read it."""
    texts = episode_texts(entry.request.prompt)
    texts += [""] * (len(entry.episodes) - len(texts))
    answers: Sequence[EpisodeAnswer | None] = _answers(entry, texts) or [None] * len(texts)
    return list(map(_reading, entry.episodes, texts, answers))


def _reading(judged: JudgedEpisode, text: str, answer: EpisodeAnswer | None) -> Reading:
    if answer is None:
        return Reading(judged, text, "", (), None)
    own = dict(zip(_names(judged, text), judged.agents, strict=True))
    events = tuple(
        CreditEvent(own.get(e["agent"], e["agent"]), e["start"], e["stop"], e["amount"], with_own_names(e["why"], own))
        for e in answer["events"]
    )
    return Reading(judged, text, with_own_names(answer["summary"], own), events, task_spans(answer, own))


def episode_texts(prompt: str) -> list[str]:
    """Return the text of episode 1, 2, ... of a question, without its heading."""
    return [text.strip("\n") for text in _EPISODE.split(prompt.partition(_REASK)[0])[1:]]


def is_reask(prompt: str) -> bool:
    """Return whether the question quotes what was wrong with the previous answer."""
    return _REASK in prompt


def _answers(entry: LedgerEntry, texts: Sequence[str]) -> list[EpisodeAnswer] | None:
    if entry.failure or entry.completion is None or not entry.episodes:
        return None
    lengths = [judged.length for judged in entry.episodes]
    form, explain = form_asked(entry.request.schema)  # arrays that lacked words asked for were refused then
    try:
        return parse_answer(
            entry.completion.text,
            lengths,
            _names(entry.episodes[0], texts[0]),
            form=form,
            explain=explain,
            tasks=_asked_tasks(entry),
        )
    except AnswerError:
        return None


def _asked_tasks(entry: LedgerEntry) -> list[str]:
    """Return the tasks that agents could be given: those of the schema, or without a schema of the base prompt."""
    if entry.request.schema is not None:
        return tasks_listed(entry.request.schema)
    return list(tasks_asked(entry.request.system))


def _names(judged: JudgedEpisode, text: str) -> list[str]:
    """Return the agents' names in the question: neutral ones, or with names="own" their own."""
    neutral = agent_name(0) in text or not text
    return [agent_name(k) for k in range(len(judged.agents))] if neutral else list(judged.agents)
