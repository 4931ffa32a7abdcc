"""How far a student's credits agree with its teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Match:
    """Two lists of numbers beside each other, the teacher's and the student's.

    Attributes:
        rank: Spearman's rank correlation, equal numbers sharing their mean rank; 0 where all numbers of a list are
            equal, which ranks nothing. A teacher that pays nothing in most steps has many equal numbers: the
            student's noise between them lowers it.
        sign: Share of the numbers with the teacher's sign, of those where the teacher's is not zero; 0 without any.
        error: Mean absolute difference, in units of credit.
        count: How many numbers.
    """

    rank: float
    sign: float
    error: float
    count: int

    @classmethod
    def of(cls, teacher: np.ndarray, student: np.ndarray) -> Match:
        """Compare two arrays of one shape, with at least one number."""
        judged = teacher != 0.0
        same = np.sign(teacher[judged]) == np.sign(student[judged])
        return cls(
            rank=rank_correlation(teacher, student),
            sign=float(same.mean()) if same.size else 0.0,
            error=float(np.abs(np.asarray(teacher, np.float64) - student).mean()),
            count=int(teacher.size),
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement with the teacher on episodes.

    Attributes:
        episodes: How many.
        steps: Credits of each agent in each step.
        sums: Sums over each episode, one for each agent: what the whole of it did was worth.
    """

    episodes: int
    steps: Match
    sums: Match

    @classmethod
    def of(cls, teacher: Sequence[np.ndarray], student: Sequence[np.ndarray]) -> Agreement:
        """Compare the credits, (T, N) each, of at least one episode."""
        return cls(
            episodes=len(teacher),
            steps=Match.of(_joined(teacher), _joined(student)),
            sums=Match.of(
                _joined([values.sum(axis=0, dtype=np.float64) for values in teacher]),
                _joined([values.sum(axis=0, dtype=np.float64) for values in student]),
            ),
        )


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays; 0 where either is constant."""
    first, second = (ranks - ranks.mean() for ranks in (_ranks(a), _ranks(b)))
    size = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / size) if size > 0.0 else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1, equal numbers sharing their mean rank."""
    _, which, counts = np.unique(np.ravel(values), return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return (last - (counts - 1) / 2)[which]


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([array.ravel() for array in arrays])
