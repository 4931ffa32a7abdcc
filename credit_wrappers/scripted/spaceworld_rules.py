"""Rules by which the scripted critic judges a Spaceworld episode that it reads as text.

Each agent has a potential, a function of the state alone:

    free                   - APPROACH * (way to a side of a module that still lacks thrust; IDLE if none does)
    gripping and needed    GRIP + CARRY * (way of the module at the start - its way now, as this robot holds it)
    gripping in vain       as if free, - GRIP

and its credit for a step is the difference of its potential. So every closed loop of states sums to zero: gripping
and letting go, walking to and fro, carrying there and back earn nothing. The state includes the order in which the
robots took hold of a module: the first whose thrust suffices are needed, who crowds in grips in vain. Outside the
potential stands only what cannot be repeated for gain: a dock pays those who were needed (for all others the
potential of that step is not counted); a collision is debited to the robot that caused it and a keep-out cell to the
robot in it, twice as much when that robot was at fault in the step before, too; then a free robot that goes on
standing in a carrier's way is debited as well. Amounts are integers, in hundredths of a credit, so that the sums are
exact. Tasks: `spaceworld_tasks`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from credit_wrappers.scripted.event_log import Book
from credit_wrappers.scripted.read_prompt import Step
from credit_wrappers.scripted.spaceworld_tasks import tasks_for
from credit_wrappers.scripted.spaceworld_text import Facts, World, facts_of, row_col

APPROACH, CARRY, GRIP, DOCK, BLAME = 10, 20, 30, 200, 80  # hundredths of a credit
REGRIP = 4  # steps charged to a grip from which the slot cannot be reached
IDLE = 3  # way charged when no work is open: a constant, or idle robots would be paid for what others carry

_BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))

Cells = frozenset[str]  # cells as they are written, "(row,col)"


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> dict[str, dict[tuple[int, int], str]]:
    """The neighbours of each cell, by offset."""
    return {
        f"({r},{c})": {
            (dr, dc): f"({r + dr},{c + dc})" for dr, dc in _BESIDE if 0 <= r + dr < height and 0 <= c + dc < width
        }
        for r in range(height)
        for c in range(width)
    }


@lru_cache(maxsize=8192)
def _ways(size: tuple[int, int], solid: Cells, goals: Cells, side: tuple[int, int] | None) -> dict[str, int]:
    """Steps from each cell to the nearest goal; with `side`, of a module that a robot holds at that side."""
    grid = _grid(*size)

    def free(cell: str) -> bool:
        return cell not in solid and (side is None or grid[cell].get(side, "outside") not in solid | {"outside"})

    steps = {cell: 0 for cell in goals if free(cell)}
    queue = deque(steps)
    while queue:
        cell = queue.popleft()
        for neighbour in grid[cell].values():
            if neighbour not in steps and free(neighbour):
                steps[neighbour] = steps[cell] + 1
                queue.append(neighbour)
    return steps


class SpaceworldRules:
    """Judges the episodes of one Spaceworld scenario.

    Args:
        facts: what the base prompt says of it.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    @staticmethod
    def for_system(system: str) -> SpaceworldRules | None:
        """The rules for the world that a base prompt describes; None if it is not a Spaceworld."""
        facts = facts_of(system)
        return None if facts is None else SpaceworldRules(facts)

    def judge(self, start: str, steps: Sequence[Step]) -> tuple[str, list[dict[str, Any]]]:
        """The summary and the events of one episode.

        Args:
            start: the first frame, whole.
            steps: one for each step.
        """
        world = World(self.facts, start)
        view = Judgement((self.facts.height, self.facts.width), self.facts.needs, world)
        book = Book(world.agents)
        before, needed = view.potentials(), view.needed()
        struck: dict[str, int] = {}  # agent -> step of its last fault
        for t, step in enumerate(steps):
            told = world.apply(step)
            after = view.potentials()
            for agent, fault in told.faults:
                again = struck.get(agent) == t - 1
                book.single(agent, t, -2 * BLAME if again else -BLAME, fault + (", again" if again else ""))
                other = fault.removeprefix("hits ")
                if again and agent in world.grips and world.stands(other, told):
                    book.single(other, t, -BLAME, f"stands in the way of {agent}, which carries {world.grips[agent]}")
            struck.update((agent, t) for agent, _ in told.faults)
            for module, holders in told.docked.items():
                for agent in holders:
                    if agent in needed:
                        book.single(agent, t, DOCK, f"docked {module}, which it had helped to carry to its slot")
            if not told.docked:
                for agent in world.agents:
                    gain = after[agent] - before[agent]
                    if gain:
                        book.add(agent, t, gain, view.reason(agent, told.did.get(agent), gain, agent in needed))
            before, needed = after, view.needed()
        left = len(world.left)
        outcome = "everything was docked" if not left else f"{left} of {len(world.modules)} modules were left"
        advice = "the same with fewer detours would be better" if not left else "all should go where thrust is lacking"
        return f"{outcome}; {book.faults} collisions or violations; {advice}", book.events()

    def tasks(self, start: str, steps: Sequence[Step], over: bool) -> dict[str, str]:
        """A task for each robot: as the start asks for if the episode is over, else as its last state does.

        Args:
            start: the first frame, whole.
            steps: one for each step.
            over: whether the tasks are for the next episode.
        """
        world = World(self.facts, start)
        view = Judgement((self.facts.height, self.facts.width), self.facts.needs, world)
        for step in () if over else steps:
            world.apply(step)
        return tasks_for(view)


class Judgement:
    """What the present state of a world is worth to each agent.

    Args:
        size: rows and columns.
        needs: for each slot, the slots that must be filled before it.
        world: what has been read so far.
    """

    def __init__(self, size: tuple[int, int], needs: dict[str, frozenset[str]], world: World) -> None:
        self.size, self.needs, self.world = size, needs, world
        self._slots: dict[str, tuple[str, bool]] = {}  # what `slot_for` found
        self._filled = -1  # the number of filled slots that `_slots` is of
        self._first = {m: self.plain_way(m) for m in world.left}
        self._field: dict[str, int] = {}
        self._seen = -1  # the version of the world that `_field` is of

    def potentials(self) -> dict[str, int]:
        """Each agent's potential, in hundredths of a credit."""
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
        """The robots that grip and are needed to carry: of each module, the first whose thrust suffices."""
        world = self.world
        needed: set[str] = set()
        thrust: dict[str, int] = {}
        for agent, module in world.grips.items():
            if thrust.get(module, 0) < world.mass[module]:
                needed.add(agent)
            thrust[module] = thrust.get(module, 0) + world.thrust[agent]
        return needed

    def slot_for(self, module: str) -> tuple[str, bool]:
        """The slot that the module belongs in next, and whether it is open."""
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
        """Steps to the module's slot when a robot in cell `holder` holds it; more when it must be gripped anew."""
        world = self.world
        (r, c), (mr, mc) = row_col(holder), row_col(world.modules[module])
        goal = frozenset((world.slots[self.slot_for(module)[0]],))
        ways = _ways(self.size, world.solid, goal, (r - mr, c - mc))
        way = ways.get(world.modules[module])
        return self.plain_way(module) + REGRIP if way is None else way

    def plain_way(self, module: str) -> int:
        """Steps of the module alone to its slot."""
        goal = self.world.slots[self.slot_for(module)[0]]
        ways = _ways(self.size, self.world.solid, frozenset((goal,)), None)
        return ways.get(self.world.modules[module], sum(self.size))

    def field(self) -> dict[str, int]:
        """Steps from each cell to the nearest free side of a module that lacks thrust; empty if none does."""
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
        """Steps from each cell to the nearest free side of one of these modules; those who hold them stand there."""
        world = self.world
        solid = world.solid | {world.modules[m] for m in world.left}
        solid |= {world.agents[a] for a, m in world.grips.items() if m in modules}
        sides: set[str] = set()
        for module in modules:
            here = [x for x in _grid(*self.size)[world.modules[module]].values() if x not in solid]
            good = [x for x in here if self.carry_way(module, x) <= self.plain_way(module) + REGRIP - 1]
            sides.update(good or here)
        return _ways(self.size, frozenset(solid), frozenset(sides), None)

    def reason(self, agent: str, did: str | None, gain: int, was_needed: bool) -> str:
        """Why the potential of `agent`, who `did` that and was needed for a module or not, changed by `gain`."""
        world, better = self.world, gain > 0
        module = world.grips[agent] if agent in self.needed() else None
        if did != "grips" and module is not None and not was_needed:
            return f"is needed to carry {module} now that another robot let go"
        if did is None:
            return "stood still; the way to work that lacks thrust became " + ("shorter" if better else "longer")
        if did == "grips" and module is not None:
            helped = " together with another robot" if list(world.grips.values()).count(module) > 1 else ""
            held = f"took hold of {module}, of mass {world.mass[module]}{helped}"
            return held if better else held + ", but where it cannot be brought to its slot by a short way"
        if did == "grips" and agent in world.grips and not better:
            return f"took hold of {world.grips[agent]}, which others can carry alone"
        if did == "releases":
            if better:
                return "let go of a module that it could not help to bring to its slot by a short way"
            return "let go of its module before it was docked"
        if module is not None:
            slot = self.slot_for(module)[0]
            return f"brought {module} nearer to {slot}" if better else f"took {module} away from {slot}"
        if abs(gain) != APPROACH:
            return "moved while another robot changed which work lacks thrust: now it is " + (
                "nearer" if better else "farther"
            )
        return "came nearer to a module that lacks thrust" if better else "went away from the module that lacks thrust"
