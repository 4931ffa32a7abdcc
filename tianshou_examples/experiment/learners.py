"""Tianshou's own PPO and double DQN for a team, with one network for the team or one per agent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numba.core.dispatcher import Dispatcher
from tianshou.algorithm import DQN, PPO, algorithm_base
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.multiagent.marl import MultiAgentOffPolicyAlgorithm, MultiAgentOnPolicyAlgorithm
from tianshou.algorithm.optim import LRSchedulerFactory, OptimizerFactory, TorchOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.data.buffer import manager
from tianshou.trainer import OffPolicyTrainerParams, OnPolicyTrainerParams
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.optim.swa_utils import AveragedModel

from credit_wrappers.integrations.tianshou import ActionHead, AgentVectorEnv, CreditReplayBuffer, ValueHead
from tianshou_examples.experiment.actors import Actors, actors_of, network_for, without_task
from tianshou_examples.experiment.coma import CentralQ, ComaPPO
from tianshou_examples.experiment.environments import longest_episode
from tianshou_examples.experiment.settings import Settings

OFF_POLICY_STEPS = 8  # of every environment between two rounds of updates
TAIL = 0.1  # share of the training, at its end, whose networks are averaged into the one that plays
LEAST_LR = 0.02  # of the initial learning rate, at the end


class FallingLR(LRSchedulerFactory):
    """Learning rate that falls with the square of what is left of the training, whatever the number of updates.

    It steadies the greedy team, which swings more than the sampled one while the rate is large (docs/results.md).

    Args:
        left: Returns the share of the training that is left.
    """

    def __init__(self, left: Callable[[], float]) -> None:
        self.left = left

    def create_scheduler(self, optim: torch.optim.Optimizer) -> LRScheduler:
        """Return a scheduler that ignores its own count."""
        return LambdaLR(optim, lambda _: max(LEAST_LR, self.left() ** 2))


def cache_compiled() -> None:
    """Let numba keep on disk what Tianshou compiles at the start of a process, which takes seconds each time."""
    for value in (*vars(algorithm_base).values(), *vars(manager).values()):
        if isinstance(value, Dispatcher):
            with suppress(RuntimeError):  # no folder that numba could write to
                value.enable_caching()


class Learner:
    """One algorithm with its buffer, collector and trainer.

    Args:
        settings: What to build.
        venv: The environments to learn in; its `learners` must fit `settings.policy`.
        seed: Seed of networks and exploration.
        central: Whether PPO's critic is a central one with COMA's baseline.
    """

    def __init__(self, settings: Settings, venv: AgentVectorEnv, seed: int, central: bool = False) -> None:
        cache_compiled()
        torch.manual_seed(seed)
        np.random.seed(seed)  # Tianshou's exploration and shuffling draw from the global generator
        self.settings, self.venv, self._central = settings, venv, central
        self.steps = 0  # environment steps so far
        self.done = 0.0  # share of the training that is done; schedules follow it
        self._updating = 0.0  # the trainer's running total
        env, agent = venv.envs[0], venv.agents[0]
        self._numbered = venv.n_agents if settings.agent_id else 0  # numbers that tell which agent it is
        self._inputs = env.observation_space(agent).shape[0] + self._numbered
        self._bare_inputs = env.unwrapped.observation_space(agent).shape[0] + settings.coins
        self._space = env.action_space(agent)
        make: Callable[[], tuple[Any, nn.Module]] = {"ppo": self._ppo, "ddqn": self._ddqn}[settings.algo]
        self._members: list[Any] = []
        self._networks: list[nn.Module] = []
        for _ in range(1 if settings.policy == "shared" else venv.n_agents):
            member, network = make()
            self._members.append(member)
            self._networks.append(network)
        if settings.policy == "shared":
            self.algorithm = self._members[0]
        else:
            kind = MultiAgentOnPolicyAlgorithm if settings.on_policy else MultiAgentOffPolicyAlgorithm
            self.algorithm = kind(algorithms=self._members, env=venv)
            # At every collection Tianshou would warn that returns are vectors; they are reduced only later.
            logging.getLogger("tianshou.data.stats").setLevel(logging.ERROR)
        # rows that the longest episode takes, of all agents in all environments
        self._longest_rows = (max(longest_episode(env) for env in venv.envs) + 1) * len(venv)
        self._tails = [AveragedModel(network) for network in self._networks]
        self._trainer = self._on_policy_trainer(seed) if settings.on_policy else self._off_policy_trainer(seed)
        self.set_progress(0.0)

    @property
    def actors(self) -> Actors:
        """The networks that play: their average over the tail of the training, once that has begun."""
        pairs = zip(self._networks, self._tails, strict=True)
        playing = [tail.module if tail.n_averaged else network for network, tail in pairs]
        playing = [without_task(network, self._bare_inputs, self._numbered) for network in playing]
        return actors_of(self.settings, playing, self.venv.n_agents, self.steps)

    def acting(self) -> Actors:
        """Return the networks that act in the training now."""
        networks = [without_task(network, self._bare_inputs, self._numbered) for network in self._networks]
        return actors_of(self.settings, networks, self.venv.n_agents, self.steps)

    def begin(self, seed: int) -> None:
        """Start new episodes in all environments, in layouts of this seed; call it before the first `train`."""
        self.venv.seed(seed)
        self._trainer.reset()

    def _network(self, outputs: int, last_gain: float) -> nn.Module:
        return network_for(self.settings, self.venv.envs[0], self._inputs, outputs, last_gain)

    def _adam(self) -> OptimizerFactory:
        # fused: one call for all parameters, a quarter less time in an update on a CPU
        rate = self.settings.lr if self.settings.on_policy else self.settings.q_lr
        adam = TorchOptimizerFactory(torch.optim.Adam, lr=rate, eps=1e-5, fused=True)
        return adam.with_lr_scheduler_factory(FallingLR(lambda: 1.0 - self.done))

    def _ppo(self) -> tuple[PPO, nn.Module]:
        s = self.settings
        actor = self._network(int(self._space.n), 0.01)
        critic: nn.Module
        if self._central:
            critic = CentralQ(self._inputs - self._numbered, int(self._space.n), self.venv.n_agents, s.hidden)
        else:
            critic = ValueHead(self._network(1, 1.0), self._numbered)
        algorithm = (ComaPPO if self._central else PPO)(
            policy=DiscreteActorPolicy(actor=ActionHead(actor, self._numbered), action_space=self._space),
            critic=critic,
            optim=self._adam(),
            eps_clip=s.clip,
            ent_coef=s.entropy,
            max_grad_norm=0.5,
            gae_lambda=s.gae_lambda,
            gamma=s.gamma,
            return_scaling=True,  # the same learner for rewards of every size
            max_batchsize=65536,
        )
        return algorithm, actor

    def _ddqn(self) -> tuple[DQN, nn.Module]:
        s = self.settings
        network = self._network(int(self._space.n), 1.0)
        policy = DiscreteQLearningPolicy(
            model=ActionHead(network, self._numbered), action_space=self._space, eps_training=1.0, eps_inference=1.0
        )
        algorithm = DQN(
            policy=policy,
            optim=self._adam(),
            gamma=s.gamma,
            n_step_return_horizon=s.n_step,
            target_update_freq=200,
            is_double=True,
            huber_loss_delta=1.0,
        )
        return algorithm, network

    def _common(self, rows: int, seed: int, explore: bool) -> dict[str, Any]:
        """Make buffer and collector; return the parameters that both kinds of trainer have."""
        if self.venv.store is None:  # `step` pays the credit, so nothing waits for it
            self.buffer = VectorReplayBuffer(rows, len(self.venv), random_seed=seed)
        else:
            self.buffer = CreditReplayBuffer(rows, self.venv, random_seed=seed)
        self.collector = Collector(
            self.algorithm, self.venv, self.buffer, exploration_noise=explore, raise_on_nan_in_buffer=False
        )
        many = self.settings.policy == "per-agent"
        return {
            "training_collector": self.collector,
            "max_epochs": 1,
            "epoch_num_steps": 1,  # one collection and its updates; the loop is in learner_process.py
            "multi_agent_return_reduction": (lambda returns: returns[:, 0]) if many else None,
            "verbose": False,
            "show_progress": False,
        }

    def _on_policy_trainer(self, seed: int) -> Any:
        # One whole episode in each environment, so that no update learns from an older policy's steps. Where episodes
        # become short, that would make tiny updates: there, `rollout` steps are played, and episodes that still run
        # wait for the next update.
        rows = self.settings.rollout * len(self.venv)
        return self.algorithm.create_trainer(
            OnPolicyTrainerParams(
                **self._common(rows + self._longest_rows, seed, explore=False),
                collection_step_num_env_steps=rows or None,
                collection_step_num_episodes=None if rows else len(self.venv),
                batch_size=self.settings.batch,
                update_step_num_repetitions=self.settings.epochs,
            )
        )

    def _off_policy_trainer(self, seed: int) -> Any:
        s = self.settings
        rows = OFF_POLICY_STEPS * len(self.venv)
        return self.algorithm.create_trainer(
            OffPolicyTrainerParams(
                **self._common(max(s.buffer, self._longest_rows), seed, explore=True),
                collection_step_num_env_steps=rows,
                collection_step_num_episodes=None,
                batch_size=s.batch * (1 if s.policy == "shared" else self.venv.n_agents),
                update_step_num_gradient_steps_per_sample=1.0 / min(s.rows_per_update, rows),  # at least one
            )
        )

    def train(self) -> float:
        """Collect once and do the updates that this allows; return the seconds spent in the updates."""
        before = self.collector.collect_step
        if not self.settings.on_policy and len(self.buffer) == 0:  # the first update needs credited rows
            self.collector.collect(n_episode=len(self.venv))
        timing = self._trainer.execute_epoch().info_stat.timing
        updating, self._updating = timing.train_time_update - self._updating, timing.train_time_update
        self.steps += (self.collector.collect_step - before) // self.venv.n_agents
        self.set_progress(self.steps / self.settings.steps)
        if self.done > 1.0 - TAIL:
            for network, tail in zip(self._networks, self._tails, strict=True):
                tail.update_parameters(network)
        if self.settings.policy == "per-agent":
            # Tianshou steps the schedulers of the team's algorithm, not those of its members
            for member in self._members:
                for scheduler in member.lr_schedulers:
                    scheduler.step()
        return float(updating)

    def set_progress(self, done: float) -> None:
        """Move the schedules of gamma, learning rate, entropy and exploration."""
        s, self.done = self.settings, min(1.0, done)
        for member in self._members:
            grown = min(1.0, self.done / s.gamma_growth) if s.gamma_growth else 1.0
            member.gamma = s.gamma_start + (s.gamma - s.gamma_start) * grown
            if s.on_policy:
                member.ent_coef = s.entropy * max(-s.entropy_debit, 1.0 - self.done / s.entropy_until)
            else:
                # It falls on to 0: a team that always explores never sees how greedy robots block each other for ever.
                epsilon = max(0.05 * (1.0 - self.done) ** 2, 1.0 - 0.95 * self.done / s.exploration)
                member.policy.set_eps_training(epsilon)
                # Tianshou regards the first collection, and members of a team, as inference.
                member.policy.set_eps_inference(epsilon)

    def state(self) -> dict[str, Any]:
        """Return networks, optimisers and running statistics, for a checkpoint; the replay buffer is not kept."""
        # of each member, since a team's state cannot be loaded while its members' optimisers are in it
        return {
            "members": [member.state_dict() for member in self._members],
            "tails": [tail.state_dict() for tail in self._tails],
            "scales": [getattr(member, "ret_rms", None) for member in self._members],
            "steps": self.steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        for member, weights, scale in zip(self._members, state["members"], state["scales"], strict=True):
            member.load_state_dict(dict(weights))
            if scale is not None:
                member.ret_rms = scale
        for tail, weights in zip(self._tails, state["tails"], strict=True):
            tail.load_state_dict(weights)
        self.steps = state["steps"]
        self.set_progress(self.steps / self.settings.steps)
