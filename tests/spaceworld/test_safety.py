"""The six dictionaries of safe reinforcement learning."""

from typing import Any

import pytest

from spaceworld.cost_wrapper import CostDictWrapper
from tests.spaceworld.drawing import draw


def test_costs_are_each_robots_own_and_the_rest_is_untouched() -> None:
    env = draw("""
        01....
        ......
        ...#..
        ....A.
    """, horizon=5)  # fmt: skip
    twin = draw("""
        01....
        ......
        ...#..
        ....A.
    """, horizon=5)  # fmt: skip
    wrapped = CostDictWrapper(env)
    assert wrapped.possible_agents == ["robot_0", "robot_1"] and wrapped.unwrapped is env
    actions = {"robot_0": 4, "robot_1": 0}  # robot_0 flies into robot_1
    observations, rewards, costs, terminations, truncations, infos = wrapped.step(actions)
    assert costs == {"robot_0": 1.0, "robot_1": 0.0}
    plain = twin.step(actions)
    assert rewards == plain[1] == {"robot_0": -0.05, "robot_1": -0.05}
    assert (terminations, truncations) == (plain[2], plain[3])
    assert all((observations[a] == plain[0][a]).all() for a in observations)
    assert infos["robot_0"]["cost"] == 1.0


def test_bad_environments_are_named() -> None:
    with pytest.raises(TypeError, match="ParallelEnv, got int"):
        CostDictWrapper(3)
    env = draw("""
        01....
        ......
        ...#..
        ....A.
    """, horizon=5)  # fmt: skip
    original = env._by_agent

    def costless(*given: Any) -> Any:
        observations, infos = original(*given)
        return observations, {agent: {"action_mask": info["action_mask"]} for agent, info in infos.items()}

    env._by_agent = costless
    with pytest.raises(KeyError, match=r"robot_0.*no 'cost'"):
        CostDictWrapper(env).step({"robot_0": 0, "robot_1": 0})
