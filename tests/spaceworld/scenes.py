"""A scene for tests of pictures and texts, and changes of one fact of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spaceworld.scenario import Cell
from spaceworld.text.scene import DebrisView, ModuleView, RobotView, Scene, SlotView


def robot(index: int, cell: Cell, **facts: object) -> RobotView:
    plain = RobotView(f"robot_{index}", cell, "robot", 1, None, 0, 0, 0, 0.0)
    return replace(plain, **facts)  # type: ignore[arg-type]


def scene(size: int = 6) -> Scene:
    """Robot 0 grips the heavy module to its east; robot 1 is free; one debris, one keep-out cell."""
    return Scene(
        scenario="pair",
        height=size,
        width=size,
        step=7,
        horizon=60,
        structure=((1, 2),),
        keep_out=((0, 4),),
        robots=(robot(0, (3, 0), action=4, grips=1), robot(1, (4, 3), action=1)),
        modules=(
            ModuleView("module_0", (1, 1), "light", 1, True, False),
            ModuleView("module_1", (3, 1), "heavy", 2, False, False),
        ),
        slots=(
            SlotView("slot_0", (1, 1), "light", True, False),
            SlotView("slot_1", (2, 2), "heavy", False, True),
            SlotView("slot_2", (2, 3), "light", False, False),
        ),
        debris=(DebrisView((4, 4), 3),),
        team_reward=0.0,
        team_return=0.25,
        terminated=False,
        truncated=False,
    )


def with_robot(index: int, **facts: object) -> Callable[[Scene], Scene]:
    def change(before: Scene) -> Scene:
        robots = list(before.robots)
        robots[index] = replace(robots[index], **facts)  # type: ignore[arg-type]
        return replace(before, robots=tuple(robots))

    return change


def with_module(index: int, **facts: object) -> Callable[[Scene], Scene]:
    def change(before: Scene) -> Scene:
        modules = list(before.modules)
        modules[index] = replace(modules[index], **facts)  # type: ignore[arg-type]
        return replace(before, modules=tuple(modules))

    return change


def with_slot(index: int, **facts: object) -> Callable[[Scene], Scene]:
    def change(before: Scene) -> Scene:
        slots = list(before.slots)
        slots[index] = replace(slots[index], **facts)  # type: ignore[arg-type]
        return replace(before, slots=tuple(slots))

    return change


BOARD_FACTS: dict[str, Callable[[Scene], Scene]] = {
    "robot moved": with_robot(1, cell=(4, 2)),
    "robot thrust": with_robot(1, thrust=2),
    "robot role": with_robot(1, role="tug"),
    "robot other role": with_robot(1, role="assembler"),
    "robot thrusts the other way": with_robot(1, action=2),
    "robot interacts": with_robot(1, action=5),
    "robot let go": with_robot(0, grips=None),
    "robot collided": with_robot(1, collisions=1),
    "robot violated keep-out": with_robot(1, violations=1),
    "module docked": with_module(1, docked=True),
    "module just docked": with_module(0, just_docked=True),
    "module mass": with_module(1, mass=3),
    "module type": with_module(1, type="light"),
    "module moved": with_module(1, cell=(5, 5)),
    "slot closed": with_slot(1, open=False),
    "slot filled": with_slot(1, filled=True, open=False),
    "slot type": with_slot(1, type="light"),
    "debris turned": lambda s: replace(s, debris=(DebrisView((4, 4), 4),)),
    "debris stands": lambda s: replace(s, debris=(DebrisView((4, 4), 0),)),
    "debris gone": lambda s: replace(s, debris=()),
    "keep-out elsewhere": lambda s: replace(s, keep_out=((0, 5),)),
    "core elsewhere": lambda s: replace(s, structure=((0, 2),)),
}
PANEL_FACTS: dict[str, Callable[[Scene], Scene]] = {
    "step": lambda s: replace(s, step=8),
    "horizon": lambda s: replace(s, horizon=61),
    "reward": lambda s: replace(s, team_reward=0.5),
    "return": lambda s: replace(s, team_return=0.5),
    "terminated": lambda s: replace(s, terminated=True),
    "truncated": lambda s: replace(s, truncated=True),
    "cost": with_robot(0, cost=1.0),
    "scenario": lambda s: replace(s, scenario="duet"),
}
