"""`NumericInfos` keeps numbers under the same names in every step, and changes nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from known_credit import KnownCreditEnv, KnownCritic, paid
from pettingzoo.utils import parallel_to_aec

from credit_wrappers import CreditWrapper, EqualSplitCritic, Online
from credit_wrappers.integrations.numeric_infos import NumericInfos
from spaceworld.env import SpaceworldEnv


class Talkative(KnownCreditEnv):
    """Tells numbers and other things, some of them late."""

    def _view(self, agents: Any) -> tuple[dict, dict]:
        observations, infos = super()._view(agents)
        for agent, info in infos.items():
            info |= {"whole": 3, "real": np.float32(0.5), "truth": True, "array": np.arange(2), "text": agent}
            info |= {"texts": np.array(["a"]), "tuple": (1, 2), "none": None, "dict": {"a": 1}}
            if self.t:
                info["late"] = 1.0
        return observations, infos


def test_numbers_and_arrays_of_numbers_stay_and_names_do_not_change() -> None:
    env = NumericInfos(Talkative(0, 2, {}, lengths=(3,)))
    _, infos = env.reset(seed=0)
    names = {"whole", "real", "truth", "array"}
    assert all(set(info) == names for info in infos.values()) and len(infos) == 2
    while env.agents:
        *_, infos = env.step(dict.fromkeys(env.agents, 0))
        assert all(set(info) == names for info in infos.values()) and len(infos) == 2
    assert infos["walker_0"]["array"].tolist() == [0, 1]


def test_all_but_the_infos_is_passed_on() -> None:
    plain, numeric = (paid(KnownCreditEnv(0, 2, {}), KnownCritic()) for _ in range(2))
    numeric = NumericInfos(numeric)
    observations, infos = plain.reset(seed=0)
    same, kept = numeric.reset(seed=0)
    np.testing.assert_equal(same, observations)
    while plain.agents:
        actions = dict.fromkeys(plain.agents, 1)
        *expected, infos = plain.step(actions)
        *got, kept = numeric.step(actions)
        np.testing.assert_equal(got, expected)
        assert infos["walker_0"]["credit_source"] == "exact"  # texts are there, but not in these:
        assert not any(isinstance(value, str) for info in kept.values() for value in info.values())


def test_agents_that_leave_take_their_infos_along() -> None:
    env = NumericInfos(Talkative(0, 2, {}, lengths=(4,), leaves={0: (1, "terminated")}))
    env.reset()
    present = [list(env.step(dict.fromkeys(env.agents, 0))[4]) for _ in range(4)]
    assert present == [["walker_0", "walker_1"]] * 2 + [["walker_1"]] * 2


def test_of_a_wrapped_spaceworld_the_mask_the_cost_and_the_evidence_stay() -> None:
    env = NumericInfos(CreditWrapper(SpaceworldEnv("duet"), Online(EqualSplitCritic())))
    _, infos = env.reset(seed=0)
    *_, later = env.step(dict.fromkeys(env.agents, 0))
    assert set(later["robot_0"]) == set(infos["robot_0"])
    assert set(infos["robot_0"]) >= {"action_mask", "cost", "team_reward", "episode_id", "episode_step"}
    assert "events" not in infos["robot_0"]


def test_other_environments_are_refused() -> None:
    with pytest.raises(TypeError, match="aec_to_parallel"):
        NumericInfos(parallel_to_aec(KnownCreditEnv(0, 2, {})))
