"""How far a module is from its slot, by the side from which a robot holds it: what a reader would have to work out."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import lru_cache

SIDES = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}
Cell = tuple[int, int]  # row, column


def side_of(robot: Cell, module: Cell) -> str:
    """Return the side of a module on which a robot is that stands beside it."""
    offset = (robot[0] - module[0], robot[1] - module[1])
    return next(side for side, way in SIDES.items() if way == offset)


def carry_steps(size: Cell, solid: Set[Cell], module: Cell, slots: Mapping[str, Cell]) -> tuple[str, dict[str, int]]:
    """Return the nearest slot and the steps to it for each side from which the module can be carried there.

    The nearest slot is that of the fewest steps, the first of several. The robot on that side moves with the module, so
    its cell must be free, too. Sides from which no slot can be reached are left out.

    Args:
        size: Rows and columns of the world.
        solid: The station's cells.
        module: The module's cell.
        slots: Cells of the slots that it may be brought to, by name; at least one.
    """
    found = {}
    for name, slot in slots.items():
        ways = {side: carry_ways(size, frozenset(solid), slot, frozenset({side})) for side in SIDES}
        found[name] = {side: way[module] for side, way in ways.items() if module in way}
    best = min(found, key=lambda name: min(found[name].values(), default=size[0] * size[1]))
    return best, found[best]


@lru_cache(maxsize=1024)
def carry_ways(size: Cell, solid: frozenset[Cell], slot: Cell, sides: frozenset[str]) -> dict[Cell, int]:
    """Return the steps to a slot from every cell of a module that is held at some sides, all of which need room."""
    offsets = [(0, 0), *(SIDES[side] for side in sides)]

    def free(r: int, c: int) -> bool:
        return 0 <= r < size[0] and 0 <= c < size[1] and (r, c) not in solid

    ways: dict[Cell, int] = {}
    ring, steps = [slot], 0
    while ring:
        ring = [x for x in dict.fromkeys(ring) if x not in ways and all(free(x[0] + a, x[1] + b) for a, b in offsets)]
        ways.update(dict.fromkeys(ring, steps))
        ring = [(r + a, c + b) for r, c in ring for a, b in SIDES.values()]
        steps += 1
    return ways
