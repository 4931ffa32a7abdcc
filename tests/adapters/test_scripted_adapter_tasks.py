"""The tasks that the scripted critic gives foragers and warehouse robots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from credit_wrappers.adapters.library_env import TeamEnv
from credit_wrappers.scripted.shortest_paths import share_out
from tests.adapters.test_narrators import FORWARD, LOAD, NORTH, SOUTH, STAY, TOGGLE, WAIT, WEST, foraging, warehouse
from tests.adapters.worlds import WORLDS, busy
from tests.asking_tasks import tasks_of


def tasks(env: TeamEnv, actions: Sequence[Sequence[int]] = ()) -> list[str]:
    """The agents' tasks after some steps from the present state."""
    moments = [env._moment()]
    for joint in actions:
        env.step(dict(zip(env.agents, joint, strict=True)))
        moments.append(env._moment())
    return list(tasks_of(env, moments, actions).values())


def load(*foods: int) -> list[str]:
    return [f"load food_{k}" for k in foods]


# -- foraging ----------------------------------------------------------------------------------------------


def test_players_share_out_the_food_that_one_can_load_nearest_first() -> None:
    foods = [(0, 2, 1), (4, 2, 1)]
    assert tasks(foraging(foods, [((0, 0), 1), ((4, 4), 1)])) == load(0, 1)
    assert tasks(foraging(foods, [((1, 0), 1), ((0, 4), 1)])) == load(1, 0)  # both are nearer to the upper one
    assert tasks(foraging(foods[:1], [((1, 0), 1), ((0, 4), 1)])) == load(0, 0)


def test_who_is_farther_up_goes_for_the_nearest_of_all_and_of_two_as_near_it_is_the_upper_one() -> None:
    for players, expected in (([((3, 2), 1), ((1, 2), 1)], load(0, 1)), ([((1, 2), 1), ((3, 2), 1)], load(1, 0))):
        assert tasks(foraging([(4, 0, 1), (2, 3, 1)], players)) == expected
    assert tasks(foraging([(3, 2, 1), (1, 2, 1)], [((2, 0), 1), ((2, 4), 1)])) == load(1, 0)


def test_the_strong_leave_the_light_food_to_the_weak() -> None:
    # The strong one is nearest to the light one, the only one that the weak one can load.
    env = foraging([(0, 2, 1), (4, 2, 2)], [((0, 1), 2), ((2, 4), 1)])
    assert tasks(env) == load(1, 0)


def test_food_that_needs_several_is_the_same_for_all() -> None:
    env = foraging([(0, 2, 3), (4, 2, 3)], [((0, 1), 2), ((4, 4), 2)])
    near, far = tasks(env)
    assert near == far == "load food_0"
    env = foraging([(0, 2, 3), (4, 2, 3)], [((2, 1), 2), ((4, 4), 2)])
    assert tasks(env) == load(1, 1)
    # Who can load something alone goes there first, the others wait where they will be needed.
    env = foraging([(0, 2, 3), (4, 2, 1), (2, 4, 9)], [((0, 1), 2), ((4, 4), 0)], max_food_level=9)
    assert tasks(env) == load(1, 2)


def test_who_can_load_nothing_goes_where_nobody_else_does() -> None:
    env = foraging([(0, 2, 2), (4, 2, 2)], [((0, 1), 2), ((0, 4), 1)])
    assert tasks(env) == load(0, 1)


def test_a_field_is_judged_by_what_is_left() -> None:
    def field() -> TeamEnv:
        return foraging([(1, 1, 1), (3, 3, 1)], [((1, 2), 1), ((2, 4), 1)])

    assert tasks(field()) == load(0, 1)
    assert tasks(field(), [(LOAD, STAY)]) == load(1, 1)
    assert tasks(field(), [(SOUTH, NORTH), (SOUTH, WEST), (STAY, WEST)]) == load(1, 0)
    env = foraging([(1, 1, 1), (3, 3, 1)], [((1, 2), 1), ((3, 2), 1)])
    assert tasks(env, [(LOAD, LOAD)]) == load(0, 0)  # nothing is left


# -- warehouse ---------------------------------------------------------------------------------------------


def test_what_a_robot_carries_decides_its_task() -> None:
    env = warehouse([(0, 4, 1, 1), (3, 4, 1, 2), (3, 9, 0, 0)], [1, 7])
    assert tasks(env) == ["deliver", "return shelf", "fetch request_1"]


def test_requests_are_shared_out_by_the_way_to_drive() -> None:
    # shelf_1 lies at (1,1), shelf_7 at (2,7); robot_1 is nearer to both.
    assert tasks(warehouse([(0, 9, 1, 0), (3, 6, 1, 0)], [1, 7])) == ["fetch request_0", "fetch request_1"]
    assert tasks(warehouse([(0, 9, 1, 0), (3, 6, 1, 0)], [7, 1])) == ["fetch request_1", "fetch request_0"]
    assert tasks(warehouse([(0, 9, 1, 0), (3, 6, 1, 0)], [7])) == ["fetch request_0"] * 2
    # robot_0 is nearer to shelf_1 by cells, but would have to turn round.
    assert tasks(warehouse([(0, 1, 0, 0), (3, 1, 0, 0)], [1, 4])) == ["fetch request_1", "fetch request_0"]


def test_a_request_that_somebody_carries_is_fetched_only_where_there_is_no_other() -> None:
    assert tasks(warehouse([(0, 1, 1, 1), (3, 1, 0, 0)], [1, 8])) == ["deliver", "fetch request_1"]
    assert tasks(warehouse([(0, 1, 1, 1), (3, 1, 0, 0)], [1])) == ["deliver", "fetch request_0"]


def test_a_warehouse_is_judged_by_what_it_has_become() -> None:
    def floor() -> TeamEnv:
        return warehouse([(1, 1, 1, 0), (3, 4, 1, 3)], [1, 3])

    assert tasks(floor()) == ["fetch request_0", "deliver"]
    actions = [(TOGGLE, WAIT), (WAIT, FORWARD)]
    assert tasks(floor(), actions) == ["deliver", "return shelf"]


# -- both --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lbf", "lbf-near", "lbf-coop", "rware", "rware-low"])
def test_listing_the_agents_in_another_order_gives_each_the_same_task(name: str) -> None:
    env, rng = WORLDS[name](), np.random.default_rng(7)
    compared = 0
    for seed in range(12):
        _, infos = env.reset(seed=seed)
        moments, actions = [env._moment()], []
        for _ in range(int(rng.integers(15))):
            if env.agents:
                joint = busy(env, infos, rng)
                *_, infos = env.step(joint)
                actions.append(list(joint.values()))
                moments.append(env._moment())
        if len({places(moments[-1], i) for i in range(len(env.possible_agents))}) < len(env.possible_agents):
            continue  # who cannot be told apart may change tasks
        one = tasks_of(env, moments, actions)
        assert set(one.values()) <= set(env.narrator.tasks())
        assert tasks_of(env, moments, actions, order=rng.permutation(len(one)).tolist()) == one
        compared += 1
    assert compared > 5


def places(moment: Any, agent: int) -> Any:
    """Where an agent is, and a player's level."""
    return (moment[2][agent], moment[3][agent]) if len(moment) == 5 else moment[0][agent]


def test_things_are_shared_out_nearest_first_and_to_as_many_as_possible() -> None:
    assert share_out({"a": {1: 2, 2: 3}, "b": {1: 1, 2: 1}}) == {"a": 2, "b": 1}
    assert share_out({"a": {1: 1, 2: 9}, "b": {1: 5}}) == {"a": 2, "b": 1}
    chain = {"a": {1: 1, 2: 2}, "b": {1: 5}, "c": {2: 1, 3: 4}}
    assert share_out(chain) == {"a": 2, "b": 1, "c": 3}  # a gives way to b, and c to a
    assert share_out({"a": {1: 1, 2: 2}, "b": {1: 2, 2: 3}, "c": {1: 3, 2: 1}}) == {"a": 1, "b": 1, "c": 2}
    assert share_out({}) == {}
