"""Infos of numbers alone, for learners that make a tensor of everything in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.recording.env_checks import require_parallel_class

Infos = dict[str, dict[str, Any]]


class NumericInfos(BaseParallelWrapper):
    """Leaves in the infos what is a number or an array of numbers, under the same names in every step.

    TorchRL's `PettingZooWrapper` makes a tensor of every info: it stops at a text, such as `credit_source` or
    Spaceworld's `events`, and at a name that was not there at reset. An agent's first infos decide which names stay.

    Args:
        env: A PettingZoo parallel environment.

    Raises:
        TypeError: `env` is not one.

    Examples:
        >>> from credit_wrappers import CreditWrapper, EqualSplitCritic, Online
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env = NumericInfos(CreditWrapper(CorridorEnv(), Online(EqualSplitCritic())))
        >>> _, infos = env.reset(seed=1)
        >>> *_, later = env.step({agent: 2 for agent in env.agents})
        >>> "cost" in infos["walker_0"], "credit_source" in later["walker_0"]
        (True, False)
        >>> infos["walker_0"].keys() == later["walker_0"].keys()
        True
    """

    def __init__(self, env: ParallelEnv) -> None:
        require_parallel_class(env)
        super().__init__(env)
        self._names: dict[str, list[str]] = {}  # of each agent

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], Infos]:
        """Reset the environment."""
        observations, infos = self.env.reset(seed=seed, options=options)
        return observations, self._kept(infos)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Advance the environment."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        return observations, rewards, terminations, truncations, self._kept(infos)

    def _kept(self, infos: Mapping[str, Mapping[str, Any]]) -> Infos:
        for agent in infos.keys() - self._names.keys():
            self._names[agent] = [name for name, value in infos[agent].items() if _numeric(value)]
        return {agent: {name: info[name] for name in self._names[agent]} for agent, info in infos.items()}


def _numeric(value: object) -> bool:
    """Whether it is a number, a truth value, or an array of them."""
    return isinstance(value, int | float | np.generic | np.ndarray) and np.asarray(value).dtype.kind in "biuf"
