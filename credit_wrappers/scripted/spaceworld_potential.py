"""What the present state of a Spaceworld is worth to each robot, by the text of an episode.

Each robot has a potential, a function of the state alone, in hundredths of a credit:

    free                   - APPROACH * (way to a side of a module that it should go for)
    free, without work     - APPROACH * (IDLE + what it lacks of the distance CLEAR to slots where modules are awaited)
    gripping and needed    GRIP + CARRY * (way from the module's first cell to its slot - its way now, as they hold it)
    gripping in vain       as if free, - VAIN; - GRIP where it holds up those who are needed

The state includes the order in which the robots took hold. Of each type, as many modules are *claimed* as there are
open slots, those that were held first: a robot that holds another one is missed elsewhere, and when all do so the work
stands still. Of a claimed module, the first whose thrust suffices are needed, and the first that can dock; the others
grip in vain. So does a robot at a side from which, with those who are needed already, the module cannot come to its
slot by a short way, if it could with a robot at another side: until that one lets go, all are stuck. Robots should go
for claimed modules that lack thrust, and for others as far as there are slots; where several robots must agree on one,
for those with the shortest way. When nothing is open, for those that open next. Modules that nobody holds are in the
way of those that are carried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any

from credit_wrappers.scripted.shortest_paths import ways
from credit_wrappers.scripted.spaceworld_text import ToldWorld, row_col

APPROACH, CARRY, GRIP, DOCK, BLAME = 10, 20, 30, 200, 80  # hundredths of a credit
VAIN = 10  # less than a grip gains, or a robot that does not know yet which module is wanted learns to grip none
REGRIP = 4  # steps charged to grips from which the slot cannot be reached; a way longer by as many is not short
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
def _ways(size: tuple[int, int], solid: Cells, goals: Cells, sides: frozenset[tuple[int, int]]) -> dict[str, int]:
    """Return the steps from each cell to the nearest goal, of a module that robots hold at these sides."""
    grid = _grid(*size)
    closed = {  # the robots' cells must be free, too
        cell for cell, around in grid.items() if any(s not in around or around[s] in solid for s in sides)
    }
    solid |= closed
    return ways(goals - solid, lambda cell: grid[cell].values(), solid)


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
        world, crews = self.world, self.crews()
        values = {}
        for agent, cell in world.agents.items():
            module = world.grips.get(agent, "")
            crew = crews.get(module, ())
            if agent in crew:
                # where no way is open to all of them, each is charged for its own grip alone
                ways = self._way(module, [world.agents[a] for a in crew]), self._way(module, [cell])
                now = next((way for way in ways if way is not None), self.plain_way(module) + REGRIP)
                values[agent] = GRIP + CARRY * (self._first_way(module) - now)
            elif len(world.docked) == len(world.modules):
                values[agent] = 0
            else:
                targets = self.targets("dock" not in world.cannot[agent])
                way = self.ways_to(targets).get(cell, sum(self.size)) if targets else IDLE + self._crowding(cell)
                values[agent] = -APPROACH * way
                if module:
                    values[agent] -= GRIP if crew else VAIN
        return values

    def _crowding(self, cell: str) -> int:
        """Return what the distance of a cell to the nearest slot to which a module is carried lacks of CLEAR."""
        (r, c), slots = row_col(cell), [row_col(s) for m in self.claimed() for s in self._goals(m)]
        return max([0, *(CLEAR - abs(r - row) - abs(c - col) for row, col in slots)])

    def needed(self) -> set[str]:
        """Return the robots that grip and are needed."""
        return {agent for crew in self.crews().values() for agent in crew}

    def crews(self) -> dict[str, tuple[str, ...]]:
        """Return of each claimed module the first holders that can carry and dock it."""
        return self._cached("crews", self._find_crews)

    def claimed(self) -> frozenset[str]:
        """Return the held modules for which there are slots: of each type, those that were held first."""
        return self._cached("claimed", self._claim)

    def targets(self, can_dock: bool) -> frozenset[str]:
        """Return the modules that a robot should go for, which can dock or cannot; none if no work is open to it."""
        return self._cached(("targets", can_dock), lambda: self._find_targets(can_dock))

    def lacks_thrust(self, module: str, crew: Collection[str]) -> bool:
        """Return whether a module needs more thrust than these robots have."""
        return sum(self.world.thrust[a] for a in crew) < self.world.mass[module]

    def slots_for(self, module: str) -> tuple[tuple[str, ...], bool]:
        """Return the slots that the module belongs in next, and whether they are open."""
        return self._cached(("slots", module), lambda: self._find_slots(module))

    def plain_way(self, module: str) -> int:
        """Return the steps of the module alone to its slot."""
        way = self._way(module, [])
        return sum(self.size) if way is None else way

    def ways_to(self, modules: Collection[str]) -> dict[str, int]:
        """Return the steps from each cell to the nearest free side of one of these modules; holders block a side."""
        return self._cached(("ways", frozenset(modules)), lambda: self._find_ways(modules))

    def _find_crews(self) -> dict[str, tuple[str, ...]]:
        world, claimed = self.world, self.claimed()
        crews: dict[str, tuple[str, ...]] = {}
        for agent, module in world.grips.items():
            crew = crews.setdefault(module, ())
            docks = "dock" not in world.cannot[agent] and not self._can_dock(crew)
            lacking = module in claimed and (self.lacks_thrust(module, crew) or docks)
            if lacking and self._fits(module, [world.agents[a] for a in crew], world.agents[agent]):
                crews[module] = (*crew, agent)
        return crews

    def _fits(self, module: str, crew: Sequence[str], cell: str) -> bool:
        """Return whether a robot in `cell` may join a crew, in these cells: no side is free that would be better."""
        if self._is_short(module, [*crew, cell]):
            return True
        taken = {*crew, *self._in_the_way(module)}
        sides = [x for x in _grid(*self.size)[self.world.modules[module]].values() if x not in taken]
        return not any(self._is_short(module, [*crew, side]) for side in sides)

    def _is_short(self, module: str, holders: Sequence[str]) -> bool:
        """Return whether robots in these cells can bring a module to its slot with hardly a detour."""
        way = self._way(module, holders)
        return way is not None and way < self.plain_way(module) + REGRIP

    def _way(self, module: str, holders: Sequence[str], start: str | None = None) -> int | None:
        """Return the steps to the module's slot, from `start` or where it is, when robots in these cells hold it."""
        at = self.world.modules[module]
        row, col = row_col(at)
        sides = frozenset((r - row, c - col) for r, c in map(row_col, holders))
        return _ways(self.size, self._in_the_way(module), self._goals(module), sides).get(start or at)

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
        held, crews = set(world.grips.values()), self.crews()
        here = {m for m in claimed if self.lacks_thrust(m, crews[m]) or (can_dock and not self._can_dock(crews[m]))}
        loose = [m for m in world.left if m not in held]
        for kind in room:
            near = sorted((m for m in loose if world.kind[m] == kind), key=self.plain_way)  # of equals, the first
            here.update(m for k, m in enumerate(near) if k < room[kind] or world.mass[m] == 1)
        return frozenset(here or loose)

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
        way = self._way(module, [], self._first[module])
        return sum(self.size) if way is None else way

    def _find_ways(self, modules: Collection[str]) -> dict[str, int]:
        world, crews = self.world, self.crews()
        holders = {m: [world.agents[a] for a in crews.get(m, ())] for m in modules}
        solid = world.solid | {world.modules[m] for m in world.left} | {x for cells in holders.values() for x in cells}
        sides: set[str] = set()
        for module in modules:
            here = [x for x in _grid(*self.size)[world.modules[module]].values() if x not in solid]
            good = [x for x in here if self._is_short(module, [*holders[module], x])]
            sides.update(good or here)
        return _ways(self.size, frozenset(solid), frozenset(sides), frozenset())

    def _cached(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Return what was computed since grips, modules or slots last changed."""
        if self._seen != self.world.version:
            self._cache, self._seen = {}, self.world.version
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]
