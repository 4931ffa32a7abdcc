"""The whole plan: which module goes to which slot when. Several orders are tried, and the best plan is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spaceworld.planner.board import HELD, NEVER, Board, World, board_of
from spaceworld.planner.delivery import ANY, deliver
from spaceworld.planner.recruiting import arrivals
from spaceworld.planner.routes import FAR, distances
from spaceworld.rules import packing as pk

JITTER = 6  # steps of noise in the robots' arrival times, in all orders but the first
FEW = 2  # modules; only in worlds up to this size are the sides varied, too
LOITER = 10  # steps planned after the last delivery when some modules are left


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Joint actions from a state on, and the states that they lead to."""

    first: int  # the world's step count at the start
    actions: np.ndarray  # (L, N) int64
    rows: np.ndarray  # (L+1, rowsize) int64, the states expected
    docked: int  # mass docked at its end
    complete: bool  # every module is docked
    cost: int  # collisions and violations

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        """The plan's rank; smaller is better."""
        return not self.complete, self.cost, -self.docked, len(self.actions)


class Dice:
    """Noise for the order of deliveries, the same in every run; number 0 gives none."""

    def __init__(self, number: int) -> None:
        self.number, self.word = number, 40014 * (number + 1)

    def roll(self, most: int) -> int:
        """Return an integer in [0, most]; 0 for number 0."""
        self.word = 40014 * self.word % 2147483563
        return self.word % (most + 1) if self.number else 0


def make_plan(world: World, row: np.ndarray, last: int, tries: int, limit: int = NEVER, first: int = 0) -> Plan:
    """Return the best of several plans for the state in `row`, looking `last` steps ahead.

    At least `tries` orders of deliveries are tried, more while no plan is complete; a plan decides at most `limit`
    deliveries. `first` numbers the first order: from another number on, orders are others.
    """
    best: Plan | None = None
    for number in range(4 * tries + 4):
        if number >= tries and best is not None and best.complete and best.cost == 0:
            break
        canonical = number == tries
        for let_go in (False, True):
            lead, start = release(world, row) if let_go else (None, row)
            if let_go and lead is None:
                continue
            board = decide_all(board_of(world, start, last), Dice(first + number), canonical, limit)
            plan = played(world, row, board, lead)
            if best is None or plan.rank < best.rank:
                best = plan
        if limit < NEVER and best is not None and best.cost == 0:
            break
    assert best is not None
    return best


def release(world: World, row: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the joint action that releases all modules, None when none is held, and the state after it."""
    grips = pk.blocks(world.spec, row)["robots"][:, pk.R_GRIPS]
    if (grips < 0).all():
        return None, row
    actions = np.where(grips >= 0, pk.INTERACT, pk.STAY).astype(np.int64)
    return actions, world.advance(row, actions)[0]


def played(world: World, row: np.ndarray, board: Board, lead: np.ndarray | None) -> Plan:
    """Return the board's plan as the kernel plays it."""
    acts = board.actions()[: board.length + (LOITER if board.left else 0)]
    if lead is not None:
        acts = np.concatenate([lead[None], acts])
    rows, cost = [row.copy()], 0
    for joint in acts:
        after, faults = world.advance(rows[-1], joint)
        cost += faults
        rows.append(after)
    views = pk.blocks(world.spec, rows[-1])
    complete = bool((views["modules"][:, pk.M_SLOT] >= 0).all())
    docked = int(rows[-1][pk.S_DOCKED])
    return Plan(int(row[pk.S_STEP]), acts, np.array(rows), docked, complete, cost)


def decide_all(board: Board, dice: Dice, canonical: bool, limit: int) -> Board:
    """Decide one delivery after the other until none is left or none is possible."""
    stuck: set[int] = set()  # robots that find no way out stay where they are
    while (robot := board.settle(stuck)) >= 0:
        stuck.add(robot)
    for _ in range(min(limit, len(board.left))):
        after = next_delivery(board, dice, canonical)
        if after is None:
            break
        board = after
    return board


def next_delivery(board: Board, dice: Dice, canonical: bool) -> Board | None:
    """Return the board after the delivery expected to end first or, if canonical, the first in slot order."""
    rests = board.world.rests
    absent = {g for i, g in enumerate(board.grips) if rests and rests[i]}  # held by a robot that does not take part
    # noise in the arrivals leads to other teams
    when = {m: [t + dice.roll(JITTER) for t in arrivals(board, m)] for m in board.left if m not in absent}
    options = []
    for rank, slot in enumerate(board.world.order):
        ready = max([board.opens[k] for k in board.world.needs[slot]], default=0)
        if board.opens[slot] < NEVER or ready == NEVER:
            continue
        field = np.empty(board.world.cells, np.int64)
        empty = np.zeros(board.world.cells, np.uint8)
        distances(board.static, empty, board.world.width, board.slot_cell[slot], field)
        for m in when:
            if board.world.module_type[m] != board.world.slot_type[slot]:
                continue
            done = min(max(quickest(board, m, when[m]) + int(field[board.module[m, -1]]), ready), FAR)
            held = board.state[m, -1] == HELD
            noise = dice.roll(4 + done // 4)
            options.append((rank if canonical else 0, not held, done + noise, rank, m, slot))
    for *_, m, slot in sorted(options):
        # in small worlds, vary the sides, too: a slower delivery may end nearer to the team's next task
        ends = tuple(sides for sides in ANY if board.world.m > FEW or not dice.roll(1))
        for sides in (ends, ANY) if 0 < len(ends) < len(ANY) else (ANY,):
            after = deliver(board, m, slot, when[m], sides)
            if after is not None:
                return after
    return None


def quickest(board: Board, module: int, when: list[int]) -> int:
    """Return the approximate time at which a team could be at the module."""
    thrust = 0
    docker = min((t for t, can in zip(when, board.world.can_dock, strict=True) if can), default=FAR)
    for i in sorted(range(board.world.n), key=lambda i: (when[i], i)):
        thrust += board.world.thrust[i]
        if thrust >= board.world.mass[module]:
            return max(when[i], docker)
    return FAR
