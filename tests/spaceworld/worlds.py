"""Random small worlds for property tests, and a team that grips, carries and docks in them, and bumps into things."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spaceworld import Debris, Layout, Module, Robot, Scenario, Slot
from spaceworld.env import SpaceworldEnv
from spaceworld.scenario import Cell
from spaceworld.text.scene import Scene


def make_world(seed: int, height: int, width: int, robots: int, modules: int, debris: int, keep_out: int) -> Scenario:
    """A scenario with a fixed random layout; modules often lie close to their slots, and some on them."""
    rng = np.random.default_rng(seed)
    sheets = [
        Robot(
            thrust=int(rng.integers(1, 4)),
            sensor_range=(None, 0, 1, 2)[rng.integers(4)],
            can_grip=bool(rng.random() < 0.9),
            can_dock=bool(rng.random() < 0.8),
        )
        for _ in range(robots)
    ]
    sheets[0] = Robot(thrust=sheets[0].thrust, sensor_range=sheets[0].sensor_range)  # someone is able to finish
    strength = sum(r.thrust for r in sheets if r.can_grip)
    types = ["ab"[k] for k in rng.integers(2, size=modules)]
    parts = tuple(Module(t, int(rng.integers(1, min(4, strength) + 1))) for t in types)
    slots = tuple(
        Slot(t, tuple(int(j) for j in range(k) if rng.random() < 0.3)) for k, t in enumerate(rng.permutation(types))
    )
    everywhere = [(r, c) for r in range(height) for c in range(width)]
    cells: list[Cell] = [everywhere[k] for k in rng.permutation(len(everywhere))]
    core = tuple(cells[:1])
    goals = cells[1 : 1 + modules]
    free = cells[1 + modules :]
    start: list[Cell] = []
    for k in range(modules):  # on a slot, beside one, or anywhere
        roll, goal = rng.random(), goals[k]
        beside = [c for c in free if abs(c[0] - goal[0]) + abs(c[1] - goal[1]) == 1]
        if roll < 0.2:
            start.append(goal)
        else:
            start.append(beside[0] if beside and roll < 0.7 else free[0])
            free.remove(start[-1])
    where = free[:robots], free[robots : robots + debris]
    drifting = tuple(Debris(int(rng.integers(5)), int(rng.integers(1, 4))) for _ in range(len(where[1])))
    free_of_core = cells[1:]
    forbidden = [free_of_core[k] for k in rng.permutation(len(free_of_core))[:keep_out]]
    layout = Layout(core, tuple(goals), tuple(start), tuple(where[0]), tuple(where[1]), tuple(forbidden))
    horizon = int(rng.integers(15, 60))

    def build(debris: tuple[Debris, ...]) -> Scenario:
        return Scenario(
            f"world_{seed}", height, width, tuple(sheets), parts, slots, horizon, debris=debris, layout=layout
        )

    try:
        return build(drifting)
    except ValueError:  # debris that lies still shuts something in: let it drift
        return build(tuple(replace(d, direction=max(1, d.direction)) for d in drifting))


def _toward(start: Cell, goal: Cell, rows_first: bool) -> int:
    south, east = goal[0] - start[0], goal[1] - start[1]
    if south and (rows_first or not east):
        return 2 if south > 0 else 1
    return 0 if not east else 4 if east > 0 else 3


def _purpose(env: SpaceworldEnv, scene: Scene, i: int, rows_first: bool) -> int:
    """What robot `i` would do to get a module docked, heedless of what is in the way."""
    me = scene.robots[i]
    if me.grips is not None:
        start, kind = scene.modules[me.grips].cell, scene.modules[me.grips].type
        goals = [s.cell for s in scene.slots if s.open and s.type == kind]
        if start in goals:
            return 5
    else:
        start, goals = me.cell, [m.cell for m in scene.modules if not m.docked]
    goals.sort(key=lambda cell: abs(cell[0] - start[0]) + abs(cell[1] - start[1]))
    if not goals:
        return 0
    if me.grips is None and abs(goals[0][0] - start[0]) + abs(goals[0][1] - start[1]) == 1:
        return 5
    return _toward(start, goals[0], rows_first)


def eager_actions(env: SpaceworldEnv, rng: np.random.Generator, noise: float = 0.25) -> tuple[int, ...]:
    """Actions that mostly serve the goal, so that carriers agree, with some random ones."""
    scene, rows_first = env.scene(), bool(rng.random() < 0.5)
    return tuple(
        int(rng.integers(6)) if rng.random() < noise else _purpose(env, scene, i, rows_first)
        for i in range(len(scene.robots))
    )
