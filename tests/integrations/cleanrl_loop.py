"""CleanRL's rollout over `KnownCreditEnv`s, and the check that every row of it holds its own credit."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from known_credit import PLACEHOLDER, KnownCreditEnv, KnownCritic, Log, credit

from credit_wrappers import CreditStore, CreditWrapper, Deferred
from credit_wrappers.integrations.gymnasium import ParallelVecEnv, relabel_rewards

Key = tuple[int, int, int, int]  # env, episode, agent, t


def known_envs(n_envs: int, n_agents: int, store: Any = None, **options: Any) -> tuple[ParallelVecEnv, Log]:
    log: Log = {}
    store = store or CreditStore(KnownCritic(), episodes_per_query=2, workers=0)

    def make(number: int) -> CreditWrapper:
        return CreditWrapper(KnownCreditEnv(number, n_agents, log, **options), Deferred(store))

    return ParallelVecEnv([lambda k=k: make(k) for k in range(n_envs)]), log


class Loop:
    """CleanRL's rollout, which keeps what it saw: an observation says which row it belongs to."""

    def __init__(
        self, envs: ParallelVecEnv, log: Log, num_steps: int, rewards: Any = None, relabel: Any = relabel_rewards
    ) -> None:
        self.envs, self.log, self.num_steps, self.relabel = envs, log, num_steps, relabel
        self.rng = np.random.default_rng(0)
        shape = (num_steps, envs.num_envs)
        self.rewards = np.zeros(shape, dtype=np.float32) if rewards is None else rewards(shape)
        self.obs, self.alive = np.zeros((*shape, 5), dtype=np.float32), np.zeros(shape, dtype=bool)
        self.done, self.terminated = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        self.after = np.zeros((*shape, 5), dtype=np.float32)  # what the slot's own agent saw after its action
        self.next_obs, self.infos = envs.reset()

    def play(self, each_step: bool = False, steps: int | None = None) -> np.ndarray | None:
        known = None
        for step in range(self.num_steps if steps is None else steps):
            self.obs[step], self.alive[step] = self.next_obs, self.infos["alive"]
            actions = self.rng.integers(0, 4, self.envs.num_envs)
            self.next_obs, reward, terminated, truncated, self.infos = self.envs.step(actions)
            self.rewards[step] = reward if isinstance(self.rewards, np.ndarray) else torch.as_tensor(reward)
            self.done[step], self.terminated[step] = terminated | truncated, terminated
            self.after[step] = self.next_obs
            if self.done[step].any():
                self.after[step, self.done[step]] = self.infos["final_obs"][self.done[step]]
            if each_step:
                known = self.relabel(self.rewards, step, self.infos)
        return known if each_step else self.relabel(self.rewards, step, self.infos)

    def key(self, row: int, slot: int) -> Key:
        env, episode, agent, t, _ = (int(x) for x in self.obs[row, slot])
        assert env * self.envs.n_agents + agent == slot
        return env, episode, agent, t

    def check(self, known: np.ndarray) -> None:
        """Assert that each row has its own credit, from the log alone; while its episode runs, the placeholder."""
        expected, over = np.zeros(self.alive.shape), np.zeros(self.alive.shape, dtype=bool)
        for row, slot in np.argwhere(self.alive):  # rows of agents that had left hold 0
            key = self.key(row, slot)
            over[row, slot] = self.log[key[:2]].over
            expected[row, slot] = credit(*key) if over[row, slot] else PLACEHOLDER
        np.testing.assert_array_equal(np.asarray(self.rewards), expected)
        np.testing.assert_array_equal(known[self.alive], over[self.alive])
