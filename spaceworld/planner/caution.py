"""Checks before acting: whether a step costs anything, and whether robots that others steer could be in its way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spaceworld.planner.board import World
from spaceworld.planner.spacetime import step_from
from spaceworld.rules import packing as pk

CALM = 2  # calls in one place after which a robot is assumed to stay there


def safest(world: World, row: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """Return the joint action when it costs nothing, or a similar one that costs less."""
    best, (_, cost) = joint, world.advance(row, joint)
    if cost and (other := world.advance(row, np.zeros_like(joint))[1]) < cost:
        best, cost = np.zeros_like(joint), other
    for i in range(world.n):
        for action in range(pk.N_ACTIONS):
            if not cost:
                return best
            trial = best.copy()
            trial[i] = action
            if (other := world.advance(row, trial)[1]) < cost:
                best, cost = trial, other
    return best


def cautious(
    world: World, row: np.ndarray, joint: np.ndarray, own: Sequence[bool], still: Sequence[int] | np.ndarray
) -> np.ndarray:
    """Return the joint action, (N,), without our moves into cells where the others' robots are or may go.

    `own` (N,) says which robots are ours, `still` (N,) for how many calls each robot has not moved.
    """
    joint = joint.copy()
    units = _units(world, row)
    loose: set[int] = set()  # cells where the others' robots are or may go
    for members, cells in units:
        if all(own[i] for i in members):
            continue
        free = any(own[i] for i in members)  # it moves only when ours agree
        calm = free or all(still[i] >= CALM for i in members)
        for direction in range(1 if calm else 5):
            loose.update(step_from(world.width, world.cells, c, direction) for c in cells)
    waits = True
    while waits:  # a robot that waits may now be in the way of another one of ours
        waits = False
        for members, cells in units:
            ways = {int(joint[i]) for i in members if own[i]}
            if len(ways) != 1 or not ways <= {1, 2, 3, 4}:
                continue
            to = {step_from(world.width, world.cells, c, min(ways)) for c in cells} - set(cells)
            blocked = bool(to & loose)
            for others, theirs in units:
                if others != members and all(own[i] for i in others) and to & set(theirs):
                    blocked = blocked or {int(joint[i]) for i in others} <= {pk.STAY, pk.INTERACT}
            if blocked:
                for i in members:
                    if own[i]:
                        joint[i] = pk.STAY
                waits = True
    return joint


def _units(world: World, row: np.ndarray) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the robots and the cells of each free robot and assembly."""
    views = pk.blocks(world.spec, row)
    cell, grips = views["robots"][:, pk.R_CELL].tolist(), views["robots"][:, pk.R_GRIPS].tolist()
    units: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((i,), (cell[i],)) for i in range(world.n) if grips[i] < 0]
    for m in sorted(set(grips) - {-1}):
        members = tuple(i for i in range(world.n) if grips[i] == m)
        units.append((members, (*(cell[i] for i in members), int(views["modules"][m, pk.M_CELL]))))
    return units
