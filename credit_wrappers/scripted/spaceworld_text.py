"""What the text of a Spaceworld episode says, read without judging it: where everything is and who holds what."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from credit_wrappers.scripted.read_prompt import Step

_HEAD = re.compile(r"Spaceworld, scenario \S+: \d+ robots .* (\d+) rows and (\d+) columns")
_MODULE = re.compile(r"(module_\d+) is a (\S+) of mass (\d+)")
_SLOT = re.compile(r"(slot_\d+) takes a (\S+?)(?=;| once |\.\n)")
_NEEDS = re.compile(r"(slot_\d+) takes a \S+ once ((?:slot_\d+(?:, )?)+) is filled")
_UNTOLD = "whether it can grip and dock, is not told"  # then every robot is taken for one of thrust 1 that can do both
_THRUST = re.compile(r"each robot is a \S+ with thrust (\d+)((?:, cannot \w+)*)")


@dataclass(frozen=True, slots=True)
class ScenarioFacts:
    """What the base prompt says of a scenario."""

    height: int  # rows
    width: int  # columns
    needs: dict[str, frozenset[str]]  # slot -> slots that must be filled before it
    kind: dict[str, str]  # module or slot -> type
    mass: dict[str, int]  # module -> mass
    thrust: int  # of each robot, where they are alike or nothing is told of them
    cannot: frozenset[str] = frozenset()  # grip, dock: what no robot can do, where they are alike


@lru_cache(maxsize=64)
def facts_of(system: str) -> ScenarioFacts | None:
    """Return what a base prompt says of the scenario; None if it does not describe a Spaceworld."""
    head = _HEAD.search(system)
    if head is None:
        return None
    modules = _MODULE.findall(system)
    thrust = _THRUST.search(system)
    return ScenarioFacts(
        height=int(head[1]),
        width=int(head[2]),
        needs={slot: frozenset(before.split(", ")) for slot, before in _NEEDS.findall(system)},
        kind={module: kind for module, kind, _ in modules} | dict(_SLOT.findall(system)),
        mass={module: int(mass) for module, _, mass in modules},
        thrust=int(thrust[1]) if thrust else int(_UNTOLD in system),
        cannot=frozenset(thrust[2].split(", cannot ")[1:]) if thrust else frozenset(),
    )


@dataclass
class Change:
    """What one step's line tells."""

    did: dict[str, str] = field(default_factory=dict)  # agent -> moves, grips, releases or docks
    docked: dict[str, list[str]] = field(default_factory=dict)  # module -> those who held it
    faults: list[tuple[str, str]] = field(default_factory=list)  # agent and collision or violation, as it is written


class ToldWorld:
    """The world, as the text has told it so far; cells are kept as they are written, "(row,col)"."""

    def __init__(self, facts: ScenarioFacts, start: str) -> None:
        self.agents: dict[str, str] = {}  # agent -> cell
        self.thrust: dict[str, int] = {}
        self.cannot: dict[str, frozenset[str]] = {}  # agent -> what it cannot do: grip, dock
        self.grips: dict[str, str] = {}  # agent -> module, of those that grip, in the order in which they took hold
        self.modules: dict[str, str] = {}  # module -> cell
        self.kind, self.mass = facts.kind, facts.mass
        self.slots: dict[str, str] = {}  # slot -> cell
        self.filled: set[str] = set()
        self.docked: set[str] = set()
        self.version = 0  # grows whenever grips, modules or slots change
        core: list[str] = []
        self.keep_out: frozenset[str] = frozenset()
        for clause in map(_without_distances, start.split("; ")):
            name, _, rest = clause.partition(" ")
            cell, *marks = rest.split(", ")
            if name == "core":
                core = rest.split(" ")
            elif name == "keep-out":
                self.keep_out = frozenset(rest.split(" "))
            elif name.startswith("slot_"):  # slot_0 (2,3), filled
                self.slots[name] = cell
                self.filled.update([name] if marks else [])
            elif name.startswith("module_"):  # module_0 (1,1), docked in slot_0
                self.modules[name] = cell
                self.docked.update([name] if marks else [])
            elif name.startswith("agent_"):  # agent_A (3,3), tug with thrust 2, grips module_0
                self.agents[name], self.thrust[name], self.cannot[name] = cell, facts.thrust, facts.cannot
                self._read_marks(name, marks)
        self.solid = frozenset(core) | {self.modules[m] for m in self.docked}  # the station
        self.grips = dict(sorted(self.grips.items(), key=lambda grip: row_col(self.agents[grip[0]])))

    def _read_marks(self, agent: str, marks: list[str]) -> None:
        for mark in marks:
            if mark.startswith("grips "):
                self.grips[agent] = mark.removeprefix("grips ")
            elif mark.startswith("cannot "):
                self.cannot[agent] |= {mark.removeprefix("cannot ")}
            elif " with thrust " in mark:
                self.thrust[agent] = int(mark.rpartition(" ")[2])

    @property
    def left(self) -> list[str]:
        """The modules that are not docked."""
        return [m for m in self.modules if m not in self.docked]

    def stands(self, agent: str, told: Change) -> bool:
        """Return whether `agent` is a free robot that did nothing in the step just told."""
        free = agent in self.agents and agent not in self.grips
        return free and agent not in told.did and all(agent != who for who, _ in told.faults)

    def apply(self, step: Step) -> Change:
        """Update the world by one step; return what changed."""
        told = Change()
        gripped: list[str] = []
        docked: dict[str, str] = {}  # module -> slot
        held = dict(self.grips)
        for deed in map(_without_distances, step.deeds):
            who, _, rest = deed.partition(" ")
            _, _, came = rest.partition(" ")  # what is behind the action
            for clause in came.split(", ") if came else ():
                self._read_outcome(who, clause, told, gripped, docked)
        for module, slot in docked.items():
            told.docked[module] = [a for a in held if held[a] == self.grips.get(a) == module]
            for agent in told.docked[module]:
                told.did[agent] = "docks"
                del self.grips[agent]
            self.docked.add(module)
            self.filled.add(slot)
            self.version += 1
            self.solid |= {self.modules[module]}
        for clause in map(_without_distances, step.rest):
            what, _, where = clause.partition(" ")
            if what in self.modules and where[:1] == "(":
                holders = [a for a in held if held[a] == self.grips.get(a) == what]
                told.did.update(dict.fromkeys(holders, "moves"))
                self._carry(what, where, holders)
        if len(gripped) > 1:  # who took hold in the same step is ordered by place, not by name
            for who in sorted(gripped, key=lambda a: row_col(self.agents[a])):
                self.grips[who] = self.grips.pop(who)
        return told

    def _read_outcome(self, who: str, clause: str, told: Change, gripped: list[str], docked: dict[str, str]) -> None:
        words = clause.split(" ")
        if words[0][0] == "(":
            self.agents[who] = words[0]
            told.did[who] = "moves"
        elif words[0] == "docks":
            docked[words[1]] = words[3]
        elif words[0] in ("grips", "releases"):
            told.did[who] = words[0]
            self.version += 1
            self.grips.pop(who, None)
            if words[0] == "grips":
                self.grips[who] = words[1]
                gripped.append(who)
        else:
            told.faults.append((who, clause))

    def _carry(self, module: str, cell: str, holders: list[str]) -> None:
        """Move a module, and with it those who hold it."""
        (r, c), (before_r, before_c) = row_col(cell), row_col(self.modules[module])
        for agent in holders:
            at_r, at_c = row_col(self.agents[agent])
            self.agents[agent] = f"({at_r + r - before_r},{at_c + c - before_c})"
        self.modules[module] = cell
        self.version += 1


def _without_distances(clause: str) -> str:
    return clause.partition(" [")[0]


@lru_cache(maxsize=4096)
def row_col(cell: str) -> tuple[int, int]:
    """Return the row and column of a written cell."""
    row, col = cell[1:-1].split(",")
    return int(row), int(col)
