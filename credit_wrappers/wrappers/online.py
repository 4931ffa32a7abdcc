"""Credit while the episode runs: a critic that is asked in every step about the last few (the paper's online form)."""

from __future__ import annotations

import itertools

import numpy as np

from ..credit import Credit
from ..episode import Episode
from ..protocols import Critic
from ..store import check_credits


class OnlineCredit:
    """Asks a critic about the last steps of one environment.

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
        self._numbers = itertools.count()

    def open(self) -> int:
        """Begin an episode; return its number."""
        self.paid = np.zeros(0)
        return next(self._numbers)

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
