"""What the present state of a Spaceworld is worth to each robot, by the text of an episode.

Each robot has a potential, a function of the state alone, in hundredths of a credit:

    free                   - APPROACH * (way to a side of a module that still lacks thrust; IDLE if none does)
    gripping and needed    GRIP + CARRY * (way of the module at the start - its way now, as this robot holds it)
    gripping in vain       as if free, - GRIP

The state includes the order in which the robots took hold of a module: the first whose thrust suffices are needed,
the others grip in vain.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from credit_wrappers.scripted.shortest_paths import ways
from credit_wrappers.scripted.spaceworld_text import ToldWorld, row_col

APPROACH, CARRY, GRIP, DOCK, BLAME = 10, 20, 30, 200, 80  # hundredths of a credit
REGRIP = 4  # steps charged to a grip from which the slot cannot be reached
IDLE = 3  # way charged when no work is open: a constant, or idle robots would be paid for what others carry

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
def _ways(size: tuple[int, int], solid: Cells, goals: Cells, side: tuple[int, int] | None) -> dict[str, int]:
    """Return the steps from each cell to the nearest goal; with `side`, of a module that a robot holds at that side."""
    grid = _grid(*size)
    if side is not None:  # the robot's cell must be free, too
        solid |= {cell for cell, around in grid.items() if side not in around or around[side] in solid}
    return ways(goals - solid, lambda cell: grid[cell].values(), solid)


class Judgement:
    """What the present state of a world is worth to each agent.

    `size` is its rows and columns, `needs` the slots that must be filled before each slot.
    """

    def __init__(self, size: tuple[int, int], needs: dict[str, frozenset[str]], world: ToldWorld) -> None:
        self.size, self.needs, self.world = size, needs, world
        self._slots: dict[str, tuple[str, bool]] = {}  # what `slot_for` found
        self._filled = -1  # the number of filled slots that `_slots` is of
        self._first = {m: self.plain_way(m) for m in world.left}
        self._field: dict[str, int] = {}
        self._seen = -1  # the version of the world that `_field` is of

    def potentials(self) -> dict[str, int]:
        """Return each agent's potential, in hundredths of a credit."""
        world, needed = self.world, self.needed()
        values = {}
        for agent, cell in world.agents.items():
            if agent in needed:
                module = world.grips[agent]
                values[agent] = GRIP + CARRY * (self._first[module] - self.carry_way(module, cell))
            elif len(world.docked) == len(world.modules):
                values[agent] = 0
            else:
                field = self.field()
                values[agent] = -APPROACH * (field.get(cell, sum(self.size)) if field else IDLE)
                if agent in world.grips:
                    values[agent] -= GRIP
        return values

    def needed(self) -> set[str]:
        """Return the robots that grip and are needed to carry: of each module, the first whose thrust suffices."""
        world = self.world
        needed: set[str] = set()
        thrust: dict[str, int] = {}
        for agent, module in world.grips.items():
            if thrust.get(module, 0) < world.mass[module]:
                needed.add(agent)
            thrust[module] = thrust.get(module, 0) + world.thrust[agent]
        return needed

    def slot_for(self, module: str) -> tuple[str, bool]:
        """Return the slot that the module belongs in next, and whether it is open."""
        world = self.world
        if len(world.filled) != self._filled:
            self._slots, self._filled = {}, len(world.filled)
        if module not in self._slots:
            self._slots[module] = self._find_slot(module)
        return self._slots[module]

    def _find_slot(self, module: str) -> tuple[str, bool]:
        world = self.world
        fitting = [s for s in world.slots if s not in world.filled and world.kind[s] == world.kind[module]]
        for slot in fitting:
            if self.needs.get(slot, frozenset()) <= world.filled:
                return slot, True
        return (fitting[0], False) if fitting else (next(iter(world.slots)), False)

    def carry_way(self, module: str, holder: str) -> int:
        """Return the steps to the module's slot when a robot in cell `holder` holds it; more if it must regrip."""
        world = self.world
        (r, c), (mr, mc) = row_col(holder), row_col(world.modules[module])
        goal = frozenset((world.slots[self.slot_for(module)[0]],))
        way = _ways(self.size, world.solid, goal, (r - mr, c - mc)).get(world.modules[module])
        return self.plain_way(module) + REGRIP if way is None else way

    def plain_way(self, module: str) -> int:
        """Return the steps of the module alone to its slot."""
        goal = self.world.slots[self.slot_for(module)[0]]
        steps = _ways(self.size, self.world.solid, frozenset((goal,)), None)
        return steps.get(self.world.modules[module], sum(self.size))

    def field(self) -> dict[str, int]:
        """Return the steps from each cell to the nearest free side of a module that lacks thrust; {} if none does."""
        world = self.world
        if self._seen != world.version:
            self._seen = world.version
            held: dict[str, int] = {}
            for agent, module in world.grips.items():
                held[module] = held.get(module, 0) + world.thrust[agent]
            lacking = [m for m in world.left if held.get(m, 0) < world.mass[m]]
            lacking = [m for m in lacking if self.slot_for(m)[1]] or lacking
            self._field = self.ways_to(lacking) if lacking else {}
        return self._field

    def ways_to(self, modules: Collection[str]) -> dict[str, int]:
        """Return the steps from each cell to the nearest free side of one of these modules; holders block a side."""
        world = self.world
        solid = world.solid | {world.modules[m] for m in world.left}
        solid |= {world.agents[a] for a, m in world.grips.items() if m in modules}
        sides: set[str] = set()
        for module in modules:
            here = [x for x in _grid(*self.size)[world.modules[module]].values() if x not in solid]
            good = [x for x in here if self.carry_way(module, x) <= self.plain_way(module) + REGRIP - 1]
            sides.update(good or here)
        return _ways(self.size, frozenset(solid), frozenset(sides), None)
