"""A scene as plain text, readable without colours.

A cell has five characters. The middle three say what is in it, the two at the edges what kind of cell it is:

    "  .  "  free            "#####"  station core     "# H2#"  docked module, part of the structure
    "[ H ]"  open slot       ": H :"  slot whose precedence is not met          "~ . ~"  keep-out
    "  0  "  robot 0         "  0> "  robot 0 grips the module east of it (^ north, v south, < west)
    " H2  "  module, mass 2  "  o> "  debris, drifting east
"""

from __future__ import annotations

import textwrap

from spaceworld.render.symbols import docked_count, grip_direction, status, type_letters
from spaceworld.rules.packing import ACTION_NAMES
from spaceworld.scenario import Cell
from spaceworld.text.scene import Overlay, Scene

ARROWS = " ^v<>"  # by action number
WIDTH = 96  # columns of wrapped text
LEGEND = (
    "0> robot 0 gripping to the east   H2 module H of mass 2   o> debris   ##### core   #H2 # docked",
    "[ H ] open slot   : H : slot waiting for others   ~ . ~ keep-out",
)


def render_ansi(scene: Scene, overlay: Overlay | None = None) -> str:
    """Return the scene as lines of text: status, grid, robots, slots, legend, and what `overlay` adds."""
    overlay = overlay or Overlay()
    lines = [_status(scene), "", *grid_lines(scene), "", *_robots(scene, overlay), *_slots(scene), *_legend(scene)]
    if overlay.text:
        lines += ["", *textwrap.wrap(f"critic: {overlay.text}", WIDTH, subsequent_indent="        ")]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _status(scene: Scene) -> str:
    docked, total = docked_count(scene)
    return (
        f"{scene.scenario}  step {scene.step}/{scene.horizon}  reward {scene.team_reward:+.3f}"
        f"  return {scene.team_return:+.3f}  docked {docked}/{total}  {status(scene)}"
    )


def grid_lines(scene: Scene) -> list[str]:
    """Return the grid, a line for each row, under a line of column numbers."""
    content, edges = _contents(scene), _edges(scene)
    lines = ["   " + "".join(f"{col:^5}" for col in range(scene.width))]
    for row in range(scene.height):
        line = f"{row:2} "
        for cell in ((row, col) for col in range(scene.width)):
            edge = edges.get(cell, "  ")
            line += f"{edge[0]}{content.get(cell, '.'):^3}{edge[1]}"
        lines.append(line)
    return lines


def _contents(scene: Scene) -> dict[Cell, str]:
    """Return what is in each cell; solid things hide slots."""
    letters = type_letters(scene)
    content = {slot.cell: letters[slot.type] for slot in scene.slots}
    content |= {cell: "###" for cell in scene.structure}
    content |= {module.cell: f"{letters[module.type]}{module.mass}" for module in scene.modules}
    content |= {piece.cell: f" o{ARROWS[piece.direction]}" for piece in scene.debris}
    for index, robot in enumerate(scene.robots):
        arrow = ARROWS[grip_direction(robot, scene)]
        content[robot.cell] = f"{arrow}{index}" if arrow == "<" else f"{index:2}{arrow}"
    return content


def _edges(scene: Scene) -> dict[Cell, str]:
    edges = {cell: "~~" for cell in scene.keep_out}
    edges |= {slot.cell: "[]" if slot.open else "::" for slot in scene.slots if not slot.filled}
    solid = (*scene.structure, *(module.cell for module in scene.modules if module.docked))
    return edges | {cell: "##" for cell in solid}


def _robots(scene: Scene, overlay: Overlay) -> list[str]:
    letters = type_letters(scene)
    lines = []
    for index, robot in enumerate(scene.robots):
        did = "-" if robot.action is None else ACTION_NAMES[robot.action]
        line = f"{index:2} {robot.name} {robot.role} at {robot.cell}, thrust {robot.thrust}, {did}"
        if robot.grips is not None:
            module = scene.modules[robot.grips]
            line += f", grips {letters[module.type]}{module.mass} {module.name}"
        if robot.collisions:
            line += f", COLLISION x{robot.collisions}"
        if robot.violations:
            line += f", KEEP-OUT x{robot.violations}"
        line += f", cost {robot.cost:g}"
        if robot.name in overlay.credits:
            line += f", credit {overlay.credits[robot.name]:+.3f}"
        if robot.name in overlay.tasks:
            line += f", task: {overlay.tasks[robot.name]}"
        lines.append(line)
    return lines


def _slots(scene: Scene) -> list[str]:
    letters = type_letters(scene)
    parts = []
    for slot in scene.slots:
        state = "filled" if slot.filled else "open" if slot.open else "waiting"
        parts.append(f"{letters[slot.type]} {slot.name} at {slot.cell} {state}")
    just = [f"docked now: {module.name}" for module in scene.modules if module.just_docked]
    return textwrap.wrap("slots: " + "; ".join(parts), WIDTH) + just if parts else just


def _legend(scene: Scene) -> list[str]:
    types = ", ".join(f"{letter} = {name}" for name, letter in type_letters(scene).items())
    return ["", *LEGEND, *textwrap.wrap(f"types: {types}", WIDTH)]
