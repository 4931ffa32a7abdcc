"""Grids drawn in text, for rule tests.

Characters: `.` free, `#` core, `A B C` modules, `0-9` robots, `*` debris, `x` keep-out, lower-case `a b c` the slot
of module A, B, C; who grips what, and masses and thrusts, are given beside the drawing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from spaceworld import Debris, Layout, Module, Robot, Scenario, Slot
from spaceworld.env import SpaceworldEnv
from spaceworld.rules.packing import H_ROBOT, R_GRIPS, R_WIDTH


def draw(
    text: str,
    *,
    grips: dict[int, str] | None = None,
    mass: dict[str, int] | None = None,
    robots: Sequence[Robot] | None = None,
    needs: dict[str, str] | None = None,
    types: dict[str, str] | None = None,
    drift: Sequence[Debris] = (),
    on: dict[str, str] | None = None,
    horizon: int = 50,
    **kwargs: Any,
) -> SpaceworldEnv:
    """An environment in the drawn state; `on={"A": "a"}` puts module A onto slot a (drawn as A)."""
    rows = textwrap.dedent(text).strip("\n").split("\n")
    cells: dict[str, list[tuple[int, int]]] = {}
    for r, line in enumerate(rows):
        for c, char in enumerate(line.replace(" ", "")):
            cells.setdefault(char, []).append((r, c))
    width = len(rows[0].replace(" ", ""))
    letters = sorted(x for x in cells if x.isupper())
    for module, slot in (on or {}).items():
        cells[slot] = cells[module]
    missing = [x.lower() for x in letters if x.lower() not in cells]
    free = [cell for cell in cells.get(".", [])][::-1]
    for slot in missing:  # a module whose slot does not matter gets one in the last free cell
        cells[slot] = [free.pop(0)]
    numbers = sorted(x for x in cells if x.isdigit())
    kinds = types or {}
    layout = Layout(
        core=tuple(cells.get("#", [])),
        slots=tuple(cells[x.lower()][0] for x in letters),
        modules=tuple(cells[x][0] for x in letters),
        robots=tuple(cells[x][0] for x in numbers),
        debris=tuple(cells.get("*", [])),
        keep_out=tuple(cells.get("x", [])),
    )
    scenario = Scenario(
        "drawn",
        len(rows),
        width,
        tuple(robots or [Robot()] * len(numbers)),
        tuple(Module(kinds.get(x, x), (mass or {}).get(x, 1)) for x in letters),
        tuple(
            Slot(kinds.get(x, x), tuple("abcdefgh".index(n) for n in (needs or {}).get(x.lower(), ""))) for x in letters
        ),
        horizon=horizon,
        debris=tuple(drift) or tuple(Debris() for _ in layout.debris),
        layout=layout,
    )
    env = SpaceworldEnv(scenario, **kwargs)
    env.reset(seed=0)
    for robot, module in (grips or {}).items():
        env._row[int(env._spec[H_ROBOT]) + robot * R_WIDTH + R_GRIPS] = letters.index(module)
    return env


def act(env: SpaceworldEnv, actions: str) -> dict[str, dict[str, Any]]:
    """Takes one step; actions as letters, one a robot: `.`, N, S, W, E, I. Returns the infos."""
    numbers = {".": 0, "N": 1, "S": 2, "W": 3, "E": 4, "I": 5}
    agents = env.agents
    return env.step({a: numbers[x] for a, x in zip(agents, actions, strict=True)})[4]


def picture(env: SpaceworldEnv) -> str:
    """The robots and modules of the present state, drawn as in `draw`; `#` also for docked modules."""
    scene = env.scene()
    grid = [["."] * scene.width for _ in range(scene.height)]
    for r, c in scene.structure:
        grid[r][c] = "#"
    for k, module in enumerate(scene.modules):
        grid[module.cell[0]][module.cell[1]] = "#" if module.docked else "ABCDEFGH"[k]
    for debris in scene.debris:
        grid[debris.cell[0]][debris.cell[1]] = "*"
    for k, robot in enumerate(scene.robots):
        grid[robot.cell[0]][robot.cell[1]] = str(k)
    return "\n".join("".join(row) for row in grid)


def same(env: SpaceworldEnv, text: str) -> bool:
    """Whether the present state looks like the drawing."""
    return picture(env) == textwrap.dedent(text).strip("\n").replace(" ", "")


def costs(infos: dict[str, dict[str, Any]]) -> list[float]:
    """The cost of each robot in the last step."""
    return [info["cost"] for info in infos.values()]
