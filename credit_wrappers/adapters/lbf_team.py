"""A team for Level-Based Foraging that plays by rules: all go to one food and load it together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # by action
_LOAD = 5

Cell = tuple[int, int]


def scripted_team(env: Any) -> Callable[[], list[int]]:
    """Return a function that returns the joint action in the environment's present state.

    All go to the food that the slowest reaches first, and load when all are beside it.

    Args:
        env: `lbf.ForagingEnv`, unwrapped.
    """

    def act() -> list[int]:
        library = env.library
        places = [(int(p.position[0]), int(p.position[1])) for p in library.players]
        foods = {(int(r), int(c)) for r, c in zip(*library.field.nonzero(), strict=True)}
        walls = foods | set(places)

        def way(i: int, goals: Iterable[Cell]) -> tuple[int, int]:
            return first_step(places[i], set(goals), walls - {places[i]}, library.field_size)

        def beside(food: Cell, i: int) -> list[Cell]:
            around = [(food[0] + r, food[1] + c) for r, c in MOVES[1:]]
            return [cell for cell in around if cell not in walls - {places[i]}]

        each = range(len(places))
        food = min(sorted(foods), key=lambda f: (max(way(i, beside(f, i))[0] for i in each), f))
        ways = [way(i, beside(food, i)) for i in each]
        if all(steps == 0 for steps, _ in ways):
            return [_LOAD] * len(places)
        return [action for _, action in ways]

    return act


def first_step(start: Cell, goals: set[Cell], walls: set[Cell], size: tuple[int, int]) -> tuple[int, int]:
    """Return the steps to the nearest goal (1000: none) and the action that begins the way."""
    queue, seen = deque([(start, 0, 0)]), {start}
    while queue:
        cell, steps, action = queue.popleft()
        if cell in goals:
            return steps, action
        for k, (r, c) in enumerate(MOVES[1:], 1):
            there = cell[0] + r, cell[1] + c
            inside = 0 <= there[0] < size[0] and 0 <= there[1] < size[1]
            if inside and there not in walls and there not in seen:
                seen.add(there)
                queue.append((there, steps + 1, action or k))
    return 1000, 0
