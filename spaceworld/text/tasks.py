"""Tasks for robots: their names, and the cell that each leads to in a packed state.

Each step asks for the task of every robot, so the state is read in place, a few numbers per task.
"""

from __future__ import annotations

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.scenario import Cell, Scenario

# for each slot, the indices in a row of its cell, of whether it is filled, and of whether the slots it needs are
Slots = tuple[tuple[int, int, tuple[int, ...]], ...]

FETCH, HELP, DOCK, CLEAR = "fetch", "help carry", "dock", "hold clear"


def task_names(scenario: Scenario) -> list[str]:
    """Return the tasks that any robot can be given: three for each module, then `hold clear`."""
    modules = range(len(scenario.modules))
    return [f"{verb} module_{k}" for k in modules for verb in (FETCH, HELP, DOCK)] + [CLEAR]


class TaskTargets:
    """The cells that tasks lead to in the live state `row`, (rowsize,) int64, which is not copied."""

    def __init__(self, scenario: Scenario, spec: np.ndarray, row: np.ndarray) -> None:
        robot, module, slot = (int(spec[h]) for h in (pk.H_ROBOT, pk.H_MODULE, pk.H_SLOT))
        self._height, self._width = scenario.height, scenario.width
        self._row = memoryview(row)  # type: ignore[arg-type]  # arrays are buffers; a view reads single numbers faster
        self._robots = {f"robot_{i}": robot + i * pk.R_WIDTH + pk.R_CELL for i in range(len(scenario.robots))}
        slots: dict[str, Slots] = {}
        for k, place in enumerate(scenario.slots):
            at, *needs = (slot + j * pk.T_WIDTH for j in (k, *place.needs))
            read = at + pk.T_CELL, at + pk.T_FILLED, tuple(need + pk.T_FILLED for need in needs)
            slots[place.type] = (*slots.get(place.type, ()), read)
        self._tasks: dict[str, tuple[int, Slots | None]] = {}  # where its module is; for a dock, the slots that take it
        for k, part in enumerate(scenario.modules):
            at = module + k * pk.M_WIDTH
            self._tasks.update({f"{FETCH} module_{k}": (at, None), f"{HELP} module_{k}": (at, None)})
            self._tasks[f"{DOCK} module_{k}"] = at, slots.get(part.type, ())
        self._tasks[CLEAR] = -1, None

    def target(self, task: str, agent: str) -> Cell | None:
        """Return the cell that the task leads to, or None; raise a ValueError for an unknown task or agent."""
        if agent not in self._robots:
            raise ValueError(f"there is no agent {agent!r}; valid: {', '.join(self._robots)}")
        if task not in self._tasks:
            raise ValueError(f"there is no task {task!r}; valid: {', '.join(self._tasks)}")
        at, slots = self._tasks[task]
        row, width = self._row, self._width
        if at < 0 or row[at + pk.M_SLOT] >= 0:
            return None
        cell = row[at + pk.M_CELL]
        here = cell // width, cell % width
        return here if slots is None else self._nearest_open(slots, here)

    def offset(self, task: str, agent: str) -> tuple[float, float] | None:
        """Return rows and columns from the robot to the target, divided by the grid's, or None without a target."""
        target = self.target(task, agent)
        if target is None:
            return None
        cell, width = self._row[self._robots[agent]], self._width
        return (target[0] - cell // width) / self._height, (target[1] - cell % width) / width

    def _nearest_open(self, slots: Slots, here: Cell) -> Cell | None:
        row, width = self._row, self._width
        best: tuple[int, Cell] | None = None
        for at, filled, needs in slots:
            if row[filled]:
                continue
            for need in needs:
                if not row[need]:
                    break
            else:
                cell = row[at]
                there = cell // width, cell % width
                found = abs(there[0] - here[0]) + abs(there[1] - here[1]), there
                if best is None or found < best:
                    best = found
        return None if best is None else best[1]
