"""How far a student's credits agree with those of its critic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from credit_wrappers.core.optional import require


@dataclass(frozen=True, slots=True)
class AgreementScores:
    """How well the student's numbers agree with the critic's.

    Where the critic gives zero in most steps, the student's noise in them lowers the rank.
    """

    rank: float  # Spearman's rank correlation; equal numbers share their mean rank; 0 where one side is constant
    sign: float  # share of the critic's numbers other than zero whose sign the student has; 0 without any
    error: float  # mean absolute difference, in units of credit
    count: int  # how many numbers were compared

    @classmethod
    def of(cls, critic: np.ndarray, student: np.ndarray) -> AgreementScores:
        """Compare two arrays of one shape, with at least one number each."""
        judged = critic != 0.0
        same = np.sign(critic[judged]) == np.sign(student[judged])
        return cls(
            rank=rank_correlation(critic, student),
            sign=float(same.mean()) if same.size else 0.0,
            error=float(np.abs(np.asarray(critic, np.float64) - student).mean()),
            count=int(critic.size),
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a student with its critic on some episodes."""

    episodes: int  # how many
    steps: AgreementScores  # of each agent's credit in each step
    sums: AgreementScores  # of each agent's credit over each whole episode

    @classmethod
    def of(cls, critic: Sequence[np.ndarray], student: Sequence[np.ndarray]) -> Agreement:
        """Compare the credits, (T, N) for each episode, of at least one episode."""
        return cls(
            len(critic),
            AgreementScores.of(*(np.concatenate([each.ravel() for each in side]) for side in (critic, student))),
            AgreementScores.of(
                *(np.concatenate([each.sum(axis=0, dtype=np.float64) for each in side]) for side in (critic, student))
            ),
        )


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays; 0 where either is constant (scipy's own is NaN there)."""
    ranked = [require("scipy.stats", "student").rankdata(np.ravel(values)) for values in (a, b)]
    first, second = (ranks - ranks.mean() for ranks in ranked)
    size = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / size) if size > 0.0 else 0.0
