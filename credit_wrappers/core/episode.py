"""An episode: what a team did from reset to the end, which critics judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from credit_wrappers.core.content_digest import content_digest
from credit_wrappers.core.narrator import Narrator


@dataclass(frozen=True, eq=False)
class Episode:
    """One finished episode of N agents and T steps.

    Attributes:
        id: Unique within a `CreditStore`, which gives it (`store.open()`).
        agents: The N agents in `possible_agents` order.
        actions: (T, N) int64 when all actions are whole numbers from 0; -1 where an agent had left. Else (T, N, A)
            float64; NaN where an agent had left or its vectors are shorter than A.
        team_reward: (T,) float64; `team_reward[t]` was paid for the joint action of step t.
        cost: (T, N) float64; `infos[agent]["cost"]` of each step, 0 where there is none.
        terminated: Whether the world ended it.
        truncated: Whether time ran out. If neither, the episode goes on, and these are its last steps so far.
        moments: T+1 values that the narrator captured, at reset and after every step; () without a narrator.
        narrator: Turns the moments into text.
        observations: (T+1, N, ...), recorded only on request.
        env_id: Name of the environment.
        seed: Seed of its reset, if one was given.
        start: Step of the whole episode at which these steps begin.
        snapshots: T+1 values of `env.unwrapped.get_state()`, at reset and after every step, from which
            `env.unwrapped.set_state` goes on; (), unless they were asked for. No part of the key.
    """

    id: int
    agents: tuple[str, ...]
    actions: np.ndarray
    team_reward: np.ndarray
    cost: np.ndarray
    terminated: bool
    truncated: bool
    moments: tuple[object, ...] = ()
    narrator: Narrator | None = None
    observations: np.ndarray | None = None
    env_id: str = ""
    seed: int | None = None
    start: int = 0
    snapshots: tuple[object, ...] = ()

    @property
    def length(self) -> int:
        """Number of steps, T."""
        return len(self.team_reward)

    @property
    def n_agents(self) -> int:
        """Number of agents, N."""
        return len(self.agents)

    @cached_property
    def present(self) -> np.ndarray:
        """(T, N) bool, who acted in each step; everybody in a step in which nobody did."""
        acted = self.actions != -1 if self.actions.ndim == 2 else ~np.isnan(self.actions).all(axis=2)
        return acted | ~acted.any(axis=1, keepdims=True)

    @property
    def ended(self) -> str:
        """How it ended: "terminated", "truncated" or "not yet"."""
        return "terminated" if self.terminated else "truncated" if self.truncated else "not yet"

    @cached_property
    def frames(self) -> tuple[str, ...]:
        """The T+1 narrated frames, in the environment's order and with its names; () without a narrator."""
        if self.narrator is None:
            return ()
        return tuple(self.narrator.frames(self.moments, range(self.n_agents), self.agents))

    @cached_property
    def key(self) -> str:
        """Name in a ledger: environment, seed, digest of all that was recorded but the id and the snapshots.

        It is the same when a run is repeated, in every process, for one environment and for many that step together.
        """
        flags = self.terminated, self.truncated
        done = self.agents, self.actions, self.team_reward, self.cost, flags, self.observations
        try:
            digest = content_digest(*done, self.moments)
        except TypeError:  # moments that only their narrator can read
            digest = content_digest(*done, self.frames)
        seed = "-" if self.seed is None else self.seed
        part = f"/{self.start}" if self.start else ""
        return f"{self.env_id}/{seed}/{digest.hex()}{part}"

    def without_narration(self) -> Episode:
        """Return the episode without what only a critic reads: moments, narrator, snapshots. Its key stays."""
        bare = replace(self, moments=(), narrator=None, snapshots=())
        bare.__dict__["key"] = self.key
        return bare

    def as_recorded(self, key: str, frames: Sequence[str]) -> Episode:
        """Return the episode with the key and the frames that it had when it was written down.

        A file that holds no moments holds these instead. Copies made by `dataclasses.replace` lose both.
        """
        known = replace(self)
        known.__dict__["key"], known.__dict__["frames"] = key, tuple(frames)
        return known
