"""Rewards made harder to learn from: sparse, delayed and noisy ones. Each wrapper is of use by itself.

The sum of an episode stays what it was (of `NoisyReward`, in the mean). What the environment itself paid is in
`infos[agent]["own_reward"]`, so that a team can be evaluated on it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from pettingzoo.utils.env import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper

OWN_REWARD = "own_reward"  # in infos: what the environment paid in this step
_STREAM = 0x4E4F495345  # keeps the noise apart from what an environment draws from the same seed


class _PerturbedReward(BaseParallelWrapper):
    """Pays what `_paid` makes of each agent's reward."""

    def __init__(self, env: ParallelEnv) -> None:
        if not isinstance(env, ParallelEnv):
            raise TypeError(f"{type(self).__name__} takes a PettingZoo ParallelEnv, got {type(env).__name__}")
        super().__init__(env)

    def step(self, actions: dict[str, Any]) -> tuple[Any, dict[str, float], Any, Any, Any]:
        """Take one step; return five dictionaries, as PettingZoo does."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        own = {agent: float(reward) for agent, reward in rewards.items()}
        last = {agent: bool(terminations.get(agent) or truncations.get(agent)) for agent in own}
        told = {agent: {**info, OWN_REWARD: own[agent]} if agent in own else info for agent, info in infos.items()}
        return observations, self._paid(own, last), terminations, truncations, told

    def _paid(self, own: dict[str, float], last: dict[str, bool]) -> dict[str, float]:
        """Return what agents are paid, given what they earned and whether this is their last step."""
        raise NotImplementedError


class SparseReward(_PerturbedReward):
    """Pays each agent in its last step alone: everything that it earned in the episode (ours).

    An agent that leaves before the episode ends is paid when it leaves.

    Args:
        env: A ParallelEnv.

    Raises:
        TypeError: `env` is not a ParallelEnv.
    """

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin an episode."""
        self._held: dict[str, float] = {}
        return self.env.reset(seed=seed, options=options)

    def _paid(self, own: dict[str, float], last: dict[str, bool]) -> dict[str, float]:
        for agent, reward in own.items():
            self._held[agent] = self._held.get(agent, 0.0) + reward
        return {agent: self._held.pop(agent) if last[agent] else 0.0 for agent in own}


class DelayedReward(_PerturbedReward):
    """Pays each agent's reward a number of steps late (ours).

    What is still due in an agent's last step is paid there.

    Args:
        env: A ParallelEnv.
        delay: Steps, 0 or more.

    Raises:
        TypeError: `env` is not a ParallelEnv.
        ValueError: `delay` is no whole number from 0 on.
    """

    def __init__(self, env: ParallelEnv, delay: int) -> None:
        super().__init__(env)
        if isinstance(delay, bool) or not isinstance(delay, int) or delay < 0:
            raise ValueError(f"delay={delay!r}: give a whole number of steps, 0 or more")
        self.delay = delay

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin an episode."""
        self._due: dict[str, deque[float]] = {}
        return self.env.reset(seed=seed, options=options)

    def _paid(self, own: dict[str, float], last: dict[str, bool]) -> dict[str, float]:
        paid = {}
        for agent, reward in own.items():
            due = self._due.setdefault(agent, deque())
            due.append(reward)
            if last[agent]:
                paid[agent] = sum(self._due.pop(agent))
            else:
                paid[agent] = due.popleft() if len(due) > self.delay else 0.0
        return paid


class NoisyReward(_PerturbedReward):
    """Adds normally distributed noise to the reward of every step (ours).

    `reset(seed=...)` seeds the noise, too, independently of what the environment draws; a reset without a seed goes on.

    Args:
        env: A ParallelEnv.
        scale: Standard deviation of the noise, in the reward's unit.
        per_agent: Whether each agent has noise of its own. By default all are paid the same noise, so that a shared
            reward stays shared.
        seed: Of the noise until a reset has one.

    Raises:
        TypeError: `env` is not a ParallelEnv.
        ValueError: `scale` is negative or not finite.
    """

    def __init__(self, env: ParallelEnv, scale: float, *, per_agent: bool = False, seed: int | None = None) -> None:
        super().__init__(env)
        if not np.isfinite(scale) or scale < 0:
            raise ValueError(f"scale={scale!r}: give a finite standard deviation, 0 or more")
        self.scale, self.per_agent = float(scale), per_agent
        self._random = _stream(seed)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin an episode."""
        if seed is not None:
            self._random = _stream(seed)
        return self.env.reset(seed=seed, options=options)

    def _paid(self, own: dict[str, float], last: dict[str, bool]) -> dict[str, float]:
        # one number for each possible agent, so that noise does not depend on who has left
        drawn = self.scale * self._random.standard_normal(len(self.possible_agents) if self.per_agent else 1)
        return {
            agent: reward + float(drawn[self.possible_agents.index(agent) if self.per_agent else 0])
            for agent, reward in own.items()
        }


def _stream(seed: int | None) -> np.random.Generator:
    return np.random.default_rng(None if seed is None else [_STREAM, seed])
