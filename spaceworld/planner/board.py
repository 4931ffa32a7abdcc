"""The planning board: where everything will be at each time from now on, as far as it is decided."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spaceworld.planner.routes import distances, predict
from spaceworld.planner.spacetime import dodge, step_from
from spaceworld.rules import packing as pk
from spaceworld.rules.kernel import advance

LOOSE, HELD, DOCKED = range(3)
NEVER = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """What never changes in a scenario, unpacked from `spec`."""

    spec: np.ndarray
    n: int  # robots
    m: int  # modules
    s: int  # slots
    width: int
    cells: int
    thrust: tuple[int, ...]  # (N,)
    can_grip: tuple[bool, ...]
    can_dock: tuple[bool, ...]
    mass: tuple[int, ...]  # (M,)
    module_type: tuple[int, ...]
    slot_type: tuple[int, ...]  # (S,)
    needs: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]  # the slots, in an order that precedence allows
    drifts: bool
    rests: tuple[bool, ...] = ()  # (N,) robots that do not take part and stay where they are

    @classmethod
    def of(cls, spec: np.ndarray) -> World:
        """Return the world of a packed scenario."""
        n, m, s, d = (int(spec[h]) for h in (pk.H_ROBOTS, pk.H_MODULES, pk.H_SLOTS, pk.H_DEBRIS))

        def block(head: int, count: int, width: int) -> list[list[int]]:
            start = int(spec[head])
            rows: list[list[int]] = spec[start : start + count * width].reshape(count, width).tolist()
            return rows

        robots, modules = block(pk.H_ROBOT0, n, pk.R_STATIC), block(pk.H_MODULE0, m, pk.M_STATIC)
        slots, debris = block(pk.H_SLOT0, s, pk.T_STATIC), block(pk.H_DEBRIS0, d, pk.D_STATIC)
        return cls(
            spec=spec,
            n=n,
            m=m,
            s=s,
            width=int(spec[pk.H_WIDTH]),
            cells=int(spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]),
            thrust=tuple(r[pk.R_THRUST] for r in robots),
            can_grip=tuple(bool(r[pk.R_GRIP]) for r in robots),
            can_dock=tuple(bool(r[pk.R_GRIP] and r[pk.R_DOCK]) for r in robots),
            mass=tuple(x[pk.M_MASS] for x in modules),
            module_type=tuple(x[pk.M_TYPE] for x in modules),
            slot_type=tuple(x[pk.T_TYPE] for x in slots),
            needs=tuple(tuple(k for k in range(s) if x[pk.T_NEEDS] >> k & 1) for x in slots),
            order=tuple(x[0] for x in block(pk.H_ORDER0, s, 1)),
            drifts=any(x[pk.D_FIRST] for x in debris),
        )

    def advance(self, row: np.ndarray, joint: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the state after one joint action, (N,), and its collisions and violations."""
        after, work = row.copy(), np.zeros(pk.work_size(self.spec), np.int64)
        return after, int(advance(self.spec, after, work, np.asarray(joint, np.int64))[1])


@dataclass(slots=True, eq=False)
class Board:
    """What is decided for times 0..T. Units in `taken`: robot i is i+1, module m with its carriers is N+1+m."""

    world: World
    row: np.ndarray  # the state at time 0
    static: np.ndarray  # (cells,) uint8; 1 solid, 2 keep-out
    taken: np.ndarray  # (T+1, cells) int16
    hazard: np.ndarray  # (T+1, cells) uint8
    track: np.ndarray  # (T+1, D) int64, cells of debris
    robot: np.ndarray  # (N, T+1) int64, cells
    interact: np.ndarray  # (N, T+1) uint8, whether it interacts then
    module: np.ndarray  # (M, T+1) int64, cells
    state: np.ndarray  # (M, T+1) int8, LOOSE, HELD or DOCKED
    end: list[int]  # (N,) the time until which each robot is decided
    grips: list[int]  # (N,) the module that it grips then, or -1
    opens: list[int]  # (S,) when the slot is filled; NEVER: not decided
    slot_cell: tuple[int, ...]
    left: tuple[int, ...]  # the modules whose delivery is not decided

    @property
    def last(self) -> int:
        """The last time."""
        return self.taken.shape[0] - 1

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """What searches in space and time begin with; see `spacetime`."""
        return self.static, self.taken, self.hazard, self.world.width

    def copy(self) -> Board:
        """Return a board to try something on, with arrays of its own."""
        names = ("taken", "robot", "interact", "module", "state")
        arrays = {name: getattr(self, name).copy() for name in names}
        return replace(self, end=list(self.end), grips=list(self.grips), opens=list(self.opens), **arrays)

    def parked(self, without: int) -> np.ndarray:
        """Return the cells, uint8, of all modules but `without` at the end: 1 undocked, 2 docked."""
        marks = np.zeros(self.world.cells, np.uint8)
        marks[self.module[:, -1]] = 1 + (self.state[:, -1] == DOCKED)
        marks[self.module[without, -1]] = 0
        return marks

    def cell(self, i: int) -> int:
        """Return the cell of robot i at the end of its decided time."""
        return int(self.robot[i, self.end[i]])

    def distances(self, module: int) -> np.ndarray:
        """Return the robots' distances to the module, (cells,), with all modules where they are at the end."""
        field = np.empty(self.world.cells, np.int64)
        distances(self.static, self.parked(module), self.world.width, int(self.module[module, -1]), field)
        return field

    def free_later_cells(self, keep: set[int]) -> None:
        """Free the cells of robots after their decided times, except of those in `keep` or with a module."""
        for i in self._movable(keep):
            times = np.arange(self.end[i] + 1, self.last + 1)
            cells = self.robot[i, times]
            mine = self.taken[times, cells] == i + 1
            self.taken[times[mine], cells[mine]] = 0

    def _movable(self, keep: set[int]) -> list[int]:
        rests = self.world.rests
        return [i for i in range(self.world.n) if self.grips[i] < 0 and i not in keep and not (rests and rests[i])]

    def settle(self, keep: set[int]) -> int:
        """Move robots without a task out of the way of all that is decided.

        Returns:
            -1, or the number of a robot that finds no way.
        """
        first: list[int] = []
        for _ in range(self.world.n):
            failed = self._settle(keep, first)
            if failed < 0 or failed in first[:1]:
                return failed
            if failed in first:
                first.remove(failed)
            first.insert(0, failed)
        return failed

    def _settle(self, keep: set[int], first: list[int]) -> int:
        self.free_later_cells(keep)
        free = self._movable(keep)
        # robots that can stay do so, and the others find a way around them; robots that failed before go first
        rest = sorted((i for i in free if i not in first), key=lambda i: (not self._may_rest(i), self.end[i], i))
        for i in first + rest:
            end, path = self.end[i], self.robot[i]
            if not dodge(*self.tables, self.cell(i), end, path):
                return i
            times = np.arange(end + 1, self.last + 1)
            self.taken[times, path[times]] = i + 1
        return -1

    def _may_rest(self, i: int) -> bool:
        cell, later = self.cell(i), slice(self.end[i] + 1, None)
        return not (self.static[cell] or self.taken[later, cell].any() or self.hazard[later, cell].any())

    def predict_debris(self) -> bool:
        """Predict the debris again; return False when it would hit something that is decided."""
        if not self.world.drifts:
            return True
        track, hazard = debris_ahead(self.world, self.row, self.static, self.module, self.state)
        if np.array_equal(track, self.track):
            return True
        self.track, self.hazard = track, hazard
        # the cells of robots without a task are free by now: what is taken is decided, or a module at rest
        struck = (hazard > 0) & (self.taken > 0) & (self.taken <= self.world.n)
        if struck.any():
            return False
        times = np.arange(self.last + 1)
        return not any((hazard[times, self.module[m]] > 0)[self.state[m] == HELD].any() for m in range(self.world.m))

    def actions(self) -> np.ndarray:
        """Return the joint actions, (T, N) int64."""
        jump = np.diff(self.robot, axis=1)
        width = self.world.width
        acts = np.zeros_like(jump)
        for direction, by in ((pk.NORTH, -width), (pk.SOUTH, width), (pk.WEST, -1), (pk.EAST, 1)):
            acts[jump == by] = direction
        acts[self.interact[:, :-1] > 0] = pk.INTERACT
        return acts.T

    @property
    def length(self) -> int:
        """The time at which the last decided module is docked."""
        return max((self.opens[k] for k in range(self.world.s) if self.opens[k] < NEVER), default=0)


def debris_ahead(
    world: World, row: np.ndarray, static: np.ndarray, module: np.ndarray, state: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of debris, (T+1, D), and the cells to keep clear of it, (T+1, cells)."""
    views = pk.blocks(world.spec, row)
    count = len(views["debris"])
    start = int(world.spec[pk.H_DEBRIS0])
    period = world.spec[start : start + count * pk.D_STATIC].reshape(count, pk.D_STATIC)[:, pk.D_PERIOD]
    track = np.zeros((module.shape[1], count), np.int64)
    hazard = np.zeros((module.shape[1], world.cells), np.uint8)
    cell, way = views["debris"][:, pk.D_CELL].copy(), views["debris"][:, pk.D_DIR].copy()
    step = int(row[pk.S_STEP])
    predict(period.copy(), cell, way, step, world.width, static, module, state, hazard, track)
    return track, hazard


def board_of(world: World, row: np.ndarray, last: int) -> Board:
    """Return the board of a state, on which every robot stays where it is."""
    views = pk.blocks(world.spec, row)
    static = np.zeros(world.cells, np.uint8)
    static[views["keep_out"]] |= 2
    static[views["core"]] |= 1
    for cell, way in views["debris"].tolist():
        static[cell] |= way == 0
    taken = np.zeros((last + 1, world.cells), np.int16)
    module = np.repeat(views["modules"][:, pk.M_CELL, None], last + 1, axis=1)
    state = np.zeros((world.m, last + 1), np.int8)
    grips = views["robots"][:, pk.R_GRIPS].tolist()
    for m in range(world.m):
        docked = views["modules"][m, pk.M_SLOT] >= 0
        state[m] = DOCKED if docked else HELD if m in grips else LOOSE
        static[module[m, 0]] |= docked
        taken[:, module[m, 0]] = world.n + 1 + m
    robot = np.repeat(views["robots"][:, pk.R_CELL, None], last + 1, axis=1)
    for i in range(world.n):
        taken[:, robot[i, 0]] = i + 1 if grips[i] < 0 else world.n + 1 + grips[i]
    track, hazard = np.zeros((last + 1, 0), np.int64), np.zeros((last + 1, world.cells), np.uint8)
    if world.drifts:
        track, hazard = debris_ahead(world, row, static, module, state)
    return Board(
        world=world,
        row=row,
        static=static,
        taken=taken,
        hazard=hazard,
        track=track,
        robot=robot,
        interact=np.zeros((world.n, last + 1), np.uint8),
        module=module,
        state=state,
        end=[0] * world.n,
        grips=grips,
        opens=[0 if filled else NEVER for filled in views["slots"][:, pk.T_FILLED].tolist()],
        slot_cell=tuple(views["slots"][:, pk.T_CELL].tolist()),
        left=tuple(m for m in range(world.m) if views["modules"][m, pk.M_SLOT] < 0),
    )


def side_cell(world: World, cell: int, side: int) -> int:
    """Return the cell beside `cell` at side 0..3 (north, south, west, east), or -1."""
    return int(step_from(world.width, world.cells, cell, side + 1))
