"""Credit after the episode: the critic reads it whole, and the learner's data is corrected (the exact way)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic, check_critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.delivery.intake import Listener
from credit_wrappers.delivery.remote_store import RemoteStore
from credit_wrappers.delivery.source import CreditSource
from credit_wrappers.delivery.store import CreditStore
from credit_wrappers.recording.recorder import EpisodeRecorder, StepColumns
from credit_wrappers.recording.team_reward import TeamRewardDecision
from credit_wrappers.student.inputs import StudentInputs


class Deferred:
    """A credit source whose credits come from a store once an episode is over.

    `step` pays the team reward as a placeholder. A finished episode goes to the store, and its credits are written over
    the placeholder where the learner keeps its data (`credit_wrappers.integrations`, or by hand from
    `store.settle(ids)`).

    Args:
        store: A store, which environments may share, or a critic, for which one is made.
        options: Arguments of `CreditStore`, for a critic.

    Attributes:
        store: The store.

    Raises:
        TypeError: Neither a store nor a critic.
        ValueError: Options for a store that is there already.

    Examples:
        >>> from credit_wrappers import CreditWrapper, Deferred, EqualSplitCritic
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env = CreditWrapper(CorridorEnv(length=2), Deferred(EqualSplitCritic()))
        >>> observations, infos = env.reset(seed=1)
        >>> while env.agents:
        ...     observations, rewards, *_, infos = env.step({agent: 2 for agent in env.agents})
        >>> rewards
        {'walker_0': 1.0, 'walker_1': 1.0}
        >>> [(id, credit.values.tolist()) for id, credit in env.store.settle([0])]
        [(0, [[0.5, 0.5]])]
    """

    distillation = None
    pays = False
    takes_episodes = True
    window = 0

    def __init__(self, store: CreditStore | RemoteStore | Critic, **options: Any) -> None:
        self._team_reward = TeamRewardDecision()  # for a store of another make
        if hasattr(store, "submit") and not isinstance(store, type):
            if options:
                raise ValueError(f"the store is ready made; remove {', '.join(sorted(options))}")
            self.store: Any = store
        else:
            check_critic(store, "Deferred takes a CreditStore or a critic")
            self.store = CreditStore(store, **options)  # type: ignore[arg-type]  # checked

    @property
    def team_reward(self) -> TeamRewardDecision:
        """What the team reward of all environments of the store is, where they do not say it."""
        decision: TeamRewardDecision = getattr(self.store, "team_reward", self._team_reward)
        return decision

    @property
    def critic(self) -> Any:
        """The store's critic; None in a worker process, which has only the store's stand-in."""
        return getattr(self.store, "critic", None)

    @property
    def reads_observations(self) -> bool:
        """Whether episodes must hold observations, as a student in the store needs them."""
        return hasattr(self.critic, "check_env")

    def joins(self, other: CreditSource) -> bool:
        """Return whether both have the same store."""
        return other.store is self.store

    def payer(self, env: ParallelEnv, name: str) -> DeferredPayer:
        """Return a payer for one environment; see `CreditSource`."""
        if self.reads_observations:  # a student, which fits some environments only
            inputs = StudentInputs(env)
            self.critic.check_env(inputs.agents, inputs.sizes, inputs.n_actions, name)
        return DeferredPayer(self.store)


class DeferredPayer:
    """Numbers episodes and hands them to the store."""

    reads = None

    def __init__(self, store: Any) -> None:
        self._store = store

    def open(self, k: int) -> int:
        """Return a fresh episode id."""
        episode_id: int = self._store.open()
        return episode_id

    def start(self, chosen: Sequence[int] | np.ndarray, rows: Any) -> None:
        """Do nothing."""

    def pay(self, step: StepColumns, recorder: EpisodeRecorder) -> None:
        """Return None: the team reward is paid."""

    def credit(self, k: int, paid: np.ndarray) -> Credit:
        """Raise: there is none before the episode is over."""
        raise NotImplementedError

    def finish(self, episode: Episode, listener: Listener | None) -> None:
        """Submit the episode."""
        if listener is None:
            self._store.submit(episode)
        else:
            self._store.submit(episode, scored=listener)

    def joined(self, payers: Sequence[DeferredPayer]) -> DeferredPayer:
        """Return itself: nothing is kept for an environment."""
        return self
