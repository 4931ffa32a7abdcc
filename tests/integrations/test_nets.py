"""Masks reach the policy's distribution, once; plain observations work as well."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.data import Batch
from torch import nn

from credit_wrappers.integrations.tianshou import ActionHead, ValueHead

MASK = np.array([[True, False, True, False], [False, True, False, False], [True, True, True, True]])
OBS = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


def masked_obs() -> Batch:
    return Batch(obs=Batch(agent_id=np.array([0, 1, 0]), obs=OBS, mask=MASK), info=Batch())


def test_probabilities_are_the_softmax_of_the_legal_logits() -> None:
    net = nn.Linear(5, 4)
    policy = DiscreteActorPolicy(actor=ActionHead(net), action_space=Discrete(4))
    probs = policy(masked_obs()).dist.probs
    weights = net(torch.from_numpy(OBS)).exp() * torch.from_numpy(MASK)
    torch.testing.assert_close(probs, weights / weights.sum(dim=1, keepdim=True))
    assert (probs[~torch.from_numpy(MASK)] == 0).all()


def test_entropy_and_gradients_are_finite_and_forbidden_actions_have_no_gradient() -> None:
    net = nn.Linear(5, 4)
    policy = DiscreteActorPolicy(actor=ActionHead(net), action_space=Discrete(4))
    dist = policy(masked_obs()).dist
    (dist.entropy().mean() + dist.log_prob(torch.tensor([0, 1, 2])).mean()).backward()
    assert torch.isfinite(net.weight.grad).all() and net.weight.grad.abs().sum() > 0
    only_third_row = net(torch.from_numpy(OBS[2:])).grad_fn is not None
    assert only_third_row and net.bias.grad[3].abs() > 0  # legal in the last row only


def test_sampled_and_greedy_actions_are_legal() -> None:
    for deterministic in (False, True):
        policy = DiscreteActorPolicy(
            actor=ActionHead(nn.Linear(5, 4)), action_space=Discrete(4), deterministic_eval=deterministic
        )
        for _ in range(50):
            assert MASK[np.arange(3), policy(masked_obs()).act.numpy()].all()


def test_a_row_without_any_legal_action_does_not_break_the_others() -> None:
    obs = masked_obs()
    obs.obs.mask = np.zeros_like(MASK)
    dist = DiscreteActorPolicy(actor=ActionHead(nn.Linear(5, 4)), action_space=Discrete(4))(obs).dist
    assert torch.isfinite(dist.entropy()).all()


def test_plain_observations_are_not_masked() -> None:
    net = nn.Linear(5, 4)
    logits, state = ActionHead(net)(OBS, state="kept")
    torch.testing.assert_close(logits, net(torch.from_numpy(OBS)))
    assert state == "kept"


def test_q_policies_use_the_same_head_and_mask_by_themselves() -> None:
    net = nn.Linear(5, 4)
    policy = DiscreteQLearningPolicy(model=ActionHead(net), action_space=Discrete(4))
    result = policy(masked_obs())
    q = net(torch.from_numpy(OBS))
    torch.testing.assert_close(result.logits, q)
    best = q.masked_fill(~torch.from_numpy(MASK), -torch.inf).argmax(dim=1)
    assert result.act.tolist() == best.tolist()


@pytest.mark.parametrize("obs", [OBS, Batch(agent_id=np.zeros(3), obs=OBS, mask=MASK), OBS.astype(np.int8)])
def test_values_need_no_mask(obs: object) -> None:
    net = nn.Linear(5, 1)
    assert ValueHead(net)(obs).shape == (3, 1)


def test_the_agents_number_stands_behind_its_observation() -> None:
    seen: list[torch.Tensor] = []

    class Net(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return super().forward(x)

    logits, _ = ActionHead(Net(7, 4), n_agents=2)(masked_obs().obs)
    value = ValueHead(Net(7, 1), n_agents=2)(masked_obs().obs)
    assert logits.shape == (3, 4) and value.shape == (3, 1)
    expected = np.concatenate([OBS, [[1, 0], [0, 1], [1, 0]]], axis=1).astype(np.float32)
    for x in seen:
        np.testing.assert_array_equal(x.numpy(), expected)


@pytest.mark.parametrize("obs", [OBS, Batch(agent_id=np.array(["a", "b", "a"], dtype=object), obs=OBS, mask=MASK)])
def test_observations_without_numbers_are_refused(obs: np.ndarray | Batch) -> None:
    with pytest.raises(ValueError, match="agents' numbers: envs with action masks, and learners='shared'"):
        ValueHead(nn.Linear(7, 1), n_agents=2)(obs)
