"""An entry of a ledger, read again: the text of each episode, and the events with the agents' own names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from credit_wrappers.core.credit import CreditEvent
from credit_wrappers.core.errors import AnswerError
from credit_wrappers.llm.answers.parse import parse_answer
from credit_wrappers.llm.answers.schema import EpisodeAnswer
from credit_wrappers.llm.answers.task_answers import tasks_of
from credit_wrappers.llm.ledger.entry import JudgedEpisode, LedgerEntry
from credit_wrappers.llm.prompts.render import agent_name, with_own_names

_EPISODE = re.compile(r"^## Episode \d+\n", re.MULTILINE)
_STEPS = re.compile(r"steps: (\d+)")
_NAME = re.compile(r"\bagent_[A-Z]+\b")
_TASKS = re.compile(r"^\*\*Assign tasks\.\*\*(?:.+\n)+\n((?:- .+\n)+)", re.MULTILINE)  # prompts/tasks_arrays.md
_REASK = "\n\n## Your previous answer"  # prompts/reask.md


@dataclass(frozen=True)
class Reading:
    """One episode of an entry.

    Attributes:
        judged: As recorded.
        text: The episode as the question told it; its agent_A is `judged.agents[0]`, and so on.
        summary: The critic's account; "" without a usable answer.
        events: The reasons, as the critic gave them (before any shaping).
        tasks: Each agent's task; empty where none were asked for.
    """

    judged: JudgedEpisode
    text: str
    summary: str
    events: tuple[CreditEvent, ...]
    tasks: dict[str, str]


def read(entry: LedgerEntry) -> list[Reading]:
    """Return the entry's episodes; without events where the answer was unusable, or is so to this version."""
    texts = episode_texts(entry.request.prompt)
    texts += [""] * (len(entry.episodes) - len(texts))
    answers = _answers(entry, texts)
    readings = []
    for judged, text, answer in zip(entry.episodes, texts, answers, strict=False):
        own = dict(zip(_names(entry, len(judged.agents), text), judged.agents, strict=True))
        told: dict[str, Any] = dict(answer)  # an answer without explanations lacks keys
        events = tuple(
            CreditEvent(
                own.get(event["agent"], event["agent"]),
                event["start"],
                event["stop"],
                event["amount"],
                with_own_names(event.get("why", ""), own),
            )
            for event in told.get("events", ())
        )
        tasks = {own.get(name, name): task for name, task in tasks_of(cast(EpisodeAnswer, answer)).items()}
        readings.append(Reading(judged, text, with_own_names(told.get("summary", ""), own), events, tasks))
    return readings


def episode_texts(prompt: str) -> list[str]:
    """Return the text of episode 1, 2, ... of a question, without its heading."""
    return [text.strip("\n") for text in _EPISODE.split(prompt.partition(_REASK)[0])[1:]]


def is_reask(prompt: str) -> bool:
    """Whether the question quotes what was wrong with the answer before."""
    return _REASK in prompt


def _answers(entry: LedgerEntry, texts: Sequence[str]) -> Sequence[EpisodeAnswer | dict[str, Any]]:
    nothing: list[dict[str, Any]] = [{} for _ in entry.episodes]
    if entry.failure or entry.completion is None or not entry.episodes:
        return nothing
    # StudentInputs of version 1 know neither the lengths nor the agents.
    lengths = [
        judged.length or int(found[1] if (found := _STEPS.match(text)) else 0)
        for judged, text in zip(entry.episodes, texts, strict=False)
    ]
    count = len(entry.episodes[0].agents) or len(set(_NAME.findall(texts[0])))
    schema = entry.request.schema
    form: dict[str, Any] = {}
    if schema is None:  # whether words were asked for stands nowhere; an answer that lacked them was refused then
        form.update(form="arrays", explain=False)
    elif '"summary"' not in json.dumps(schema):
        form["explain"] = False
    form["tasks"] = _asked_tasks(entry)
    try:
        return parse_answer(entry.completion.text, lengths, _names(entry, count, texts[0]), **form)
    except AnswerError:
        return nothing


def _asked_tasks(entry: LedgerEntry) -> list[str]:
    """Return the tasks that agents could be given: those of the schema, or, where there is none, of the base prompt."""
    if entry.request.schema is not None:
        asked = entry.request.schema.get("$defs", {}).get("TaskAnswer", {})
        return list(asked.get("properties", {}).get("task", {}).get("enum", ()))
    listed = _TASKS.search(entry.request.system)
    return [line.removeprefix("- ") for line in listed[1].splitlines()] if listed else []


def _names(entry: LedgerEntry, count: int, text: str) -> list[str]:
    """Return the agents' names in the question: neutral ones, or with names="own" their own."""
    neutral = [agent_name(k) for k in range(count)]
    return neutral if agent_name(0) in text or not text else list(entry.episodes[0].agents)
