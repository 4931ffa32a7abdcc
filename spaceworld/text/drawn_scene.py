"""One moment as a few simple shapes with cells, plain JSON values, from which a viewer draws it."""

from __future__ import annotations

from typing import Any

from spaceworld.rules import packing as pk
from spaceworld.text.scene import Scene


def drawn_scene(scene: Scene) -> dict[str, Any]:
    """Return the size of the grid and the shapes in the order of drawing; docs/report.md says what a shape holds."""
    shapes: list[dict[str, Any]] = []

    def add(kind: str, ident: str, cell: tuple[int, int], tone: str, name: str, **more: Any) -> None:
        shapes.append({"kind": kind, "id": ident, "at": list(cell), "tone": tone, "name": name, **more})

    for k, cell in enumerate(scene.structure):
        add("tile", f"core_{k}", cell, "station", "core of the station")
    for k, cell in enumerate(scene.keep_out):
        add("tile", f"keep_out_{k}", cell, "keep-out", "keep-out cell")
    for k, slot in enumerate(scene.slots):
        tone = "filled" if slot.filled else "open" if slot.open else "closed"
        add("place", slot.name, slot.cell, tone, f"{slot.name} for a {slot.type}, {tone}", label=f"S{k}")
    for robot in scene.robots:
        if robot.grips is not None:
            held = scene.modules[robot.grips].cell
            add("link", f"{robot.name} grip", robot.cell, "", f"{robot.name} grips module_{robot.grips}", to=list(held))
    for k, module in enumerate(scene.modules):
        tone = "docked" if module.docked else "loose"
        name = f"{module.name}, a {module.type} of mass {module.mass}, {tone}"
        add("box", module.name, module.cell, tone, name, label=f"M{k}")
    for k, debris in enumerate(scene.debris):
        way = {"heading": pk.ACTION_NAMES[debris.direction]} if debris.direction else {}
        add("rock", f"debris_{k}", debris.cell, "", f"debris_{k}", **way)
    for k, robot in enumerate(scene.robots):
        fault = robot.collisions or robot.violations
        name = f"{robot.name}, {robot.role}" + (", at fault in this step" if fault else "")
        add("agent", robot.name, robot.cell, "fault" if fault else "", name, agent=k)
    return {"rows": scene.height, "columns": scene.width, "ground": "space", "shapes": shapes}
