"""The safe-RL face: a wrapper whose `step` returns costs beside rewards, as code for constrained problems expects."""

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
    """Returns `(observations, rewards, costs, terminations, truncations, infos)` from `step`.

    `costs[agent]` is `infos[agent]["cost"]`: in Spaceworld the robot's own collisions and violations of that step.
    Infos and rewards are left as they are; make the environment with `collision_penalty=0` if collisions are to count
    as costs only. Six dictionaries are no PettingZoo API any more: learners that expect five, and the credit wrappers,
    take the environment without this wrapper.

    Args:
        env: a ParallelEnv whose infos carry `cost`.

    Raises:
        TypeError: when `env` is no ParallelEnv.
        KeyError: from `step`, when an agent's infos carry no cost; the message names the agent.
    """

    def __init__(self, env: ParallelEnv) -> None:
        if not isinstance(env, ParallelEnv):
            raise TypeError(f"expected a PettingZoo ParallelEnv, got {type(env).__name__}")
        super().__init__(env)

    def step(self, actions: dict[str, int]) -> Dicts:
        """One step; returns six dictionaries."""
        observations, rewards, terminations, truncations, infos = super().step(actions)
        costs: dict[str, float] = {}
        for agent, info in infos.items():
            if "cost" not in info:
                raise KeyError(f"infos[{agent!r}] carries no 'cost'; is this environment without a safety signal?")
            costs[agent] = float(info["cost"])
        return observations, rewards, costs, terminations, truncations, infos
