"""How far each free robot is from each module, and each module that is held from its slot, round what is in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from spaceworld.scenario import Cell
from spaceworld.text.carrying import SIDES, carry_ways, side_of
from spaceworld.text.scene import ModuleView, Scene

DISTANCES_NOTE = (  # how they are written: the end of a narrator's notation
    "\nNumbers in brackets are distances in steps. Behind an agent that holds nothing stand its ways to module_0, "
    "module_1 and so on: `agent_A west (2,3) [3 -]` is now 3 steps from module_0, and cannot come to module_1, or that "
    "is docked; at 0 it can grip. The way ends at the nearest free side from which the agent, with those who hold the "
    "module already, can carry it to its slot, and leads round the station, modules, robots that hold something, and "
    "keep-out cells. `module_0 (1,4) [2]`: those who hold it can bring it to its slot in 2 more steps, round the "
    "station, modules that nobody holds, and keep-out cells, all keeping their sides; `[-]`: with these sides they "
    "cannot. Distances stand at the start and wherever they have changed, also by what others did: "
    "`agent_B stay [4 -]`."
)


@dataclass(frozen=True)
class Distances:
    """The distances of one state, in steps; None where there is no way.

    Attributes:
        robots: For each robot its steps to each module, None for one that is docked; () for a robot that holds
            one, and for all once all are docked.
        modules: For each module that is held its steps to a slot; it is missing else.
        holders: The sides at which each of these is held.
    """

    robots: tuple[tuple[int | None, ...], ...]
    modules: dict[int, int | None]
    holders: dict[int, frozenset[str]]


def distances(scene: Scene) -> Distances:
    """Return the distances of one state.

    A free robot flies to the nearest free side of a module from which the module can be carried to a slot, by those who
    hold it already and this robot, round the station alone. Its way leads round the station, all modules, robots that
    hold something, debris that stands still and keep-out cells; free robots and drifting debris do not count. A module
    that is held is carried by those who hold it, who keep their sides, and goes round the station, other modules that
    nobody holds, such debris and keep-out cells.
    """
    size = scene.height, scene.width
    station = frozenset(scene.structure) | {module.cell for module in scene.modules if module.docked}
    avoided = frozenset(scene.keep_out) | {debris.cell for debris in scene.debris if not debris.direction}
    holders: dict[int, frozenset[str]] = {}
    for robot in scene.robots:
        if robot.grips is not None:
            side = side_of(robot.cell, scene.modules[robot.grips].cell)
            holders[robot.grips] = holders.get(robot.grips, frozenset()) | {side}
    lying = {module.cell for k, module in enumerate(scene.modules) if k not in holders}
    holding = {robot.cell for robot in scene.robots if robot.grips is not None}
    solid = station | avoided | {module.cell for module in scene.modules} | holding
    goals = {
        k: _sides(size, station, scene, module, holders.get(k, frozenset()))
        for k, module in enumerate(scene.modules)
        if not module.docked
    }
    robots = []
    for robot in scene.robots:
        ways = _flights(size, solid, robot.cell) if robot.grips is None and goals else {}
        each = (min((ways[x] for x in goals.get(k, ()) if x in ways), default=None) for k in range(len(scene.modules)))
        robots.append(tuple(each) if ways else ())
    carried = {}
    for k, sides in holders.items():
        module = scene.modules[k]
        around = station | avoided | (lying - {module.cell})
        ways_left = (carry_ways(size, around, slot, sides).get(module.cell) for slot in _slots(scene, module))
        carried[k] = min((steps for steps in ways_left if steps is not None), default=None)
    return Distances(tuple(robots), carried, holders)


def bracket(steps: Iterable[int | None]) -> str:
    """Return distances as they are written: `[3 -]`."""
    return f"[{' '.join('-' if each is None else str(each) for each in steps)}]"


def _slots(scene: Scene, module: ModuleView) -> list[Cell]:
    """Return the slots that a module may be brought to: the open ones of its type, or else those not open yet."""
    unfilled = [slot for slot in scene.slots if slot.type == module.type and not slot.filled]
    return [slot.cell for slot in unfilled if slot.open] or [slot.cell for slot in unfilled]


def _sides(size: Cell, station: frozenset[Cell], scene: Scene, module: ModuleView, held: frozenset[str]) -> list[Cell]:
    """Return the cells beside a module from which one more robot could carry it together with those who hold it."""
    (r, c), slots = module.cell, _slots(scene, module)
    return [
        (r + a, c + b)
        for side, (a, b) in SIDES.items()
        if any(module.cell in carry_ways(size, station, slot, held | {side}) for slot in slots)
    ]


@lru_cache(maxsize=4096)
def _flights(size: Cell, solid: frozenset[Cell], start: Cell) -> dict[Cell, int]:
    """Return the steps of a free robot from a cell to every cell that it can reach round solid ones."""
    ways, ring = {start: 0}, [start]
    for cell in ring:
        for a, b in SIDES.values():
            to = cell[0] + a, cell[1] + b
            if 0 <= to[0] < size[0] and 0 <= to[1] < size[1] and to not in solid and to not in ways:
                ways[to] = ways[cell] + 1
                ring.append(to)
    return ways
