"""Image observations: the planes cell by cell, and the same promises as the vector's."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from spaceworld import PRESETS, Module, Robot, Scenario, Slot, get_scenario, spaceworld_v0
from spaceworld.env import SpaceworldEnv
from spaceworld.observations.image import PLANES, image_radius, image_shape, plane_names
from spaceworld.scenario import Cell
from spaceworld.text.scene import Scene
from spaceworld.vector import SpaceworldVectorEnv
from tests.spaceworld.drawing import draw
from tests.spaceworld.scenarios import ALL, busy_actions
from tests.spaceworld.test_env import rollout

with warnings.catch_warnings():  # PettingZoo's test package imports its own deprecated names
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import parallel_api_test, parallel_seed_test

COMPASS = {1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}


def strength(s: Scenario, scene: Scene, module: int) -> float:
    thrust = sum(r.thrust for r in scene.robots if r.grips == module)
    return min(1.0, thrust / s.modules[module].mass)


def open_slots(s: Scenario, scene: Scene, module: int) -> list[Cell]:
    return [slot.cell for slot in scene.slots if slot.open and slot.type == s.modules[module].type]


def distance(a: Cell, b: Cell) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def nearest(cells: list[Cell], start: Cell) -> Cell | None:
    return min(cells, key=lambda cell: distance(cell, start), default=None)


def own_planes(s: Scenario, scene: Scene, i: int) -> dict[str, float]:
    """The constant planes of robot `i`, from the scene."""
    me, sheet = scene.robots[i], s.robots[i]
    sensed = max(s.height, s.width) if sheet.sensor_range is None else sheet.sensor_range
    if me.grips is None:
        start = me.cell
        loose = [m.cell for k, m in enumerate(scene.modules) if not m.docked and open_slots(s, scene, k)]
        near = [c for c in loose if max(abs(c[0] - start[0]), abs(c[1] - start[1])) <= sensed]
        goal = nearest(sorted(near), start)
    else:
        start = scene.modules[me.grips].cell
        goal = nearest(open_slots(s, scene, me.grips), start)
    return {
        "own_row": 2 * me.cell[0] / (s.height - 1) - 1,
        "own_col": 2 * me.cell[1] / (s.width - 1) - 1,
        "own_thrust": me.thrust / max(r.thrust for r in s.robots),
        "own_can_grip": sheet.can_grip,
        "own_can_dock": sheet.can_dock,
        "own_grips": me.grips is not None,
        "own_grip_strength": 0 if me.grips is None else strength(s, scene, me.grips),
        "own_at_open_slot": me.grips is not None and start in open_slots(s, scene, me.grips),
        "own_goal_row": 0 if goal is None else (goal[0] - start[0]) / (s.height - 1),
        "own_goal_col": 0 if goal is None else (goal[1] - start[1]) / (s.width - 1),
        "own_time_left": 1 - scene.step / scene.horizon,
    }


def cell_planes(s: Scenario, scene: Scene, i: int, cell: Cell) -> dict[str, float]:
    """The planes of one seen cell in the eyes of robot `i`, from the scene; what is not named is zero."""
    me, types = scene.robots[i], list(s.types)
    out: dict[str, float] = {"seen": 1, "keep_out": cell in scene.keep_out}
    out["structure"] = cell in scene.structure or any(m.docked and m.cell == cell for m in scene.modules)
    for k, debris in enumerate(scene.debris):
        if debris.cell == cell:
            out["debris"] = 1
            out["debris_row"], out["debris_col"] = COMPASS.get(debris.direction, (0, 0))
            out["debris_due"] = debris.direction != 0 and (scene.step + 1) % s.debris[k].period == 0
    for k, module in enumerate(scene.modules):
        if module.cell == cell and not module.docked:
            out["module_mass"] = module.mass / max(m.mass for m in s.modules)
            out["module_grip"] = strength(s, scene, k)
            out["module_mine"] = me.grips == k
            out["module_type"] = (types.index(module.type) + 1) / len(types)
            out["module_wanted"] = len(open_slots(s, scene, k)) > 0
    for slot in scene.slots:
        if slot.cell == cell and not slot.filled:
            out["slot_open"], out["slot_closed"] = slot.open, not slot.open
            out["slot_type"] = (types.index(slot.type) + 1) / len(types)
            out["slot_mine"] = slot.open and me.grips is not None and s.modules[me.grips].type == slot.type
    for k, robot in enumerate(scene.robots):
        if robot.cell == cell:
            out["robot_thrust"] = robot.thrust / max(r.thrust for r in s.robots)
            out["robot_can_dock"] = s.robots[k].can_dock
            out["robot_grips"] = robot.grips is not None
            out["robot_same_module"] = robot.grips is not None and robot.grips == me.grips
            out["robot_collided"] = robot.collisions > 0
            out["robot_last_row"], out["robot_last_col"] = COMPASS.get(robot.action or 0, (0, 0))
            out["robot_last_interact"] = robot.action == 5
    return out


def expected_planes(s: Scenario, scene: Scene, i: int, radius: int) -> np.ndarray:
    """The planes of robot `i`, (C, 2r+1, 2r+1) float32, written cell by cell."""
    names, side = plane_names(s), 2 * radius + 1
    picture = np.zeros((len(names), side, side), np.float32)
    for name, value in own_planes(s, scene, i).items():
        picture[names.index(name)] = value
    (row, col), seen = scene.robots[i].cell, s.robots[i].sensor_range
    for r in range(side):
        for c in range(side):
            dr, dc = r - radius, c - radius
            inside = 0 <= row + dr < s.height and 0 <= col + dc < s.width
            if inside and (seen is None or max(abs(dr), abs(dc)) <= seen):
                for name, value in cell_planes(s, scene, i, (row + dr, col + dc)).items():
                    picture[names.index(name), r, c] = value
    return picture


def compare(name: str, radius: int | None, steps: int) -> np.ndarray:
    """Compares every robot's planes with the oracle on random play; returns which planes were ever other than zero."""
    env = SpaceworldEnv(ALL[name], observation="image", image_radius=radius, max_cycles=60)
    rng, s = np.random.default_rng(13), ALL[name]
    observations, _ = env.reset(seed=17)
    used = np.zeros(len(PLANES), bool)
    for _ in range(steps):
        scene = env.scene()
        for i, picture in enumerate(observations.values()):
            expected = expected_planes(s, scene, i, picture.shape[1] // 2)
            differs = np.flatnonzero(np.abs(picture - expected).max(axis=(1, 2)) > 1e-6)
            assert not differs.size, [PLANES[k] for k in differs]
            used |= expected.any(axis=(1, 2))
        if env.agents:
            observations = env.step(dict(zip(env.agents, busy_actions(env, rng), strict=True)))[0]
        else:
            observations, _ = env.reset()
    return used


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_planes_are_what_the_scene_shows_cell_by_cell(name: str) -> None:
    used = compare(name, None, (600 if name == "crowd" else 300) // len(ALL[name].robots))
    if name == "crowd":  # everything was drawn at least once
        assert used.all(), [p for p, u in zip(PLANES, used, strict=True) if not u]


@pytest.mark.parametrize("radius", [1, 2, 9])
def test_the_planes_are_right_for_any_radius(radius: int) -> None:
    compare("crowd", radius, 40)
    compare("truss", radius, 40)


def test_a_robot_sees_nothing_beyond_its_own_sensor_range_and_another_does() -> None:
    env = draw("""
        0.1..
        ..#..
        ..A.*
    """, robots=[Robot(sensor_range=1), Robot(sensor_range=4)], observation="image")  # fmt: skip
    observations, _ = env.observe_all()
    near, far = observations["robot_0"], observations["robot_1"]
    assert near.shape == far.shape == (len(PLANES), 9, 9)
    seen = np.zeros((9, 9))
    seen[4:6, 4:6] = 1  # the corner: two by two cells of the grid
    assert np.array_equal(near[PLANES.index("seen")], seen)
    for name in ("structure", "module_mass", "debris", "own_goal_row"):
        assert not near[PLANES.index(name)].any() and far[PLANES.index(name)].any()


def test_the_goal_points_beyond_the_picture() -> None:
    text = """
        0.......
        ........
        a.....AB
    """
    env = draw(text, observation="image", image_radius=1)
    picture = env.observe_all()[0]["robot_0"]
    assert not picture[PLANES.index("module_mass")].any()
    assert (picture[PLANES.index("own_goal_row")] == 1).all()
    assert np.allclose(picture[PLANES.index("own_goal_col")], 6 / 7)
    env = draw(text.replace("0..", "...").replace(".AB", "0AB"), observation="image", image_radius=1, grips={0: "A"})
    picture = env.observe_all()[0]["robot_0"]
    assert not picture[PLANES.index("own_goal_row")].any()
    assert np.allclose(picture[PLANES.index("own_goal_col")], -6 / 7)


def test_the_radius_is_what_is_sensed_what_the_grid_has_or_five() -> None:
    radius = {name: image_radius(scenario) for name, scenario in PRESETS.items()}
    assert (radius["solo"], radius["duet"], radius["pair"], radius["truss"]) == (4, 5, 5, 5)
    small = {"modules": (Module("a"),), "slots": (Slot("a"),), "horizon": 9}
    for robots, expected in (((Robot(sensor_range=2), Robot(sensor_range=3)), 3), ((Robot(sensor_range=0),), 1)):
        assert image_radius(Scenario("x", 20, 20, robots, **small)) == expected  # type: ignore[arg-type]
    assert image_shape(get_scenario("pair"), 2) == (len(PLANES), 5, 5)
    assert SpaceworldEnv("truss", observation="image", image_radius=8).observation_space("robot_0").shape[1:] == (
        17,
        17,
    )


@pytest.mark.parametrize(
    "arguments",
    [{"observation": "image", "image_radius": 0}, {"image_radius": 3}, {"observation": "vector", "image_radius": 3}],
)
def test_a_radius_that_cannot_be_used_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="image_radius is"):
        spaceworld_v0.parallel_env(**arguments)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_pettingzoo_api_with_images(name: str) -> None:
    make = lambda: spaceworld_v0.parallel_env(scenario=name, observation="image")  # noqa: E731  # used twice
    parallel_api_test(make(), num_cycles=200)
    parallel_seed_test(make, num_cycles=50)


@pytest.mark.parametrize("name", sorted(ALL))
def test_images_are_in_their_space_and_change_nothing_else(name: str) -> None:
    vector, image = (
        SpaceworldEnv(ALL[name], max_cycles=40),
        SpaceworldEnv(ALL[name], max_cycles=40, observation="image"),
    )
    for env in (vector, image):
        env.reset(seed=2)
    rng = np.random.default_rng(1)
    for _ in range(200):
        if not vector.agents:
            assert str(vector.reset()[1]) == str(image.reset()[1])
        actions = dict(zip(vector.agents, busy_actions(vector, rng), strict=True))
        expected, found = vector.step(actions), image.step(actions)
        assert str(found[1:]) == str(expected[1:])
        for agent, picture in found[0].items():
            assert image.observation_space(agent).contains(picture)
        assert np.array_equal(vector.state(), image.state())
    vector.set_state(image.get_state())  # what is observed is no part of the state


@pytest.mark.parametrize("safe", ["possible", "safe"])
def test_masks_do_not_depend_on_the_kind_of_observation(safe: Any) -> None:
    vector, image = (SpaceworldEnv(ALL["crowd"], action_mask=safe, observation=kind) for kind in ("vector", "image"))  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    assert str(vector.reset(seed=0)[1]) == str(image.reset(seed=0)[1])
    while vector.agents:
        actions = dict(zip(vector.agents, busy_actions(vector, rng), strict=True))
        assert str(vector.step(actions)[4]) == str(image.step(actions)[4])


@pytest.mark.parametrize("name", sorted(ALL))
def test_two_full_rollouts_of_images_with_one_seed_are_identical(name: str) -> None:
    first, second = (rollout(SpaceworldEnv(ALL[name], observation="image"), 5, 200) for _ in range(2))
    assert first == second
    if name in PRESETS:
        assert first[:31] != rollout(SpaceworldEnv(ALL[name], observation="image"), 6, 30)


@pytest.mark.parametrize("name", sorted(ALL))
def test_restored_pickled_and_copied_envs_continue_the_images_bit_identically(name: str) -> None:
    env = SpaceworldEnv(ALL[name], max_cycles=30, observation="image")
    rollout(env, 5, 20)
    assert env.agents  # in the middle of an episode
    snapshot = pickle.loads(pickle.dumps(env.get_state()))
    twins = [pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    expected = rollout(env, None, 100, action_seed=9)
    other = SpaceworldEnv(ALL[name], max_cycles=30, observation="image")
    other.reset(seed=99)
    other.set_state(snapshot)
    for twin in (*twins, other):
        assert rollout(twin, None, 100, action_seed=9) == expected


def test_returned_images_are_fresh_at_every_step() -> None:
    env = SpaceworldEnv("duet", observation="image")
    first = env.reset(seed=0)[0]
    kept = first["robot_0"].copy()
    for _ in range(5):
        env.step({"robot_0": 4, "robot_1": 1})
    assert np.array_equal(first["robot_0"], kept)


@pytest.mark.parametrize("name", ["pair", "crowd"])
def test_a_vector_of_worlds_gives_the_same_images_as_single_environments(name: str) -> None:
    envs = SpaceworldVectorEnv(3, ALL[name], max_cycles=15, observation="image")
    singles = [SpaceworldEnv(ALL[name], max_cycles=15, observation="image") for _ in range(3)]
    first = [env.reset(seed=5 + k)[0] for k, env in enumerate(singles)]
    observations, infos = envs.reset(seed=5)
    rng = np.random.default_rng(0)
    for _ in range(40):
        assert np.array_equal(observations, [list(x.values()) for x in first])
        actions = [busy_actions(env, rng) for env in singles]
        observations, rewards, _, _, infos = envs.step(np.array(actions))
        for k, env in enumerate(singles):
            first[k], reward, *_ = env.step(dict(zip(env.agents, actions[k], strict=True)))
            assert rewards[k].tolist() == list(reward.values())
            if not env.agents:
                assert np.array_equal(infos["final_obs"][k], list(first[k].values()))
                first[k], _ = env.reset()
