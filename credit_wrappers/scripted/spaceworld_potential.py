"""What the present state of a Spaceworld is worth to each robot, by the text of an episode.

Each robot has a potential, a function of the state alone, in hundredths of a credit:

    free                   - APPROACH * (way to a side of a module that it should go for)
    free, without work     - APPROACH * (IDLE + what it lacks of the distance CLEAR to slots where modules are awaited)
    gripping and needed    GRIP + CARRY * (way from the module's first cell to its slot - its way now, as it is held)
    gripping in vain       as if free, - VAIN; - GRIP where it holds up those who are needed

The state includes the order in which the robots took hold. Of each type, as many modules are *claimed* as there are
open slots, those that were held first: a robot that holds another one is missed elsewhere, and when all do so the work
stands still. Of a claimed module, the first whose thrust suffices are needed, and the first that can dock; the others
grip in vain. Robots should go for claimed modules that lack thrust, and for others as far as there are slots; where
several robots must agree on one, for those with the shortest way. When nothing is open, for those that open next.
Modules that nobody holds are in the way of those that are carried. Ways lead robots round keep-out cells, if the
detour takes no longer than to change a grip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any

from credit_wrappers.scripted.shortest_paths import ways
from credit_wrappers.scripted.spaceworld_text import ToldWorld, row_col

APPROACH, CARRY, GRIP, DOCK, BLAME = 10, 20, 30, 200, 80  # hundredths of a credit
VAIN = 10  # less than a grip gains, or a robot that does not know yet which module is wanted learns to grip none
REGRIP = 4  # steps charged to a grip from which the slot cannot be reached; and at most to a detour round keep-out
IDLE = 3  # way charged when no work is open: a constant, or idle robots would be paid for what others carry
CLEAR = 3  # distance that an idle robot keeps from a slot to which a module is carried, or it stands in the way there

Cells = frozenset[str]  # cells as they are written, "(row,col)"


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> dict[str, dict[tuple[int, int], str]]:
    """Return the neighbours of each cell, by offset."""
    return {
        f"({r},{c})": {
            (dr, dc): f"({r + dr},{c + dc})"
            for dr, dc in ((-1, 0), (1, 0), (0, -1), (0, 1))
            if 0 <= r + dr < height and 0 <= c + dc < width
        }
        for r in range(height)
        for c in range(width)
    }


@lru_cache(maxsize=8192)
def _ways(
    size: tuple[int, int], solid: Cells, goals: Cells, side: tuple[int, int] | None, shunned: Cells
) -> dict[str, int]:
    """Return the steps from each cell to the nearest goal; with `side`, of a module that a robot holds at that side.

    No way leads a robot through `shunned` cells. One that stands in such a cell has the way of the next cell.
    """
    grid = _grid(*size)
    stands = {cell: cell if side is None else around.get(side) for cell, around in grid.items()}
    barred = frozenset(cell for cell, at in stands.items() if at in shunned)
    if side is not None:  # the robot's cell must be free, too
        solid |= {cell for cell, at in stands.items() if at is None or at in solid}
    steps = ways(goals - solid - barred, lambda cell: grid[cell].values(), solid | barred)
    nearest = {cell: [steps[x] for x in grid[cell].values() if x in steps] for cell in barred - solid}
    return steps | {cell: 1 + min(beside) for cell, beside in nearest.items() if beside}


class Judgement:
    """What the present state of a world is worth to each agent.

    `size` is its rows and columns, `needs` the slots that must be filled before each slot.
    """

    def __init__(self, size: tuple[int, int], needs: dict[str, frozenset[str]], world: ToldWorld) -> None:
        self.size, self.needs, self.world = size, needs, world
        self._first = dict(world.modules)  # the cells where they lay
        self._cache: dict[Any, Any] = {}
        self._seen = -1  # the version of the world that the cache is of

    def potentials(self) -> dict[str, int]:
        """Return each agent's potential, in hundredths of a credit."""
        world, needed = self.world, self.needed()
        values = {}
        for agent, cell in world.agents.items():
            if agent in needed:
                module = world.grips[agent]
                values[agent] = GRIP + CARRY * (self._first_way(module) - self.carry_way(module, cell))
            elif len(world.docked) == len(world.modules):
                values[agent] = 0
            else:
                targets = self.targets("dock" not in world.cannot[agent])
                way = self.ways_to(targets).get(cell, sum(self.size)) if targets else IDLE + self._crowding(cell)
                values[agent] = -APPROACH * way
                if agent in world.grips:
                    values[agent] -= GRIP if world.grips[agent] in self.claimed() else VAIN
        return values

    def _crowding(self, cell: str) -> int:
        """Return what the distance of a cell to the nearest slot to which a module is carried lacks of CLEAR."""
        (r, c), slots = row_col(cell), [row_col(s) for m in self.claimed() for s in self._goals(m)]
        return max([0, *(CLEAR - abs(r - row) - abs(c - col) for row, col in slots)])

    def needed(self) -> set[str]:
        """Return the robots that grip and are needed: of each claimed module, the first that can carry and dock it."""
        world, claimed = self.world, self.claimed()
        needed: set[str] = set()
        for agent, module in world.grips.items():
            crew = [a for a in needed if world.grips[a] == module]
            docks = "dock" not in world.cannot[agent] and not self._can_dock(crew)
            if module in claimed and (self._lacks_thrust(module, crew) or docks):
                needed.add(agent)
        return needed

    def claimed(self) -> frozenset[str]:
        """Return the held modules for which there are slots: of each type, those that were held first."""
        return self._cached("claimed", self._claim)

    def targets(self, can_dock: bool) -> frozenset[str]:
        """Return the modules that a robot should go for, which can dock or cannot; none if no work is open to it."""
        return self._cached(("targets", can_dock), lambda: self._find_targets(can_dock))

    def slots_for(self, module: str) -> tuple[tuple[str, ...], bool]:
        """Return the slots that the module belongs in next, and whether they are open."""
        return self._cached(("slots", module), lambda: self._find_slots(module))

    def carry_way(self, module: str, holder: str) -> int:
        """Return the steps to the module's slot when a robot in cell `holder` holds it; more if it must regrip."""
        world = self.world
        (r, c), (mr, mc) = row_col(holder), row_col(world.modules[module])
        at, parts = world.modules[module], (self._in_the_way(module), self._goals(module), (r - mr, c - mc))
        steps = _ways(self.size, *parts, frozenset()).get(at)
        if steps is None:
            return self.plain_way(module) + REGRIP
        return min(_ways(self.size, *parts, world.keep_out).get(at, steps + REGRIP), steps + REGRIP)

    def plain_way(self, module: str) -> int:
        """Return the steps of the module alone to its slot."""
        way = _ways(self.size, self._in_the_way(module), self._goals(module), None, frozenset())
        return way.get(self.world.modules[module], sum(self.size))

    def ways_to(self, modules: Collection[str]) -> dict[str, int]:
        """Return the steps from each cell to the nearest free side of one of these modules; holders block a side."""
        return self._cached(("ways", frozenset(modules)), lambda: self._find_ways(modules))

    def _claim(self) -> frozenset[str]:
        world, room, claimed = self.world, self._room(), []
        for module in dict.fromkeys(world.grips.values()):
            if room[world.kind[module]] > 0:
                room[world.kind[module]] -= 1
                claimed.append(module)
        return frozenset(claimed)

    def _room(self) -> Counter[str]:
        """Return the number of open slots of each type."""
        world = self.world
        free = [s for s in world.slots if s not in world.filled]
        return Counter(world.kind[s] for s in free if self.needs.get(s, frozenset()) <= world.filled)

    def _find_targets(self, can_dock: bool) -> frozenset[str]:
        world, claimed = self.world, self.claimed()
        room = self._room() - Counter(world.kind[m] for m in claimed)
        held = set(world.grips.values())
        crews = {m: [a for a in world.grips if world.grips[a] == m] for m in claimed}
        here = {
            m for m, crew in crews.items() if self._lacks_thrust(m, crew) or (can_dock and not self._can_dock(crew))
        }
        loose = [m for m in world.left if m not in held]
        for kind in room:
            near = sorted((m for m in loose if world.kind[m] == kind), key=self.plain_way)  # of equals, the first
            here.update(m for k, m in enumerate(near) if k < room[kind] or world.mass[m] == 1)
        return frozenset(here or loose)

    def _lacks_thrust(self, module: str, crew: Collection[str]) -> bool:
        return sum(self.world.thrust[a] for a in crew) < self.world.mass[module]

    def _can_dock(self, crew: Collection[str]) -> bool:
        return any("dock" not in self.world.cannot[a] for a in crew)

    def _find_slots(self, module: str) -> tuple[tuple[str, ...], bool]:
        world = self.world
        fitting = [s for s in world.slots if s not in world.filled and world.kind[s] == world.kind[module]]
        opened = tuple(s for s in fitting if self.needs.get(s, frozenset()) <= world.filled)
        return (opened, True) if opened else ((*fitting, *world.slots)[:1], False)

    def _goals(self, module: str) -> Cells:
        return frozenset(self.world.slots[s] for s in self.slots_for(module)[0])

    def _in_the_way(self, module: str) -> Cells:
        """Return the cells through which a module cannot be carried: the station, and modules that nobody holds."""
        return self._cached(("in the way", module), lambda: self.world.solid | self._loose_cells(module))

    def _loose_cells(self, module: str) -> Cells:
        world, held = self.world, set(self.world.grips.values())
        return frozenset(world.modules[m] for m in world.left if m != module and m not in held)

    def _first_way(self, module: str) -> int:
        """Return the steps to the module's slot from where it lay at first."""
        way = _ways(self.size, self._in_the_way(module), self._goals(module), None, frozenset())
        return way.get(self._first[module], sum(self.size))

    def _find_ways(self, modules: Collection[str]) -> dict[str, int]:
        world = self.world
        solid = world.solid | {world.modules[m] for m in world.left}
        solid |= {world.agents[a] for a, m in world.grips.items() if m in modules}
        sides: set[str] = set()
        for module in modules:
            here = [x for x in _grid(*self.size)[world.modules[module]].values() if x not in solid]
            good = [x for x in here if x not in world.keep_out and self._is_short(module, x)]
            sides.update(good or here)
        return _ways(self.size, frozenset(solid), frozenset(sides), None, world.keep_out - sides)

    def _is_short(self, module: str, holder: str) -> bool:
        return self.carry_way(module, holder) < self.plain_way(module) + REGRIP

    def _cached(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Return what was computed since grips, modules or slots last changed."""
        if self._seen != self.world.version:
            self._cache, self._seen = {}, self.world.version
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]
