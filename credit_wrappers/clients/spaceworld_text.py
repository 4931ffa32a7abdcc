"""What the text of a Spaceworld episode says, read without judging it: where everything is and who holds what."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache


@dataclass
class Change:
    """What one step's line tells."""

    did: dict[str, str] = field(default_factory=dict)  # agent -> moves, grips, releases or docks
    docked: dict[str, list[str]] = field(default_factory=dict)  # module -> those who held it
    faults: list[tuple[str, str]] = field(default_factory=list)  # agent and collision or violation, as it is written


class World:
    """The world as far as it has been told; cells are kept as they are written, "(row,col)".

    Args:
        start: the first frame, whole.
    """

    def __init__(self, start: str) -> None:
        self.agents: dict[str, str] = {}  # agent -> cell
        self.thrust: dict[str, int] = {}
        self.grips: dict[str, str] = {}  # agent -> module, of those that grip, in the order in which they took hold
        self.modules: dict[str, str] = {}  # module -> cell
        self.kind: dict[str, str] = {}  # module or slot -> type
        self.mass: dict[str, int] = {}
        self.slots: dict[str, str] = {}  # slot -> cell
        self.filled: set[str] = set()
        self.docked: set[str] = set()
        self.version = 0  # grows whenever grips, modules or slots change
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
        self.solid = frozenset(core) | {self.modules[m] for m in self.docked}  # the station
        self.grips = dict(sorted(self.grips.items(), key=lambda grip: row_col(self.agents[grip[0]])))

    @property
    def left(self) -> list[str]:
        """The modules that are not docked."""
        return [m for m in self.modules if m not in self.docked]

    def stands(self, agent: str, told: Change) -> bool:
        """Whether `agent` is a free robot that did nothing in the step just told."""
        free = agent in self.agents and agent not in self.grips
        return free and agent not in told.did and all(agent != who for who, _ in told.faults)

    def apply(self, change: str) -> Change:
        """Takes in what changed in one step."""
        told = Change()
        gripped: list[str] = []
        for clause in change.split("; "):
            words = clause.split(" ")
            who, what = words[0], words[1]
            if who in self.agents:
                if what[0] == "(":
                    self.agents[who] = what
                    told.did[who] = "moves"
                elif what in ("grips", "releases", "docks"):
                    told.did[who] = what
                    self.version += 1
                    self.grips.pop(who, None)
                    if what == "grips":
                        self.grips[who] = words[2]
                        gripped.append(who)
                    elif what == "docks":
                        told.docked.setdefault(words[2], []).append(who)
                        self._dock(words[2], words[4])
                else:
                    told.faults.append((who, clause.removeprefix(who + " ")))
            elif who in self.modules and what[0] == "(":
                self.modules[who] = what
                self.version += 1
        if len(gripped) > 1:  # who took hold in the same step is ordered by place, not by name
            for who in sorted(gripped, key=lambda a: row_col(self.agents[a])):
                self.grips[who] = self.grips.pop(who)
        return told

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

    def _dock(self, module: str, slot: str) -> None:
        self.docked.add(module)
        self.filled.add(slot)
        self.solid = self.solid | {self.modules[module]}


@lru_cache(maxsize=4096)
def row_col(cell: str) -> tuple[int, int]:
    """The row and column of a written cell."""
    row, col = cell[1:-1].split(",")
    return int(row), int(col)
