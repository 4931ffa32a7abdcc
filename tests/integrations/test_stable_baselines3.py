"""Stable-Baselines3 learns from credits, through SuperSuit and unchanged: its buffers hold each agent's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import supersuit
import torch
from known_credit import KnownCreditEnv, paid
from paid_rows import PAYERS, check_ends, check_paid, payer_of
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback

COPIES = 3
torch.set_num_threads(1)


class Rollouts(BaseCallback):
    """Keeps a copy of what every rollout stored."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: list[tuple[np.ndarray, np.ndarray]] = []  # (T, S, 5) and (T, S)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer
        self.stored.append((buffer.observations.copy(), buffer.rewards.copy()))


def vector(env: Any) -> Any:
    return supersuit.concat_vec_envs_v1(
        supersuit.pettingzoo_env_to_vec_env_v1(env), COPIES, num_cpus=0, base_class="stable_baselines3"
    )


def logs(envs: Any) -> list[Any]:
    """Return what was played in each copy; each has a log of its own."""
    return [part.par_env.unwrapped.log for part in envs.venv.vec_envs]


@pytest.mark.parametrize("kind", PAYERS)
def test_ppo_learns_from_rollouts_whose_rewards_are_the_credits(kind: str) -> None:
    payer = payer_of(kind)
    envs = vector(paid(KnownCreditEnv(0, 2, {}), payer))
    model = PPO("MlpPolicy", envs, n_steps=20, batch_size=60, n_epochs=2, device="cpu")
    before = [weights.clone() for weights in model.policy.parameters()]
    rollouts = Rollouts()
    model.learn(3 * 20 * 2 * COPIES, callback=rollouts)
    assert len(rollouts.stored) == 3
    assert any(not torch.equal(old, new) for old, new in zip(before, model.policy.parameters(), strict=True))
    observations, rewards = (np.concatenate(parts) for parts in zip(*rollouts.stored, strict=True))
    for copy, log in enumerate(logs(envs)):
        slots = slice(2 * copy, 2 * copy + 2)
        keys = check_paid(observations[:, slots].reshape(-1, 5), rewards[:, slots].reshape(-1), log, payer)
        check_ends(keys, log)
        assert len(keys) == 3 * 20 * 2


def test_a_dqn_replays_credits() -> None:
    payer = payer_of("critic")
    envs = vector(paid(KnownCreditEnv(0, 2, {}), payer))
    model = DQN("MlpPolicy", envs, buffer_size=1200, learning_starts=60, batch_size=32, train_freq=4, device="cpu")
    model.learn(240)
    buffer, rows = model.replay_buffer, 240 // (2 * COPIES)
    assert buffer.pos == rows
    for copy, log in enumerate(logs(envs)):
        slots = slice(2 * copy, 2 * copy + 2)
        keys = check_paid(
            buffer.observations[:rows, slots].reshape(-1, 5), buffer.rewards[:rows, slots].reshape(-1), log, payer
        )
        check_ends(keys, log)
    after, done = buffer.next_observations[:rows], buffer.dones[:rows].astype(bool)
    assert done.any() and (after[..., 3] == buffer.observations[:rows, ..., 3] + 1).all()
