"""PPO over ParallelEnvs in plain torch, one readable file: the yardstick for the Tianshou bridge.

It learns from the reward that `step` pays, so it has none of the work of deferred credits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pettingzoo import ParallelEnv
from torch import nn


@dataclass(frozen=True)
class Args:
    """Settings that both learners of the benchmark share."""

    n_envs: int = 128
    rollout: int = 64  # env steps of each env between updates
    minibatches: int = 8
    epochs: int = 4
    hidden: int = 128
    lr: float = 1e-3
    gamma: float = 0.97
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy: float = 0.02
    value_weight: float = 0.5
    max_grad_norm: float = 0.5


def mlp(n_in: int, n_out: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, n_out)
    )


class PlainPPO:
    """A team with one shared policy, learning with PPO."""

    def __init__(self, make_env: Callable[[], ParallelEnv], args: Args, seed: int = 0) -> None:
        self.args = args
        self.envs = [make_env() for _ in range(args.n_envs)]
        self.agents = list(self.envs[0].possible_agents)
        agent = self.agents[0]
        n_obs = self.envs[0].observation_space(agent).shape[0]
        n_actions = int(self.envs[0].action_space(agent).n)
        torch.manual_seed(seed)
        self.actor, self.critic = mlp(n_obs, n_actions, args.hidden), mlp(n_obs, 1, args.hidden)
        self.parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optim = torch.optim.Adam(self.parameters, lr=args.lr)
        n_slots = args.n_envs * len(self.agents)
        self.obs = np.zeros((args.rollout + 1, n_slots, n_obs), np.float32)
        self.mask = np.zeros((args.rollout + 1, n_slots, n_actions), bool)
        self.act = np.zeros((args.rollout, n_slots), np.int64)
        self.logp = np.zeros((args.rollout, n_slots), np.float32)
        self.value = np.zeros((args.rollout + 1, n_slots), np.float32)
        self.reward = np.zeros((args.rollout, n_slots), np.float32)
        self.done = np.zeros((args.rollout, n_slots), bool)
        for k, env in enumerate(self.envs):
            self._put(0, k, *env.reset(seed=seed + k))
        self.seconds_collecting = 0.0

    def run(self, updates: int) -> float:
        """Learn, and return environment steps per second."""
        started = time.perf_counter()
        for _ in range(updates):
            before = time.perf_counter()
            self._collect()
            self.seconds_collecting += time.perf_counter() - before
            self._learn()
        return updates * self.args.rollout * self.args.n_envs / (time.perf_counter() - started)

    def _collect(self) -> None:
        n = len(self.agents)
        for t in range(self.args.rollout):
            with torch.no_grad():
                obs = torch.from_numpy(self.obs[t])
                dist = self._policy(obs, torch.from_numpy(self.mask[t]))
                act = dist.sample()
                self.act[t], self.logp[t] = act.numpy(), dist.log_prob(act).numpy()
                self.value[t] = self.critic(obs).squeeze(1).numpy()
            moves = self.act[t].tolist()
            for k, env in enumerate(self.envs):
                step = env.step(dict(zip(self.agents, moves[k * n : k * n + n], strict=True)))
                obs_next, rewards, terminated, truncated, infos = step
                over = False
                for i, agent in enumerate(self.agents):
                    self.reward[t, k * n + i] = rewards[agent]
                    over = self.done[t, k * n + i] = terminated[agent] or truncated[agent]
                if over:
                    obs_next, infos = env.reset()
                self._put(t + 1, k, obs_next, infos)
        with torch.no_grad():
            self.value[-1] = self.critic(torch.from_numpy(self.obs[-1])).squeeze(1).numpy()

    def _learn(self) -> None:
        args = self.args
        advantage = np.zeros_like(self.reward)
        tail = np.zeros_like(self.reward[0])
        for t in reversed(range(args.rollout)):
            goes_on = 1.0 - self.done[t]
            delta = self.reward[t] + args.gamma * self.value[t + 1] * goes_on - self.value[t]
            advantage[t] = tail = delta + args.gamma * args.gae_lambda * goes_on * tail
        obs = torch.from_numpy(self.obs[:-1].reshape(-1, self.obs.shape[-1]))
        mask = torch.from_numpy(self.mask[:-1].reshape(-1, self.mask.shape[-1]))
        act, logp_old, adv = (torch.from_numpy(x.reshape(-1)) for x in (self.act, self.logp, advantage))
        target = adv + torch.from_numpy(self.value[:-1].reshape(-1))
        for _ in range(args.epochs):
            for rows in torch.randperm(len(act)).chunk(args.minibatches):
                dist = self._policy(obs[rows], mask[rows])
                a = adv[rows]
                a = (a - a.mean()) / (a.std() + 1e-8)
                ratio = (dist.log_prob(act[rows]) - logp_old[rows]).exp()
                gain = torch.min(ratio * a, ratio.clamp(1 - args.clip, 1 + args.clip) * a).mean()
                value_loss = (self.critic(obs[rows]).squeeze(1) - target[rows]).pow(2).mean()
                loss = -gain + args.value_weight * value_loss - args.entropy * dist.entropy().mean()
                self.optim.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters, args.max_grad_norm)
                self.optim.step()
        self.obs[0], self.mask[0] = self.obs[-1], self.mask[-1]

    def _policy(self, obs: torch.Tensor, mask: torch.Tensor) -> torch.distributions.Categorical:
        return torch.distributions.Categorical(logits=self.actor(obs).masked_fill(~mask, -1e9))

    def _put(self, t: int, k: int, observations: dict[str, Any], infos: dict[str, Any]) -> None:
        for i, agent in enumerate(self.agents):
            self.obs[t, k * len(self.agents) + i] = observations[agent]
            self.mask[t, k * len(self.agents) + i] = infos[agent]["action_mask"]
