"""TorchRL's PettingZoo wrapper passes its own check over wrapped envs, and its rollouts hold the credits."""

from __future__ import annotations

import multiprocessing
from typing import Any

import numpy as np
import pytest
import torch
from known_credit import KnownCreditEnv, KnownCritic, credit, paid
from paid_rows import PAYERS, AnyOrder, check_ends, check_paid, payer_of
from torchrl.envs.libs.pettingzoo import PettingZooWrapper
from torchrl.envs.utils import check_env_specs

from credit_wrappers import CreditWrapper, Deferred, EqualSplitCritic, Online
from credit_wrappers.integrations.numeric_infos import NumericInfos
from spaceworld.env import SpaceworldEnv

# It says which version of PettingZoo (1.24.3) it is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested:UserWarning")
torch.set_num_threads(1)


@pytest.mark.parametrize("options", [{}, {"return_state": True}, {"use_mask": True}, {"categorical_actions": False}])
@pytest.mark.parametrize("delivery", ["immediate", "deferred"])
def test_its_own_check_passes_on_a_wrapped_spaceworld(delivery: Any, options: dict) -> None:
    source = Online(EqualSplitCritic()) if delivery == "immediate" else Deferred(EqualSplitCritic(), workers=0)
    if delivery == "deferred":
        source.store.ready()  # or the store warns that nobody collects its credits
    env = CreditWrapper(SpaceworldEnv("pair", max_cycles=3), source)
    wrapped = PettingZooWrapper(NumericInfos(env), **options)
    check_env_specs(wrapped)
    rollout = wrapped.rollout(7, break_when_any_done=False)
    assert rollout["next", "robot", "reward"].shape == (7, 2, 1)
    assert rollout["next", "robot", "info", "episode_step"].tolist() == [[t % 3] * 2 for t in range(7)]
    assert rollout["robot", "action_mask"].shape == (7, 2, 6)


@pytest.mark.parametrize("kind", PAYERS)
def test_the_rewards_of_a_rollout_are_each_agents_own_credits(kind: str) -> None:
    payer, log = payer_of(kind), {}
    wrapped = PettingZooWrapper(NumericInfos(paid(KnownCreditEnv(0, 2, log), payer)))
    check_env_specs(wrapped)
    assert wrapped.group_map == {"walker": ["walker_0", "walker_1"]}
    rollout = wrapped.rollout(40, break_when_any_done=False)
    observations, rewards = rollout["walker", "observation"].numpy(), rollout["next", "walker", "reward"].numpy()
    keys = check_paid(observations.reshape(-1, 5), rewards.reshape(-1), log, payer)
    check_ends(keys, log)
    assert len(keys) == 80


def test_agents_that_leave_early_are_masked_and_paid_until_then() -> None:
    log: Any = {}
    env = AnyOrder(0, 2, log, lengths=(4,), leaves={1: (1, "terminated")})
    wrapped = PettingZooWrapper(NumericInfos(paid(env, KnownCritic())), use_mask=True, done_on_any=False)
    rollout = wrapped.rollout(8, break_when_any_done=False)
    number = rollout["walker", "observation"][0, 0, 1].item()
    expected = [
        [credit(0, int(number) + t // 4, i, t % 4) if i == 0 or t % 4 < 2 else 0.0 for i in (0, 1)] for t in range(8)
    ]
    np.testing.assert_array_equal(rollout["next", "walker", "reward"][..., 0], expected)
    assert rollout["walker", "mask"].tolist() == [[True, t % 4 < 2] for t in range(8)]


def test_the_other_tests_start_processes_as_they_would_without_it() -> None:
    assert multiprocessing.get_start_method() == multiprocessing.get_all_start_methods()[0]  # this platform's default
