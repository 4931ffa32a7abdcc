"""A wrapper for safe RL: `step` returns costs beside rewards, as code for constrained problems expects."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper

Dicts: TypeAlias = tuple[
    dict[str, np.ndarray],
    dict[str, float],
    dict[str, float],
    dict[str, bool],
    dict[str, bool],
    dict[str, dict[str, Any]],
]


class CostDictWrapper(BaseParallelWrapper):
    """A ParallelEnv whose `step` returns `(observations, rewards, costs, terminations, truncations, infos)`.

    `costs[agent]` is `infos[agent]["cost"]`: in Spaceworld the robot's own collisions and violations of that step.
    Infos and rewards do not change; make the environment with `collision_penalty=0` if collisions should count as costs
    only. Six dictionaries are not PettingZoo's API: learners that expect five, and the credit wrappers, take the
    environment without this wrapper.

    Args:
        env: A ParallelEnv whose infos have `cost`.

    Raises:
        TypeError: When `env` is not a ParallelEnv.
        KeyError: From `step`, when an agent's infos have no cost; the message names the agent.
    """

    def __init__(self, env: ParallelEnv) -> None:
        if not isinstance(env, ParallelEnv):
            raise TypeError(f"expected a PettingZoo ParallelEnv, got {type(env).__name__}")
        super().__init__(env)

    def step(self, actions: dict[str, int]) -> Dicts:
        """Take one step; return six dictionaries."""
        observations, rewards, terminations, truncations, infos = super().step(actions)
        costs: dict[str, float] = {}
        for agent, info in infos.items():
            if "cost" not in info:
                raise KeyError(f"infos[{agent!r}] carries no 'cost'; is this environment without a safety signal?")
            costs[agent] = float(info["cost"])
        return observations, rewards, costs, terminations, truncations, infos
