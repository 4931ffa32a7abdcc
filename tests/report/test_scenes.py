"""What narrators draw: the shapes of hand-made states."""

from __future__ import annotations

import json
from dataclasses import replace

from spaceworld.text.drawn_scene import drawn_scene
from tests.adapters.playing import play
from tests.adapters.test_narrators import EAST, FORWARD, LOAD, STAY, WAIT, WEST, foraging, warehouse
from tests.spaceworld.scenes import scene


def by_id(drawn):
    json.dumps(drawn, allow_nan=False)
    assert len({shape["id"] for shape in drawn["shapes"]}) == len(drawn["shapes"])
    return {shape["id"]: shape for shape in drawn["shapes"]}


def test_spaceworld_draws_station_slots_modules_grips_debris_and_robots():
    drawn = drawn_scene(scene())
    found = by_id(drawn)
    assert (drawn["rows"], drawn["columns"], drawn["ground"]) == (6, 6, "space")
    assert (found["core_0"]["at"], found["core_0"]["tone"]) == ([1, 2], "station")
    assert found["keep_out_0"]["tone"] == "keep-out"
    assert [found[f"slot_{k}"]["tone"] for k in range(3)] == ["filled", "open", "closed"]
    assert [found[f"module_{k}"]["tone"] for k in range(2)] == ["docked", "loose"]
    assert found["module_1"]["name"] == "module_1, a heavy of mass 2, loose"
    assert (found["robot_0 grip"]["at"], found["robot_0 grip"]["to"]) == ([3, 0], [3, 1])
    assert found["debris_0"]["heading"] == "west"
    assert [found[f"robot_{k}"]["agent"] for k in range(2)] == [0, 1] and found["robot_1"]["at"] == [4, 3]
    assert found["robot_0"]["tone"] == ""


def test_a_robot_at_fault_is_marked():
    now = scene()
    hit = replace(now, robots=(now.robots[0], replace(now.robots[1], collisions=1)))
    assert by_id(drawn_scene(hit))["robot_1"]["tone"] == "fault"


def test_foraging_draws_what_is_left_and_who_loads_and_players_in_one_cell_side_by_side():
    env = foraging([(1, 1, 2), (3, 3, 3)], [((1, 3), 2), ((3, 1), 1)], max_episode_steps=6)
    episode = play(env, [(WEST, EAST), (LOAD, STAY)]).episode
    first, _, last = (episode.narrator.scene(moment) for moment in episode.moments[:3])
    assert (first["rows"], first["columns"], first["ground"]) == (5, 5, "field")
    assert by_id(first)["food_0"] == {
        "kind": "food", "id": "food_0", "at": [1, 1], "label": "2", "name": "food_0, level 2",
    }  # fmt: skip
    shapes = by_id(last)
    assert "food_0" not in shapes and "food_1" in shapes
    assert (shapes["player_0"]["at"], shapes["player_0"]["tone"], shapes["player_0"]["note"]) == (
        [1, 2.0],
        "acts",
        "L2",
    )
    moment = ((), (), ((2, 2), (2, 2)), (1, 1), ())
    together = by_id(episode.narrator.scene(moment))
    assert [together[f"player_{i}"]["at"][1] for i in range(2)] == [1.85, 2.15]


def test_the_warehouse_draws_homes_requests_and_what_is_carried():
    env = warehouse([(4, 1, 1, 0), (2, 2, 0, 6)], [2])
    episode = play(env, [(WAIT, FORWARD)]).episode
    shapes = by_id(episode.narrator.scene(episode.moments[0]))
    assert (shapes["shelf_2"]["tone"], shapes["shelf_2"]["label"]) == ("asked", "0")
    assert shapes["shelf_1"]["tone"] == "" and shapes["home_1"]["at"] == shapes["shelf_1"]["at"]
    assert shapes["robot_1"]["tone"] == "carries" and shapes["robot_0"]["heading"] == "south"
    assert shapes["shelf_6"]["at"] == shapes["robot_1"]["at"] == [2, 2]
    assert any(shape["tone"] == "goal" for shape in shapes.values())
