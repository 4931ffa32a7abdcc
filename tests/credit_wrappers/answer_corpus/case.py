"""What a case of the corpus is: a text, and exactly what must come of it."""

from __future__ import annotations

from typing import NamedTuple

NAMES = ("agent_A", "agent_B")

Event = tuple[str, int, int, float, str]  # agent, start, stop, amount, why


class Taken(NamedTuple):
    """The answer is accepted: summary and events of episode 1, 2, ..."""

    episodes: list[tuple[str, list[Event]]]


class Refused(NamedTuple):
    """The answer is refused with this kind and, word for word, this message."""

    kind: str
    message: str


class Case(NamedTuple):
    """One answer of a model."""

    name: str
    text: str
    expected: Taken | Refused
    lengths: tuple[int, ...] = (5,)
    form: str = "events"
    explain: bool = True


def taken(*events: Event, summary: str = "s") -> Taken:
    """One episode with these events."""
    return Taken([(summary, list(events))])


def event(fields: str = "", **changes: str) -> str:
    """The JSON text of one event, some fields written otherwise; `fields` is put at its end as it is."""
    written = {"agent": '"agent_A"', "start": "0", "stop": "5", "amount": "1.0", "why": '"w"', **changes}
    return "{" + ", ".join(f'"{key}": {value}' for key, value in written.items()) + fields + "}"


def episode(*events: str, number: str = "1", summary: str = '"s"') -> str:
    """The JSON text of one episode."""
    return f'{{"episode": {number}, "summary": {summary}, "events": [{", ".join(events)}]}}'


def answer(*episodes: str) -> str:
    """The JSON text of an answer."""
    return f'{{"episodes": [{", ".join(episodes)}]}}'


def one(fields: str = "", **changes: str) -> str:
    """The JSON text of an answer with one episode of one event."""
    return answer(episode(event(fields, **changes)))


A: Event = ("agent_A", 0, 5, 1.0, "w")
GOOD = one()
NOTHING = Refused("no_answer", 'no JSON object with the key "episodes" in the answer')
HALF = Refused("no_answer", "the JSON ends before it is complete")
