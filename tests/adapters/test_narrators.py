"""What the narrators of the adapters say, and that the critic's whole path takes it."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import pytest

from credit_wrappers.adapters import lbf, rware
from credit_wrappers.adapters.library_env import TeamEnv
from tests.adapters.playing import play
from tests.adapters.worlds import WORLDS

STAY, NORTH, SOUTH, WEST, EAST, LOAD = range(6)
WAIT, FORWARD, LEFT, RIGHT, TOGGLE = range(5)


def foraging(foods: list[Any], players: list[Any], **more: Any) -> TeamEnv:
    env = lbf.parallel_env(f"Foraging-5x5-{len(players)}p-{len(foods)}f-v3", **more)
    env.reset(seed=0)
    env._load((tuple(foods), tuple(foods), tuple((cell, level, 0.0, 0.0) for cell, level in players), 0, False))
    return env


def warehouse(robots: list[Any], requests: list[int], **more: Any) -> TeamEnv:
    """Robots as (row, column, heading 0 to 3, shelf or 0); shelves 1 to 4 stand in row 1, 5 to 8 in row 2."""
    env = rware.parallel_env(f"rware-1x3-2h-{len(robots)}ag-{len(requests)}req-indiv-v2", max_steps=12, **more)
    env.reset(seed=0)
    placed = tuple((c, r, heading, shelf, False, ()) for r, c, heading, shelf in robots)
    carried = tuple((shelf, r, c) for r, c, _, shelf in robots if shelf)
    env._load((placed, tuple(requests), carried, 0, 0))
    return env


def lines(question: str) -> list[str]:
    text = question.partition("start: ")[2].split("\n")
    return [text[0], *(line.partition(": ")[2] for line in text[1:] if line[:1].isdigit())]


def test_foraging_is_told_whole_then_by_what_changed() -> None:
    env = foraging([(1, 1, 2), (3, 3, 3)], [((1, 3), 2), ((3, 1), 1)], max_episode_steps=6)
    keep = play(env, [(WEST, EAST), (LOAD, LOAD), (LOAD, STAY), (SOUTH, STAY), (SOUTH, WEST), (WEST, STAY)])
    assert lines(keep.request.prompt) == [
        "food_0 (1,1) level 2; food_1 (3,3) level 3; agent_A (1,3) level 2; agent_B (3,1) level 1",
        "agent_A west (1,2); agent_B east (3,2)",
        "agent_A load loads food_0; agent_B load in vain at food_1 | reward 0.4",
        "agent_A load; agent_B stay",
        "agent_A south (2,2); agent_B stay",
        "agent_A south (3,2); agent_B west (3,1)",
        "agent_A west; agent_B stay",
    ]
    assert keep.episode.truncated


def test_several_loaders_are_told_the_same_and_a_cooperative_reward_is_the_teams() -> None:
    env = foraging([(2, 2, 3)], [((1, 2), 2), ((2, 1), 1)])
    keep = play(env, [(LOAD, STAY), (LOAD, LOAD)])
    first, second = lines(keep.request.prompt)[1:3]
    assert first.count("in vain at food_0") == 1 and "loads" not in first
    assert second.count("load loads food_0") == 2 and "reward 1" in second
    assert keep.episode.terminated


def test_a_warehouse_is_told_whole_then_by_what_changed() -> None:
    env = warehouse([(3, 4, 1, 0), (1, 1, 1, 0)], [1, 7])
    keep = play(env, [(LEFT, TOGGLE), (WAIT, TOGGLE), (FORWARD, TOGGLE), (FORWARD, FORWARD)])
    assert lines(keep.request.prompt)[:5] == [
        "request_0 shelf_1 (1,1); request_1 shelf_7 (2,7); agent_A (3,4) facing south; agent_B (1,1) facing south",
        "agent_A left east; agent_B toggle takes shelf_1",
        "agent_A wait; agent_B toggle puts shelf_1 down",
        "agent_A forward (3,5); agent_B toggle takes shelf_1",
        "agent_A forward (3,6); agent_B forward",  # another shelf is in the way
    ]


def test_a_delivery_names_the_shelf_and_the_request_that_took_its_place() -> None:
    env = warehouse([(3, 4, 1, 3), (3, 9, 1, 5)], [3, 8])
    start, delivery, vain = lines(play(env, [(FORWARD, FORWARD), (TOGGLE, WAIT)]).request.prompt)[:3]
    assert start == (
        "request_0 shelf_3 (3,4); request_1 shelf_8 (2,8); agent_A (3,9) facing south, carries shelf_5; "
        "agent_B (3,4) facing south, carries shelf_3"
    )
    told = "agent_A forward (4,9); agent_B forward (4,4), delivers shelf_3 | reward 1 | request_0 shelf_"
    assert delivery.startswith(told) and "request_1" not in delivery
    assert vain == "agent_A wait; agent_B toggle"


@pytest.mark.parametrize("name", WORLDS)
def test_the_words_fit_every_world_and_the_narrator_lives_without_it(name: str) -> None:
    keep = play(WORLDS[name](), seed=3)
    assert keep.credit is not None and keep.episode is not None
    narrator = pickle.loads(pickle.dumps(keep.episode.narrator))
    order = list(range(len(keep.episode.agents)))
    again = narrator.frames(keep.episode.moments, order, keep.episode.agents)
    assert again[0] and any(again[1:])
    env = WORLDS[name]()
    env.reset(seed=3)
    assert again[0] == env.describe_state()
    assert env.metadata["name"] in env.describe()
    assert env.narrator.detached().detached() is not None


@pytest.mark.parametrize("name", ["lbf-coop", "rware-low"])
def test_the_order_of_the_agents_changes_only_the_order_of_the_clauses(name: str) -> None:
    keep = play(WORLDS[name](), seed=3)
    narrator, moments, n = keep.episode.narrator, keep.episode.moments, len(keep.episode.agents)
    names = [f"agent_{x}" for x in "ABC"[:n]]
    forward = narrator.frames(moments, range(n), names)
    backward = narrator.frames(moments, range(n)[::-1], names[::-1])
    for one, other in zip(forward, backward, strict=True):
        assert sorted(one.split("; ")) == sorted(other.split("; "))
    assert any(one != other for one, other in zip(forward, backward, strict=True))


def test_a_loaded_robot_may_follow_another_but_not_enter_the_cell_of_a_standing_shelf() -> None:
    env = warehouse([(0, 1, 3, 1), (0, 2, 3, 2), (1, 6, 3, 0)], [1, 7])  # heading 3 is east
    masks = [info["action_mask"].tolist() for info in env.observe_all()[1].values()]
    assert masks == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 0]]
    env.step({"robot_0": FORWARD, "robot_1": FORWARD, "robot_2": WAIT})
    assert [robot[:2] for robot in env.narrator.capture({})[0]] == [(0, 2), (0, 3), (1, 6)]
    env = warehouse([(0, 7, 1, 1), (1, 7, 3, 3), (0, 0, 0, 0)], [1, 7])  # heading 1 is south, 0 north
    masks = [info["action_mask"].tolist() for info in env.observe_all()[1].values()]
    assert masks == [[1, 1, 1, 1, 0], [1, 0, 1, 1, 1], [1, 0, 1, 1, 0]]
    env = warehouse([(0, 7, 1, 1), (1, 7, 0, 0)], [1, 7])  # under the shelf stands a robot that does not carry it
    masks = [info["action_mask"].tolist() for info in env.observe_all()[1].values()]
    assert masks == [[1, 0, 1, 1, 0], [1, 1, 1, 1, 1]]


def test_a_snapshot_remembers_that_a_shelf_was_delivered() -> None:
    env = rware.parallel_env("rware-1x3-2h-1ag-1req-twostage-v2")
    env.reset(seed=0)
    env._load((((1, 1, 1, 1, True, ()),), (7,), (), 3, 0))
    other = rware.parallel_env("rware-1x3-2h-1ag-1req-twostage-v2")
    other.set_state(env.get_state())
    assert env.state().tolist() == other.state().tolist()
    assert dict(zip(other.state_names, other.state().tolist(), strict=True))["robot_0.delivered"] == 1
    _, rewards, _, _, infos = other.step({"robot_0": TOGGLE})
    assert rewards == {"robot_0": 0.5} and infos["robot_0"]["own_reward"] == 0.5


def test_tasks_lead_to_cells_as_long_as_there_is_something_to_do() -> None:
    env = foraging([(1, 1, 2), (3, 3, 3)], [((1, 3), 2), ((3, 1), 1)])
    assert env.narrator.tasks() == ["load food_0", "load food_1"]
    assert env.task_target("load food_1", "player_0") == (3, 3)
    env.library.field[3, 3] = 0
    assert env.task_target("load food_1", "player_0") is None
    env = warehouse([(1, 1, 1, 1), (0, 0, 1, 0)], [1, 7])
    assert env.narrator.tasks() == ["fetch request_0", "fetch request_1", "deliver", "return shelf"]
    assert env.task_target("fetch request_0", "robot_1") is None  # robot_0 has it
    assert env.task_target("fetch request_1", "robot_1") == env._homes[6]
    assert env.task_target("deliver", "robot_0") in [(y, x) for x, y in env.library.goals]
    assert env.task_target("return shelf", "robot_0") == (1, 1)
    assert env.task_target("deliver", "robot_1") is None
    with pytest.raises(ValueError, match="valid: fetch request_0"):
        env.task_target("dance", "robot_0")
    with pytest.raises(ValueError, match="valid: robot_0, robot_1"):
        env.task_target("deliver", "robot_7")


def test_states_name_where_food_is_until_it_is_gone() -> None:
    env = foraging([(1, 1, 1), (3, 3, 3)], [((1, 2), 2), ((4, 1), 1)])
    before = dict(zip(env.state_names, env.state().tolist(), strict=True))
    env.step({"player_0": LOAD, "player_1": STAY})
    after = dict(zip(env.state_names, env.state().tolist(), strict=True))
    changed = {name: after[name] for name in after if after[name] != before[name]}
    assert changed == {"food_0.row": -1, "food_0.column": -1, "food_0.level": 0, "time_left": pytest.approx(0.98)}


def test_features_name_what_a_robot_sees() -> None:
    env = warehouse([(0, 1, 1, 0), (0, 2, 2, 0)], [1, 7])
    seen, _ = env.observe_all()
    told = dict(zip(env.feature_names, seen["robot_0"].tolist(), strict=True))
    here = {name for name, value in told.items() if value and not name.startswith("own.")}
    up = {f"({dy},{dx}).up" for dy in (-1, 0, 1) for dx in (-1, 0, 1)} - {"(0,0).up", "(0,1).up"}
    assert here - up == {"(0,0).robot", "(0,0).down", "(0,1).robot", "(0,1).left",
                         "(1,0).shelf", "(1,0).requested", "(1,1).shelf"}  # fmt: skip
    assert (told["own.x"], told["own.y"], told["own.down"], told["own.highway"]) == (1, 0, 1, 1)


def test_a_capture_is_not_changed_by_later_steps() -> None:
    for name in ("lbf", "rware"):
        env = WORLDS[name]()
        env.reset(seed=0)
        narrator = env.narrator
        moments = [narrator.capture({})]
        texts = [pickle.dumps(moments[0])]
        for _ in range(20):
            env.step(dict.fromkeys(env.agents, 1))
            moments.append(narrator.capture({}))
            texts.append(pickle.dumps(moments[-1]))
        assert texts == [pickle.dumps(moment) for moment in moments]
        assert any(one != other for one, other in pairwise(moments))
