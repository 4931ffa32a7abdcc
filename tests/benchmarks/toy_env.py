"""A ParallelEnv that costs next to nothing, so that what is measured around it is the learner."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv

OBS_SIZE = 45
N_ACTIONS = 6


class ToyTeamEnv(ParallelEnv):
    """Agents see noise, have action masks, and are paid for choosing action 2; episodes of 40 to 60 steps."""

    metadata: ClassVar[dict] = {"name": "toy_team"}

    def __init__(self, n_agents: int = 2) -> None:
        self.possible_agents = [f"agent_{k}" for k in range(n_agents)]
        self.agents: list[str] = []
        self._obs_space = Box(-1.0, 1.0, (OBS_SIZE,), np.float32)
        self._act_space = Discrete(N_ACTIONS)
        self._rng = np.random.default_rng(0)
        # Observations and masks are drawn once: making them is not what is measured. Copies, as
        # real envs give.
        self._noise = self._rng.uniform(-1, 1, (64, n_agents, OBS_SIZE)).astype(np.float32)
        self._legal = self._rng.integers(0, 2, (64, n_agents, N_ACTIONS)).astype(np.int8)
        self._legal[..., 2] = 1
        self._time = 0
        self._end = 0

    def observation_space(self, agent: str) -> Box:
        return self._obs_space

    def action_space(self, agent: str) -> Discrete:
        return self._act_space

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self._time = 0
        self._end = int(self._rng.integers(40, 61))
        return self._view()

    def step(self, actions: dict[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        paid = sum(action == 2 for action in actions.values()) / 60
        self._time += 1
        over = self._time >= self._end
        rewards = dict.fromkeys(self.agents, paid)
        terminated = dict.fromkeys(self.agents, over)
        truncated = dict.fromkeys(self.agents, False)
        observations, infos = self._view()
        if over:
            self.agents = []
        return observations, rewards, terminated, truncated, infos

    def _view(self) -> tuple[dict, dict]:
        rows, legal = self._noise[self._time].copy(), self._legal[self._time].copy()
        observations = dict(zip(self.agents, rows, strict=True))
        infos = {agent: {"action_mask": mask} for agent, mask in zip(self.agents, legal, strict=True)}
        return observations, infos
