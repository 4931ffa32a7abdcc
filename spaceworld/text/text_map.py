"""The grid in one line of text, row by row."""

from __future__ import annotations

from collections.abc import Mapping

from spaceworld.scenario import Cell
from spaceworld.text.scene import Scene

MAP_NOTE = (  # how it is written: the end of a narrator's notation
    "\n`map` draws the grid at the start and after each dock, row by row from north to south, with `/` between rows, "
    "each from west to east: `A` is agent_A, `m0` module_0, `s0` slot_0 until it is filled, `#` the station, `d0` "
    "debris_0, `x` keep-out, `.` a free cell, `A+s0` both in one cell."
)


def text_map(scene: Scene, called: Mapping[int, str]) -> str:
    """Return the grid: `. A # / s0 m0 .`, rows from north to south; `called` are the names of the robots.

    A docked module is part of the station, #. Several things in one cell are written with + in between.
    """
    marks: dict[Cell, list[str]] = {}

    def mark(cell: Cell, text: str) -> None:
        marks.setdefault(cell, []).append(text)

    for i, name in called.items():
        mark(scene.robots[i].cell, name.removeprefix("agent_"))
    for k, module in enumerate(scene.modules):
        mark(module.cell, "#" if module.docked else f"m{k}")
    for cell in scene.structure:
        mark(cell, "#")
    for k, slot in enumerate(scene.slots):
        if not slot.filled:
            mark(slot.cell, f"s{k}")
    for k, debris in enumerate(scene.debris):
        mark(debris.cell, f"d{k}")
    for cell in scene.keep_out:
        mark(cell, "x")
    rows = (" ".join("+".join(marks.get((r, c), ".")) for c in range(scene.width)) for r in range(scene.height))
    return " / ".join(rows)
