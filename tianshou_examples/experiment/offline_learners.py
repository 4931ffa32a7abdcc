"""Tianshou's offline learners for a team that shares one network: behaviour cloning, BCQ, CQL and CRR.

All read agent rows and respect the action masks in them. Where Tianshou's class does not, a small subclass does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete
from tianshou.algorithm import DiscreteBCQ, DiscreteCQL, DiscreteCRR
from tianshou.algorithm.imitation.discrete_bcq import DiscreteBCQPolicy
from tianshou.algorithm.imitation.imitation_base import ImitationPolicy, OfflineImitationLearning
from tianshou.algorithm.modelfree.qrdqn import QRDQNPolicy
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Batch, ReplayBuffer
from tianshou.utils.torch_utils import policy_within_training_step
from torch import nn

from credit_wrappers.integrations.tianshou import ActionHead, ValueHead
from tianshou_examples.experiment.actors import Actors
from tianshou_examples.experiment.learners import cache_compiled
from tianshou_examples.experiment.networks import mlp

UNLIKELY = 1e4  # taken from the Q value of an action that the data hardly ever have; less than for a forbidden one
_FORBIDDEN = -1e9


@dataclass(frozen=True)
class OfflineSettings:
    """Settings of the offline learners, the same for every reward.

    Attributes:
        steps: Gradient steps.
        batch: Rows of each.
        hidden: Width of the two hidden layers.
        lr: Learning rate.
        gamma: Discount.
        target: Gradient steps after which target networks are renewed.
        threshold: BCQ considers actions that are at least so likely, relative to the likeliest.
        conservative: Weight of the term that lowers the Q values of other actions than those of the data, CQL and CRR.
        quantiles: CQL's quantiles of the return.
    """

    steps: int = 2000
    batch: int = 256
    hidden: int = 128
    lr: float = 3e-3
    gamma: float = 0.95
    target: int = 25
    threshold: float = 0.3
    conservative: float = 2.0
    quantiles: int = 16


@dataclass
class OfflineLearner:
    """An algorithm, and the network by which the team acts.

    Attributes:
        algorithm: Tianshou's.
        network: Maps observations (B, F) to scores of the actions (B, A).
        kind: Of scores, "logits" or "q"; see `Actors`.
        losses: The loss of each gradient step.
    """

    algorithm: Any
    network: nn.Module
    kind: str
    losses: list[float] = field(default_factory=list)

    def learn(self, buffer: ReplayBuffer, steps: int, batch: int, progress: Callable[[int], object]) -> None:
        """Do so many gradient steps with rows from the buffer; tell after each that it is done."""
        with policy_within_training_step(self.algorithm.policy):
            for _ in range(steps):
                self.losses.append(float(self.algorithm.update(buffer=buffer, sample_size=batch).loss))
                progress(1)

    def actors(self, agents: int) -> Actors:
        """Return the team of so many agents."""
        return Actors([self.network] * agents, self.kind)


class QuantileHead(nn.Module):
    """A model for CQL's policy: (B, A, quantiles) of a network's (B, A * quantiles)."""

    def __init__(self, net: nn.Module, quantiles: int) -> None:
        super().__init__()
        self.net, self.quantiles = net, quantiles

    def forward(self, obs: Any, state: Any = None, info: Any = None) -> tuple[torch.Tensor, Any]:
        """Return the quantiles, and the state unchanged."""
        return self.net(torch.as_tensor(obs)).unflatten(-1, (-1, self.quantiles)), state


class QuantileMean(nn.Module):
    """The Q values of a network of quantiles."""

    def __init__(self, head: QuantileHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Return (B, A)."""
        return self.head(seen)[0].mean(-1)


class LikelyActions(nn.Module):
    """BCQ's scores: Q values, far lower where the data hardly ever have the action."""

    def __init__(self, values: nn.Module, imitator: nn.Module, threshold: float) -> None:
        super().__init__()
        self.values, self.imitator = values, imitator
        self.least = math.log(threshold) if threshold > 0 else -math.inf

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Return (B, A)."""
        return self.scores(self.values(seen), self.imitator(seen))

    def scores(self, values: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Return the scores of Q values and the imitator's logits, (B, A) each."""
        unlikely = logits - logits.max(dim=-1, keepdim=True).values < self.least
        return values - UNLIKELY * unlikely


class MaskedBCQPolicy(DiscreteBCQPolicy):
    """Tianshou's BCQ policy, which chooses only among possible actions."""

    def __init__(self, scorer: LikelyActions, **options: Any) -> None:
        super().__init__(**options)
        self.scorer = scorer

    def forward(self, batch: Any, state: Any = None, model: nn.Module | None = None) -> Any:
        """Return action, Q values and the imitator's logits of all actions."""
        seen = torch.as_tensor(batch.obs.obs)
        values, logits = self.scorer.values(seen), self.scorer.imitator(seen)
        allowed = torch.as_tensor(np.asarray(batch.obs.mask, bool))
        act = self.scorer.scores(values, logits).masked_fill(~allowed, _FORBIDDEN).argmax(dim=-1)
        return Batch(act=act, state=state, q_value=values, imitation_logits=logits, logits=logits)


class TimeLimitCRR(DiscreteCRR):
    """Tianshou's CRR; it also counts on what comes after a row in which time ran out, as BCQ and CQL do."""

    def _update_with_batch(self, batch: Any) -> Any:
        batch.done = batch.terminated
        return super()._update_with_batch(batch)


def behaviour_cloning(inputs: int, actions: int, s: OfflineSettings) -> OfflineLearner:
    """Return a learner that imitates the data, whatever they were paid."""
    net = mlp(inputs, actions, s.hidden, 0.01)
    policy = ImitationPolicy(actor=ActionHead(net), action_space=Discrete(actions))
    return OfflineLearner(OfflineImitationLearning(policy=policy, optim=AdamOptimizerFactory(lr=s.lr)), net, "logits")


def bcq(inputs: int, actions: int, s: OfflineSettings) -> OfflineLearner:
    """Return discrete BCQ."""
    values, imitator = mlp(inputs, actions, s.hidden, 1.0), mlp(inputs, actions, s.hidden, 0.01)
    scorer = LikelyActions(values, imitator, s.threshold)
    policy = MaskedBCQPolicy(
        scorer,
        model=ActionHead(values),
        imitator=ActionHead(imitator),
        action_space=Discrete(actions),
        target_update_freq=s.target,
        unlikely_action_threshold=s.threshold,
    )
    algorithm = DiscreteBCQ(
        policy=policy, optim=AdamOptimizerFactory(lr=s.lr), gamma=s.gamma, target_update_freq=s.target
    )
    return OfflineLearner(algorithm, scorer, "q")


def cql(inputs: int, actions: int, s: OfflineSettings) -> OfflineLearner:
    """Return discrete CQL, over quantiles of the return."""
    head = QuantileHead(mlp(inputs, actions * s.quantiles, s.hidden, 1.0), s.quantiles)
    policy = QRDQNPolicy(model=head, action_space=Discrete(actions))
    algorithm = DiscreteCQL(
        policy=policy,
        optim=AdamOptimizerFactory(lr=s.lr),
        gamma=s.gamma,
        min_q_weight=s.conservative,
        num_quantiles=s.quantiles,
        target_update_freq=s.target,
    )
    return OfflineLearner(algorithm, QuantileMean(head), "q")


def crr(inputs: int, actions: int, s: OfflineSettings) -> OfflineLearner:
    """Return discrete CRR, which imitates the actions that are better than the policy.

    Its mode is "binary": no scale of rewards decides how strictly it chooses.
    """
    net = mlp(inputs, actions, s.hidden, 0.01)
    algorithm = TimeLimitCRR(
        policy=DiscreteActorPolicy(actor=ActionHead(net), action_space=Discrete(actions)),
        critic=ValueHead(mlp(inputs, actions, s.hidden, 1.0)),
        optim=AdamOptimizerFactory(lr=s.lr),
        gamma=s.gamma,
        policy_improvement_mode="binary",
        min_q_weight=s.conservative,
        target_update_freq=s.target,
    )
    return OfflineLearner(algorithm, net, "logits")


OFFLINE_METHODS: dict[str, Callable[[int, int, OfflineSettings], OfflineLearner]] = {
    "bc": behaviour_cloning,
    "bcq": bcq,
    "cql": cql,
    "crr": crr,
}


def offline_learner(method: str, inputs: int, actions: int, settings: OfflineSettings, seed: int) -> OfflineLearner:
    """Return a fresh learner.

    Args:
        method: One of `OFFLINE_METHODS`.
        inputs: Numbers that an agent observes.
        actions: Actions of an agent.
        settings: Of the learner.
        seed: Of its networks.
    """
    cache_compiled()
    torch.manual_seed(seed)
    np.random.seed(seed)
    return OFFLINE_METHODS[method](inputs, actions, settings)
