"""With credits in the reward itself, Tianshou's own collector and buffers and a CleanRL loop need nothing of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cleanrl_loop import Loop
from known_credit import KnownCreditEnv, KnownCritic, check_rows, known_venv, paid, true_rows, true_td_targets
from paid_rows import PAYERS, check_ends, check_paid, due, payer_of
from test_tianshou_learning import GAMMA, check_on_policy, record, team, train
from tianshou.algorithm import DQN, PPO
from tianshou.data import Collector, VectorReplayBuffer

from credit_wrappers import Credit, CreditError, CreditWrapper, Online
from credit_wrappers.integrations.gymnasium import ParallelVecEnv, relabel_rewards
from credit_wrappers.integrations.tianshou import AgentVectorEnv, CreditReplayBuffer
from spaceworld.env import SpaceworldEnv


@pytest.mark.parametrize("collect", ["n_step", "n_episode"])
@pytest.mark.parametrize("kind", PAYERS)
def test_tianshous_plain_buffer_holds_each_agents_own_credit_in_its_own_rows(kind: str, collect: str) -> None:
    payer = payer_of(kind)
    venv, log = known_venv(3, 2, payer=payer)
    assert venv.store is None
    algorithm, _ = team(PPO, venv)
    buffer = VectorReplayBuffer(40 * len(venv), len(venv))
    collector = Collector(algorithm, venv, buffer)
    collector.reset()
    collector.collect(**{collect: 20 * len(venv) if collect == "n_step" else 4 * len(venv)})
    rows = buffer[:]
    keys = check_paid(rows.obs, rows.rew, log, payer)
    check_ends(keys, log)
    assert len(keys) == len(rows) == len(due(log, payer))


def test_one_learner_per_agent_gets_the_credits_of_the_whole_team() -> None:
    venv, log = known_venv(3, 2, payer=KnownCritic(), learners="per-agent")
    algorithm, _ = team(PPO, venv)
    buffer = VectorReplayBuffer(40 * len(venv), len(venv))
    collector = Collector(algorithm, venv, buffer)
    collector.reset()
    collector.collect(n_episode=2 * len(venv))
    check_rows(buffer[:], true_rows(log, 2), 2)


@pytest.mark.parametrize("learners", ["shared", "per-agent"])
def test_every_return_that_ppo_learns_from_is_exact(learners: str) -> None:
    venv, log = known_venv(4, 2, payer=KnownCritic(), learners=learners)
    algorithm, single = team(PPO, venv)
    seen = record(single)
    train(algorithm, venv, VectorReplayBuffer(40 * len(venv), len(venv)), collection_step_num_env_steps=None,
          collection_step_num_episodes=2 * len(venv), epoch_num_steps=1)  # fmt: skip
    learned = check_on_policy(seen, log, venv, masked=False)
    assert set(learned) == set(true_rows(log, 2)) and set(learned.values()) == {1}


def test_every_td_target_of_a_double_dqn_is_exact() -> None:
    venv, log = known_venv(4, 2, payer=KnownCritic(), masked=True)
    algorithm, single = team(DQN, venv, n_step_return_horizon=1, target_update_freq=3)
    seen = record(single)
    train(algorithm, venv, VectorReplayBuffer(10 * len(venv), len(venv)), batch_size=64,
          epoch_num_steps=20 * len(venv), collection_step_num_env_steps=3 * len(venv),
          update_step_num_gradient_steps_per_sample=0.1)  # fmt: skip
    for played in log.values():  # of running episodes was learned, too
        if not played.over:
            played.over, played.ends = True, {0: "", 1: ""}
    targets = true_td_targets(true_rows(log, 2, masked=True), GAMMA, 1)
    assert seen[0]
    for batch in seen[0]:
        keys = check_paid(batch.obs.obs, batch.rew, log, KnownCritic())
        expected = [targets[tuple(int(x) for x in row[:4])] for row in batch.obs.obs]
        np.testing.assert_allclose(batch.returns.numpy().ravel(), expected, atol=0.01)
        assert {key[2] for key in keys} == {0, 1}


@pytest.mark.parametrize("kind", PAYERS)
def test_a_cleanrl_rollout_stores_credits_without_the_line(kind: str) -> None:
    payer, log = payer_of(kind), {}
    envs = ParallelVecEnv([lambda k=k: paid(KnownCreditEnv(k, 2, log), payer) for k in range(3)])
    assert envs.store is None
    loop = Loop(envs, log, num_steps=20, relabel=lambda rewards, step, infos: None)
    for _ in range(2):
        loop.play()
        keys = check_paid(loop.obs.reshape(-1, 5), loop.rewards.reshape(-1), log, payer)
        check_ends(keys, log)
        assert len(keys) == 20 * 6
    with pytest.raises(CreditError, match="leave this line out"):
        relabel_rewards(loop.rewards, 19, loop.infos)


def test_the_replay_buffer_for_late_credits_says_that_a_plain_one_will_do() -> None:
    venv, _ = known_venv(1, 2, payer=KnownCritic())
    with pytest.raises(ValueError, match="VectorReplayBuffer"):
        CreditReplayBuffer(40, venv)


class Numbered:
    """Credits robot i with 10 t + i for step t."""

    label = "numbered"

    def score(self, episodes: Any) -> list[Credit]:
        steps = [10.0 * (episode.start + np.arange(episode.length)) for episode in episodes]
        return [Credit(np.add.outer(t, [0, 1]).astype(np.float32)) for t in steps]


def test_spaceworlds_that_could_be_stepped_together_are_paid_their_credits_too() -> None:
    def make() -> CreditWrapper:
        return CreditWrapper(SpaceworldEnv("pair", max_cycles=4), Online(Numbered()))

    expected = [[10 * (step % 4) + i for i in (0, 1, 0, 1)] for step in range(9)]
    envs = ParallelVecEnv([make, make])
    envs.reset(seed=0)
    assert [envs.step(np.zeros(4, dtype=int))[1].tolist() for _ in range(9)] == expected
    venv = AgentVectorEnv([make, make])
    venv.reset(seed=0)
    assert [venv.step(np.zeros(4, dtype=int))[1].tolist() for _ in range(4)] == expected[:4]
