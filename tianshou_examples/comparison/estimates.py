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


def iqm(values: np.ndarray) -> np.ndarray:
    """Return the interquartile mean over seeds and tasks, as rliable's function for it; further axes stay."""
    ordered = np.sort(values.reshape(-1, *values.shape[2:]), axis=0)
    cut = len(ordered) // 4
    return np.asarray(ordered[cut : len(ordered) - cut].mean(axis=0))


def optimality_gap(values: np.ndarray) -> np.ndarray:
    """Return by how much scores fall short of 1, on average, as rliable's function for it."""
    return np.asarray(1.0 - np.minimum(values, 1.0).mean(axis=(0, 1)))


# rliable's functions, a dozen times as fast: scipy's trimmed mean took most of the time of a report.
AGGREGATES = {"IQM": iqm, "mean": lambda values: np.asarray(values.mean(axis=(0, 1))), "optimality gap": optimality_gap}


def aggregate(scores: Scores, name: str) -> dict[str, Estimate]:
    """Return an estimate of each method, over seeds and tasks; the name is one of `AGGREGATES`.

    Scores (seeds, tasks, evaluations) give an array, one for each evaluation.
    """
    return _estimates(scores, AGGREGATES[name])


def profiles(scores: Scores, thresholds: np.ndarray) -> dict[str, Estimate]:
    """Return the share of cells of each method that score more than each threshold."""
    return _estimates(scores, lambda values: (values[..., None] > thresholds).mean(axis=(0, 1)))


def improvements(scores: Scores) -> dict[tuple[str, str], Estimate]:
    """Return, for each two methods, the probability that the first one scores more, mean over the tasks."""
    pairs = {(x, y): [scores[x], scores[y]] for x, y in combinations(scores, 2)}
    return _estimates(pairs, probability_of_improvement)


def probability_of_improvement(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return what rliable's function of this name does, a hundred times as fast: ties count as half."""
    difference = x[:, None] - y[None]
    return np.asarray(((difference > 0) + 0.5 * (difference == 0)).mean())


def _estimates(scores: Mapping[Any, Any], function: Callable[..., np.ndarray]) -> dict[Any, Estimate]:
    from rliable.library import get_interval_estimates

    found = {}
    for name, values in scores.items():
        arrays = values if isinstance(values, list) else [values]
        value = function(*arrays)
        low, high = None, None
        if min(map(len, arrays)) > 1:
            with _seeded():
                _, intervals = get_interval_estimates({name: values}, lambda *x: np.atleast_1d(function(*x)), reps=REPS)
            low, high = (bound.reshape(value.shape) for bound in intervals[name])
        found[name] = Estimate(value, low, high)
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
