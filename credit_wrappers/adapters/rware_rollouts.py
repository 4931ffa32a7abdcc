"""Rollouts of the scripted team in a compiled model of the warehouse, for up to two robots.

The rules are those of rware 2, the team is that of `rware_team`. Two robots cannot swap their cells; if both enter one
cell, robot 0 does. More robots would need the library's search for chains and circles, where a set's order breaks ties.

Cells are numbered row by row. A robot is (cell, heading, shelf that it carries or 0, whether that was delivered).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

ROBOTS = 2  # at most
_WAIT, _FORWARD, _LEFT, _RIGHT, _TOGGLE = range(5)
_AT_LEFT = (2, 3, 1, 0)  # of up, down, left, right
_AT_RIGHT = (3, 2, 0, 1)
_GOAL, _SHUT = 1, 2  # marks of the search


class Plan(NamedTuple):
    """What does not change within an episode.

    Attributes:
        ahead: (cells, 4) int64, the cell that a robot faces, by heading up, down, left, right; -1 for none.
        home: (cells,) bool, whether it is a shelf's place.
        goals: (G,) int64, cells.
        delivery: Team reward of a delivery.
        back: Reward when a delivered shelf is put down.
    """

    ahead: np.ndarray
    home: np.ndarray
    goals: np.ndarray
    delivery: float
    back: float


def _kernel(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # there is no folder for compiled code
        return numba.njit(error_model="numpy")(function)


@_kernel
def targets(plan: Plan, robots: np.ndarray, grid: np.ndarray, actions: np.ndarray, into: np.ndarray) -> None:
    """Write the cell in which each robot is after the moves of a step, (N,) int64, into `into`."""
    n = len(robots)
    for i in range(n):
        cell = robots[i, 0]
        there = plan.ahead[cell, robots[i, 1]] if actions[i] == _FORWARD else cell
        if there < 0 or (there != cell and robots[i, 2] and grid[there] and not _carrier_at(robots, there)):
            there = cell
        into[i] = there
    if n == 2:
        a, b = robots[0, 0], robots[1, 0]
        if into[0] == b and (into[1] == a or into[1] == b):
            into[0] = a
        if (into[1] == a and into[0] == a) or into[1] == into[0]:
            into[1] = b


@_kernel
def _carrier_at(robots: np.ndarray, cell: int) -> bool:
    for i in range(len(robots)):  # noqa: SIM110  # compiled
        if robots[i, 0] == cell and robots[i, 2]:
            return True
    return False


@_kernel
def advance(
    plan: Plan, robots: np.ndarray, where: np.ndarray, grid: np.ndarray, queue: np.ndarray,
    actions: np.ndarray, fate: np.ndarray, drawn: int,
) -> tuple[float, int]:  # fmt: skip
    """Change a state by one joint action; return the team reward and how much of `fate` has been used.

    Args:
        plan: The floor.
        robots: (N, 4) int64.
        where: (S + 1,) int64, the cell of each shelf, numbered from 1.
        grid: (cells,) int64, the shelf in each cell, or 0.
        queue: (Q,) int64, the requested shelves.
        actions: (N,) int64.
        fate: Numbers in [0, 1) that draw requests.
        drawn: How many of them have been used.
    """
    paid = 0.0
    into = np.empty(len(robots), np.int64)
    targets(plan, robots, grid, actions, into)
    for i in range(len(robots)):
        cell, way, load = robots[i, 0], robots[i, 1], robots[i, 2]
        if into[i] != cell:
            robots[i, 0] = into[i]
            if load:
                if grid[cell] == load:  # else the other robot's shelf is there by now
                    grid[cell] = 0
                grid[into[i]], where[load] = load, into[i]
        elif actions[i] == _LEFT:
            robots[i, 1] = _AT_LEFT[way]
        elif actions[i] == _RIGHT:
            robots[i, 1] = _AT_RIGHT[way]
        elif actions[i] == _TOGGLE and not load:
            robots[i, 2] = grid[cell]
        elif actions[i] == _TOGGLE and plan.home[cell]:
            paid += plan.back * robots[i, 3]
            robots[i, 2] = robots[i, 3] = 0
    for goal in plan.goals:
        for k in range(len(queue)):
            if grid[goal] and queue[k] == grid[goal]:
                queue[k] = _request(queue, len(where) - 1, fate[drawn])
                drawn += 1
                paid += plan.delivery
                for i in range(len(robots)):
                    if plan.back and robots[i, 0] == goal:
                        robots[i, 3] = 1
                break
    return paid, drawn


@_kernel
def _request(queue: np.ndarray, shelves: int, chance: float) -> int:
    """Return a shelf that is not in the queue, each as probable."""
    place = int(chance * (shelves - len(queue)))
    for shelf in range(1, shelves + 1):
        if not _within(queue, shelf):
            if place == 0:
                return shelf
            place -= 1
    return 0  # never


@_kernel
def _within(queue: np.ndarray, shelf: int) -> bool:
    for other in queue:  # noqa: SIM110  # compiled
        if other == shelf:
            return True
    return False


@_kernel
def scripted(plan: Plan, robots: np.ndarray, where: np.ndarray, grid: np.ndarray, queue: np.ndarray, i: int) -> int:
    """Return what the scripted team's robot i does; arguments as above."""
    cell, way, load = robots[i, 0], robots[i, 1], robots[i, 2]
    mark = np.zeros(len(grid), np.uint8)
    if not load:
        for shelf in queue:
            taken = False
            for k in range(len(robots)):
                taken |= robots[k, 2] == shelf
            if not taken:
                mark[where[shelf]] = _GOAL
    elif _within(queue, load):
        mark[plan.goals] = _GOAL
    else:
        for there in range(len(grid)):
            if plan.home[there] and (grid[there] == 0 or there == cell):
                mark[there] = _GOAL
    if mark[cell]:
        return _WAIT if _within(plan.goals, cell) else _TOGGLE
    if load:
        for there in range(len(grid)):
            if grid[there]:
                mark[there] |= _SHUT
    for k in range(len(robots)):
        mark[robots[k, 0]] |= _SHUT
    move = _first_move(plan.ahead, mark, cell)
    if move < 0:
        return _WAIT
    if move == way:
        return _FORWARD
    return _LEFT if _AT_LEFT[way] == move else _RIGHT


@_kernel
def _first_move(ahead: np.ndarray, mark: np.ndarray, start: int) -> int:
    """Return the heading that begins the shortest way to a goal, -1 where there is none; cells become shut."""
    cells, begun = np.empty(len(mark), np.int64), np.empty(len(mark), np.int64)
    cells[0], begun[0] = start, -1
    head, tail = 0, 1
    while head < tail:
        cell, first = cells[head], begun[head]
        head += 1
        if mark[cell] & _GOAL and cell != start:
            return first
        for way in range(4):
            there = ahead[cell, way]
            if there >= 0 and not mark[there] & _SHUT:
                mark[there] |= _SHUT
                cells[tail], begun[tail] = there, way if first < 0 else first
                tail += 1
    return -1


@_kernel
def legal(plan: Plan, robots: np.ndarray, grid: np.ndarray, i: int, chance: float) -> int:
    """Return one of robot i's actions that may have an effect, each as probable; `chance` in [0, 1) draws it."""
    cell, load = robots[i, 0], robots[i, 2]
    there = plan.ahead[cell, robots[i, 1]]
    forward = there >= 0 and not (load and grid[there] and not _carrier_at(robots, there))
    toggle = plan.home[cell] if load else grid[cell] > 0
    place = int(chance * (3 + forward + toggle))
    if place >= 1 and not forward:
        place += 1
    return place


@_kernel
def rollouts(
    plan: Plan, robots: np.ndarray, where: np.ndarray, queue: np.ndarray,
    chances: np.ndarray, fates: np.ndarray, discount: float, epsilon: float,
) -> np.ndarray:  # fmt: skip
    """Return the discounted team rewards of R rollouts from one state, (R,) float64.

    Args:
        plan: The floor.
        robots: (N, 4) int64.
        where: (S + 1,) int64, the cell of each shelf.
        queue: (Q,) int64, the requested shelves; minus a shelf where one is yet to be drawn in its stead.
        chances: (R, steps, N, 2) in [0, 1): whether a robot acts by chance, and how.
        fates: (R, F) in [0, 1): the draws of requests, the k-th for the k-th that is drawn.
        discount: Of each step.
        epsilon: Probability that a robot acts by chance.
    """
    n, total = len(robots), np.zeros(len(chances))
    for r in range(len(chances)):
        team, cells, asked = robots.copy(), where.copy(), np.abs(queue)
        grid, drawn, worth = np.zeros(len(plan.home), np.int64), 0, 1.0
        for shelf in range(1, len(where)):
            grid[where[shelf]] = shelf
        for k in range(len(queue)):
            if queue[k] < 0:
                asked[k] = _request(asked, len(where) - 1, fates[r, drawn])
                drawn += 1
        actions = np.empty(n, np.int64)
        for step in range(chances.shape[1]):
            for i in range(n):
                if chances[r, step, i, 0] < epsilon:
                    actions[i] = legal(plan, team, grid, i, chances[r, step, i, 1])
                else:
                    actions[i] = scripted(plan, team, cells, grid, asked, i)
            paid, drawn = advance(plan, team, cells, grid, asked, actions, fates[r], drawn)
            total[r] += worth * paid
            worth *= discount
    return total
