"""Random numbers that a whole team sees, so that robots that wait for each other for ever come free (ours)."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from pettingzoo.utils.env import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper


def tossed(steps: int, coins: int) -> np.ndarray:
    """Return the coins of each step, (steps, coins) float32, each -1 or 1: the same in all episodes."""
    # numpy keeps the stream of RandomState as it is, so a trained team's coins stay what they were
    return (2 * np.random.RandomState(0).randint(0, 2, (steps, coins)) - 1).astype(np.float32)


class SharedCoins(BaseParallelWrapper):
    """Adds coins to every observation: they change with each step, and are the same for all agents.

    A greedy team that sees what it saw in the step before does the same again. With the coins it sees something new.

    Args:
        env: A ParallelEnv with flat observations.
        coins: Numbers behind each observation.
        steps: Of the longest episode; after as many the coins begin again.
    """

    def __init__(self, env: ParallelEnv, coins: int, steps: int) -> None:
        super().__init__(env)
        self._tossed, self._step = tossed(steps + 1, coins), 0
        self._spaces = {agent: _longer(env.observation_space(agent), coins) for agent in env.possible_agents}

    def observation_space(self, agent: str) -> Box:
        """Return the environment's space with the coins behind it."""
        return self._spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin an episode."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self._step = 0
        return self._with_coins(observations), infos

    def step(self, actions: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Take one step; return five dictionaries, as PettingZoo does."""
        observations, *rest = self.env.step(actions)
        self._step += 1
        return self._with_coins(observations), *rest

    def _with_coins(self, observations: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        coins = self._tossed[self._step % len(self._tossed)]
        return {agent: np.concatenate([seen, coins], dtype=np.float32) for agent, seen in observations.items()}


def _longer(space: Box, coins: int) -> Box:
    low, high = (np.concatenate([x.astype(np.float32), np.full(coins, y, np.float32)]) for x, y in
                 ((space.low, -1.0), (space.high, 1.0)))  # fmt: skip
    return Box(low, high, dtype=np.float32)
