"""The choice of robots: when each could be beside a module, and the teams that can lift and dock it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from spaceworld.planner.board import Board
from spaceworld.planner.routes import FAR

NEAREST = 6  # the nearest robots, from which teams are made
TEAMS = 3  # the number of teams of one size


def arrivals(board: Board, module: int) -> list[int]:
    """Return the approximate time at which each robot could be beside the module; FAR if never."""
    world = board.world
    field = board.distances(module)
    times = []
    for i in range(world.n):
        end = board.end[i]
        if board.grips[i] >= 0:
            times.append(0 if board.grips[i] == module else FAR)
        else:
            way = int(min(field[board.cell(i)], field[board.robot[i, -1]]))
            times.append(end + max(way - 1, 0) if world.can_grip[i] and way < FAR else FAR)
    return times


def teams(board: Board, module: int, when: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield teams that can lift and dock the module, small and quick ones first; its present carriers are in each."""
    world = board.world
    holders = tuple(i for i in range(world.n) if board.grips[i] == module)
    near = sorted((i for i in range(world.n) if when[i] < FAR and i not in holders), key=lambda i: (when[i], i))
    dockers = [i for i in near if world.can_dock[i]][:2]
    pool = sorted(set(near[:NEAREST]) | set(dockers) | set(sorted(near, key=lambda i: -world.thrust[i])[:2]))
    for count in range(max(len(holders), 1), 5):
        found = []
        for extra in combinations(pool, count - len(holders)):
            team = holders + extra
            strong = sum(world.thrust[i] for i in team) >= world.mass[module]
            if strong and any(world.can_dock[i] for i in team):
                found.append((max(when[i] for i in team), sum(when[i] for i in team), team))
        yield from (team for *_, team in sorted(found)[:TEAMS])
