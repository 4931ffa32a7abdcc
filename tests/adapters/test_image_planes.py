"""Every plane of an image shows what is in a cell at that cell, on floors and fields that are not square, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rware.warehouse import ImageLayer

from credit_wrappers.adapters import lbf, rware
from credit_wrappers.adapters.library_env import TeamEnv
from credit_wrappers.adapters.rware_narrator import AHEAD

LAYERS = [layer.name for layer in ImageLayer]
NORTH, SOUTH, WEST, EAST = range(4)
IMAGES = {"observation_type": "IMAGE", "image_observation_layers": LAYERS}


def warehouse(robots: list[tuple[int, int, int, int]], requests: list[int], height: int = 2, **more: Any) -> TeamEnv:
    """Robots as (row, column, heading, shelf or 0); with height 2, shelves 1 to 4 stand in row 1, 5 to 8 in row 2."""
    env = rware.parallel_env(f"rware-1x3-{height}h-{len(robots)}ag-{len(requests)}req-indiv-v2", **IMAGES | more)
    env.reset(seed=0)
    placed = tuple((c, r, heading, shelf, False, ()) for r, c, heading, shelf in robots)
    carried = tuple((shelf, r, c) for r, c, _, shelf in robots if shelf)
    env._load((placed, tuple(requests), carried, 0, 0))
    return env


def drawn(*rows: str) -> np.ndarray:
    return np.array([[0 if cell == "." else int(cell) for cell in row] for row in rows], np.float32)


FLOOR = {  # robot_0 in (2,4) to the north, robot_1 in (0,9) to the west with shelf 3, robot_2 in (4,1) to the south
    "shelves": drawn(".........1", ".11.....1.", ".11....11.", "..........", ".........."),
    "requests": drawn(".........1", "..........", ".......1..", "..........", ".........."),
    "agents": drawn(".........1", "..........", "....1.....", "..........", ".1........"),
    "agent_direction": drawn(".........3", "..........", "....1.....", "..........", ".2........"),
    "agent_load": drawn(".........1", "..........", "..........", "..........", ".........."),
    "goals": drawn("..........", "..........", "..........", "..........", "....11...."),
    "accessible": drawn("111111111.", "1111111111", "1111.11111", "1111111111", "1.11111111"),
}


@pytest.mark.parametrize("kind", ["IMAGE", "IMAGE_DICT"])
def test_a_robot_that_sees_the_whole_floor_sees_everything_in_its_cell(kind: str) -> None:
    robots = [(2, 4, NORTH, 0), (0, 9, WEST, 3), (4, 1, SOUTH, 0)]
    env = warehouse(robots, [3, 7], sensor_range=5, observation_type=kind)
    seen = env.observe_all()[0]["robot_0"]
    image = seen["image"] if kind == "IMAGE_DICT" else seen
    assert list(env.plane_names) == list(FLOOR)
    for name, plane in zip(env.plane_names, image, strict=True):
        np.testing.assert_array_equal(plane[3:8, 1:11], FLOOR[name], err_msg=name)
        assert plane.sum() == FLOOR[name].sum()  # nothing beyond the floor
    assert env.observation_space("robot_0").contains(seen)


def test_own_features_are_heading_highway_and_load() -> None:
    env = warehouse([(2, 1, EAST, 0), (0, 9, WEST, 3)], [1, 7], observation_type="IMAGE_DICT")
    seen, _ = env.observe_all()
    assert seen["robot_0"]["features"].tolist() == [0, 0, 0, 1, 0, 0]
    assert seen["robot_1"]["features"].tolist() == [0, 0, 1, 0, 1, 1]


def truth(env: TeamEnv) -> dict[str, dict[tuple[int, int], float]]:
    """What is in the cells, by plane, from the state and its names."""
    told = dict(zip(env.state_names, env.state().tolist(), strict=True))
    planes: dict[str, dict[tuple[int, int], float]] = {name.lower(): {} for name in LAYERS}
    rows, columns = env.grid
    planes["accessible"] = {(row, column): 1.0 for row in range(rows) for column in range(columns)}
    for robot in env.possible_agents:
        cell = int(told[f"{robot}.row"]), int(told[f"{robot}.column"])
        sides = [told[f"{robot}.{side}"] for side in ("up", "down", "left", "right")]
        planes["agents"][cell] = 1
        planes["agent_direction"][cell] = 1 + sides.index(1)
        planes["agent_load"][cell] = told[f"{robot}.carries"]
        planes["accessible"][cell] = 0
        if told[f"{robot}.carries"]:
            planes["shelves"][cell] = 1
    for name, value in told.items():
        if name.endswith(".shelf") and value:
            row, column = name.removesuffix(".shelf").strip("()").split(",")
            planes["shelves"][int(row), int(column)] = 1
    for k in range(sum(name.startswith("request_") for name in told) // 2):
        planes["requests"][int(told[f"request_{k}.row"]), int(told[f"request_{k}.column"])] = 1
    planes["goals"] = {(rows - 1, columns // 2 - 1): 1, (rows - 1, columns // 2): 1}
    return planes


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("height", [2, 13])  # 5 rows of 10 cells; 16 rows
def test_all_robots_see_all_planes_around_them_in_every_step(height: int, turned: bool) -> None:
    robots = [(1, 1, NORTH, 1), (0, 2, SOUTH, 0), (3, 8, WEST, 0), (2, 7, EAST, 0)]
    env = warehouse(robots, [1, 2], height, sensor_range=2, image_observation_directional=turned)
    rng = np.random.default_rng(height)
    headings = set()
    for _ in range(60):
        planes = truth(env)
        for robot, seen in zip(env.library.agents, env.observe_all()[0].values(), strict=True):
            heading = robot.dir.value if turned else NORTH
            headings.add(heading)
            x, y = AHEAD[heading]
            expected = np.zeros_like(seen)
            for ahead in range(-2, 3):
                for right in range(-2, 3):
                    cell = robot.y + ahead * y + right * x, robot.x + ahead * x - right * y
                    expected[:, 2 - ahead, 2 + right] = [planes[name].get(cell, 0) for name in env.plane_names]
            np.testing.assert_array_equal(seen, expected)
        env.step({agent: int(rng.choice(5, p=(0.1, 0.4, 0.1, 0.2, 0.2))) for agent in env.agents})
    assert headings == ({NORTH, SOUTH, WEST, EAST} if turned else {NORTH})


def test_a_restored_state_shows_its_own_planes() -> None:
    env = warehouse([(2, 4, NORTH, 0), (0, 9, WEST, 3)], [3, 7], sensor_range=5)
    before, state = env.observe_all()[0], env.get_state()
    env.step({"robot_0": 1, "robot_1": 1})
    env.set_state(state)
    np.testing.assert_equal(env.observe_all()[0], before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_observation_layers": ["AGENTS", "LOAD"]}, r"image_observation_layers.*'LOAD'.*AGENT_LOAD"),
        ({"image_observation_layers": []}, "image_observation_layers is empty"),
        ({"image_observation_layers": ["AGENTS"], "observation_type": "FLATTENED"}, "FLATTENED.*-img"),
        ({"reward_type": "TEAM"}, r"reward_type.*'TEAM'.*GLOBAL, INDIVIDUAL, TWO_STAGE"),
        ({"observation_type": "PIXELS"}, r"observation_type.*'PIXELS'.*IMAGE_DICT"),
    ],
)
def test_unknown_names_and_planes_that_nobody_would_see_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rware.parallel_env("rware-img-tiny-2ag-v2", **arguments)


def test_names_and_the_librarys_own_members_mean_the_same() -> None:
    by_name = rware.parallel_env("rware-img-tiny-2ag-v2", image_observation_layers=["AGENT_LOAD", "AGENT_DIRECTION"])
    layers = [ImageLayer.AGENT_LOAD, ImageLayer.AGENT_DIRECTION]
    by_member = rware.parallel_env("rware-img-tiny-2ag-v2", image_observation_layers=layers)
    assert by_name.plane_names == by_member.plane_names == ("agent_load", "agent_direction")
    np.testing.assert_equal(by_name.reset(seed=3)[0], by_member.reset(seed=3)[0])


FIELD = {  # food of level 2 in (1,5) and of level 3 in (2,2); players of level 1 in (0,6) and of level 2 in (3,0)
    "player levels": drawn("......1", ".......", ".......", "2......"),
    "food levels": drawn(".......", ".....2.", "..3....", "......."),
    "free": drawn("111111.", "11111.1", "11.1111", ".111111"),
}


@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize("upright", [True, False])
def test_a_player_sees_everything_in_its_cell_on_fields_that_are_not_square(upright: bool, levels: bool) -> None:
    def at(row: int, column: int) -> tuple[int, int]:
        return (column, row) if upright else (row, column)

    rows, columns = at(4, 7)
    env = lbf.parallel_env("Foraging-grid-2s-8x8-2p-2f-v3", field_size=(rows, columns), observe_agent_levels=levels)
    env.reset(seed=0)
    foods = ((*at(1, 5), 2), (*at(2, 2), 3))
    env._load((foods, foods, ((at(0, 6), 1, 0.0, 0.0), (at(3, 0), 2, 0.0, 0.0)), 0, False))
    planes = {name: plane.T if upright else plane for name, plane in FIELD.items()}
    if not levels:
        planes["player levels"] = np.minimum(planes["player levels"], 1)
    padded = [np.pad(planes[name], 2) for name in env.plane_names]
    for seen, (row, column) in zip(env.observe_all()[0].values(), (at(0, 6), at(3, 0)), strict=True):
        np.testing.assert_array_equal(seen, [plane[row : row + 5, column : column + 5] for plane in padded])
