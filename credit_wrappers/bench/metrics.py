"""The figures of a benchmark: pure functions of arrays. T steps, N agents; credit and truth are (T, N).

All but `conservation_error` stay as they are when a critic's credits are multiplied by a positive number, because
critics choose their own units. What cannot be said (no truth, nothing to compare, all credits alike) is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

NAN = float("nan")
NEAR = 1  # steps that a blamed step may lie outside of the fault


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each number, from 0; equal numbers share the mean of their ranks. Shape (K,) float64."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: np.ndarray = ends - (counts + 1) / 2
    return mean[place]


def rank_correlation(credit: np.ndarray, truth: np.ndarray) -> float:
    """Return Spearman's rank correlation, in [-1, 1]; NaN where either is all alike or there are less than two."""
    if credit.size < 2:
        return NAN
    x, y = (ranks(values.ravel()) for values in (credit, truth))
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / size) if size > 0 else NAN


def sign_agreement(credit: np.ndarray, truth: np.ndarray, least: float = 1e-9) -> float:
    """Return the share of entries with the truth's sign, among those where the truth is not zero.

    A credit of zero there is wrong. `least` is the size from which the truth counts as not zero.
    """
    counts = np.abs(truth) > least
    return float((np.sign(credit[counts]) == np.sign(truth[counts])).mean()) if counts.any() else NAN


def lowest_share(values: np.ndarray, wanted: np.ndarray) -> float:
    """Return the share of the lowest values that are wanted: the chance to be right when ties are drawn by lot."""
    lowest = values == values.min()
    return float(wanted[lowest].mean())


def right_agent(credit: np.ndarray, agent: int, start: int, stop: int) -> float:
    """Return 1 if the culprit has the lowest sum of credits in the steps of the fault, else 0; ties by lot."""
    sums = credit[start:stop].sum(axis=0, dtype=np.float64).round(9)
    return lowest_share(sums, np.arange(len(sums)) == agent)


def right_step(credit: np.ndarray, agent: int, start: int, stop: int) -> float:
    """Return 1 if the culprit's lowest credit of the episode lies in the fault, or one step beside it; ties by lot."""
    steps = np.arange(len(credit))
    return lowest_share(credit[:, agent].round(9), (steps >= start - NEAR) & (steps < stop + NEAR))


def right_both(credit: np.ndarray, agent: int, start: int, stop: int) -> float:
    """Return 1 if the lowest credit of the whole episode is the culprit's, in the fault or one step beside it."""
    steps, agents = np.indices(credit.shape)
    near = (steps >= start - NEAR) & (steps < stop + NEAR) & (agents == agent)
    return lowest_share(credit.round(9).ravel(), near.ravel())


def mean_size(credits: Sequence[np.ndarray]) -> float:
    """Return the mean absolute credit of an agent in a step; NaN without any."""
    count = sum(credit.size for credit in credits)
    return float(sum(np.abs(credit).sum(dtype=np.float64) for credit in credits)) / count if count else NAN


def paid_where(credits: Sequence[np.ndarray], marks: Sequence[np.ndarray]) -> float:
    """Return the mean credit of marked entries, as a share of the mean absolute credit of all entries.

    Args:
        credits: (T, N) of each episode.
        marks: (T, N) bool of each episode: who did nothing, or went round in a circle.
    """
    count, size = sum(int(mark.sum()) for mark in marks), mean_size(credits)
    if not count or not size > 0:
        return NAN
    paid = sum(float(credit[mark].sum(dtype=np.float64)) for credit, mark in zip(credits, marks, strict=True))
    return paid / count / size


def loop_marks(states: Sequence[object]) -> np.ndarray:
    """Return (T,) bool: the steps of closed loops, the shortest from each state first, none twice.

    Args:
        states: T+1 hashable values. A loop leaves a state and returns to it after two steps or more; a step that
            changes nothing is none.
    """
    marks = np.zeros(max(len(states) - 1, 0), np.bool_)
    begin, t = 0, 1
    while t < len(states):
        if states[t] == states[t - 1]:
            t += 1
            continue
        back = next((s for s in range(t - 2, begin - 1, -1) if states[s] == states[t]), None)
        if back is not None:
            marks[back:t] = True
            begin = t
        t += 1
    return marks


def scale_drift(credits: Sequence[np.ndarray], truths: Sequence[np.ndarray], queries: Sequence[int]) -> float:
    """Return how much the size of credit for the same thing varies between queries.

    For each query, the slope of the least-squares line through 0 of credit on truth says what a unit of truth is worth.
    The drift is the standard deviation of these slopes, divided by the size of their mean: 0 for a steady critic. It
    also has a part that is due to the episodes, where credit is not proportional to the truth. NaN with less than
    two queries that hold any truth.
    """
    slopes = []
    for query in dict.fromkeys(queries):
        mine = [k for k, q in enumerate(queries) if q == query]
        x = np.concatenate([truths[k].ravel() for k in mine])
        y = np.concatenate([credits[k].ravel() for k in mine]).astype(np.float64)
        if x @ x > 0:
            slopes.append(float(x @ y / (x @ x)))
    mean = abs(float(np.mean(slopes))) if len(slopes) > 1 else 0.0
    return float(np.std(slopes, ddof=1)) / mean if mean > 0 else NAN


def conservation_error(credits: Sequence[np.ndarray], returns: Sequence[float]) -> float:
    """Return the mean over episodes of |sum of all credits - return|, in units of the reward."""
    gaps = [abs(float(c.sum(dtype=np.float64)) - paid) for c, paid in zip(credits, returns, strict=True)]
    return float(np.mean(gaps)) if gaps else NAN


def bootstrap(
    measure: Callable[[Sequence[int]], float], count: int, *, draws: int = 200, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % interval of a figure, by drawing episodes with replacement.

    Args:
        measure: Returns the figure for some of the episodes, given by their numbers.
        count: Number of episodes.
        draws: How often they are drawn; 0: there is no interval.
        seed: Of the draws.

    Returns:
        (low, high), the percentiles 2.5 and 97.5 of the figures that are not NaN; None where fewer than half are, or
        with less than two episodes.
    """
    if count < 2 or draws < 1:
        return None
    random = np.random.default_rng(seed)
    found = np.array([measure(random.integers(0, count, count).tolist()) for _ in range(draws)])
    found = found[~np.isnan(found)]
    if len(found) < draws / 2:
        return None
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
