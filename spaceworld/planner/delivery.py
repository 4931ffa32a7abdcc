"""One delivery: a team walks to a module, grips it, flies it to its slot and docks it, around all that is decided."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from spaceworld.planner.board import DOCKED, HELD, LOOSE, Board, side_cell
from spaceworld.planner.recruiting import TEAMS, teams
from spaceworld.planner.routes import FAR, route
from spaceworld.planner.spacetime import fly, spread, trace_flight, trace_walk

SIDES = range(4)
ANY = tuple(range(1, 16))  # all sets of sides, as bits
LEGS = 4  # new grips on the way to the slot
SMALL = 256  # cells; only in worlds up to this size does a search go to the end of time
CLASHES = 10  # failed attempts to walk to the grip cells


def deliver(
    board: Board, module: int, slot: int, when: Sequence[int], ends: Sequence[int] = ANY, legs: int = LEGS
) -> Board | None:
    """Return a board on which the module's delivery to the slot is decided, too, or None if it is impossible.

    `when` (N,) is the approximate time at which each robot could be beside the module, `ends` are the sides (bits) at
    which it may be held when it is docked, and `legs` is the number of new grips allowed on the way.
    """
    for count, team in enumerate(teams(board, module, when)):
        if count >= 2 * TEAMS:
            break
        after = deliver_by(board, module, slot, team, ends, legs)
        if after is not None:
            return after
    return None


def deliver_by(
    board: Board, module: int, slot: int, team: tuple[int, ...], ends: Sequence[int], legs: int
) -> Board | None:
    """Return the same for one team, with new grips on the way only where they are needed."""
    world, goal = board.world, board.slot_cell[slot]
    start = int(board.module[module, -1])
    held = sum(1 << d for i in team if board.grips[i] == module for d in SIDES if beside(board, start, d, i))
    forbidden = np.zeros(world.cells, np.uint8)
    forbidden[list(board.slot_cell)] = 1
    forbidden[board.track] = 1
    parked = board.parked(module)
    if parked[goal]:
        return None
    free = next((i for i in team if board.grips[i] < 0), team[0])
    cell = int(board.robot[free, -1])
    allowed = np.zeros(16, np.bool_)
    allowed[list(ends)] = True
    while allowed.any():
        places = (board.static, parked, world.width, start, goal)
        cost, drop, sides = route(*places, len(team), cell, held, allowed, forbidden)
        if cost >= FAR or (drop >= 0 and legs == 0):
            return None
        if drop >= 0:
            after = Carrying(board, module, team, drop, [sides], 0, -1).decide()
            left = np.flatnonzero(allowed).tolist()
            return None if after is None else deliver_by(after, module, slot, team, left, legs - 1)
        ready = max([board.opens[k] for k in world.needs[slot]], default=0)
        carrying = Carrying(board, module, team, goal, np.flatnonzero(allowed).tolist(), ready, slot)
        after = carrying.decide()
        if after is None or not cut_off(board, after):
            return after
        allowed[carrying.sides] = False
    return None


def cut_off(before: Board, after: Board) -> bool:
    """Return whether a robot that could reach the next module no longer can."""
    if not after.left:
        return False
    near, far = (board.distances(after.left[0])[board.robot[:, -1]] for board in (before, after))
    return bool(((near < FAR) & (far >= FAR)).any())


def beside(board: Board, cell: int, side: int, robot: int) -> bool:
    """Return whether the robot is at this side of the cell at the end of its decided time."""
    return side_cell(board.world, cell, side) == board.cell(robot)


class Carrying:
    """One team's walk, grip, flight, and dock or release.

    Args:
        board: What is decided.
        module: The module.
        team: The robots.
        goal: The cell to bring it to.
        ends: The sides (bits) at which it may arrive.
        ready: The earliest time at which it may be released there.
        slot: The slot to dock it in, or -1 to release it.
    """

    def __init__(
        self, board: Board, module: int, team: tuple[int, ...], goal: int, ends: Sequence[int], ready: int, slot: int
    ) -> None:
        self.before, self.module, self.team, self.goal, self.slot = board, module, team, goal, slot
        self.ready, self.sides = ready, 0  # the sides at which it is held in the end
        self.ends = np.zeros(16, np.bool_)
        self.ends[list(ends)] = True
        self.unit = board.world.n + 1 + module  # its number in `taken`
        self.start = int(board.module[module, -1])
        self.side_cells = [side_cell(board.world, self.start, d) for d in SIDES]

    def decide(self) -> Board | None:
        """Return a board with the delivery, all others out of the way; None if it is impossible."""
        keep: set[int] = set()
        for _ in range(self.before.world.n):
            board = self.before.copy()
            board.free_later_cells(keep)
            if not self._enter(board) or not board.predict_debris():
                return None
            stuck = board.settle(keep)
            if stuck < 0:
                return board
            if stuck in self.team or stuck in keep:
                return None
            keep.add(stuck)  # this robot cannot get out of the way: go around it
        return None

    def _enter(self, board: Board) -> bool:
        """Find the quickest way and write it down; try short walks first, because that search is fast."""
        width = board.world.width
        away = [board.cell(i) for i in self.team]
        ways = [abs(c // width - self.start // width) + abs(c % width - self.start % width) for c in away]
        soon = max(board.end[i] + way for i, way in zip(self.team, ways, strict=True)) + 20
        late = board.last if board.world.cells <= SMALL else soon + 2 * width
        return any(self._enter_by(board, min(limit, board.last)) for limit in (soon, late))

    def _enter_by(self, board: Board, limit: int) -> bool:
        presence = [self._presence(board, i, limit) for i in self.team]
        starts = self._starts(board, presence)
        until = min(max(limit, self.ready) + 4 * board.world.width, board.last)
        tables = board.tables
        for _ in range(CLASHES):
            seen = np.zeros((board.last + 1, board.world.cells, 16), np.uint8)
            stop, sides = fly(*tables, self.unit, starts, self.start, self.goal, self.ends, self.ready, until, seen)
            if stop < 0:
                return False
            path = np.full(board.last + 1, self.goal, np.int64)
            begin = trace_flight(*tables, self.unit, starts, self.start, seen, int(stop), self.goal, int(sides), path)
            chosen = self._walks(board, presence, int(begin), int(sides))
            if chosen is not None:
                self.sides = int(sides)
                self._write(board, path, int(begin), int(stop), chosen)
                return True
            starts[sides, begin] = False
        return False

    def _presence(self, board: Board, i: int, limit: int) -> np.ndarray:
        """Return, (4, T+1), whether the robot may grip at each side at each time."""
        cell = board.cell(i)
        able = np.zeros((4, board.last + 1), np.bool_)
        if board.grips[i] == self.module:
            able[self.side_cells.index(cell)] = True
            return able
        reach = np.zeros((board.last + 1, board.world.cells), np.uint8)
        spread(*board.tables, cell, board.end[i], limit, reach)
        for d in SIDES:
            side = self.side_cells[d]
            if side >= 0:
                able[d, :-1] = (reach[:-1, side] > 0) & (reach[1:, side] > 0) & self._target(board, side)[:-1]
        return able

    def _target(self, board: Board, side: int) -> np.ndarray:
        """Return, (T+1,), whether a grip from the cell takes this module: no other undocked one is in a lower cell."""
        good = np.ones(board.last + 1, np.bool_)
        for d in SIDES:
            cell = side_cell(board.world, side, d)
            if 0 <= cell < self.start:
                for m in range(board.world.m):
                    if m != self.module:
                        good &= ~((board.module[m] == cell) & (board.state[m] != DOCKED))
        return good

    def _starts(self, board: Board, presence: list[np.ndarray]) -> np.ndarray:
        """Return, (16, T+1), whether the flight may begin then at these sides: all gripped one step before."""
        starts = np.zeros((16, board.last + 1), np.bool_)
        walkers = any(board.grips[i] != self.module for i in self.team)
        for chosen in permutations(SIDES, len(self.team)):
            together = np.logical_and.reduce([able[d] for able, d in zip(presence, chosen, strict=True)])
            sides = sum(1 << d for d in chosen)
            if walkers:
                starts[sides, 1:] |= together[:-1]
            else:
                starts[sides] |= together
        return starts

    def _walks(self, board: Board, presence: list[np.ndarray], begin: int, sides: int) -> dict[int, int] | None:
        """Write the walks to the grip cells; return each robot's side, or None when the walks clash."""
        for chosen in permutations([d for d in SIDES if sides >> d & 1]):
            pairs = list(zip(self.team, chosen, strict=True))
            if not all(able[d, max(begin - 1, 0)] for able, d in zip(presence, chosen, strict=True)):
                continue
            for order in (pairs, pairs[::-1]):
                done: list[int] = []
                for i, d in order:
                    if board.grips[i] == self.module:
                        continue
                    if not self._walk(board, i, self.side_cells[d], begin):
                        break
                    done.append(i)
                else:
                    return dict(pairs)
                for i in done:
                    times = np.arange(board.end[i] + 1, begin + 1)
                    board.taken[times, board.robot[i, times]] = 0
        return None

    def _walk(self, board: Board, i: int, side: int, begin: int) -> bool:
        end = board.end[i]
        if begin <= end:
            return False
        reach = np.zeros((board.last + 1, board.world.cells), np.uint8)
        spread(*board.tables, board.cell(i), end, begin, reach)
        if not (reach[begin, side] and reach[begin - 1, side]):
            return False
        path = board.robot[i].copy()
        trace_walk(*board.tables, reach, end, side, begin - 1, path)
        path[begin] = side
        times = np.arange(end + 1, begin + 1)
        board.robot[i, times] = path[times]
        board.taken[times, path[times]] = i + 1
        return True

    def _write(self, board: Board, path: np.ndarray, begin: int, stop: int, chosen: dict[int, int]) -> None:
        """Write the flight from `begin` to `stop` and what follows."""
        world, m, after = board.world, self.module, stop + 1
        later = np.arange(begin, board.last + 1)
        board.taken[begin:][board.taken[begin:] == self.unit] = 0
        docked = self.slot >= 0
        path[after:] = self.goal
        board.module[m, begin:] = path[begin:]
        board.state[m, begin:after] = HELD
        board.state[m, after:] = DOCKED if docked else LOOSE
        board.taken[later, path[later]] = self.unit
        flight = np.arange(begin, after + 1)
        docker = next((i for i in self.team if world.can_dock[i]), -1)
        for i, d in chosen.items():
            if board.grips[i] != m:
                board.interact[i, begin - 1] = 1
            offset = self.side_cells[d] - self.start
            board.robot[i, flight] = path[flight] + offset
            board.taken[flight, path[flight] + offset] = self.unit
            board.taken[after, self.goal + offset] = i + 1
            board.interact[i, stop] = i == docker or not docked
            board.end[i] = after
            board.grips[i] = -1
            board.robot[i, after:] = self.goal + offset
        if docked:
            board.opens[self.slot] = after
            board.left = tuple(x for x in board.left if x != m)
