"""Where a robot's tasks lead: drawn states, and every task of every robot in random states."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from spaceworld.env import SpaceworldEnv
from tests.spaceworld.drawing import act, draw
from tests.spaceworld.scenarios import ALL, busy_actions


def targets(env: SpaceworldEnv) -> dict[str, tuple[int, int] | None]:
    return {task: env.task_target(task, "robot_0") for task in env.narrator.tasks()}


def expected(env: SpaceworldEnv, task: str) -> tuple[int, int] | None:
    """The rule once more, by the scene."""
    if task == "hold clear":
        return None
    scene, (verb, _, k) = env.scene(), task.rpartition(" module_")
    module = scene.modules[int(k)]
    if module.docked:
        return None
    if verb != "dock":
        return module.cell
    cells = [slot.cell for slot in scene.slots if slot.open and slot.type == module.type]
    far = {(abs(r - module.cell[0]) + abs(c - module.cell[1]), (r, c)) for r, c in cells}
    return min(far)[1] if far else None


def test_a_module_is_fetched_where_it_lies_and_docked_at_its_open_slot() -> None:
    env = draw("""
        0A..a
        .....
        .bB.#
    """, needs={"b": "a"}, on={})  # fmt: skip
    assert targets(env) == {
        "fetch module_0": (0, 1),
        "help carry module_0": (0, 1),
        "dock module_0": (0, 4),
        "fetch module_1": (2, 2),
        "help carry module_1": (2, 2),
        "dock module_1": None,  # its slot opens later
        "hold clear": None,
    }
    assert env.task_offset("dock module_0", "robot_0") == (0.0, 0.8)
    assert env.task_offset("fetch module_1", "robot_0") == (2 / 3, 0.4)
    assert env.task_offset("dock module_1", "robot_0") is env.task_offset("hold clear", "robot_0") is None


def test_a_docked_module_leads_nowhere_and_opens_the_slot_of_the_next() -> None:
    env = draw("""
        .0A..
        .....
        .bB.#
    """, grips={0: "A"}, needs={"b": "a"}, on={"A": "a"})  # fmt: skip
    assert targets(env)["dock module_0"] == (0, 2) and targets(env)["dock module_1"] is None
    act(env, "I")
    now = targets(env)
    assert [now[f"{verb} module_0"] for verb in ("fetch", "help carry", "dock")] == [None, None, None]
    assert now["dock module_1"] == (2, 1)


def test_a_dock_leads_to_the_nearest_open_slot_of_its_type_and_of_two_to_the_upper_left_one() -> None:
    env = draw("""
        a.A.b
        ....B
        c0C.#
    """, types={"A": "panel", "B": "panel"})  # fmt: skip
    assert targets(env)["dock module_0"] == (0, 0)  # both are two cells away
    assert targets(env)["dock module_1"] == (0, 4)
    assert targets(env)["dock module_2"] == (2, 0)


def test_what_is_no_task_or_no_agent_is_an_error_that_names_the_valid_ones() -> None:
    env = SpaceworldEnv("pair")
    env.reset(seed=0)
    for ask in (env.task_target, env.task_offset):
        with pytest.raises(ValueError, match=r"no task 'dance'; valid: fetch module_0, .*hold clear$"):
            ask("dance", "robot_0")
        with pytest.raises(ValueError, match=r"no agent 'robot_2'; valid: robot_0, robot_1$"):
            ask("hold clear", "robot_2")


@pytest.mark.parametrize("name", ["pair", "crew", "crowd", "quick"])
def test_offsets_are_the_way_to_the_target_in_parts_of_the_grid(name: str) -> None:
    env = SpaceworldEnv(ALL[name], max_cycles=60)
    rng = np.random.default_rng(3)
    env.reset(seed=1)
    known = docked = 0
    for _ in range(150):
        if not env.agents:
            env.reset()
        env.step(dict(zip(env.agents, busy_actions(env, rng), strict=True)))
        robots = {robot.name: robot.cell for robot in env.scene().robots}
        docked += sum(module.docked for module in env.scene().modules)
        for task in env.narrator.tasks():
            target = expected(env, task)
            for agent, (row, column) in robots.items():
                assert env.task_target(task, agent) == target
                offset = env.task_offset(task, agent)
                if target is None:
                    assert offset is None
                    continue
                known += 1
                height, width = env.scenario.height, env.scenario.width
                assert offset == ((target[0] - row) / height, (target[1] - column) / width)
                assert max(map(abs, offset)) <= 1
    assert known > 1000
    assert docked or name != "quick"


def test_copies_restored_and_batched_environments_answer_for_their_own_state() -> None:
    env, other = SpaceworldEnv("pair"), SpaceworldEnv("pair")
    env.reset(seed=1)
    other.reset(seed=2)
    here, there = targets(env), targets(other)
    assert here != there
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    env.set_state(other.get_state())
    assert targets(env) == there and [targets(twin) for twin in twins] == [here, here]
    SpaceworldEnv.batch([env, twins[0]])
    twins[0].reset(seed=2)
    assert targets(twins[0]) == targets(env) == there and targets(twins[1]) == here
