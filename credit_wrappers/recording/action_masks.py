"""Which actions were possible: the masks that an environment tells, in its infos or its observations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.recording.observation_spaces import MASK


class MaskReader:
    """Reads the masks of all agents of an environment.

    Args:
        env: The environment.

    Attributes:
        width: A, the largest number of actions of an agent; 0 where actions are not `Discrete` from 0.
    """

    def __init__(self, env: ParallelEnv) -> None:
        self.agents = tuple(env.possible_agents)
        spaces = [env.action_space(agent) for agent in self.agents]
        discrete = all(isinstance(space, Discrete) and space.start == 0 for space in spaces)
        self.counts = [int(space.n) for space in spaces] if discrete else []
        self.width = max(self.counts, default=0)

    def read(self, observations: Mapping[str, Any], infos: Mapping[str, Any]) -> np.ndarray | None:
        """Return (N, A) bool; None where no agent has a mask.

        An agent that is not there can do nothing; one without a mask can do everything.
        """
        found, told = np.zeros((len(self.agents), self.width), bool), False
        for i, agent in enumerate(self.agents):
            if agent not in observations:
                continue
            seen = observations[agent]
            mask = (infos.get(agent) or {}).get(MASK)
            if mask is None and isinstance(seen, Mapping):
                mask = seen.get(MASK)
            own = slice(None, self.counts[i]) if self.counts else slice(0)
            told |= mask is not None
            found[i, own] = True if mask is None else np.asarray(mask)[own] != 0
        return found if told and self.width else None


class MaskKeeper(BaseParallelWrapper):
    """Keeps the masks of the running episode.

    Args:
        env: The environment.
    """

    def __init__(self, env: ParallelEnv) -> None:
        super().__init__(env)
        self._reader = MaskReader(env)
        self._rows: list[np.ndarray | None] = []

    @property
    def masks(self) -> np.ndarray | None:
        """(T+1, N, A) bool; None where a state told none."""
        rows = [row for row in self._rows if row is not None]
        return np.array(rows) if rows and len(rows) == len(self._rows) else None

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin an episode, and forget the masks of the one before."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self._rows = [self._reader.read(observations, infos)]
        return observations, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Advance the environment."""
        returned = self.env.step(actions)
        self._rows.append(self._reader.read(returned[0], returned[4]))
        return returned
