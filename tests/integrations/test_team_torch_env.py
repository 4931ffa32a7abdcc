"""Many ParallelEnvs as one environment of TorchRL: rows, ends, masks and credits are those of the environments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from known_credit import KnownCreditEnv, KnownCritic, legal, paid, true_rows
from paid_rows import PAYERS, AnyOrder, check_ends, check_paid, payer_of
from pettingzoo import ParallelEnv
from torchrl.envs.utils import check_env_specs

from credit_wrappers import CreditWrapper, Deferred, EqualSplitCritic, Online
from credit_wrappers.adapters import lbf, rware
from credit_wrappers.integrations.torchrl import TeamTorchEnv
from spaceworld.env import SpaceworldEnv

torch.set_num_threads(1)

MAKERS = {
    "spaceworld": lambda: SpaceworldEnv("duet", max_cycles=5),
    "spaceworld, paid": lambda: CreditWrapper(SpaceworldEnv("duet", max_cycles=5), Online(EqualSplitCritic())),
    "lbf": lambda: lbf.parallel_env("Foraging-5x5-2p-1f-coop-v3", max_episode_steps=5),
    "rware": lambda: rware.parallel_env("rware-tiny-2ag-v2", max_steps=5),
}


@pytest.mark.parametrize("name", MAKERS)
def test_torchrl_finds_no_fault_in_it(name: str) -> None:
    env = TeamTorchEnv([MAKERS[name]] * 3, seed=1)
    check_env_specs(env)
    assert env.full_observation_spec["state"].shape == (3, *env.envs[0].unwrapped.state_space.shape)
    env.close()


@pytest.mark.parametrize("name", ["spaceworld", "lbf", "rware"])
def test_a_rollout_is_what_the_environments_do_by_themselves(name: str) -> None:
    env = TeamTorchEnv([MAKERS[name]] * 3, seed=7)
    seeds = list(env._seeds)
    assert len(set(seeds)) == 3
    rollout = env.rollout(12, break_when_any_done=False)
    for k, seed in enumerate(seeds):
        single = MAKERS[name]()
        observations, infos = single.reset(seed=seed)
        for row in rollout[k]:
            _same(row, single, observations, infos)
            actions = dict(zip(single.possible_agents, row["agents", "action"].tolist(), strict=True))
            assert all(infos[agent]["action_mask"][action] for agent, action in actions.items())
            observations, rewards, terminated, truncated, infos = single.step(actions)
            _same(row["next"], single, observations, infos)
            np.testing.assert_array_equal(
                row["next", "agents", "reward"][:, 0], np.array(list(rewards.values()), np.float32)
            )
            flags = any(terminated.values()), any(truncated.values())
            assert (row["next", "terminated"].item(), row["next", "truncated"].item()) == flags
            assert row["next", "done"].item() == any(flags)
            if any(flags):
                observations, infos = single.reset()
    env.close()


def _same(row: Any, env: ParallelEnv, observations: dict, infos: dict) -> None:
    np.testing.assert_array_equal(row["agents", "observation"], np.stack(list(observations.values())))
    masks = [info["action_mask"] for info in infos.values()]
    np.testing.assert_array_equal(row["agents", "action_mask"], np.array(masks, bool))
    np.testing.assert_array_equal(row["state"], env.state().astype(np.float32))


@pytest.mark.parametrize("kind", PAYERS)
def test_rewards_are_each_agents_own_credits_and_ends_are_of_their_own_kind(kind: str) -> None:
    payer, log = payer_of(kind), {}
    env = TeamTorchEnv([lambda k=k: paid(KnownCreditEnv(k, 2, log, masked=True), payer) for k in range(3)])
    rollout = env.rollout(30, break_when_any_done=False)
    observations = rollout["agents", "observation"].numpy().reshape(-1, 5)
    keys = check_paid(observations, rollout["next", "agents", "reward"].numpy().reshape(-1), log, payer)
    check_ends(keys, log)
    rows = true_rows(log, 2, masked=True)
    for cell in rollout.reshape(-1):
        for i in (0, 1):
            number, episode, agent, t, _ = (int(x) for x in cell["agents", "observation"][i])
            assert cell["agents", "action_mask"][i].tolist() == legal(agent, t).astype(bool).tolist()
            assert cell["agents", "action_mask"][i, cell["agents", "action"][i]]
            if (row := rows.get((number, episode, agent, t))) is not None:  # of an episode that is over
                assert cell["agents", "action"][i] == row.act
                flags = cell["next", "terminated"].item(), cell["next", "truncated"].item()
                assert flags == (row.terminated, row.truncated)
                assert cell["next", "agents", "observation"][i, 3:].tolist() == [t + 1, row.act]


def test_an_environment_is_reset_while_the_others_go_on() -> None:
    env = TeamTorchEnv([lambda k=k: KnownCreditEnv(k, 2, {}) for k in range(3)])
    before = env.rand_step(env.reset())["next"].clone()
    chosen = torch.tensor([[False], [True], [False]])
    after = env.reset(before.clone().set("_reset", chosen))
    assert after["agents", "observation"][:, 0, 1].tolist() == [0, 1, 0]  # episodes
    assert after["agents", "observation"][:, 0, 3].tolist() == [1, 0, 1]  # steps


def test_where_infos_tell_no_mask_everything_is_legal_and_where_there_is_no_state_none_is_told() -> None:
    env = TeamTorchEnv([lambda: KnownCreditEnv(0, 2, {})] * 2)
    first = env.reset()
    assert first["agents", "action_mask"].all()
    assert "state" not in first


def test_the_state_can_be_left_out() -> None:
    assert "state" not in TeamTorchEnv([MAKERS["spaceworld"]] * 2, state=False).reset()


def test_deferred_credit_is_refused() -> None:
    with pytest.raises(ValueError, match="deferred"):
        TeamTorchEnv([lambda: CreditWrapper(KnownCreditEnv(0, 2, {}), Deferred(KnownCritic()))])


def test_an_agent_that_leaves_early_is_an_error_that_names_it() -> None:
    env = TeamTorchEnv([lambda: AnyOrder(0, 2, {}, leaves={1: (1, "terminated")})])
    with pytest.raises(ValueError, match="walker_1 left env 0"):
        env.rollout(8)


def test_a_seed_gives_the_same_layouts_again() -> None:
    env = TeamTorchEnv([MAKERS["spaceworld"]] * 2, seed=3)
    first = env.reset()["state"].clone()
    assert not torch.equal(first, env.reset()["state"])
    env.set_seed(3)
    assert torch.equal(first, env.reset()["state"])
    assert not torch.equal(first[0], first[1])
