"""Tianshou's own PPO and double DQN over agent slots, with one network for the team or one per agent."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
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

from credit_wrappers.integrations.tianshou.agent_vector_env import AgentVectorEnv
from credit_wrappers.integrations.tianshou.credit_buffer import CreditReplayBuffer
from credit_wrappers.integrations.tianshou.nets import ActionHead, ValueHead
from tianshou_examples.experiment.environments import longest_episode
from tianshou_examples.experiment.evaluation import Actors
from tianshou_examples.experiment.settings import Settings
from tianshou_examples.experiment.weaned import without_task

DQN_STEPS = 8  # of every slot between two rounds of double DQN's updates
TAIL = 0.1  # share of the training, at its end, whose networks are averaged into the one that plays
LEAST_LR = 0.02  # of the initial learning rate, at the end


class Progress:
    """The share of the training that is done; schedules read it."""

    done = 0.0


class FallingLR(LRSchedulerFactory):
    """Learning rate that falls with the square of what is left of the training, whatever the number of updates.

    Meant for the greedy team, which swings much more than the sampled one while the rate is large (docs/results.md).
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def create_scheduler(self, optim: torch.optim.Optimizer) -> LRScheduler:
        """A scheduler that ignores its own count."""
        return LambdaLR(optim, lambda _: max(LEAST_LR, (1.0 - self.progress.done) ** 2))


def mlp(inputs: int, outputs: int, hidden: int, last_gain: float) -> nn.Sequential:
    """Two ReLU layers, initialised orthogonally."""
    net = nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    )
    for k, gain in ((0, 2**0.5), (2, 2**0.5), (4, last_gain)):
        layer = net[k]
        assert isinstance(layer, nn.Linear)
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return net


def cache_compiled() -> None:
    """Lets numba keep what Tianshou compiles at the start of every process, which takes several seconds each time."""
    for value in (*vars(algorithm_base).values(), *vars(manager).values()):
        if isinstance(value, Dispatcher):
            with suppress(RuntimeError):  # no folder that numba could write to
                value.enable_caching()


class Learner:
    """One algorithm with its buffer, collector and trainer.

    Args:
        settings: what to build.
        venv: the slots to learn in; its `learners` must fit `settings.policy`.
        seed: of networks and exploration.

    Attributes:
        steps: environment steps so far.
    """

    def __init__(self, settings: Settings, venv: AgentVectorEnv, seed: int) -> None:
        cache_compiled()
        torch.manual_seed(seed)
        np.random.seed(seed)  # Tianshou's exploration and shuffling draw from the global generator
        self.settings, self.venv, self.progress = settings, venv, Progress()
        self.steps = 0
        self._updating = 0.0  # the trainer's running total
        env = venv.envs[0]
        self._inputs = env.observation_space(env.possible_agents[0]).shape[0]
        self._numbered = venv.n_agents if settings.agent_id else 0  # numbers that tell which agent it is
        self._bare_inputs = env.unwrapped.observation_space(env.possible_agents[0]).shape[0]
        self._space = env.action_space(env.possible_agents[0])
        self._members: list[Any] = []
        networks: list[nn.Module] = []
        for _ in range(1 if settings.policy == "shared" else venv.n_agents):
            member, network = self._ppo() if settings.algo == "ppo" else self._ddqn()
            self._members.append(member)
            networks.append(network)
        if settings.policy == "shared":
            self.algorithm = self._members[0]
        else:
            kind = MultiAgentOnPolicyAlgorithm if settings.algo == "ppo" else MultiAgentOffPolicyAlgorithm
            self.algorithm = kind(algorithms=self._members, env=venv)
            # it would say at every collection that returns are vectors; `multi_agent_return_reduction` comes later
            logging.getLogger("tianshou.data.stats").setLevel(logging.ERROR)
        self._networks = networks
        self._tails = [AveragedModel(network) for network in networks]
        self._trainer = self._ppo_trainer(seed) if settings.algo == "ppo" else self._ddqn_trainer(seed)

    @property
    def actors(self) -> Actors:
        """The networks that play: near the end of the training the average of those since the tail began."""
        pairs = zip(self._networks, self._tails, strict=True)
        playing = [tail.module if tail.n_averaged else network for network, tail in pairs]
        playing = [without_task(network, self._bare_inputs, self._numbered) for network in playing]
        return team(self.settings, playing, self.venv.n_agents, self.steps)

    def begin(self, seed: int) -> None:
        """Starts new episodes in all slots, in layouts of this seed; to be called before the first `train`."""
        self.venv.seed(seed)
        self._trainer.reset()

    def _adam(self) -> OptimizerFactory:
        # fused: one call for all parameters, a quarter less time in an update on a CPU
        rate = self.settings.lr if self.settings.algo == "ppo" else self.settings.q_lr
        adam = TorchOptimizerFactory(torch.optim.Adam, lr=rate, eps=1e-5, fused=True)
        return adam.with_lr_scheduler_factory(FallingLR(self.progress))

    def _ppo(self) -> tuple[PPO, nn.Module]:
        s = self.settings
        actor = mlp(self._inputs + self._numbered, int(self._space.n), s.hidden, 0.01)
        policy = DiscreteActorPolicy(actor=ActionHead(actor, self._numbered), action_space=self._space)
        algorithm = PPO(
            policy=policy,
            critic=ValueHead(mlp(self._inputs + self._numbered, 1, s.hidden, 1.0), self._numbered),
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
        network = mlp(self._inputs + self._numbered, int(self._space.n), s.hidden, 1.0)
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

    def _buffer(self, rows: int, seed: int) -> VectorReplayBuffer:
        """Tianshou's own where the rewards are credits already, else one that waits for them."""
        if self.venv.store is None:
            return VectorReplayBuffer(rows, len(self.venv), random_seed=seed)
        return CreditReplayBuffer(rows, self.venv, random_seed=seed)

    def _common(self, buffer: VectorReplayBuffer, explore: bool) -> dict[str, Any]:
        self.buffer = buffer
        self.collector = Collector(
            self.algorithm, self.venv, buffer, exploration_noise=explore, raise_on_nan_in_buffer=False
        )
        many = self.settings.policy == "per-agent"
        return {
            "training_collector": self.collector,
            "max_epochs": 1,
            "epoch_num_steps": 1,  # one collection and its updates; the loop is in `arm.py`
            "multi_agent_return_reduction": (lambda returns: returns[:, 0]) if many else None,
            "verbose": False,
            "show_progress": False,
        }

    @property
    def _longest_rows(self) -> int:
        """Rows that the longest episode takes in all slots."""
        longest = max(longest_episode(env) for env in self.venv.envs)
        return (longest + 1) * len(self.venv)

    def _ppo_trainer(self, seed: int) -> Any:
        # Whole episodes, one in each slot: nothing in an update was played by an older policy. Where episodes become
        # short that makes tiny updates, so there a number of steps is played, and the rest of the running episodes
        # waits for the next update.
        rows = self.settings.rollout * len(self.venv)
        buffer = self._buffer(rows + self._longest_rows, seed)
        return self.algorithm.create_trainer(
            OnPolicyTrainerParams(
                **self._common(buffer, explore=False),
                collection_step_num_env_steps=rows or None,
                collection_step_num_episodes=None if rows else len(self.venv),
                batch_size=self.settings.batch,
                update_step_num_repetitions=self.settings.epochs,
            )
        )

    def _ddqn_trainer(self, seed: int) -> Any:
        s = self.settings
        buffer = self._buffer(max(s.buffer, self._longest_rows), seed)
        rows = DQN_STEPS * len(self.venv)
        params = OffPolicyTrainerParams(
            **self._common(buffer, explore=True),
            collection_step_num_env_steps=rows,
            collection_step_num_episodes=None,
            batch_size=s.batch * (1 if s.policy == "shared" else self.venv.n_agents),
            update_step_num_gradient_steps_per_sample=1.0 / min(s.rows_per_update, rows),  # at least one
        )
        return self.algorithm.create_trainer(params)

    def train(self) -> float:
        """One collection and the updates it allows; returns the seconds spent in the updates."""
        before = self.collector.collect_step
        if self.settings.algo == "ddqn" and len(self.buffer) == 0:  # the first update needs credited rows
            self.collector.collect(n_episode=len(self.venv))
        timing = self._trainer.execute_epoch().info_stat.timing
        updating, self._updating = timing.train_time_update - self._updating, timing.train_time_update
        self.steps += (self.collector.collect_step - before) // self.venv.n_agents
        self.set_progress(self.steps / self.settings.steps)
        if self.progress.done > 1.0 - TAIL:
            for network, tail in zip(self._networks, self._tails, strict=True):
                tail.update_parameters(network)
        if self.settings.policy == "per-agent":
            # Tianshou steps the schedulers of the algorithm that is trained, not those of its members
            for scheduler in (s for member in self._members for s in member.lr_schedulers):
                scheduler.step()
        return float(updating)

    def set_progress(self, done: float) -> None:
        """Moves the schedules of learning rate, entropy and exploration."""
        s, self.progress.done = self.settings, min(1.0, done)
        for member in self._members:
            if s.algo == "ppo":
                member.ent_coef = s.entropy * max(-s.entropy_debit, 1.0 - self.progress.done / s.entropy_until)
            else:
                # falls on to 0: whoever learns beside chance never sees how two greedy robots block each other for ever
                least = 0.05 * (1.0 - self.progress.done) ** 2
                epsilon = max(least, 1.0 - 0.95 * self.progress.done / s.exploration)
                member.policy.set_eps_training(epsilon)
                # for Tianshou, the first collection and the members of a team are never in a training step
                member.policy.set_eps_inference(epsilon)

    def state(self) -> dict[str, Any]:
        """Networks, optimisers and running statistics, for a checkpoint; the replay buffer is not kept."""
        # each member's own: the dictionary of a team cannot be loaded, for the members' optimisers in it
        return {
            "members": [member.state_dict() for member in self._members],
            "tails": [tail.state_dict() for tail in self._tails],
            "scales": [getattr(member, "ret_rms", None) for member in self._members],
            "steps": self.steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what `state` returned."""
        for member, weights, scale in zip(self._members, state["members"], state["scales"], strict=True):
            member.load_state_dict(dict(weights))
            if scale is not None:
                member.ret_rms = scale
        for tail, weights in zip(self._tails, state["tails"], strict=True):
            tail.load_state_dict(weights)
        self.steps = state["steps"]
        self.set_progress(self.steps / self.settings.steps)


def actors_of(settings: Settings, env: Any, checkpoint: Path) -> Actors:
    """The acting networks in an arm's checkpoint file, one for each agent, without a learner around them."""
    state = torch.load(checkpoint, weights_only=False)["learner"]
    agent = env.possible_agents[0]
    inputs, actions = env.observation_space(agent).shape[0], int(env.action_space(agent).n)
    networks: list[nn.Module] = []
    for member, tail in zip(state["members"], state["tails"], strict=True):
        part, weights = "policy.actor.net." if settings.algo == "ppo" else "policy.model.net.", member
        if tail["n_averaged"]:
            part, weights = "module.", tail
        own = {k.removeprefix(part): v for k, v in weights.items() if k.startswith(part)}
        network = mlp(own["0.weight"].shape[1], actions, settings.hidden, 1.0)
        network.load_state_dict(own)
        networks.append(without_task(network, inputs, len(env.possible_agents) if settings.agent_id else 0))
    return team(settings, networks, len(env.possible_agents), state["steps"])


def team(settings: Settings, networks: list[nn.Module], agents: int, steps: int = 0) -> Actors:
    """The actors of a team: a network for each agent, or one network that all of them share."""
    shared = settings.policy == "shared"
    kind = "logits" if settings.algo == "ppo" else "q"
    return Actors(networks * agents if shared else networks, kind, steps=steps, numbered=settings.agent_id)
