"""Environments by name, `family:scenario`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from pettingzoo import ParallelEnv
from pettingzoo.utils import BaseParallelWrapper

from tianshou_examples.settings import ENVS


def check_world(name: str) -> str:
    """The scenario of an environment's name.

    Raises:
        ValueError: for an unknown one; the message lists the valid ones.
    """
    from spaceworld import PRESETS

    family, _, scenario = name.partition(":")
    if family not in ENVS or scenario not in PRESETS:
        valid = ", ".join(f"spaceworld:{s}" for s in PRESETS)
        raise ValueError(f"unknown env {name!r}; valid are {valid}")
    return scenario


class AgentIndicator(BaseParallelWrapper):
    """Appends the one-hot index of each agent to its observation, as is usual with a shared policy.

    Without it two robots that see mirror images of each other choose alike, and a deterministic team can run into
    itself for ever.

    Args:
        env: observations must be flat Boxes of one size.
    """

    def __init__(self, env: ParallelEnv) -> None:
        super().__init__(env)
        self._marks = dict(zip(env.possible_agents, np.eye(len(env.possible_agents), dtype=np.float32), strict=True))
        self._spaces: dict[str, Box] = {}
        for agent, mark in self._marks.items():
            space = env.observation_space(agent)
            low, high = np.append(space.low, 0 * mark), np.append(space.high, 0 * mark + 1)
            self._spaces[agent] = Box(low, high, dtype=np.float32)

    def observation_space(self, agent: str) -> Box:
        """The env's space, widened by one entry for each agent."""
        return self._spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """As the env, with the marks appended."""
        observations, infos = self.env.reset(seed=seed, options=options)
        return self._marked(observations), infos

    def step(self, actions: dict[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        """As the env, with the marks appended."""
        observations, *rest = self.env.step(actions)
        return self._marked(observations), *rest

    def _marked(self, observations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {a: np.concatenate((seen, self._marks[a])) for a, seen in observations.items()}


def world_factory(
    name: str, render_mode: str | None = None, action_mask: Any = "possible"
) -> Callable[[], ParallelEnv]:
    """A factory of the named environment, with an agent indicator."""
    scenario = check_world(name)

    def make() -> ParallelEnv:
        from spaceworld import spaceworld_v0

        env = spaceworld_v0.parallel_env(scenario=scenario, render_mode=render_mode, action_mask=action_mask)
        return AgentIndicator(env)

    return make
