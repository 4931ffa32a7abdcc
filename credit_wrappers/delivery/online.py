"""Credit while the episode runs: a critic that is asked in every step about the last few (the paper's online form)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic, check_credits
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.process_registry import reference, share, shared
from credit_wrappers.recording.recorder import EpisodeRecorder


class Payer(Protocol):
    """Credits the steps of one environment at once.

    Attributes:
        window: Steps whose credit `pay` returns, at most; that of the last one is paid.
        paid: (N,) what each agent was credited in the running episode, up to the last step.
    """

    window: int
    paid: np.ndarray

    def open(self) -> int:
        """Return a fresh episode id."""

    def begin(self, observations: Mapping[str, Any]) -> None:
        """Begin an episode with what is observed after the reset."""

    def pay(
        self, recorder: EpisodeRecorder, observations: Mapping[str, Any], over: bool, ended: tuple[bool, bool]
    ) -> Credit:
        """Return the credit of the last steps.

        Args:
            recorder: Has recorded them.
            observations: What is observed after the last one.
            over: No step follows.
            ended: Whether that is because the world ended, and because time ran out.
        """


class OnlineCredit:
    """Asks a critic about the last steps of one environment. Copies and pickles share the critic, in this process.

    Args:
        critic: Is asked in every step; its errors are the caller's.
        window: Steps it reads, at least 1.

    Attributes:
        paid: See `Payer`.

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
        self._number = share(self)

    def open(self) -> int:
        """Return a fresh episode id."""
        self._episodes += 1
        return self._episodes - 1

    def begin(self, observations: Mapping[str, Any]) -> None:
        """Begin an episode."""
        self.paid = np.zeros(0)

    def pay(
        self, recorder: EpisodeRecorder, observations: Mapping[str, Any], over: bool, ended: tuple[bool, bool]
    ) -> Credit:
        """Return the credit of the last steps.

        Raises:
            CreditError: The critic's credit does not fit the steps, or is not finite.
        """
        steps = recorder.window(self.window, *ended)
        (credit,) = credits = self.critic.score([steps])
        check_credits([steps], credits)
        last = credit.values[-1]
        self.paid = last + self.paid if self.paid.size else last.copy()
        return credit

    def __reduce__(self) -> tuple[Callable[..., OnlineCredit], tuple[Any, ...]]:
        return _copy_of, (reference(self._number), self.paid, self._episodes)


def _copy_of(place: tuple[int, int], paid: np.ndarray, episodes: int) -> OnlineCredit:
    original = shared(*place)
    if original is None:
        raise CreditError(
            "a critic lives in the process that made it: make the environment, with its critic, in each process"
        )
    other = OnlineCredit(original.critic, original.window)
    other.paid, other._episodes = paid.copy(), episodes
    return other
