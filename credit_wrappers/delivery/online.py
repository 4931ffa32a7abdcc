"""Credit in every step from a critic that reads the last few steps (the paper's online form)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic, check_credits, check_critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.process_registry import reference, share, shared
from credit_wrappers.delivery.intake import Listener
from credit_wrappers.delivery.source import CreditSource
from credit_wrappers.recording.recorder import EpisodeRecorder, StepColumns
from credit_wrappers.recording.team_reward import TeamRewardDecision


class Online:
    """A credit source that asks a critic in every step about the last ones, and pays the credit of the last.

    Any learner can use it, but a model is asked once a step, and `step` waits for the answer: it is slow and expensive,
    for small studies. Copies and pickles of an environment share the critic, in the process that made it.

    Args:
        critic: Is asked in every step; `step` raises what it raises.
        window: Steps that it reads, at least 1. More of them show it more of what led to the last.

    Raises:
        TypeError: Not a critic, or a student.
        ValueError: The window is empty.

    Examples:
        >>> from credit_wrappers import CreditWrapper, EqualSplitCritic, Online
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env = CreditWrapper(CorridorEnv(length=2), Online(EqualSplitCritic()))
        >>> observations, infos = env.reset(seed=1)
        >>> env.step({agent: 2 for agent in env.agents})[1]
        {'walker_0': 0.5, 'walker_1': 0.5}
    """

    store = None
    distillation = None
    pays = True
    takes_episodes = False
    reads_observations = False

    def __init__(self, critic: Critic, window: int = 8) -> None:
        check_critic(critic, "Online takes a critic")
        if hasattr(critic, "check_env"):
            raise TypeError("Online asks a critic about moments, which a student does not read: use Student(student)")
        if window < 1:
            raise ValueError(f"window must be at least 1 step, got {window}")
        self.critic = critic
        self.window = window
        self.team_reward = TeamRewardDecision()
        self._number = share(self)

    def joins(self, other: CreditSource) -> bool:
        """Return False: the critic is asked about one environment at a time."""
        return False

    def payer(self, env: ParallelEnv, name: str) -> OnlinePayer:
        """Return a payer for one environment; see `CreditSource`."""
        return OnlinePayer(self)

    def __reduce__(self) -> tuple[Callable[[int, int], Online], tuple[int, int]]:
        return _source_of, reference(self._number)


class OnlinePayer:
    """Asks the critic, one environment after another."""

    reads = None

    def __init__(self, source: Online) -> None:
        self._source = source
        self._episodes: Counter[int] = Counter()  # begun in each environment
        self._credits: dict[int, Credit] = {}  # newest of each environment

    def open(self, k: int) -> int:
        """Return a fresh episode id for environment `k`."""
        self._episodes[k] += 1
        return self._episodes[k] - 1

    def start(self, chosen: Sequence[int] | np.ndarray, rows: Any) -> None:
        """Do nothing."""

    def pay(self, step: StepColumns, recorder: EpisodeRecorder) -> np.ndarray:
        """Return the credit of one step; see `Payer`.

        Raises:
            CreditError: The critic's credit does not fit the steps, or is not finite.
        """
        for k, terminated, truncated in zip(step.chosen, step.terminated, step.truncated, strict=True):
            steps = recorder.window(k, self._source.window, terminated, truncated)
            credits = self._source.critic.score([steps])
            check_credits([steps], credits)
            self._credits[k] = credits[0]
        return np.array([self._credits[k].values[-1] for k in step.chosen], np.float64)

    def credit(self, k: int, paid: np.ndarray) -> Credit:
        """Return what the critic answered last."""
        return self._credits[k]

    def finish(self, episode: Episode, listener: Listener | None) -> None:
        """Do nothing."""

    def joined(self, payers: Sequence[OnlinePayer]) -> OnlinePayer:
        """Raise: see `Online.joins`."""
        raise NotImplementedError


def _source_of(process: int, number: int) -> Online:
    source = shared(process, number)
    if source is None:
        raise CreditError(
            "a critic lives in the process that made it: make the environment, with its critic, in each process"
        )
    return source
