"""A team for Robotic Warehouse that plays by rules: each robot fetches and brings for itself, which blocks others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from credit_wrappers.adapters.lbf_team import first_step

_AHEAD = ((-1, 0), (1, 0), (0, -1), (0, 1))  # by direction: up, down, left, right
_CLOCKWISE = (0, 3, 1, 2)
_STAY, _FORWARD, _LEFT, _RIGHT, _LIFT = range(5)


def scripted_team(env: Any) -> Callable[[], list[int]]:
    """Return a function that returns the joint action in the environment's present state.

    Args:
        env: `rware.WarehouseEnv`, unwrapped.
    """
    return lambda: [_haul(env, i) for i in range(len(env.possible_agents))]


def _ahead(robot: Any) -> tuple[int, int]:
    """Return rows and columns to the cell that a robot faces."""
    return _AHEAD[robot.dir.value]


def _haul(env: Any, i: int) -> int:
    """Return the action of a robot that fetches a requested shelf, brings it to the goal, and takes it back."""
    library = env.library
    robot = library.agents[i]
    cell, loaded = (int(robot.y), int(robot.x)), robot.carrying_shelf is not None
    others = [r for k, r in enumerate(library.agents) if k != i]
    taken = {id(r.carrying_shelf) for r in others}
    standing = {(int(s.y), int(s.x)) for s in library.shelfs} - ({cell} if loaded else set())
    if not loaded:
        goals = {(int(s.y), int(s.x)) for s in library.request_queue if id(s) not in taken}
    elif robot.carrying_shelf in library.request_queue:
        goals = set(env._goals)
    else:
        goals = set(env._free_homes())
    walls = (standing if loaded else set()) | {(int(r.y), int(r.x)) for r in others}
    steps, move = first_step(cell, goals, walls, library.grid_size)
    if steps == 0 and cell not in env._goals:
        return _LIFT
    if not move:
        return _STAY
    facing, wanted = _AHEAD.index(_ahead(robot)), move - 1
    if facing == wanted:
        return _FORWARD
    turn = (_CLOCKWISE.index(wanted) - _CLOCKWISE.index(facing)) % 4
    return _LEFT if turn == 3 else _RIGHT
