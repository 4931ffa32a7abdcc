"""`NumericInfos` keeps numbers under the same names in every step, and changes nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from known_credit import KnownCreditEnv, KnownCritic, paid
from pettingzoo.utils import parallel_to_aec

from credit_wrappers import CreditError, CreditWrapper, EqualSplitCritic, Online
from credit_wrappers.integrations.numeric_infos import NumericInfos
from credit_wrappers.testing.corridor import CorridorEnv
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


class Told(KnownCreditEnv):
    """Its infos hold `told[t]` at time t; None: no infos at all."""

    def __init__(self, *told: dict[str, Any] | None, **more: Any) -> None:
        super().__init__(0, 2, {}, lengths=(len(told),), **more)
        self.told = told

    def _view(self, agents: Any) -> tuple[dict, dict]:
        observations, infos = super()._view(agents)
        told = self.told[min(self.t, len(self.told) - 1)]
        return observations, {} if told is None else {agent: dict(told) for agent in infos}


def told_later(first: dict[str, Any], later: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    env = NumericInfos(Told(first, later), **more)
    env.reset()
    return env.step(dict.fromkeys(env.agents, 0))[4]["walker_0"]


@pytest.mark.parametrize(
    ("later", "now"),
    [
        ({"other": 1}, "is missing now"),
        (None, "is missing now"),
        ({"fuel": None}, "is None now"),
        ({"fuel": "high"}, "is 'high' now"),
        ({"fuel": [1.0, 2.0]}, r"is \[1\.0, 2\.0\] now"),
        ({"fuel": np.zeros(3)}, r"has shape \(3,\) now"),
        ({"fuel": np.zeros((1, 2))}, r"has shape \(1, 2\) now"),
        ({"fuel": 1.0}, r"has shape \(\) now"),
    ],
)
def test_a_number_that_is_gone_or_changed_its_shape_is_refused_by_name(later: Any, now: str) -> None:
    with pytest.raises(ValueError, match=rf"infos\['walker_0'\]\['fuel'\] {now}.*shape \(2,\).*without=\['fuel'\]"):
        told_later({"fuel": np.zeros(2)}, later)


def test_what_is_left_out_may_come_and_go() -> None:
    assert told_later({"fuel": 1.0, "seed": 3}, {"fuel": 2}, without=["seed"]) == {"fuel": 2}
    assert told_later({"fuel": 1.0}, {"fuel": 2, "action_mask": [1, 0]}, without=["action_mask"]) == {"fuel": 2}
    with pytest.raises(TypeError, match=r"without.*'seed'"):
        NumericInfos(Told({}), without="seed")


def test_numbers_may_be_of_another_type_later() -> None:
    assert told_later({"fuel": 1}, {"fuel": np.float32(0.5)}) == {"fuel": 0.5}


def test_other_environments_are_refused() -> None:
    with pytest.raises(TypeError, match="aec_to_parallel"):
        NumericInfos(parallel_to_aec(KnownCreditEnv(0, 2, {})))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda self, actions: (1, 2, 3, 4), r"step\(\) of a PettingZoo parallel environment returns .* 4 values"),
        (lambda self, actions: ({}, {}, {}, {}, None), r"returned 5 values \(dict, dict, dict, dict, NoneType\)"),
    ],
)
def test_a_step_of_another_form_is_refused_in_one_sentence(change, message):
    env = NumericInfos(type("Odd", (CorridorEnv,), {"step": change})())
    env.reset()
    with pytest.raises(CreditError, match=message):
        env.step({})


def test_a_reset_without_infos_is_refused_and_an_info_of_none_is_empty():
    bare = type("Bare", (CorridorEnv,), {"reset": lambda self, seed=None, options=None: {"walker_0": 1}})
    with pytest.raises(CreditError, match=r"reset\(\) of a PettingZoo parallel environment returns"):
        NumericInfos(bare()).reset()
    none = type("None_", (CorridorEnv,), {"reset": lambda self, seed=None, options=None: ({"w": 1}, {"w": None})})
    assert NumericInfos(none()).reset() == ({"w": 1}, {"w": {}})
