"""Short symbols of module types, directions and status, the same in texts and pictures."""

from __future__ import annotations

from string import ascii_uppercase

from spaceworld.scenario import Cell
from spaceworld.text.scene import RobotView, Scene

OFFSETS: dict[int, Cell] = {1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}  # (row, col) by action number


def type_letters(scene: Scene) -> dict[str, str]:
    """Return a capital letter for each module type, from the type's own name where one is free."""
    letters: dict[str, str] = {}
    types = {module.type for module in scene.modules} | {slot.type for slot in scene.slots}
    for name in sorted(types):
        own = [char for char in name.upper() if char.isascii() and char.isalnum()]
        free = (char for char in (*own, *ascii_uppercase) if char not in letters.values())
        letters[name] = next(free, "?")
    return letters


def grip_direction(robot: RobotView, scene: Scene) -> int:
    """Return the action number 1..4 that points from the robot to what it grips, 0 when it grips nothing."""
    if robot.grips is None:
        return 0
    (row, col), (to_row, to_col) = robot.cell, scene.modules[robot.grips].cell
    if abs(to_row - row) >= abs(to_col - col):
        return 1 if to_row < row else 2
    return 3 if to_col < col else 4


def all_docked(scene: Scene) -> bool:
    """Return whether the structure is complete."""
    return bool(scene.modules) and all(module.docked for module in scene.modules)


def status(scene: Scene) -> str:
    """Return the status of the episode: running, complete, ended or timeout."""
    if scene.terminated:
        return "complete" if all_docked(scene) else "ended"
    return "timeout" if scene.truncated else "running"


def docked_count(scene: Scene) -> tuple[int, int]:
    """Return (modules docked, modules)."""
    return sum(module.docked for module in scene.modules), len(scene.modules)
