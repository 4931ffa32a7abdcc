"""Smooth motion between two moments: how far everything still is from its present cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spaceworld.render.symbols import OFFSETS
from spaceworld.text.scene import DebrisView, ModuleView, RobotView, Scene

Offset = tuple[float, float]  # (rows, cols), in cells, to be added to the present cell
Movers = Sequence[RobotView | ModuleView | DebrisView]
BUMP = 0.16  # how far a blocked robot leans towards what blocks it, in cells


@dataclass(frozen=True, slots=True)
class Motion:
    """Offsets of everything that moves, in the order of the scene's tuples."""

    robots: tuple[Offset, ...] = ()
    modules: tuple[Offset, ...] = ()
    debris: tuple[Offset, ...] = ()
    share: float = 1.0  # of the way done


STILL = Motion()


def follows(before: Scene, after: Scene) -> bool:
    """Return whether `after` is the step after `before`, so that the motion can be shown."""
    if after.step != before.step + 1 or (before.height, before.width) != (after.height, after.width):
        return False
    pairs = list(zip(_movers(before), _movers(after), strict=True))
    if any(len(a) != len(b) for a, b in pairs) or before.structure != after.structure:
        return False
    return all(max(abs(r), abs(c)) <= 1 for a, b in pairs for r, c in _ways(a, b))


def motion(before: Scene, after: Scene, share: float) -> Motion:
    """Return the motion after this share, 0..1, of the time between two scenes; STILL when they do not follow.

    Everything starts and stops gently. A robot that collided leans towards its obstacle and back.
    """
    if share >= 1.0 or not follows(before, after):
        return STILL
    left = 1.0 - share * share * (3.0 - 2.0 * share)
    robots, modules, debris = (
        [(rows * left, cols * left) for rows, cols in _ways(a, b)]
        for a, b in zip(_movers(before), _movers(after), strict=True)
    )
    lean = BUMP * math.sin(math.pi * share)
    for index, robot in enumerate(after.robots):
        if robot.collisions and robot.action in OFFSETS and robot.cell == before.robots[index].cell:
            rows, cols = OFFSETS[robot.action]
            robots[index] = rows * lean, cols * lean
            if robot.grips is not None:
                modules[robot.grips] = robots[index]
    return Motion(tuple(robots), tuple(modules), tuple(debris), share)


def _movers(scene: Scene) -> tuple[Movers, Movers, Movers]:
    return scene.robots, scene.modules, scene.debris


def _ways(before: Movers, after: Movers) -> list[Offset]:
    """Return the way from each present cell back to the one before."""
    return [(a.cell[0] - b.cell[0], a.cell[1] - b.cell[1]) for a, b in zip(before, after, strict=True)]
