"""Where the tasks of the adapters lead: every task of every agent in random states."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from credit_wrappers.adapters.library_env import TeamEnv
from tests.adapters.test_narrators import warehouse
from tests.adapters.worlds import WORLDS, busy


def places(env: TeamEnv) -> dict[str, tuple[float, float]]:
    """The cell of each agent, by the global state."""
    state = dict(zip(env.state_names, env.state().tolist(), strict=True))
    return {agent: (state[f"{agent}.row"], state[f"{agent}.column"]) for agent in env.possible_agents}


@pytest.mark.parametrize("name", ["lbf", "lbf-oblong", "rware", "rware-low"])
def test_offsets_are_the_way_to_the_target_in_parts_of_the_grid(name: str) -> None:
    env, rng = WORLDS[name](), np.random.default_rng(4)
    rows, columns = env.library.field_size if name.startswith("lbf") else env.library.grid_size
    _, infos = env.reset(seed=2)
    known = unknown = 0
    for _ in range(120):
        if not env.agents:
            _, infos = env.reset()
        *_, infos = env.step(busy(env, infos, rng))
        for agent, (row, column) in places(env).items():
            for task in env.narrator.tasks():
                target, offset = env.task_target(task, agent), env.task_offset(task, agent)
                if target is None:
                    assert offset is None
                    unknown += 1
                    continue
                known += 1
                assert offset == ((target[0] - row) / rows, (target[1] - column) / columns)
                assert max(map(abs, offset)) <= 1
    assert known > 100 and unknown > 10


def test_a_shelf_is_returned_to_the_nearest_home_on_which_none_stands() -> None:
    env, rng = WORLDS["rware-low"](), np.random.default_rng(6)
    _, infos = env.reset(seed=5)
    found = 0
    for _ in range(200):
        if not env.agents:
            _, infos = env.reset()
        *_, infos = env.step(busy(env, infos, rng))
        carried = {robot.carrying_shelf for robot in env.library.agents}
        standing = {(shelf.y, shelf.x) for shelf in env.library.shelfs if shelf not in carried}
        for agent, robot in zip(env.possible_agents, env.library.agents, strict=True):
            free = [(abs(r - robot.y) + abs(c - robot.x), (r, c)) for r, c in env._homes if (r, c) not in standing]
            expected = min(free)[1] if robot.carrying_shelf is not None else None
            assert env.task_target("return shelf", agent) == expected
            found += expected is not None
    assert found > 50


def test_copies_and_restored_environments_answer_for_their_own_state() -> None:
    for name, task in (("lbf", "load food_0"), ("rware", "fetch request_0")):
        env, other = WORLDS[name](), WORLDS[name]()
        env.reset(seed=1)
        other.reset(seed=2)
        agent = env.possible_agents[0]
        here, there = env.task_offset(task, agent), other.task_offset(task, agent)
        assert here != there
        twin = copy.deepcopy(env)
        env.set_state(other.get_state())
        assert (env.task_offset(task, agent), twin.task_offset(task, agent)) == (there, here)


def test_what_is_no_task_or_no_agent_and_what_has_not_begun_is_an_error() -> None:
    env = warehouse([(0, 1, 1, 0)], [1])
    with pytest.raises(ValueError, match=r"no task 'fetch request_1'; valid: fetch request_0, deliver, return shelf$"):
        env.task_offset("fetch request_1", "robot_0")
    with pytest.raises(ValueError, match=r"no agent 'robot_1'; valid: robot_0$"):
        env.task_offset("deliver", "robot_1")
    for name, task in (("lbf", "load food_0"), ("rware", "deliver")):
        fresh = WORLDS[name]()
        with pytest.raises(ValueError, match="call reset before task_target"):
            fresh.task_offset(task, fresh.possible_agents[0])
