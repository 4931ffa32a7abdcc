"""The scripted critic on the adapters: who is paid for what, and no loop of states earns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from credit_wrappers.adapters import lbf
from credit_wrappers.scripted.lbf_rules import APPROACH, BLAME, LOAD
from credit_wrappers.scripted.rware_rules import DELIVER, STEP, TAKE, VAIN
from tests.adapters.playing import Keep, play
from tests.adapters.test_narrators import (
    EAST,
    FORWARD,
    LEFT,
    NORTH,
    RIGHT,
    SOUTH,
    STAY,
    TOGGLE,
    WEST,
    foraging,
    warehouse,
)
from tests.adapters.test_narrators import LOAD as LOADS
from tests.adapters.worlds import WORLDS


def hundredths(keep: Keep) -> list[list[int]]:
    return [[round(100 * x) for x in row] for row in keep.credit.values.tolist()]


def test_food_pays_the_way_to_it_and_its_loaders_by_level() -> None:
    env = foraging([(2, 2, 3)], [((0, 2), 2), ((2, 0), 1)])
    keep = play(env, [(SOUTH, EAST), (LOADS, LOADS)])
    assert hundredths(keep) == [[APPROACH, APPROACH], [LOAD * 2 // 3, LOAD // 3]]


def test_food_that_one_can_load_draws_only_those_who_can() -> None:
    env = foraging([(1, 1, 2), (3, 3, 1)], [((1, 4), 2), ((3, 0), 1)], max_episode_steps=3)
    keep = play(env, [(WEST, EAST), (WEST, EAST), (LOADS, LOADS)])
    assert hundredths(keep) == [[APPROACH, APPROACH], [APPROACH, APPROACH], [400, 200]]
    assert "food_0 of level 2" in str(keep.credit.events)


def test_who_waits_at_food_for_others_is_not_blamed_unless_it_costs() -> None:
    plan = [(LOADS, STAY)]
    for penalty, expected in ((0.0, 0), (0.1, -BLAME)):
        env = foraging([(2, 2, 3)], [((1, 2), 2), ((2, 0), 1)], max_episode_steps=3, penalty=penalty)
        assert hundredths(play(env, plan))[0] == [expected, 0]


def test_who_comes_behind_a_waiting_player_is_paid_for_going_round_it() -> None:
    env = foraging([(3, 2, 3)], [((2, 2), 2), ((1, 2), 1)], max_episode_steps=9)
    keep = play(env, [(STAY, SOUTH), (STAY, WEST), (STAY, SOUTH), (STAY, SOUTH), (LOADS, LOADS)])
    assert hundredths(keep)[:4] == [[0, 0], [0, APPROACH], [0, APPROACH], [0, APPROACH]]  # pushing on leads nowhere
    # who does not stand beside the food may walk on, so it is in nobody's way
    env = foraging([(4, 2, 3)], [((2, 2), 2), ((1, 2), 1)], max_episode_steps=9)
    assert hundredths(play(env, [(WEST, SOUTH)]))[0] == [-APPROACH, APPROACH]


def test_food_too_heavy_for_all_draws_nobody() -> None:
    env = foraging([(2, 2, 9)], [((0, 2), 2), ((2, 0), 1)], max_episode_steps=3, max_food_level=9)
    assert hundredths(play(env, [(WEST, SOUTH), (EAST, NORTH)])) == [[0, 0]] * 3


def test_a_robot_is_paid_for_the_way_the_shelf_and_the_delivery() -> None:
    env = warehouse([(0, 1, 1, 0)], [1])  # above shelf_1, facing south
    keep = play(env, [(FORWARD,), (TOGGLE,), (RIGHT,), (FORWARD,), (LEFT,), (FORWARD,), (FORWARD,)])
    way, taken, turned, out, left, *south = (row[0] for row in hundredths(keep))
    assert way == STEP and 0 < taken <= TAKE and (turned, out, left) == (STEP, STEP, STEP)
    assert south[:2] == [STEP, STEP]
    env = warehouse([(3, 4, 1, 3)], [3])
    assert hundredths(play(env, [(FORWARD,)]))[0] == [DELIVER]


def test_a_shelf_that_nobody_requested_costs_until_it_is_put_back() -> None:
    env = warehouse([(1, 2, 1, 0)], [1])
    assert hundredths(play(env, [(TOGGLE,), (TOGGLE,)]))[:2] == [[-VAIN], [VAIN]]


def key(moment: Any) -> Any:
    """What a potential may depend on; of a foraging moment not the actions."""
    return moment[:4] if len(moment) == 5 else moment


@pytest.mark.parametrize("name", ["lbf", "lbf-pair", "rware-low"])
def test_no_loop_of_states_earns(name: str) -> None:
    loops = 0
    for seed in range(3):
        env = lbf.parallel_env("Foraging-5x5-2p-1f-coop-v3") if name == "lbf-pair" else WORLDS[name]()
        keep = play(env, seed=seed)
        assert keep.credit.source == "scripted" and "equal part" not in str(keep.credit.events)
        values = np.array(hundredths(keep))
        paid = keep.episode.team_reward != 0
        since: dict[Any, np.ndarray] = {}
        total = np.zeros(values.shape[1], dtype=int)
        for t, moment in enumerate(keep.episode.moments):
            if t and paid[t - 1]:
                since = {}  # a real team event lies between
            if t:
                total = total + values[t - 1]
            if key(moment) in since:
                assert (since[key(moment)] == total).all()
                loops += 1
            since[key(moment)] = total
    assert loops > 5
