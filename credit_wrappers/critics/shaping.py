"""From a model's events to the numbers agents learn from: normalisation, conservation, blending."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..answers import EpisodeAnswer, EventAnswer
from ..credit import Credit, CreditEvent, Source, Usage
from ..episode import Episode

Conserve = Literal["none", "episode"]

# Conservation by scaling stretches credits at most this much.
_MOST_STRETCH = 10.0

_NAME = re.compile(r"\bagent_[A-Z]+\b")


@dataclass(frozen=True)
class Shaping:
    """What is done to the numbers a model gave.

    Attributes:
        bound: Largest size of an agent's summed credits in one episode.
        conserve: "episode": every episode's credits sum to the team's return.
        blend: In [0, 1]: part of the team reward in what is paid.
    """

    bound: float = 10.0
    conserve: Conserve = "none"
    blend: float = 0.0

    def __post_init__(self) -> None:
        if not self.bound > 0.0:
            raise ValueError(f"bound must be positive, got {self.bound}")
        if self.conserve not in ("none", "episode"):
            raise ValueError(f"unknown conserve {self.conserve!r}; valid: 'none', 'episode'")
        if not 0.0 <= self.blend <= 1.0:
            raise ValueError(f"blend must be in [0, 1], got {self.blend}")

    def credits(
        self,
        episodes: Sequence[Episode],
        answers: Sequence[EpisodeAnswer],
        orders: Sequence[Sequence[int]],
        names: Sequence[str],
        *,
        source: Source,
        usage: Usage,
    ) -> list[Credit]:
        """Return the credits of one query, in the agents' own order and with their own names.

        `values` is the sum of the events, plus the even top-up of conservation and the blended team reward.

        Args:
            episodes: What was judged.
            answers: The judgements, in the same order.
            orders: For each episode the agent indices in prompt order.
            names: `names[k]` is what the k-th agent in that order was called.
            source: Where the judgements come from.
            usage: What they cost; booked on the first episode.
        """
        columns = [dict(zip(names, order, strict=True)) for order in orders]
        tables = [
            event_values(answer["events"], column, episode.length)
            for answer, column, episode in zip(answers, columns, episodes, strict=True)
        ]
        within = bound_factor(tables, self.bound)
        credits: list[Credit] = []
        for episode, answer, column, table in zip(episodes, answers, columns, tables, strict=True):
            factor, added = within, 0.0
            if self.conserve == "episode":
                stretch, added = conserve_factor(within * table, float(episode.team_reward.sum()))
                factor *= stretch
            factor *= 1.0 - self.blend
            added *= 1.0 - self.blend
            values = factor * table + (added + self.blend * episode.team_reward[:, None])
            own = {name: episode.agents[i] for name, i in column.items()}
            events = tuple(
                CreditEvent(
                    own[event["agent"]],
                    event["start"],
                    event["stop"],
                    factor * event["amount"],
                    _with_names(event["why"], own),
                )
                for event in answer["events"]
            )
            credits.append(
                Credit(
                    values.astype(np.float32),
                    events,
                    summary=_with_names(answer["summary"], own),
                    source=source,
                    usage=Usage() if credits else usage,
                )
            )
        return credits


def event_values(events: Sequence[EventAnswer], column: Mapping[str, int], length: int) -> np.ndarray:
    """Return (T, N) float64: each event's amount spread evenly over its steps, in its agent's column.

    Args:
        events: The events of one episode.
        column: Agent index of each name in the prompt.
        length: Number of steps, T.
    """
    n_agents = len(column)
    if not events:
        return np.zeros((length, n_agents))
    starts = np.array([event["start"] for event in events])
    steps = np.array([event["stop"] for event in events]) - starts
    shares = np.array([event["amount"] for event in events], dtype=np.float64) / steps
    agents = np.array([column[event["agent"]] for event in events])
    # One entry for each step of each event: counting up from its start.
    first_entry = np.repeat(np.cumsum(steps) - steps, steps)
    times = np.repeat(starts, steps) + np.arange(len(first_entry)) - first_entry
    cells = times * n_agents + np.repeat(agents, steps)
    return np.bincount(cells, np.repeat(shares, steps), length * n_agents).reshape(length, n_agents)


def bound_factor(tables: Sequence[np.ndarray], bound: float) -> float:
    """Return the one factor for a whole query that brings every agent's sum of credits within the bound.

    One factor, not one for each episode, which would erase the comparison between the episodes.
    """
    largest = max((float(np.abs(table.sum(axis=0)).max()) for table in tables if table.size), default=0.0)
    return 1.0 if largest <= bound else bound / largest


def conserve_factor(values: np.ndarray, team_return: float) -> tuple[float, float]:
    """Return (factor, top-up) so that `factor * values + top-up` sums to the team's return.

    Scaling is right while the credits' total has the sign of the return and is not much smaller. Otherwise it
    would turn praise into blame or blow small differences up, and the difference is spread evenly instead.
    """
    total = float(values.sum())
    if total * team_return >= 0 and abs(team_return) <= _MOST_STRETCH * abs(total):
        return (team_return / total if total else 1.0), 0.0
    return 1.0, (team_return - total) / values.size


def _with_names(text: str, own: Mapping[str, str]) -> str:
    """Return an explanation with the agents' own names instead of those of the prompt."""
    if "agent_" not in text:
        return text
    return _NAME.sub(lambda found: own.get(found[0], found[0]), text)
