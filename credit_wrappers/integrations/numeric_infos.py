"""Infos of numbers alone, for learners that make a tensor of everything in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.recording.attendance import Attendance
from credit_wrappers.recording.env_checks import require_parallel_class
from credit_wrappers.recording.observation_spaces import MASK

Infos = dict[str, dict[str, Any]]


class NumericInfos(BaseParallelWrapper):
    """Leaves in the infos what is a number or an array of numbers, under the same names in every step.

    TorchRL's `PettingZooWrapper` makes a tensor of every info: it stops at a text, such as `credit_source` or
    Spaceworld's `events`, and at a name that was not there at reset. An agent's first infos decide which names stay.
    Where an `action_mask` is missing or None later, every action is legal.

    Args:
        env: A PettingZoo parallel environment.
        without: Names that are left out in any case.

    Raises:
        TypeError: `env` is not one, or `without` is one name.
        ValueError: In `step` or `reset`: another name than `action_mask` is missing, a value is no number any more or
            has another shape, or an `action_mask` was not there at first.

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

    def __init__(self, env: ParallelEnv, without: Collection[str] = ()) -> None:
        require_parallel_class(env)
        if isinstance(without, str):
            raise TypeError(f"without takes a list of names, such as [{without!r}]")
        super().__init__(env)
        self._attendance = Attendance(type(env.unwrapped).__name__, getattr(env, "possible_agents", ()))
        self._without = frozenset(without)
        self._first: Infos = {}  # the first infos of each agent, as far as they are numbers

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], Infos]:
        """Reset the environment."""
        observations, infos = self._attendance.reset(self.env.reset(seed=seed, options=options))
        observations = dict(observations)
        return observations, self._kept(observations, infos)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Advance the environment."""
        returned = self.env.step(actions)
        self._attendance.check_step(returned)
        observations, rewards, terminations, truncations, infos = returned
        return observations, rewards, terminations, truncations, self._kept(observations, infos)

    def _kept(self, observations: Mapping[str, Any], infos: Mapping[str, Mapping[str, Any]]) -> Infos:
        kept: Infos = {}
        for agent in {**observations, **infos}:
            info = infos.get(agent) or {}
            if agent not in self._first:
                told = {name: _value(name, value) for name, value in info.items() if name not in self._without}
                self._first[agent] = {name: value for name, value in told.items() if _numeric(value)}
            first = self._first[agent]
            if MASK not in first and MASK not in self._without and info.get(MASK) is not None:
                raise ValueError(f"{agent!r} has an {MASK} in its infos that was not there at reset: return one there")
            kept[agent] = {name: _like(value, agent, name, info) for name, value in first.items()}
        return kept


def _like(first: Any, agent: str, name: str, info: Mapping[str, Any]) -> Any:
    """Return what an info tells under a name, if it is like the first value; a mask of ones if that is gone."""
    value = _value(name, info.get(name))
    if value is None and name == MASK:
        return np.ones_like(first)
    if not _numeric(value):
        now = f"is {value!r} now" if name in info else "is missing now"
    elif np.shape(value) != np.shape(first):
        now = f"has shape {np.shape(value)} now"
    else:
        return value
    raise ValueError(
        f"infos[{agent!r}][{name!r}] {now}; at first it was a number or an array of shape {np.shape(first)}, and must "
        f"be so in every step. It can be left out: NumericInfos(env, without=[{name!r}])"
    )


def _value(name: str, value: Any) -> Any:
    """Return the value; a mask that is a list as an array."""
    return np.asarray(value) if name == MASK and isinstance(value, list | tuple) else value


def _numeric(value: object) -> bool:
    """Whether it is a number, a truth value, or an array of them."""
    return isinstance(value, int | float | np.generic | np.ndarray) and np.asarray(value).dtype.kind in "biuf"
