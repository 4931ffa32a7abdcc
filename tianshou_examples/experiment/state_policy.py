"""The policy of a learner as a function of an environment's states, for exact credit against the policy's average."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

from tianshou_examples.experiment.actors import Actors


class StatePolicy:
    """Tells the probabilities of all agents' actions in a state, by the networks as they are now.

    Args:
        env: Restores states and tells what is observed in them; it is only used here.

    Attributes:
        actors: Returns the networks that act now; set when there is a learner.
    """

    def __init__(self, env: ParallelEnv) -> None:
        self._env: Any = env.unwrapped
        self._env.reset(seed=0)
        self.actors: Callable[[], Actors] | None = None

    def __call__(self, state: Any) -> np.ndarray:
        """Return (N, A)."""
        assert self.actors is not None, "there is no learner yet"
        self._env.set_state(state)
        observations, infos = self._env.observe_all()
        seen = np.stack([observations[agent] for agent in self._env.possible_agents])
        masks = np.stack([infos[agent]["action_mask"] for agent in self._env.possible_agents])
        return self.actors().probabilities(seen[None], masks[None])[0]
