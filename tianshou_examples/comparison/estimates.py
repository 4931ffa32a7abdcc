"""Estimates over seeds and tasks with stratified bootstrap intervals, by rliable (Agarwal et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

REPS = 2000  # bootstrap samples
Scores = Mapping[str, np.ndarray]  # (seeds, tasks, ...) by the method


@dataclass(frozen=True)
class Estimate:
    """A value, or an array of values, with its 95 % interval; without one where there is a single seed."""

    value: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None

    def __str__(self) -> str:
        """Return a single value with its interval, as it is written in tables."""
        value = f"{float(self.value):.3f}"
        if self.low is None or self.high is None:
            return value
        return f"{value} [{float(self.low):.3f}, {float(self.high):.3f}]"


def check_rliable() -> None:
    """Import what estimates need.

    Raises:
        ImportError: It is not installed; the message says how to get it.
    """
    try:
        import rliable.library  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ImportError('studies need rliable: pip install "llm-credit-wrappers[study]"') from error


def aggregates() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return rliable's estimates over seeds and tasks, by their names in tables and figures."""
    from rliable import metrics

    return {
        "IQM": metrics.aggregate_iqm,
        "mean": metrics.aggregate_mean,
        "optimality gap": metrics.aggregate_optimality_gap,
    }


def aggregate(scores: Scores, name: str) -> dict[str, Estimate]:
    """Return an estimate of each method; the name is one of `aggregates`."""
    function = aggregates()[name]
    return _estimates(scores, lambda values: np.array([function(values)]), single=True)


def iqm_curves(scores: Scores) -> dict[str, Estimate]:
    """Return the IQM of each method at each evaluation, for scores (seeds, tasks, evaluations)."""
    iqm = aggregates()["IQM"]
    return _estimates(scores, lambda values: np.array([iqm(values[..., k]) for k in range(values.shape[-1])]))


def profiles(scores: Scores, thresholds: np.ndarray) -> dict[str, Estimate]:
    """Return the share of cells of each method that score more than each threshold."""
    return _estimates(scores, lambda values: (values[..., None] > thresholds).mean(axis=(0, 1)))


def improvements(scores: Scores) -> dict[tuple[str, str], Estimate]:
    """Return, for each two methods, the probability that the first one scores more, mean over the tasks."""
    pairs = {(x, y): [scores[x], scores[y]] for x, y in combinations(scores, 2)}
    return _estimates(pairs, lambda x, y: np.array([probability_of_improvement(x, y)]), single=True)


def probability_of_improvement(x: np.ndarray, y: np.ndarray) -> float:
    """Return what rliable's function of this name does, a hundred times as fast: ties count as half."""
    difference = x[:, None] - y[None]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def _estimates(scores: Mapping[Any, Any], function: Callable[..., np.ndarray], single: bool = False) -> dict[Any, Estimate]:
    from rliable.library import get_interval_estimates

    found = {}
    for name, values in scores.items():
        arrays = values if isinstance(values, list) else [values]
        if min(map(len, arrays)) < 2:
            value, low, high = function(*arrays), None, None
        else:
            with _seeded():
                points, intervals = get_interval_estimates({name: values}, function, reps=REPS)
            value, (low, high) = points[name], intervals[name]
        found[name] = Estimate(*((None if x is None else x[0]) if single else x for x in (value, low, high)))
    return found


@contextmanager
def _seeded() -> Iterator[None]:
    """Give numpy's global generator, from which rliable draws, the same state each time, and its own one back."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)
