"""Random layouts: where things lie, that they can be solved, and that a seed names one layout."""

from __future__ import annotations

from collections import deque
from itertools import combinations

import numpy as np
import pytest

from spaceworld import PRESETS, Debris
from spaceworld.env import SpaceworldEnv
from spaceworld.rules import packing as pk
from spaceworld.rules.generator import deliverable, sides_meet, solvable
from spaceworld.rules.packing import blocks
from tests.spaceworld.drawing import draw


def is_solvable(env: SpaceworldEnv) -> bool:
    cells = env.scenario.height * env.scenario.width
    work = np.zeros(3 * cells, dtype=np.int64)
    return bool(solvable(env._spec, env._row, work[:cells], work[cells : 2 * cells], work[2 * cells :]))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_layouts_are_friendly(name: str) -> None:
    env = SpaceworldEnv(name)
    env.reset(seed=3)
    h, w = env.scenario.height, env.scenario.width
    for _ in range(200):
        env.reset()
        scene = env.scene()
        (core,) = scene.structure
        assert 2 <= core[0] < h - 2 and 2 <= core[1] < w - 2
        still = [core, *(s.cell for s in scene.slots), *(m.cell for m in scene.modules), *scene.keep_out]
        assert all(1 <= r < h - 1 and 1 <= c < w - 1 for r, c in still)
        places = [*still, *(d.cell for d in scene.debris), *(r.cell for r in scene.robots)]
        assert len(set(places)) == len(places)
        assert len(scene.keep_out) == env.scenario.keep_out
        for debris, sheet in zip(scene.debris, env.scenario.debris, strict=True):
            assert debris.direction == sheet.direction
            axis = 1 if debris.direction in (1, 2) else 0  # what stays the same while it drifts
            assert all(cell[axis] != debris.cell[axis] for cell in still)
        for k, slot in enumerate(scene.slots):
            needs = env.scenario.slots[k].needs
            near = scene.slots[needs[0]].cell if needs else core
            assert abs(slot.cell[0] - near[0]) + abs(slot.cell[1] - near[1]) == 1
            if needs and scene.slots[needs[0]].cell != core:  # a truss is straight
                assert slot.cell[0] == core[0] or slot.cell[1] == core[1]
            assert slot.open == (not needs)
        assert is_solvable(env)


def test_a_seed_names_a_sequence_of_layouts_and_different_seeds_differ() -> None:
    one, two = SpaceworldEnv("pair"), SpaceworldEnv("pair")
    one.reset(seed=5)
    two.reset(seed=5)
    for _ in range(5):
        assert np.array_equal(one._row, two._row)
        one.reset()
        two.reset()
    layouts = set()
    for seed in range(200):
        one.reset(seed=seed)
        layouts.add(one._row[pk.S_STEP :].tobytes())
    assert len(layouts) > 195


def test_every_solo_layout_is_solved_by_breadth_first_search() -> None:
    env = SpaceworldEnv("solo", max_cycles=10_000)
    for seed in range(25):
        env.reset(seed=seed)
        assert shortest(env) is not None


def shortest(env: SpaceworldEnv) -> int | None:
    """Length of the shortest plan of a one-robot world, by the kernel itself; None if there is none."""

    def key() -> bytes:
        views = blocks(env._spec, env._row)
        return views["robots"][:, :2].tobytes() + views["modules"][:, :2].tobytes()

    queue = deque([(env.get_state(), 0)])
    seen = {key()}
    while queue:
        state, depth = queue.popleft()
        for action in range(1, 6):
            env.set_state(state)
            env.step({"robot_0": action})
            if env._row[pk.S_STATUS] != pk.RUNNING:
                return depth + 1
            if key() not in seen:
                seen.add(key())
                queue.append((env.get_state(), depth + 1))
    return None


def test_a_module_in_a_corner_cannot_be_lifted_by_two_on_opposite_sides_only() -> None:
    # the only free sides of A are north and west; A must go east: two carriers there can do it
    assert is_solvable(draw("""
        .....
        .01..
        .A.a.
        .....
    """, mass={"A": 2}))  # fmt: skip


def test_a_slot_behind_a_loose_module_is_not_counted_as_solvable_while_that_stays() -> None:
    assert not is_solvable(draw("""
        0..B.a
        .A####
        ..####
    """))  # fmt: skip


def test_what_drifts_does_not_count_as_an_obstacle_but_what_stands_and_keep_out_do() -> None:
    for sign, debris, expected in (("*", Debris(3, 2), True), ("*", Debris(), False), ("x", Debris(), False)):
        text = """
            ..####
            0A.{}a
            ######
        """.replace("{}", sign)
        if (sign, debris) == ("*", Debris()):
            with pytest.raises(ValueError, match=r"slot_0.*cannot be reached"):
                draw(text, drift=(debris,))
        else:
            assert is_solvable(draw(text, drift=(debris,) if sign == "*" else ())) is expected


def test_a_heavy_module_that_only_one_robot_can_reach_is_not_solvable() -> None:
    text = """
        0.A#..
        ####..
        .a.1..
    """
    assert not is_solvable(draw(text, mass={"A": 2}))


def test_a_delivery_that_needs_a_new_grip_on_the_way_is_solvable() -> None:
    # pushed east from the west side along the corridor, then south: the west side is walled further down
    assert is_solvable(draw("""
        ......
        0A....
        ###.##
        ###a##
    """))  # fmt: skip


SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))
Place = tuple[int, int]


def reach(free: set[Place], start: Place, hole: Place) -> set[Place]:
    """Where a robot at `start` can get to when `hole` is solid."""
    seen, left = {start}, [start]
    while left:
        r, c = left.pop()
        for to in ((r + dr, c + dc) for dr, dc in SIDES):
            if to in free and to != hole and to not in seen:
                seen.add(to)
                left.append(to)
    return seen


def can_be_brought(free: set[Place], start: Place, goal: Place, need: int, robot: Place, regrip: bool) -> bool:
    """What `deliverable` says, word for word: states are the module's cell and the sides at which it is held."""

    def beside(cell: Place) -> list[Place]:
        return [(cell[0] + dr, cell[1] + dc) for dr, dc in SIDES]

    def grips(cell: Place, within: set[Place]) -> set[tuple[Place, frozenset[int]]]:
        reached = [k for k, side in enumerate(beside(cell)) if side in within and side in free]
        return {(cell, frozenset(held)) for held in combinations(reached, need)}

    left = list(grips(start, reach(free, robot, start)))
    seen = set(left)
    while left:
        cell, held = left.pop()
        if cell == goal:
            return True
        moved = {(to, held) for to in beside(cell) if to in free and all(beside(to)[k] in free for k in held)}
        again = grips(cell, reach(free, beside(cell)[min(held)], cell)) if regrip else set()
        fresh = (moved | again) - seen
        seen |= fresh
        left += fresh
    return False


def test_what_can_be_delivered_is_what_a_plain_search_finds() -> None:
    env = SpaceworldEnv("truss")  # its table of neighbours: 9x9
    rng = np.random.default_rng(0)
    found = np.zeros((2, 2), np.int64)
    for _ in range(400):
        grid = (rng.random(81) < rng.choice([0.1, 0.25, 0.35])) * np.int64(pk.G_STRUCTURE)
        start, goal, robot = rng.choice(81, 3, replace=False).tolist()
        grid[[start, goal, robot]] = 0
        free = {divmod(k, 9) for k in np.flatnonzero(grid == 0).tolist()}
        need, places = int(rng.integers(1, 4)), (divmod(start, 9), divmod(goal, 9))
        for regrip in (False, True):
            work = np.zeros((2, 81), np.int64)
            got = deliverable(env._spec, grid, start, goal, need, robot, regrip, *work)
            assert got == can_be_brought(free, *places, need, divmod(robot, 9), regrip)
            found[int(regrip), int(got)] += 1
    assert found.min() > 40


def test_sides_meet_where_a_robot_gets_round_the_module_without_leaving_its_neighbours() -> None:
    env = SpaceworldEnv("truss")
    rng = np.random.default_rng(1)
    told = np.zeros(2, np.int64)
    for _ in range(2000):
        grid = (rng.random(81) < 0.3) * np.int64(pk.G_KEEP)
        r, c = rng.integers(0, 9, 2).tolist()
        ring = {(r + dr, c + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if (dr, dc) != (0, 0)}
        ring = {(a, b) for a, b in ring if 0 <= a < 9 and 0 <= b < 9 and not grid[9 * a + b]}
        sides = {(r + dr, c + dc) for dr, dc in SIDES} & ring
        expected = all(sides <= reach(ring, side, (r, c)) for side in sides)
        assert sides_meet(env._spec, grid, 9 * r + c) == expected
        told[int(expected)] += 1
    assert told.min() > 200


def test_random_words_never_reach_zero() -> None:
    env = SpaceworldEnv("solo")
    for seed in (0, 1, 2**32 - 1, 2**63):
        env.reset(seed=seed)
        assert env._row[pk.S_RNG1] > 0
