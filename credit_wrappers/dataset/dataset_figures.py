"""What can be counted of a data set: returns, lengths, unique state-actions, sources, agreement with exact credit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any

import numpy as np

from credit_wrappers.bench.evaluation import JudgedSuite
from credit_wrappers.bench.truth import SuiteTruth
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.core.whole_characters import whole_characters

_BINS = 20  # of the histogram of returns
_MOST_SEEN = 200_000  # state-actions that are remembered; of more, a share is, by their hashes
_MOST_VALUED = 5_000  # episodes whose credit is compared with exact credit
_AGREEMENT = ("rank", "sign", "sums", "shares", "scale")  # beginnings of the bench's figures that need only the truth
_SPREAD = {"mean", "std", "min", "max"}
_KINDS: dict[str, Any] = {  # of the figures that are shown; a file may hold them otherwise
    **dict.fromkeys(("episodes", "transitions", "events"), int),
    **dict.fromkeys(("ends", "sources", "models", "agreement"), Mapping),
    **dict.fromkeys(("returns", "lengths"), Mapping | None),
    "agents": list, "env_id": str, "unique_state_actions": int | float | None,
}  # fmt: skip
_LATER: dict[str, Any] = {"reasons": int, "asked": int, "spaces": Mapping}  # older data sets have none


class DatasetTotals:
    """Counts labels as they pass, so that a data set of any length can be written in one go."""

    def __init__(self) -> None:
        self.agents: tuple[str, ...] = ()
        self.env_id = ""
        self._returns: list[float] = []
        self._lengths: list[int] = []
        self._valued: list[int] = []  # the queries of the episodes with exact credit
        self._sources: Counter[str] = Counter()
        self._models: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._seen: set[int] = set()
        self._every = 1  # only hashes that this number divides are remembered
        self._observed = self._events = self._reasons = self._asked = 0
        self._tokens = 0
        self._credits: list[np.ndarray] = []
        self._exact: dict[str, list[np.ndarray]] = {}

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self._returns)

    @property
    def steps(self) -> int:
        """Number of transitions of the whole team."""
        return sum(self._lengths)

    def add(self, label: LabelledEpisode) -> None:
        """Count one label."""
        episode, credit = label.episode, label.credit
        self.agents, self.env_id = episode.agents, episode.env_id
        self._returns.append(float(episode.team_reward.sum()))
        self._lengths.append(episode.length)
        self._sources[credit.source] += 1
        self._models[whole_characters(label.model)] += bool(label.model)
        self._ends[episode.ended] += 1
        self._events += len(credit.events)
        self._reasons += sum(bool(event.why) for event in credit.events)
        self._asked += bool(label.question and label.answer)
        self._tokens += credit.usage.tokens
        if episode.observations is not None and episode.observations.dtype != object:
            self._observed += episode.length
            states, actions = np.ascontiguousarray(episode.observations), np.ascontiguousarray(episode.actions)
            self._remember(hash(states[t].tobytes() + actions[t].tobytes()) for t in range(episode.length))
        if label.exact and len(self._credits) < _MOST_VALUED:
            self._credits.append(credit.values.astype(np.float64))
            self._valued.append(label.query)
            for name, values in label.exact.items():
                self._exact.setdefault(name, []).append(values)

    def _remember(self, hashes: Iterable[int]) -> None:
        self._seen.update(number for number in hashes if number % self._every == 0)
        while len(self._seen) > _MOST_SEEN:
            self._every *= 2
            self._seen = {number for number in self._seen if number % self._every == 0}

    def figures(self) -> dict[str, Any]:
        """Return the figures as values that JSON has; None where one is not known."""
        counts, edges = _histogram(self._returns)
        return {
            "episodes": self.episodes,
            "transitions": self.steps,
            "agents": list(self.agents),
            "env_id": self.env_id,
            "returns": _spread(self._returns),
            "lengths": _spread(self._lengths),
            "ends": dict(self._ends),
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
            "unique_state_actions": self._unique(),
            "sources": dict(self._sources),
            "models": {name: count for name, count in self._models.items() if name},
            "events": self._events,
            "reasons": self._reasons,
            "asked": self._asked,
            "tokens": self._tokens,
            "agreement": self._agreement(),
        }

    def _unique(self) -> float | None:
        """Return the share of state-actions that are unlike all before; of a large set an estimate."""
        return min(1.0, len(self._seen) * self._every / self._observed) if self._observed else None

    def _agreement(self) -> dict[str, float | None]:
        """Return the benchmark's figures of the credit against exact credit, over the first 5,000 episodes with any."""
        complete = {name: arrays for name, arrays in self._exact.items() if len(arrays) == len(self._credits)}
        named = {tuple(name.split(" ", 1)): arrays for name, arrays in complete.items() if " " in name}
        if not named or not self._credits:
            return {}
        nothing = [np.zeros(credit.shape, bool) for credit in self._credits]
        truth = SuiteTruth(named, dict.fromkeys(named, 0.0), {}, nothing, nothing)  # type: ignore[arg-type]
        count = len(self._credits)
        judged = JudgedSuite(list(range(count)), self._credits, [0.0] * count, self._valued, [None] * count, truth)
        figures = {name: figure.value for name, figure in judged.figures(draws=0).items()}
        return {n: None if isnan(x) else x for n, x in figures.items() if n.partition(" ")[0] in _AGREEMENT}


def check_figures(figures: object) -> dict[str, Any]:
    """Return the figures that a file holds; raise ValueError, which says what is wrong, unless they can be shown."""
    if not isinstance(figures, Mapping):
        raise ValueError("it has no figures")
    for name, kind in (_KINDS | _LATER).items():
        if name not in figures and name in _LATER:
            continue
        if name not in figures:
            raise ValueError(f"its figures have no {name!r}")
        value = figures[name]
        wrong = not isinstance(value, kind) or isinstance(value, bool) or (kind is int and value < 0)
        if wrong or not _parts_fit(name, value):
            raise ValueError(f"{name!r} of its figures is {value!r}")
    return dict(figures)


def _parts_fit(name: str, value: Any) -> bool:
    """Return whether what is in a figure can be shown."""
    if name == "agents":
        return all(isinstance(agent, str) for agent in value)
    if not isinstance(value, Mapping) or name == "spaces":
        return True
    kind = int | float | None if name == "agreement" else int | float
    return all(isinstance(part, kind) for part in value.values()) and (
        name not in ("returns", "lengths") or value.keys() >= _SPREAD
    )


def _histogram(values: list[float]) -> tuple[np.ndarray, np.ndarray]:
    if not values:
        return np.zeros(0), np.zeros(0)
    low, high = min(values), max(values)
    if high - low < 1e-6 * max(1.0, abs(low), abs(high)):  # all alike, but for rounding
        low, high = low - 0.5, high + 0.5
    return np.histogram(values, _BINS, (low, high))


def _spread(values: list[float] | list[int]) -> dict[str, float] | None:
    if not values:
        return None
    array = np.asarray(values, np.float64)
    return {"mean": float(array.mean()), "std": float(array.std())} | {
        "min": float(array.min()),
        "max": float(array.max()),
    }
