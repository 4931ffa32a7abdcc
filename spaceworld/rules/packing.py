"""The packed form of a Spaceworld: one int64 array for what never changes, one int64 row for the state.

Kernels work on these arrays, and cloning a state copies one row. Offsets are computed once per scenario and stored in
the head of `spec`, so that a kernel needs few arguments.

    spec   head (H_*), then a block for each kind of thing: robots, modules, slots, debris
    row    head (S_*), then a block for each kind with what can change; a cell is `row * width + col`
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spaceworld.scenario import PATTERNS, Scenario, dock_order

# -- spec head -------------------------------------------------------------------------------------------
H_HEIGHT, H_WIDTH, H_ROBOTS, H_MODULES, H_SLOTS, H_DEBRIS, H_CORE, H_KEEP = range(8)
H_HORIZON, H_TERMINATE, H_SAFE_MASK, H_PATTERN, H_MAX_THRUST, H_MAX_MASS, H_TYPES = range(8, 15)
# where each block starts: in the spec (static) and in the row (state)
H_ROBOT0, H_MODULE0, H_SLOT0, H_DEBRIS0, H_ORDER0 = range(15, 20)
H_ROBOT, H_MODULE, H_SLOT, H_DRIFT, H_COREROW, H_KEEPROW, H_ROWSIZE = range(20, 27)
H_SPECSIZE = 27
H_RECIPROCAL = 28  # 2**32 / width: gives a cell's row without a division
H_NEXT = 29  # where the table of neighbours starts, (cells, N_ACTIONS)
H_SCALE = 30  # float64 bits of 1 / (height - 1, width - 1, largest thrust, largest mass, larger side)
H_REL = 35  # where the float32 differences of rows, then of columns, start; two in a word
H_SHARED = 36  # whether things are described once for all robots (see `large_teams`)
H_IDLE = 37  # steps without a dock after which an episode is truncated; 0: any number
HEAD = 38
_FEW = 3  # robots for which things are described one by one

# -- spec blocks: columns --------------------------------------------------------------------------------
R_THRUST, R_SENSOR, R_GRIP, R_DOCK, R_STATIC = 0, 1, 2, 3, 7
R_TOLD_THRUST, R_TOLD_GRIP, R_TOLD_DOCK = 4, 5, 6  # what robots observe of these abilities, 0 where they are not told
M_TYPE, M_MASS, M_STATIC = 0, 1, 2
T_TYPE, T_NEEDS, T_STATIC = 0, 1, 2  # T: slots, a module's target; needs: bit mask of slots
D_PERIOD, D_FIRST, D_STATIC = 0, 1, 2  # first: the direction at reset

# -- row head --------------------------------------------------------------------------------------------
S_RNG1, S_RNG2, S_STEP, S_STATUS, S_DOCKED, S_FAULTS, S_HEAD = 0, 1, 2, 3, 4, 5, 6
RUNNING, TERMINATED, TRUNCATED = 0, 1, 2

# -- row blocks: columns ---------------------------------------------------------------------------------
# robots: cell; gripped module or -1; action (-1 after reset), hits, violation and event of the last step; cost so far
R_CELL, R_GRIPS, R_ACTION, R_HITS, R_VIOLATION, R_EVENT, R_COST, R_WIDTH = 0, 1, 2, 3, 4, 5, 6, 7
M_CELL, M_SLOT, M_WHEN, M_WIDTH = 0, 1, 2, 3  # slot or -1 and step at which it docked or -1
T_CELL, T_FILLED, T_WIDTH = 0, 1, 2
D_CELL, D_DIR, D_WIDTH = 0, 1, 2

# -- event code of a robot's step: flags, then module, slot and blocker --------------------------------------
E_MOVED, E_CARRIED, E_GRIPPED, E_RELEASED, E_DOCKED = 1, 2, 4, 8, 16
E_DISAGREED, E_WEAK, E_EDGE, E_STRUCK, E_KEEP_OUT = 32, 64, 128, 256, 512
E_MODULE_SHIFT, E_SLOT_SHIFT, E_KIND_SHIFT, E_BLOCKER_SHIFT = 10, 22, 34, 38  # each index plus one
B_STRUCTURE, B_MODULE, B_DEBRIS, B_ROBOT = 1, 2, 3, 4  # kinds of blocker

# -- grid flags (scratch, rebuilt from the row in every step) ----------------------------------------------
G_STRUCTURE, G_LOOSE, G_DEBRIS, G_KEEP, G_ROBOT, G_GRIPPED, G_OUTSIDE = 1, 2, 4, 8, 16, 32, 64
G_STATIC = G_STRUCTURE | G_LOOSE | G_DEBRIS
BESIDE, LINE, CROSS = range(3)  # H_PATTERN

# -- floats in the vector observation; see `feature_vector.feature_names`
OWN = 18  # features of the robot itself, before its surroundings
OTHER = 11  # of every other robot
MODULE = 10  # of every module, plus its type one-hot when there are several types
SLOT = 5  # of every slot, plus its type in the same way
PLACE = 3  # of every core cell and keep-out cell
DEBRIS = 5

N_ACTIONS = 6
STAY, NORTH, SOUTH, WEST, EAST, INTERACT = range(N_ACTIONS)
ACTION_NAMES = ("stay", "north", "south", "west", "east", "interact")


def build_spec(
    scenario: Scenario, horizon: int, terminate: bool, safe_mask: bool, told: bool = True, idle: int = 0
) -> np.ndarray:
    """Return the static array of a scenario, int64: head, blocks, tables.

    Args:
        scenario: The scenario.
        horizon: Steps until truncation.
        terminate: Whether a collision ends the episode.
        safe_mask: Whether masks forbid flying into what is solid.
        told: Whether robots observe what each can do.
        idle: Steps without a dock after which an episode is truncated; 0: any number.
    """
    n, m, s, d = len(scenario.robots), len(scenario.modules), len(scenario.slots), len(scenario.debris)
    layout = scenario.layout
    core = len(layout.core) if layout else 1
    keep = len(layout.keep_out) if layout else scenario.keep_out
    types = scenario.types
    spec: list[int] = [0] * HEAD
    spec[: H_KEEP + 1] = [scenario.height, scenario.width, n, m, s, d, core, keep]
    spec[H_HORIZON : H_PATTERN + 1] = [horizon, terminate, safe_mask, PATTERNS.index(scenario.slot_pattern)]
    spec[H_MAX_THRUST] = max(r.thrust for r in scenario.robots)
    spec[H_MAX_MASS] = max(x.mass for x in scenario.modules)
    spec[H_TYPES] = len(types)
    grid = max(scenario.height, scenario.width)
    blocks: list[tuple[int, list[list[int]]]] = [
        (H_ROBOT0, [[r.thrust, grid if r.sensor_range is None else r.sensor_range, r.can_grip, r.can_dock,
                     told * r.thrust, told * r.can_grip, told * r.can_dock] for r in scenario.robots]),
        (H_MODULE0, [[types.index(x.type), x.mass] for x in scenario.modules]),
        (H_SLOT0, [[types.index(x.type), sum(1 << k for k in set(x.needs))] for x in scenario.slots]),
        (H_DEBRIS0, [[x.period, x.direction] for x in scenario.debris]),
        (H_ORDER0, [[k] for k in dock_order(scenario)]),
    ]  # fmt: skip
    for head, rows in blocks:
        spec[head] = len(spec)
        spec.extend(int(v) for values in rows for v in values)
    at = S_HEAD
    widths = ((H_ROBOT, n * R_WIDTH), (H_MODULE, m * M_WIDTH), (H_SLOT, s * T_WIDTH), (H_DRIFT, d * D_WIDTH),
              (H_COREROW, core), (H_KEEPROW, keep), (H_ROWSIZE, 0))  # fmt: skip
    for head, width in widths:
        spec[head] = at
        at += width
    spec[H_RECIPROCAL] = -(-(1 << 32) // scenario.width)  # exact while cell * width < 2**32
    scale = (scenario.height - 1, scenario.width - 1, spec[H_MAX_THRUST], spec[H_MAX_MASS], grid)
    spec[H_SCALE : H_SCALE + len(scale)] = (1.0 / np.array(scale)).view(np.int64).tolist()
    spec[H_SHARED], spec[H_IDLE] = int(n > _FEW), idle
    spec[H_NEXT] = len(spec)
    spec[H_REL] = spec[H_NEXT] + scenario.height * scenario.width * N_ACTIONS
    tables = neighbours(scenario.height, scenario.width).ravel(), differences(scenario.height, scenario.width)
    spec[H_SPECSIZE] = len(spec) + sum(map(len, tables))
    return np.concatenate([np.array(spec, dtype=np.int64), *tables])


def neighbours(height: int, width: int) -> np.ndarray:
    """Return the cell that each action leads to from each cell, (H*W, N_ACTIONS) int64; -1 is outside the grid."""
    cells = np.full((height + 2, width + 2), -1, dtype=np.int64)
    cells[1:-1, 1:-1] = np.arange(height * width).reshape(height, width)
    here, across = cells[1:-1, 1:-1], cells[1:-1]
    moves = (here, cells[:-2, 1:-1], cells[2:, 1:-1], across[:, :-2], across[:, 2:], here)
    return np.stack(moves, axis=-1).reshape(-1, N_ACTIONS)


def differences(height: int, width: int) -> np.ndarray:
    """Return all scaled differences of rows, 1-H .. H-1, then of columns, as float32, two in a word, (H+W-1,) int64."""
    parts = [np.arange(1 - side, side) * (1.0 / (side - 1)) for side in (height, width)]
    return np.concatenate(parts).astype(np.float32).view(np.int64)


def work_size(spec: np.ndarray) -> int:
    """Return how many int64 of scratch the kernels need."""
    cells, places = int(spec[H_HEIGHT] * spec[H_WIDTH]), int(spec[H_CORE] + spec[H_KEEP])
    n, m, s, d, types = (int(spec[h]) for h in (H_ROBOTS, H_MODULES, H_SLOTS, H_DEBRIS, H_TYPES))
    step = 3 * cells + 5 * (n + m) + 2 + 2 * d
    floats = 2 * n * OTHER + m * (MODULE + types) + s * (SLOT + types) + places * PLACE + d * DEBRIS
    look = cells + 1 + 3 * n + m + 3 * s + 3 * (m + s + places + d + 1) + (floats + 1) // 2
    return max(step, look)


def memory_of(spec: np.ndarray) -> np.ndarray:
    """Return one int64 array with all that a step works on: a copy of `spec`, then row, actions and scratch."""
    rest = int(spec[H_ROWSIZE] + spec[H_ROBOTS]) + work_size(spec)
    return np.concatenate([spec, np.zeros(rest, dtype=np.int64)])


def place(spec: np.ndarray, row: np.ndarray, scenario: Scenario) -> None:
    """Write the scenario's fixed layout into a cleared row."""
    layout, width = scenario.layout, scenario.width
    assert layout is not None
    views = blocks(spec, row)
    for name in ("robots", "modules", "slots", "debris"):
        views[name][:, 0] = [r * width + c for r, c in getattr(layout, name)]  # the cell is every block's first column
    for name in ("core", "keep_out"):
        views[name][:] = [r * width + c for r, c in getattr(layout, name)]
    views["debris"][:, D_DIR] = [debris.direction for debris in scenario.debris]


def clear(spec: np.ndarray, row: np.ndarray) -> None:
    """Clear a row in place, except its two random words."""
    row[S_STEP:] = 0
    views = blocks(spec, row)
    views["robots"][:, [R_GRIPS, R_ACTION]] = -1
    views["modules"][:, [M_SLOT, M_WHEN]] = -1


def seed_row(row: np.ndarray, seed: int | None) -> None:
    """Set a row's random words; without a seed the stream continues, or begins at random."""
    if seed is not None or row[S_RNG1] == 0:
        words = np.random.SeedSequence(seed).generate_state(2).astype(np.int64)
        row[S_RNG1] = 1 + words[0] % 2147483562
        row[S_RNG2] = 1 + words[1] % 2147483398


def blocks(spec: np.ndarray, row: np.ndarray) -> dict[str, Any]:
    """Return the row as named int64 views: `robots` (N, R_WIDTH), `modules`, `slots`, `debris`, `core`, `keep_out`."""
    r, m, t, d, c, k, end = (int(spec[h]) for h in range(H_ROBOT, H_ROWSIZE + 1))
    return {
        "robots": row[r:m].reshape(-1, R_WIDTH),
        "modules": row[m:t].reshape(-1, M_WIDTH),
        "slots": row[t:d].reshape(-1, T_WIDTH),
        "debris": row[d:c].reshape(-1, D_WIDTH),
        "core": row[c:k],
        "keep_out": row[k:end],
    }
