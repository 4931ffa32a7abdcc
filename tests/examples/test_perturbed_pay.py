"""Harder rewards of many worlds at once are those of the wrappers in one world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from pettingzoo import ParallelEnv

from credit_wrappers import DelayedReward, NoisyReward, SparseReward
from spaceworld.batch import BatchStep
from spaceworld.rules import packing as pk
from tianshou_examples.experiment.paid_worlds import TeamPay
from tianshou_examples.experiment.perturbed_pay import perturbed


class Paying(ParallelEnv):
    """Pays given rewards; an episode ends where it is said."""

    def __init__(self, rewards: np.ndarray, over: np.ndarray) -> None:
        self.possible_agents = ["a", "b"]
        self.told = zip(rewards.tolist(), over.tolist(), strict=True)
        self.agents = []

    def observation_space(self, agent: str) -> Discrete:
        return Discrete(1)

    action_space = observation_space

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        self.agents = list(self.possible_agents)
        return dict.fromkeys(self.agents, 0), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> tuple[Any, ...]:
        reward, over = next(self.told)
        every = self.agents
        self.agents = [] if over else every
        return (*(dict.fromkeys(every, x) for x in (0, reward, over, False)), {agent: {} for agent in every})


REWARDS = np.random.default_rng(0).normal(size=(60, 3)).round(2)
OVER = np.random.default_rng(1).random((60, 3)) < 0.1


def paid_by(told: str, random_seed: int = 0) -> np.ndarray:
    """What each world's robots are paid, (T, E)."""
    pay = perturbed(lambda memory: TeamPay(1.0, 2), told, 3, np.random.default_rng(random_seed))(np.zeros(0))
    pay.begin(np.arange(3), np.zeros(0))
    rows = []
    for own, over in zip(REWARDS, OVER, strict=True):
        status = np.where(over, pk.TRUNCATED, pk.RUNNING)
        step = BatchStep(*(np.zeros((3, 2)),) * 2, own, status, *(np.zeros((3, 2)),) * 2)
        credit = pay.pay(np.zeros((3, 2), int), step)
        assert (credit[:, 0] == credit[:, 1]).all()
        assert step.rewards is own  # what the worlds themselves earned is not changed
        rows.append(credit[:, 0])
        if over.any():
            pay.begin(np.flatnonzero(over), np.zeros(0))
    return np.array(rows)


@pytest.mark.parametrize("told", ["own", "sparse", "delayed:0", "delayed:1", "delayed:7"])
def test_each_world_is_paid_what_the_wrapper_pays(told: str) -> None:
    kind, _, number = told.partition(":")
    paid = paid_by(told)
    for k in range(3):
        env: Any = Paying(REWARDS[:, k], OVER[:, k])
        if kind != "own":
            env = SparseReward(env) if kind == "sparse" else DelayedReward(env, int(number))
        env.reset()
        for t in range(len(REWARDS)):
            rewards = env.step({"a": 0, "b": 0})[1]
            assert paid[t, k] == pytest.approx(rewards["a"], abs=1e-9)
            if OVER[t, k]:
                env.reset()


def test_noise_has_its_scale_and_is_the_same_for_the_same_seed() -> None:
    noise = paid_by("noisy:0.5") - REWARDS
    assert abs(noise.mean()) < 0.1 and 0.4 < noise.std() < 0.6
    assert len(np.unique(noise)) == noise.size  # each world and step its own
    assert (paid_by("noisy:0.5") - REWARDS == noise).all() and (paid_by("noisy:0.5", 1) - REWARDS != noise).all()
    assert NoisyReward(Paying(REWARDS[:, 0], OVER[:, 0]), 0.5).scale == 0.5  # the unit is that of the wrapper
