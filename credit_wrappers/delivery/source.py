"""The seam between a crediting session and where its credit comes from.

A *credit source* is what a user hands to `CreditWrapper(env, source)`; several environments may share one. For each
crediting session the source makes a *payer*, which keeps the state of each environment in the session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.delivery.intake import Listener
from credit_wrappers.recording.recorder import EpisodeRecorder, StepColumns
from credit_wrappers.recording.team_reward import TeamRewardDecision


class Payer(Protocol):
    """Numbers the episodes, and credits the steps, of the E environments of one session."""

    @property
    def reads(self) -> Callable[[Mapping[str, Any]], np.ndarray] | None:
        """How observations of all agents become the rows, (N, F), that the payer needs; None: it needs none."""

    def open(self, k: int) -> int:
        """Return a fresh episode id for environment `k`."""
        ...

    def start(self, chosen: Sequence[int] | np.ndarray, rows: Any) -> None:
        """Begin episodes of the environments `chosen`, (e,), with the first rows, (e, N, F)."""
        ...

    def pay(self, step: StepColumns, recorder: EpisodeRecorder) -> np.ndarray | None:
        """Return the credit of one step, which is recorded, (e, N) float64; None: the team reward is paid."""
        ...

    def credit(self, k: int, paid: np.ndarray) -> Credit:
        """Return the credit of the last steps of environment `k`; the last one was paid `paid`, (N,)."""
        ...

    def finish(self, episode: Episode, listener: Listener | None) -> None:
        """Take a finished episode; `listener` is to be told its credit, where that comes only now."""
        ...

    def joined(self, payers: Sequence[Any]) -> Payer:
        """Return one payer for the environments of several payers, each of one environment, of sources that join."""
        ...


class CreditSource(Protocol):
    """Where credit comes from, and when."""

    @property
    def team_reward(self) -> TeamRewardDecision:
        """What the team reward of all its environments is, where they do not say it."""
        ...

    @property
    def critic(self) -> Any:
        """What judges; None where it is not known."""

    @property
    def store(self) -> Any:
        """Where deferred credits are collected; None: `step` pays credit."""

    @property
    def distillation(self) -> Any:
        """What fits students while teams train; None: nothing does."""

    @property
    def pays(self) -> bool:
        """Whether `step` pays the agents' credit; else it pays the team reward, and credit comes later."""
        ...

    @property
    def takes_episodes(self) -> bool:
        """Whether finished episodes go to the source."""
        ...

    @property
    def reads_observations(self) -> bool:
        """Whether episodes must hold observations."""
        ...

    @property
    def window(self) -> int:
        """Of how many last steps, at most, `Payer.credit` tells the credit."""
        ...

    def joins(self, other: CreditSource) -> bool:
        """Return whether environments of both sources can be credited in one call; False is always safe."""
        ...

    def payer(self, env: ParallelEnv, name: str) -> Payer:
        """Return a payer for one environment, which is called `name`.

        Raises:
            CreditError, TypeError, ValueError: The source cannot credit this environment; the message says why.
        """
        ...
