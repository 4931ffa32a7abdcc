"""Credit while the episode runs: a critic that is asked in every step about the last few (the paper's online form)."""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..credit import Credit
from ..episode import Episode
from ..errors import CreditError
from ..protocols import Critic
from ..store import check_credits

_SHARED: weakref.WeakValueDictionary[int, OnlineCredit] = weakref.WeakValueDictionary()  # of this process
_NUMBERS = itertools.count()


class OnlineCredit:
    """Asks a critic about the last steps of one environment. Copies and pickles share the critic, in this process.

    Args:
        critic: Is asked in every step; its errors are the caller's.
        window: Steps it reads, at least 1.

    Attributes:
        paid: (N,) what each agent was credited in the running episode, up to the last step.

    Raises:
        ValueError: The window is empty.
    """

    def __init__(self, critic: Critic, window: int) -> None:
        if window < 1:
            raise ValueError(f"window must be at least 1 step, got {window}")
        self.critic = critic
        self.window = window
        self.paid = np.zeros(0)
        self._episodes = 0
        self._number = next(_NUMBERS)
        _SHARED[self._number] = self

    def open(self) -> int:
        """Begin an episode; return its number."""
        self.paid = np.zeros(0)
        self._episodes += 1
        return self._episodes - 1

    def score(self, steps: Episode) -> Credit:
        """Return the credit of the last steps; the row of the last one is paid.

        Raises:
            CreditError: The critic's credit does not fit the steps, or is not finite.
        """
        (credit,) = credits = self.critic.score([steps])
        check_credits([steps], credits)
        last = credit.values[-1]
        self.paid = last + self.paid if self.paid.size else last.copy()
        return credit

    def __reduce__(self) -> tuple[Callable[..., OnlineCredit], tuple[Any, ...]]:
        return _copy_of, (os.getpid(), self._number, self.paid, self._episodes)


def _copy_of(process: int, number: int, paid: np.ndarray, episodes: int) -> OnlineCredit:
    original = _SHARED.get(number) if process == os.getpid() else None
    if original is None:
        raise CreditError(
            "a critic lives in the process that made it: make the environment, with its critic, in each process"
        )
    other = OnlineCredit(original.critic, original.window)
    other.paid, other._episodes = paid.copy(), episodes
    return other
