"""How the teams of the suites play: by chance, by rules for each world, and by a mixture of both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from spaceworld.planner.scripted_policy import ScriptedPolicy

Team = Callable[[], list[int]]  # the joint action in the environment's present state
MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # of Spaceworld and Level-Based Foraging, by action
AHEAD = ((-1, 0), (1, 0), (0, -1), (0, 1))  # of the warehouse, by direction: up, down, left, right
CLOCKWISE = (0, 3, 1, 2)


def scripted(world: str, env: Any) -> Team:
    """Return a team that does what is best, or nearly."""
    family = world.partition(":")[0]
    if family == "spaceworld":
        policy = ScriptedPolicy(env)
        return lambda: [policy()[agent] for agent in env.possible_agents]
    return {"lbf": foragers, "rware": haulers, "corridor": walkers}[family](env)


def walkers(env: Any) -> Team:
    """Walk to the last cell, then wait."""
    return lambda: [2 if cell < env.length - 1 else 0 for cell in env.position]


def foragers(env: Any) -> Team:
    """Go to the food that the slowest reaches first, and load when all are beside it."""

    def act() -> list[int]:
        library = env.library
        places = [(int(p.position[0]), int(p.position[1])) for p in library.players]
        foods = {(int(r), int(c)) for r, c in zip(*library.field.nonzero(), strict=True)}
        walls = foods | set(places)

        def way(i: int, goals: Iterable[tuple[int, int]]) -> tuple[int, int]:
            return first_step(places[i], set(goals), walls - {places[i]}, library.field_size)

        def beside(food: tuple[int, int], i: int) -> list[tuple[int, int]]:
            around = [(food[0] + r, food[1] + c) for r, c in MOVES[1:]]
            return [cell for cell in around if cell not in walls - {places[i]}]

        each = range(len(places))
        food = min(sorted(foods), key=lambda f: (max(way(i, beside(f, i))[0] for i in each), f))
        ways = [way(i, beside(food, i)) for i in each]
        if all(steps == 0 for steps, _ in ways):
            return [5] * len(places)
        return [action for _, action in ways]

    return act


def first_step(
    start: tuple[int, int], goals: set[tuple[int, int]], walls: set[tuple[int, int]], size: tuple[int, int]
) -> tuple[int, int]:
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


def haulers(env: Any) -> Team:
    """Fetch requested shelves, bring them to the goal and back; each robot by itself, so they block each other."""

    def act() -> list[int]:
        return [_haul(env, i) for i in range(len(env.possible_agents))]

    return act


def _haul(env: Any, i: int) -> int:
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
        return 4
    if not move:
        return 0
    facing, wanted = AHEAD.index(_ahead(robot)), move - 1
    if facing == wanted:
        return 1
    turn = (CLOCKWISE.index(wanted) - CLOCKWISE.index(facing)) % 4
    return 2 if turn == 3 else 3  # left, right


def _ahead(robot: Any) -> tuple[int, int]:
    return AHEAD[robot.dir.value]


def chance(env: Any, infos: Callable[[], dict[str, Any]], random: np.random.Generator) -> Team:
    """Return a team that chooses among the possible actions at random."""

    def act() -> list[int]:
        chosen = []
        for agent in env.possible_agents:
            mask = infos().get(agent, {}).get("action_mask")
            count = env.action_space(agent).n
            valid = np.arange(count) if mask is None else np.flatnonzero(mask)
            chosen.append(int(random.choice(valid)))
        return chosen

    return act
