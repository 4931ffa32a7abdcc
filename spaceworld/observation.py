"""What a robot sees: the vector observation, its feature names, the action masks and the global state vector.

All values are in [-1, 1]. `rel` is (their cell - my cell) divided by (height - 1, width - 1). What is outside the
sensor range is all zeros, its `seen` flag included.
"""

from __future__ import annotations

import numpy as np

from spaceworld import packing as pk
from spaceworld.jit import kernel
from spaceworld.kernel import advance, body_cell, fill_grid, grip_target, open_slot, row_of, shifted
from spaceworld.scenario import Scenario

OWN = 18  # features of the robot itself, before its surroundings
OTHER = 11  # of every other robot
MODULE = 10  # of every module, plus its type one-hot when there are several types
SLOT = 5  # of every slot, plus its type one-hot
PLACE = 3  # of every core cell and keep-out cell
DEBRIS = 5


def feature_names(scenario: Scenario) -> tuple[str, ...]:
    """The name of each entry of the vector observation, in order."""
    n = len(scenario.robots)
    types = scenario.types if len(scenario.types) > 1 else ()
    names = [f"own.{x}" for x in (
        "row", "col", "thrust", "can_grip", "can_dock", "grips", "grip_strength", "collided", "solid_north",
        "solid_south", "solid_west", "solid_east", "last_row", "last_col", "last_interact", "at_open_slot",
        "sensor_range", "time_left")]  # fmt: skip
    for k in range(1, n):
        names += [f"other_{k}.{x}" for x in (
            "seen", "rel_row", "rel_col", "thrust", "can_dock", "grips", "same_module", "collided", "last_row",
            "last_col", "last_interact")]  # fmt: skip
    for k in range(len(scenario.modules)):
        names += [f"module_{k}.{x}" for x in (
            "seen", "rel_row", "rel_col", "mass", "docked", "mine", "grippers", "slot_open", "to_slot_row",
            "to_slot_col")]  # fmt: skip
        names += [f"module_{k}.is_{t}" for t in types]
    for k in range(len(scenario.slots)):
        names += [f"slot_{k}.{x}" for x in ("seen", "rel_row", "rel_col", "filled", "open")]
        names += [f"slot_{k}.is_{t}" for t in types]
    core = len(scenario.layout.core) if scenario.layout else 1
    keep = len(scenario.layout.keep_out) if scenario.layout else scenario.keep_out
    for what, count in (("core", core), ("keep_out", keep)):
        for k in range(count):
            names += [f"{what}_{k}.{x}" for x in ("seen", "rel_row", "rel_col")]
    for k in range(len(scenario.debris)):
        names += [f"debris_{k}.{x}" for x in ("seen", "rel_row", "rel_col", "drift_row", "drift_col")]
    return tuple(names)


@kernel
def look(obs, i, p, own, cell_row, cell_col, down, across):  # type: ignore[no-untyped-def]  # compiled
    """Writes (seen, rel_row, rel_col) of a cell, as robot `i` sees it, at `obs[i, p]`.

    Args:
        obs: (N, F).
        i, p: where to write. (Indices, for slices of arrays take longer than the writing.)
        own: (N, 3) row, column and sensor range of the robots.
        cell_row, cell_col: the cell.
        down, across: 1 / (height - 1) and 1 / (width - 1).

    Returns:
        Whether it is seen.
    """
    dr, dc = cell_row - own[i, 0], cell_col - own[i, 1]
    if max(abs(dr), abs(dc)) > own[i, 2]:
        return False
    obs[i, p] = 1.0
    obs[i, p + 1] = dr * down
    obs[i, p + 2] = dc * across
    return True


@kernel
def last_action(action, obs, i, p):  # type: ignore[no-untyped-def]  # compiled
    """Writes an action as (row, col, interact) at `obs[i, p]`."""
    obs[i, p] = 1.0 * (action == 2) - 1.0 * (action == 1)  # without a branch, which nothing could predict
    obs[i, p + 1] = 1.0 * (action == 4) - 1.0 * (action == 3)
    if action == 5:
        obs[i, p + 2] = 1.0


@kernel
def module_slot(spec, row, module, filled):  # type: ignore[no-untyped-def]  # compiled
    """The open slot of the module's type nearest to it (ties: the lowest index), or -1; `filled` has a bit a slot."""
    width, best, least = spec[pk.H_WIDTH], -1, 1 << 40
    cell = row[spec[pk.H_MODULE] + module * pk.M_WIDTH + pk.M_CELL]
    for s in range(spec[pk.H_SLOTS]):
        at, static = row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL], spec[pk.H_SLOT0] + s * pk.T_STATIC
        if filled >> s & 1 or spec[static + pk.T_NEEDS] & ~filled:
            continue
        if spec[static + pk.T_TYPE] == spec[spec[pk.H_MODULE0] + module * pk.M_STATIC + pk.M_TYPE]:
            rows = row_of(spec, at) - row_of(spec, cell)
            distance = abs(rows) + abs(at - cell - rows * width)
            if distance < least:
                best, least = s, distance
    return best


@kernel
def look_beside(spec, row, grid, i, seen, obs, mask):  # type: ignore[no-untyped-def]  # compiled
    """Writes robot `i`'s mask and, if `obs` is (N, F), what is solid beside it; `seen` is its sensor range."""
    at, static = spec[pk.H_ROBOT] + i * pk.R_WIDTH, spec[pk.H_ROBOT0] + i * pk.R_STATIC
    cell, held, safe, graspable = row[at + pk.R_CELL], row[at + pk.R_GRIPS], spec[pk.H_SAFE_MASK], False
    for direction in range(1, 5):
        beside = shifted(spec, cell, direction)
        there = grid[beside] if beside >= 0 else pk.G_STRUCTURE
        if obs.ndim == 2:  # known when it is compiled
            obs[i, 7 + direction] = there & (pk.G_STATIC | pk.G_ROBOT | pk.G_GRIPPED) > 0
        graspable = graspable or there & (pk.G_LOOSE | pk.G_GRIPPED) > 0
        if held < 0:
            mask[i, direction] = beside >= 0 and not (safe and seen > 0 and there & pk.G_STATIC)
        else:
            mask[i, direction] = possible(spec, row, i, direction)
            if mask[i, direction] and safe:
                mask[i, direction] = not into_solid(spec, row, grid, i, direction)
    mask[i, 0] = 1
    mask[i, 5] = held >= 0 or (graspable and spec[static + pk.R_GRIP] > 0)


@kernel
def observe(spec, row, work, obs, mask):  # type: ignore[no-untyped-def]  # compiled
    """Fills `obs` (N, F) float32 and `mask` (N, 6) int8; `work` is the kernel's scratch."""
    n, height, width = spec[pk.H_ROBOTS], spec[pk.H_HEIGHT], spec[pk.H_WIDTH]
    types = spec[pk.H_TYPES] if spec[pk.H_TYPES] > 1 else 0
    down, across = 1.0 / (height - 1), 1.0 / (width - 1)  # products are much faster than divisions
    strongest, heaviest, largest = 1.0 / spec[pk.H_MAX_THRUST], 1.0 / spec[pk.H_MAX_MASS], 1.0 / max(height, width)
    left = 1.0 - row[pk.S_STEP] / spec[pk.H_HORIZON]
    grid = work[: height * width]
    fill_grid(spec, row, grid)
    obs[:] = 0.0
    own = work[height * width : height * width + 3 * n].reshape(n, 3)  # row, column and sensor range of each robot
    pull = work[height * width + 3 * n :]  # on each module: the thrust of those who grip it
    pull[: spec[pk.H_MODULES]] = 0
    filled = 0
    for s in range(spec[pk.H_SLOTS]):
        filled |= row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_FILLED] << s
    for i in range(n):
        held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
        if held >= 0:
            pull[held] += spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_THRUST]
        cell = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_CELL]
        own[i, 0] = row_of(spec, cell)
        own[i, 1] = cell - own[i, 0] * width
        own[i, 2] = spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_SENSOR]
    for i in range(n):
        at, static = spec[pk.H_ROBOT] + i * pk.R_WIDTH, spec[pk.H_ROBOT0] + i * pk.R_STATIC
        cell, held = row[at + pk.R_CELL], row[at + pk.R_GRIPS]
        obs[i, 0] = 2 * own[i, 0] * down - 1
        obs[i, 1] = 2 * own[i, 1] * across - 1
        obs[i, 2] = spec[static + pk.R_THRUST] * strongest
        obs[i, 3] = spec[static + pk.R_GRIP]
        obs[i, 4] = spec[static + pk.R_DOCK]
        if held >= 0:
            obs[i, 5] = 1.0
            mass = spec[spec[pk.H_MODULE0] + held * pk.M_STATIC + pk.M_MASS]
            obs[i, 6] = min(1.0, pull[held] / mass)
            obs[i, 15] = open_slot(spec, row, held) >= 0
        obs[i, 7] = row[at + pk.R_HITS] > 0
        look_beside(spec, row, grid, i, own[i, 2], obs, mask)
        last_action(row[at + pk.R_ACTION], obs, i, 12)
        obs[i, 16] = min(1.0, own[i, 2] * largest)
        obs[i, 17] = left
        for k in range(1, n):
            j = i + k if i + k < n else i + k - n
            other, sheet = spec[pk.H_ROBOT] + j * pk.R_WIDTH, spec[pk.H_ROBOT0] + j * pk.R_STATIC
            p = OWN + (k - 1) * OTHER
            if look(obs, i, p, own, own[j, 0], own[j, 1], down, across):
                obs[i, p + 3] = spec[sheet + pk.R_THRUST] * strongest
                obs[i, p + 4] = spec[sheet + pk.R_DOCK]
                obs[i, p + 5] = row[other + pk.R_GRIPS] >= 0
                obs[i, p + 6] = held >= 0 and row[other + pk.R_GRIPS] == held
                obs[i, p + 7] = row[other + pk.R_HITS] > 0
                last_action(row[other + pk.R_ACTION], obs, i, p + 8)

    # what is seen is worked out once for all robots: things outside, robots inside
    p = OWN + (n - 1) * OTHER
    for m in range(spec[pk.H_MODULES]):
        body, sheet = spec[pk.H_MODULE] + m * pk.M_WIDTH, spec[pk.H_MODULE0] + m * pk.M_STATIC
        cell, docked = row[body + pk.M_CELL], row[body + pk.M_SLOT] >= 0
        strength = min(1.0, pull[m] / spec[sheet + pk.M_MASS]) if pull[m] else 0.0
        mass = spec[sheet + pk.M_MASS] * heaviest
        slot = -1 if docked else module_slot(spec, row, m, filled)
        cell_row = row_of(spec, cell)
        cell_col = cell - cell_row * width
        goal_down = goal_across = 0.0
        if slot >= 0:
            goal = row[spec[pk.H_SLOT] + slot * pk.T_WIDTH + pk.T_CELL]
            goal_row = row_of(spec, goal)
            goal_down, goal_across = (goal_row - cell_row) * down, (goal - goal_row * width - cell_col) * across
        for i in range(n):
            if look(obs, i, p, own, cell_row, cell_col, down, across):
                obs[i, p + 3] = mass
                obs[i, p + 4] = docked
                obs[i, p + 5] = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS] == m
                obs[i, p + 6] = strength
                obs[i, p + 7] = slot >= 0
                obs[i, p + 8] = goal_down
                obs[i, p + 9] = goal_across
                if types:
                    obs[i, p + MODULE + spec[sheet + pk.M_TYPE]] = 1.0
        p += MODULE + types
    for s in range(spec[pk.H_SLOTS]):
        body, sheet = spec[pk.H_SLOT] + s * pk.T_WIDTH, spec[pk.H_SLOT0] + s * pk.T_STATIC
        full = filled >> s & 1
        ready = not full and spec[sheet + pk.T_NEEDS] & ~filled == 0
        cell = row[body + pk.T_CELL]
        cell_row = row_of(spec, cell)
        cell_col = cell - cell_row * width
        for i in range(n):
            if look(obs, i, p, own, cell_row, cell_col, down, across):
                obs[i, p + 3] = full
                obs[i, p + 4] = ready
                if types:
                    obs[i, p + SLOT + spec[sheet + pk.T_TYPE]] = 1.0
        p += SLOT + types
    for k in range(spec[pk.H_CORE] + spec[pk.H_KEEP]):  # keep-out cells lie behind the core cells in the row
        cell = row[spec[pk.H_COREROW] + k]
        cell_row = row_of(spec, cell)
        cell_col = cell - cell_row * width
        for i in range(n):
            look(obs, i, p, own, cell_row, cell_col, down, across)
        p += PLACE
    for d in range(spec[pk.H_DEBRIS]):
        body = spec[pk.H_DRIFT] + d * pk.D_WIDTH
        cell = row[body + pk.D_CELL]
        cell_row = row_of(spec, cell)
        cell_col = cell - cell_row * width
        for i in range(n):
            if look(obs, i, p, own, cell_row, cell_col, down, across):
                last_action(row[body + pk.D_DIR], obs, i, p + 3)
        p += DEBRIS


@kernel
def possible(spec, row, i, action):  # type: ignore[no-untyped-def]  # compiled
    """Whether `action` of robot `i` can have an effect or a cost now, whatever the others do."""
    at = spec[pk.H_ROBOT] + i * pk.R_WIDTH
    held = row[at + pk.R_GRIPS]
    if action == 0:
        return True
    if action == 5:
        if held >= 0:
            return True
        if not spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_GRIP]:
            return False
        return grip_target(spec, row, row[at + pk.R_CELL]) >= 0
    if shifted(spec, row[at + pk.R_CELL], action) < 0:
        return False
    if held < 0:
        return True
    # a carrier: moves with those who can come along (the others may let go in this very step) ...
    thrust, docker = 0, False
    for j in range(spec[pk.H_ROBOTS]):
        other = spec[pk.H_ROBOT] + j * pk.R_WIDTH
        if row[other + pk.R_GRIPS] == held:
            if shifted(spec, row[other + pk.R_CELL], action) >= 0:
                thrust += spec[spec[pk.H_ROBOT0] + j * pk.R_STATIC + pk.R_THRUST]
            docker = docker or (j != i and spec[spec[pk.H_ROBOT0] + j * pk.R_STATIC + pk.R_DOCK] > 0)
    inside = shifted(spec, body_cell(spec, row, spec[pk.H_ROBOTS] + held), action) >= 0
    if inside and thrust >= spec[spec[pk.H_MODULE0] + held * pk.M_STATIC + pk.M_MASS]:
        return True
    # ... or alone, when another carrier docks the module at this moment
    return docker and open_slot(spec, row, held) >= 0


@kernel
def into_solid(spec, row, grid, i, action):  # type: ignore[no-untyped-def]  # compiled
    """Whether robot `i`, with what it carries, would fly into something solid that it can see."""
    held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
    seen = spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_SENSOR]
    width, own = spec[pk.H_WIDTH], row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_CELL]
    for b in range(spec[pk.H_ROBOTS] + spec[pk.H_MODULES]):
        mine = b == i or (held >= 0 and b == spec[pk.H_ROBOTS] + held)
        if b < spec[pk.H_ROBOTS] and held >= 0 and row[spec[pk.H_ROBOT] + b * pk.R_WIDTH + pk.R_GRIPS] == held:
            mine = True
        if mine:
            cell = shifted(spec, body_cell(spec, row, b), action)
            if cell >= 0 and grid[cell] & pk.G_STATIC:
                rows = row_of(spec, cell) - row_of(spec, own)
                far = max(abs(rows), abs(cell - own - rows * width))
                if far <= seen:
                    return True
    return False


def state_vector(scenario: Scenario, views: dict[str, np.ndarray], time_left: float) -> np.ndarray:
    """The global state, (S,) float32 in [-1, 1]: time left, then every thing's cell and condition."""
    h, w = scenario.height - 1, scenario.width - 1

    def place(cells: np.ndarray) -> list[np.ndarray]:
        return [2 * (cells // scenario.width) / h - 1, 2 * (cells % scenario.width) / w - 1]

    robots, modules = views["robots"], views["modules"]
    slots, debris = views["slots"], views["debris"]
    grips = np.eye(len(modules) + 1)[robots[:, pk.R_GRIPS]][:, :-1]  # -1 picks the last column: none
    parts = [
        np.array([time_left]),
        *place(robots[:, pk.R_CELL]),
        grips.ravel(),
        *place(modules[:, pk.M_CELL]),
        modules[:, pk.M_SLOT] >= 0,
        *place(slots[:, pk.T_CELL]),
        slots[:, pk.T_FILLED],
        *place(debris[:, pk.D_CELL]),
        debris[:, pk.D_DIR] / 4,
        *place(views["core"]),
        *place(views["keep_out"]),
    ]
    return np.concatenate([np.asarray(p, dtype=np.float32) for p in parts])


@kernel
def turn(memory, obs, mask):  # type: ignore[no-untyped-def]  # compiled
    """`advance` and `observe` in one call with few arguments, for the single environment's hot path.

    Args:
        memory: spec, row, actions and scratch behind each other, int64; see `packing.memory_of`.
        obs: (N, F) float32, filled.
        mask: (N, 6) int8, filled.
    """
    row = memory[pk.H_SPECSIZE]
    actions = row + memory[pk.H_ROWSIZE]
    work = actions + memory[pk.H_ROBOTS]
    spec, state, scratch = memory[:row], memory[row:actions], memory[work:]
    result = advance(spec, state, scratch, memory[actions:work])
    observe(spec, state, scratch, obs, mask)
    return result
