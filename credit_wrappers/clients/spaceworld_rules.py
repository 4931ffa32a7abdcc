"""Rules by which the scripted critic judges a Spaceworld episode that it reads as text.

Each agent has a potential, a function of the state alone:

    free       - APPROACH * (way to a side of a module that still lacks thrust; IDLE if none does)
    gripping   GRIP + CARRY * (way of the module at the start - its way now, as this robot holds it)

and its credit for a step is the difference of its potential. So every closed loop of states sums to zero: gripping
and letting go, walking to and fro, carrying there and back earn nothing. Outside the potential stand only what cannot
be repeated for gain: a dock pays those who were needed to carry the module, in the order in which they took hold of
it (who crowded in loses what its grip had earned; for all others the potential of that step is not counted); a
collision is debited to the robot that caused it, a keep-out cell to the robot in it. Amounts are integers, in
hundredths of a credit, so that the sums are exact.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

APPROACH, CARRY, GRIP, DOCK, BLAME = 10, 20, 30, 200, 40  # hundredths of a credit
REGRIP = 4  # steps charged to a grip from which the slot cannot be reached
IDLE = 3  # way charged when no work is open: a constant, or idle robots would be paid for what others carry

_HEAD = re.compile(r"Spaceworld, scenario \S+: \d+ robots .* (\d+) rows and (\d+) columns")
_NEEDS = re.compile(r"(slot_\d+) takes a \S+ once ((?:slot_\d+(?:, )?)+) is filled")
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
        height: rows of the grid.
        width: columns of the grid.
        needs: for each slot, the slots that must be filled before it.
    """

    def __init__(self, height: int, width: int, needs: dict[str, frozenset[str]]) -> None:
        self.size, self.needs = (height, width), needs

    @staticmethod
    @lru_cache(maxsize=64)
    def for_system(system: str) -> SpaceworldRules | None:
        """The rules for the world that a base prompt describes; None if it is not a Spaceworld."""
        head = _HEAD.search(system)
        if head is None:
            return None
        needs = {slot: frozenset(before.split(", ")) for slot, before in _NEEDS.findall(system)}
        return SpaceworldRules(int(head[1]), int(head[2]), needs)

    def judge(self, start: str, steps: Sequence[str]) -> tuple[str, list[dict[str, Any]]]:
        """The summary and the events of one episode.

        Args:
            start: the first frame, whole.
            steps: one line a step, "t: actions | reward r | change".
        """
        world = World(self.size, self.needs, start)
        book = Book(world.agents)
        before = world.potentials()
        docked = 0
        for t, line in enumerate(steps):
            change = line.split(" | ", 2)[2]
            if change == "no change":
                continue
            moved, paid, docks = world.apply(change, t, book)
            after = world.potentials()
            for agent in world.agents:
                gain = after[agent] - before[agent]
                if gain and (not docks or (moved.get(agent) == "docks" and agent not in paid)):
                    book.add(agent, t, gain, world.reason(agent, moved.get(agent), gain))
            docked += docks
            before = after
        left = len(world.modules) - docked
        outcome = "everything was docked" if not left else f"{left} of {len(world.modules)} modules were left"
        advice = "the same with fewer detours would be better" if not left else "all should go where thrust is lacking"
        return f"{outcome}; {book.faults} collisions or violations; {advice}", book.events()


class Book:
    """Collects credited steps and joins equal neighbours into spans."""

    def __init__(self, agents: Iterable[str]) -> None:
        self._open: dict[str, list[list[Any]]] = {a: [] for a in agents}  # [start, stop, amount a step, why]
        self._apart: list[dict[str, Any]] = []
        self.faults = 0

    def add(self, agent: str, t: int, amount: int, why: str) -> None:
        """Credits `amount` hundredths to `agent` for step t."""
        spans = self._open[agent]
        if spans and spans[-1][1] == t and spans[-1][2] == amount and spans[-1][3] == why:
            spans[-1][1] = t + 1
        else:
            spans.append([t, t + 1, amount, why])

    def single(self, agent: str, t: int, amount: int, why: str) -> None:
        """Credits a dock or a fault, which is never joined with others."""
        self.faults += amount < 0
        self._apart.append({"agent": agent, "start": t, "stop": t + 1, "amount": amount / 100, "why": why})

    def events(self) -> list[dict[str, Any]]:
        """All events, as the answer writes them."""
        spans = [
            {
                "agent": agent,
                "start": start,
                "stop": stop,
                "amount": (stop - start) * amount / 100,
                "why": why,
            }
            for agent, runs in self._open.items()
            for start, stop, amount, why in runs
        ]
        return spans + self._apart


class World:
    """What the text has told so far: where everything is and who holds what."""

    def __init__(self, size: tuple[int, int], needs: dict[str, frozenset[str]], start: str) -> None:
        self.size, self.needs = size, needs
        self.agents: dict[str, str] = {}  # agent -> cell
        self.thrust: dict[str, int] = {}
        self.grips: dict[str, str] = {}  # agent -> module, of those that grip
        self.since: dict[str, int] = {}  # agent -> step in which it last took hold
        self.modules: dict[str, str] = {}  # module -> cell
        self.kind: dict[str, str] = {}  # module or slot -> type
        self.mass: dict[str, int] = {}
        self.slots: dict[str, str] = {}  # slot -> cell
        self.filled: set[str] = set()
        self.docked: set[str] = set()
        core: list[str] = []
        for clause in start.split("; "):
            name, _, rest = clause.partition(" ")
            if name == "core":
                core = rest.split(" ")
            elif name.startswith("slot_"):
                self._read_slot(name, clause)
            elif name.startswith("module_"):
                self._read_module(name, clause)
            elif name.startswith("agent_"):
                self._read_agent(name, clause)
        self.core = frozenset(core)
        self._solid = self.core | {self.modules[m] for m in self.docked}
        self._first = {m: self._plain(m) for m in self.modules if m not in self.docked}
        self._field: dict[str, int] | None = None

    def _read_slot(self, name: str, clause: str) -> None:
        words = clause.split(" ")  # slot_0 takes truss at (2,3), open
        self.kind[name], self.slots[name] = words[2], words[4].rstrip(",")
        if words[5] == "filled":
            self.filled.add(name)

    def _read_module(self, name: str, clause: str) -> None:
        words = clause.replace(", ", " ").split(" ")  # module_0 is truss, mass 2, at (1,1), not docked
        self.kind[name], self.mass[name], self.modules[name] = words[2], int(words[4]), words[6]
        if words[7] == "docked":
            self.docked.add(name)

    def _read_agent(self, name: str, clause: str) -> None:
        words = clause.replace(", ", " ").split(" ")  # agent_A with thrust 1 at (3,3), grips module_0
        self.thrust[name], self.agents[name] = int(words[3]), words[5]
        if words[6] == "grips":
            self.grips[name] = words[7]

    def apply(self, change: str, t: int, book: Book) -> tuple[dict[str, str], set[str], int]:
        """Takes in what changed in step t; returns who did what, who was paid for a dock, and how many docks."""
        moved: dict[str, str] = {}
        docks: dict[str, list[str]] = {}  # module -> those who held it
        for clause in change.split("; "):
            words = clause.split(" ")
            who, what = words[0], words[1]
            if who in self.agents:
                if what[0] == "(":
                    self.agents[who] = what
                    moved[who] = "moves"
                elif what == "grips":
                    self.grips[who] = words[2]
                    self.since[who] = t
                    moved[who] = what
                    self._field = None
                elif what == "releases":
                    self.grips.pop(who, None)
                    moved[who] = what
                    self._field = None
                elif what == "docks":
                    self.grips.pop(who, None)
                    moved[who] = what
                    docks.setdefault(words[2], []).append(who)
                    self._dock(words[2], words[4])
                else:
                    book.single(who, t, -BLAME, clause.removeprefix(who + " "))
            elif who in self.modules and what[0] == "(":
                self.modules[who] = what
                self._field = None
        paid: set[str] = set()
        for module, holders in docks.items():
            thrust = 0
            for agent in sorted(holders, key=lambda a: self.since.get(a, -1)):
                if thrust < self.mass[module]:
                    paid.add(agent)
                    book.single(agent, t, DOCK, f"docked {module}, which it had helped to carry to its slot")
                thrust += self.thrust[agent]
        return moved, paid, len(docks)

    def _dock(self, module: str, slot: str) -> None:
        self.docked.add(module)
        self.filled.add(slot)
        self._solid = self._solid | {self.modules[module]}
        self._field = None

    def slot_for(self, module: str) -> tuple[str, bool]:
        """The slot that the module belongs in next, and whether it is open."""
        fitting = [s for s in self.slots if s not in self.filled and self.kind[s] == self.kind[module]]
        for slot in fitting:
            if self.needs.get(slot, frozenset()) <= self.filled:
                return slot, True
        return (fitting[0], False) if fitting else (next(iter(self.slots)), False)

    def _plain(self, module: str) -> int:
        goal = self.slots[self.slot_for(module)[0]]
        return _ways(self.size, self._solid, frozenset((goal,)), None).get(self.modules[module], sum(self.size))

    def carry_way(self, module: str, holder: str) -> int:
        """Steps to the module's slot when a robot in cell `holder` holds it; more when it must be gripped anew."""
        (r, c), (mr, mc) = _row_col(holder), _row_col(self.modules[module])
        goal = frozenset((self.slots[self.slot_for(module)[0]],))
        ways = _ways(self.size, self._solid, goal, (r - mr, c - mc))
        way = ways.get(self.modules[module])
        return self._plain(module) + REGRIP if way is None else way

    def field(self) -> dict[str, int]:
        """Steps from each cell to the nearest free side of a module that lacks thrust; empty if none does."""
        if self._field is None:
            held: dict[str, int] = {}
            for agent, module in self.grips.items():
                held[module] = held.get(module, 0) + self.thrust[agent]
            left = [m for m in self.modules if m not in self.docked]
            lacking = [m for m in left if held.get(m, 0) < self.mass[m]]
            lacking = [m for m in lacking if self.slot_for(m)[1]] or lacking
            solid = self._solid | {self.modules[m] for m in left}
            solid |= {self.agents[a] for a, m in self.grips.items() if m in lacking}
            sides: set[str] = set()
            for module in lacking:
                cell = self.modules[module]
                here = [x for x in _grid(*self.size)[cell].values() if x not in solid]
                good = [x for x in here if self.carry_way(module, x) <= self._plain(module) + REGRIP - 1]
                sides.update(good or here)
            self._field = _ways(self.size, frozenset(solid), frozenset(sides), None) if lacking else {}
        return self._field

    def potentials(self) -> dict[str, int]:
        """Each agent's potential, in hundredths of a credit."""
        values = {}
        for agent, cell in self.agents.items():
            module = self.grips.get(agent)
            if module is not None:
                values[agent] = GRIP + CARRY * (self._first[module] - self.carry_way(module, cell))
            elif len(self.docked) == len(self.modules):
                values[agent] = 0
            else:
                field = self.field()
                values[agent] = -APPROACH * (field.get(cell, sum(self.size)) if field else IDLE)
        return values

    def reason(self, agent: str, did: str | None, gain: int) -> str:
        """Why the potential of `agent`, who `did` that, rose or fell by `gain`."""
        module, better = self.grips.get(agent), gain > 0
        if did is None:
            return "stood still; the way to work that lacks thrust became " + ("shorter" if better else "longer")
        if did == "grips":
            helped = " together with another robot" if list(self.grips.values()).count(module or "") > 1 else ""
            held = f"took hold of {module}, of mass {self.mass[module or '']}{helped}"
            return held if better else held + ", but where it cannot be brought to its slot by a short way"
        if did == "docks":
            return "held a module that others had been able to carry alone"
        if did == "releases":
            if better:
                return "let go of a module that it could not bring to its slot by a short way"
            return "let go of its module before it was docked"
        if module is not None:
            slot = self.slot_for(module)[0]
            return f"brought {module} nearer to {slot}" if better else f"took {module} away from {slot}"
        if abs(gain) != APPROACH:
            return "moved while another robot changed which work lacks thrust: now it is " + (
                "nearer" if better else "farther"
            )
        return "came nearer to a module that lacks thrust" if better else "went away from the module that lacks thrust"


@lru_cache(maxsize=4096)
def _row_col(cell: str) -> tuple[int, int]:
    row, col = cell[1:-1].split(",")
    return int(row), int(col)
