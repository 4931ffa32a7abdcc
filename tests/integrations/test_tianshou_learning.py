"""Unmodified Tianshou learners, Collector and trainers: returns and targets of every agent are exact."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from known_credit import (
    N_ACTIONS,
    KnownQ,
    KnownValue,
    check_rows,
    keys_of,
    known_venv,
    true_advantages,
    true_rows,
    true_td_targets,
)
from tianshou.algorithm import A2C, DQN, PPO
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.multiagent.marl import MultiAgentOffPolicyAlgorithm, MultiAgentOnPolicyAlgorithm
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Batch, Collector
from tianshou.trainer import OffPolicyTrainerParams, OnPolicyTrainerParams
from torch import nn

from credit_wrappers.integrations.tianshou import ActionHead, AgentVectorEnv, CreditReplayBuffer

GAMMA, LAMBDA = 0.9, 0.8
N_ENVS = 4
torch.set_num_threads(1)


def learner(kind: type, venv: AgentVectorEnv, **options: Any) -> Any:
    space = venv.action_space[0]
    optim = AdamOptimizerFactory(lr=1e-3)
    if kind is DQN:
        policy = DiscreteQLearningPolicy(model=KnownQ(), action_space=space, eps_training=1.0)
        return DQN(policy=policy, optim=optim, gamma=GAMMA, **options)
    policy = DiscreteActorPolicy(actor=ActionHead(nn.Linear(5, N_ACTIONS)), action_space=space)
    # A tiny max_batchsize makes Tianshou work out the values in pieces.
    options = {"gamma": GAMMA, "gae_lambda": LAMBDA, "max_batchsize": 16} | options
    return kind(policy=policy, critic=KnownValue(), optim=optim, **options)


def team(kind: type, venv: AgentVectorEnv, **options: Any) -> tuple[Any, list[Any]]:
    """Return the algorithm to train and the single learners in it."""
    if venv.learners == "shared":
        algorithm = learner(kind, venv, **options)
        return algorithm, [algorithm]
    learners = [learner(kind, venv, **options) for _ in venv.agents]
    both = MultiAgentOffPolicyAlgorithm if kind is DQN else MultiAgentOnPolicyAlgorithm
    return both(algorithms=learners, env=venv), learners


def record(learners: list[Any]) -> list[list[Batch]]:
    """Note down the batches each learner updates its networks with, as they are at that moment."""
    seen: list[list[Batch]] = []
    for algorithm in learners:
        mine: list[Batch] = []
        update = algorithm._update_with_batch

        def spy(batch: Batch, *args: Any, mine: list = mine, update: Any = update, **kwargs: Any) -> Any:
            mine.append(Batch(batch.to_dict(), copy=True))
            return update(batch, *args, **kwargs)

        algorithm._update_with_batch = spy
        seen.append(mine)
    return seen


def mean_over_agents(returns: np.ndarray) -> np.ndarray:
    return returns.mean(axis=1)


def train(algorithm: Any, venv: AgentVectorEnv, buffer: CreditReplayBuffer, **params: Any) -> Any:
    collector = Collector(algorithm, venv, buffer, exploration_noise=True)
    common = {
        "training_collector": collector,
        "max_epochs": 2,
        "batch_size": 16,
        "multi_agent_return_reduction": mean_over_agents if venv.learners == "per-agent" else None,
        "verbose": False,
        "show_progress": False,
    }
    off_policy = isinstance(algorithm, DQN | MultiAgentOffPolicyAlgorithm)
    if off_policy:
        collector.reset()
        collector.collect(n_episode=len(venv))
    kind = OffPolicyTrainerParams if off_policy else OnPolicyTrainerParams
    return algorithm.run_training(kind(**common | params))


def check_on_policy(seen: list[list[Batch]], log: dict, venv: AgentVectorEnv, *, masked: bool) -> Counter:
    """Assert that all that was learned from is exact; return how often each row was."""
    rows = true_rows(log, venv.n_agents, masked=masked)
    advantages = true_advantages(rows, GAMMA, LAMBDA)
    learned: Counter = Counter()
    for number, batches in enumerate(seen):
        for batch in batches:
            check_rows(batch, rows, venv.n_agents, masked=masked)
            keys = keys_of(batch)
            if venv.learners == "per-agent":
                assert {key[2] for key in keys} == {number}
            expected = np.array([advantages[key] for key in keys])
            values = np.array([rows[key].value for key in keys])
            np.testing.assert_allclose(batch.adv.numpy(), expected, atol=0.02)
            np.testing.assert_allclose(batch.returns.numpy(), expected + values, atol=0.02)
            learned.update(keys)
    return learned


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("learners", ["shared", "per-agent"])
@pytest.mark.parametrize("n_agents", [2, 3])
def test_on_policy_with_whole_episodes_every_return_is_exact(n_agents: int, learners: str, masked: bool) -> None:
    venv, log = known_venv(N_ENVS, n_agents, learners=learners, masked=masked)
    algorithm, single = team(PPO, venv)
    seen = record(single)
    buffer = CreditReplayBuffer(40 * len(venv), venv)
    n_episode = 2 * len(venv)
    train(algorithm, venv, buffer, collection_step_num_env_steps=None,
          collection_step_num_episodes=n_episode, epoch_num_steps=1)  # fmt: skip
    learned = check_on_policy(seen, log, venv, masked=masked)
    assert set(learned.values()) == {1}
    # Two updates of two epochs: everything that was played to the end was learned from.
    assert set(learned) == set(true_rows(log, n_agents))
    assert len({key[:2] for key in learned}) == 2 * n_episode // n_agents


@pytest.mark.parametrize("kind", [PPO, A2C])
@pytest.mark.parametrize("learners", ["shared", "per-agent"])
@pytest.mark.parametrize("n_agents", [2, 3])
def test_on_policy_with_n_step_collection_running_episodes_are_learned_from_later_and_whole(
    n_agents: int, learners: str, kind: type
) -> None:
    venv, log = known_venv(N_ENVS, n_agents, learners=learners)
    algorithm, single = team(kind, venv)
    seen = record(single)
    buffer = CreditReplayBuffer(16 * len(venv), venv)
    # Collections of 4 steps are shorter than the longest episodes (7): these run over two updates.
    train(algorithm, venv, buffer, collection_step_num_env_steps=4 * len(venv),
          epoch_num_steps=5 * 4 * len(venv))  # fmt: skip
    learned = check_on_policy(seen, log, venv, masked=False)
    assert set(learned.values()) == {1}
    ended = set(true_rows(log, n_agents))
    assert set(learned) == ended
    # 40 steps were collected in each slot; what is not learned from yet is still in the buffer.
    assert buffer.counts.credited == len(ended)
    assert len(ended) + len(buffer) == 40 * len(venv)
    assert buffer.counts.late == buffer.counts.abandoned == 0
    assert any(len(played.actions) == 7 for played in log.values() if played.over)


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("collection", ["n_step", "n_episode"])
@pytest.mark.parametrize("learners", ["shared", "per-agent"])
@pytest.mark.parametrize("n_agents", [2, 3])
def test_off_policy_every_td_target_is_exact(n_agents: int, learners: str, collection: str, n_step: int) -> None:
    venv, log = known_venv(N_ENVS, n_agents, learners=learners, masked=True)
    algorithm, single = team(DQN, venv, n_step_return_horizon=n_step, target_update_freq=3)
    seen = record(single)
    # Slots of 10 rows hold two episodes at most: rows are overwritten all the time.
    buffer = CreditReplayBuffer(10 * len(venv), venv)
    amount = (
        {"collection_step_num_env_steps": 3 * len(venv)}
        if collection == "n_step"
        else {"collection_step_num_env_steps": None, "collection_step_num_episodes": len(venv)}
    )
    train(algorithm, venv, buffer, batch_size=64, epoch_num_steps=20 * len(venv),
          update_step_num_gradient_steps_per_sample=0.1, **amount)  # fmt: skip
    rows = true_rows(log, n_agents, masked=True)
    targets = true_td_targets(rows, GAMMA, n_step)
    learned = set()
    for number, batches in enumerate(seen):
        for batch in batches:
            check_rows(batch, rows, n_agents, masked=True)
            keys = keys_of(batch)
            if learners == "per-agent":
                assert {key[2] for key in keys} == {number}
            expected = [targets[key] for key in keys]
            np.testing.assert_allclose(batch.returns.numpy().ravel(), expected, atol=0.01)
            learned.update(keys)
    ends = {(rows[key].terminated, rows[key].truncated) for key in learned}
    assert ends == {(False, False), (True, False), (False, True)}
    assert {key[2] for key in learned} == set(range(n_agents))


@pytest.mark.parametrize(("kind", "n_step"), [(PPO, 0), (DQN, 1), (DQN, 3)])
def test_agents_that_leave_early_end_where_they_leave(kind: type, n_step: int) -> None:
    leaves = {1: (2, "terminated"), 2: (3, "truncated")}
    venv, log = known_venv(3, 3, lengths=(5, 6), leaves=leaves)
    options = {"n_step_return_horizon": n_step} if kind is DQN else {}
    algorithm, single = team(kind, venv, **options)
    seen = record(single)
    buffer = CreditReplayBuffer(40 * len(venv), venv)
    train(algorithm, venv, buffer, collection_step_num_env_steps=7 * len(venv),
          epoch_num_steps=14 * len(venv), batch_size=32)  # fmt: skip
    rows = true_rows(log, 3)
    assert [max(t for _, _, agent, t in rows if agent == i) for i in range(3)] == [5, 2, 3]
    if kind is PPO:
        assert set(check_on_policy(seen, log, venv, masked=False)) == set(rows)
        return
    targets = true_td_targets(rows, GAMMA, n_step)
    learned = set()
    for batch in seen[0]:
        check_rows(batch, rows, 3)
        expected = [targets[key] for key in keys_of(batch)]
        np.testing.assert_allclose(batch.returns.numpy().ravel(), expected, atol=0.01)
        learned.update(keys_of(batch))
    assert {(agent, t) for _, _, agent, t in learned} >= {(1, 2), (2, 3), (0, 5)}


def test_with_threads_scoring_in_any_order_every_return_is_exact() -> None:
    import random
    import time

    from known_credit import KnownCritic

    from credit_wrappers import CreditStore

    class Dawdling(KnownCritic):
        def score(self, episodes: Any) -> Any:
            time.sleep(random.random() * 0.01)
            return super().score(episodes)

    with CreditStore(Dawdling(), episodes_per_query=3, workers=4) as store:
        venv, log = known_venv(N_ENVS, 2, store=store)
        algorithm, single = team(PPO, venv)
        seen = record(single)
        buffer = CreditReplayBuffer(40 * len(venv), venv)
        train(algorithm, venv, buffer, collection_step_num_env_steps=8 * len(venv),
              epoch_num_steps=24 * len(venv))  # fmt: skip
        learned = check_on_policy(seen, log, venv, masked=False)
        assert set(learned) == set(true_rows(log, 2))


def test_collect_statistics_show_the_team_reward_not_the_credit() -> None:
    venv, _ = known_venv(2, 2, lengths=(3,))
    algorithm, _ = team(PPO, venv)
    collector = Collector(algorithm, venv, CreditReplayBuffer(20 * len(venv), venv))
    collector.reset()
    stats = collector.collect(n_episode=4)
    assert stats.returns.tolist() == [3 * 7777.0] * 4
    assert stats.lens.tolist() == [3] * 4
