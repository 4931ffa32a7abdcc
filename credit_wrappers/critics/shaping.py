"""What turns a model's numbers into those that agents learn from: normalisation, conservation, blending."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from credit_wrappers.llm.answers.schema import EventAnswer

Normalise = Literal["none", "bound", "full"]
Conserve = Literal["none", "episode", "step"]

_MOST_STRETCH = 10.0  # by which conservation scales credits at most
_NOTHING = 1e-12  # smaller sums, as a part of the bound, are zero: scaling them would overflow


@dataclass(frozen=True)
class Shaping:
    """What is done to the numbers that a model gave; `CriticSettings` explains the fields."""

    bound: float = 10.0
    normalise: Normalise = "none"
    conserve: Conserve = "none"
    blend: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.bound < math.inf:
            raise ValueError(f"bound must be positive, got {self.bound}")
        check_choices(self, normalise=Normalise, conserve=Conserve)
        if not 0.0 <= self.blend <= 1.0:
            raise ValueError(f"blend must be in [0, 1], got {self.blend}")

    def shape(
        self, tables: Sequence[np.ndarray], rewards: Sequence[np.ndarray], present: Sequence[np.ndarray] | None = None
    ) -> list[tuple[np.ndarray, float, np.ndarray]]:
        """Return (values, factor, rest) for each episode of a query: `values = factor * table + rest`.

        A table is (T, N) float64, the sums of the model's events; rewards are (T,) float64, what the team was paid;
        `present` is (T, N) bool, who was there to be paid the rest (None: everybody).
        """
        if present is None:
            present = [np.ones(table.shape, dtype=bool) for table in tables]
        within = self._factor(tables)
        shaped = []
        for table, reward, there in zip(tables, rewards, present, strict=True):
            factor, rest = within, np.zeros((len(reward), 1))
            if self.conserve == "episode":
                stretch, added = conserve_factor(within * table, float(reward.sum()))
                factor *= stretch
                rest += added * there.size / there.sum()
            elif self.conserve == "step":
                missing = reward - factor * table.sum(axis=1)
                rest = missing[:, None] / there.sum(axis=1, keepdims=True)
            factor *= 1.0 - self.blend
            rest = ((1.0 - self.blend) * rest + self.blend * reward[:, None]) * there
            shaped.append((factor * table + rest, factor, rest))
        return shaped

    def _factor(self, tables: Sequence[np.ndarray]) -> float:
        """Return the one factor for a whole query; a factor for each episode would erase their comparison.

        It is 1 unless the paper's rule is asked for, since it makes an episode's credit depend on the query's others.
        """
        if self.normalise == "none":
            return 1.0
        largest = max((float(np.abs(table.sum(axis=0)).max()) for table in tables if table.size), default=0.0)
        fits = largest < _NOTHING * self.bound or (self.normalise == "bound" and largest <= self.bound)
        return 1.0 if fits else self.bound / largest


def check_choices(settings: object, **choices: Any) -> None:
    """Raise ValueError unless each named setting has one of the values of its Literal type."""
    for name, valid in choices.items():
        value = getattr(settings, name)
        if value not in get_args(valid):
            raise ValueError(f"unknown {name} {value!r}; valid: {', '.join(map(repr, get_args(valid)))}")


def event_values(events: Sequence[EventAnswer], names: Sequence[str], length: int) -> np.ndarray:
    """Return (T, N) float64: the amounts of an episode's events, each spread evenly over its steps.

    The episode has T = `length` steps; column k belongs to the agent that the prompt calls `names[k]`.
    """
    column = {name: k for k, name in enumerate(names)}
    n_agents = len(column)
    if not events:
        return np.zeros((length, n_agents))
    starts = np.array([event["start"] for event in events])
    steps = np.array([event["stop"] for event in events]) - starts
    shares = np.array([event["amount"] for event in events], dtype=np.float64) / steps
    agents = np.array([column[event["agent"]] for event in events])
    # One entry for each step of each event, counted from its start.
    first_entry = np.repeat(np.cumsum(steps) - steps, steps)
    times = np.repeat(starts, steps) + np.arange(len(first_entry)) - first_entry
    cells = times * n_agents + np.repeat(agents, steps)
    return np.bincount(cells, np.repeat(shares, steps), length * n_agents).reshape(length, n_agents)


def conserve_factor(values: np.ndarray, team_return: float) -> tuple[float, float]:
    """Return (factor, top-up) so that `factor * values + top-up` sums to the team's return.

    Scaling is right while the credits' total has the sign of the return and is not much smaller. Otherwise it would
    turn praise into blame or magnify small differences, so the difference is spread evenly instead.
    """
    total = float(values.sum())
    if total * team_return >= 0 and abs(team_return) <= _MOST_STRETCH * abs(total):
        return (team_return / total if total else 1.0), 0.0
    return 1.0, (team_return - total) / values.size
