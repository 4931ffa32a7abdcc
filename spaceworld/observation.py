"""What a robot sees: the vector observation, its feature names, the action masks and the global state vector.

All values are in [-1, 1]. `rel` is (their cell - my cell) divided by (height - 1, width - 1). What is outside the
sensor range is all zeros, its `seen` flag included.
"""

from __future__ import annotations

import numpy as np

from spaceworld import packing as pk
from spaceworld.jit import lean_kernel, part
from spaceworld.kernel import FAR, advance, body_cell, fill_grid, grip_target, open_slot, row_of, shifted
from spaceworld.scenario import Scenario

OWN, OTHER = pk.OWN, pk.OTHER  # features of the robot itself, before its surroundings; of every other robot
MODULE, SLOT = pk.MODULE, pk.SLOT  # of every module and slot, plus its type one-hot when there are several types
PLACE, DEBRIS = pk.PLACE, pk.DEBRIS  # of every core cell and keep-out cell; of debris


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


@part
def put(obs, i, p, value):  # type: ignore[no-untyped-def]  # compiled
    """`obs[i, p] = value`; unsigned, because numba asks of every signed index whether it counts from the end."""
    obs[np.uintp(i), np.uintp(p)] = value


@part
def note(sheet, p, value):  # type: ignore[no-untyped-def]  # compiled
    """`sheet[p] = value`, unsigned as in `put`."""
    sheet[np.uintp(p)] = value


@part
def locate(obs, i, p, rel, down, across):  # type: ignore[no-untyped-def]  # compiled
    """Writes where a thing is, from robot `i`, behind its `seen` at `obs[i, p]`; `down`, `across`: entries of `rel`."""
    put(obs, i, p + 1, rel[np.uintp(down)])
    put(obs, i, p + 2, rel[np.uintp(across)])


@part
def last_action(action):  # type: ignore[no-untyped-def]  # compiled
    """An action as (row, col, interact), without a branch, which nothing could predict."""
    down, across = 1.0 * (action == 2) - 1.0 * (action == 1), 1.0 * (action == 4) - 1.0 * (action == 3)
    return down, across, 1.0 * (action == 5)


@part
def filled_slots(spec, row):  # type: ignore[no-untyped-def]  # compiled
    """The filled slots, a bit for each."""
    filled = 0
    for s in range(spec[pk.H_SLOTS]):
        filled |= row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_FILLED] << s
    return filled


@part
def open_slots(spec, row, filled, ready):  # type: ignore[no-untyped-def]  # compiled
    """Lists the open slots: those that are not filled and whose precedence is met.

    Args:
        spec, row: as for `observe`.
        filled: a bit for each filled slot.
        ready: (3 * S,) int64, written: row, column and type of each open slot.

    Returns:
        How many there are.
    """
    count = 0
    for s in range(spec[pk.H_SLOTS]):
        static = spec[pk.H_SLOT0] + s * pk.T_STATIC
        if filled >> s & 1 or spec[static + pk.T_NEEDS] & ~filled:
            continue
        cell = row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL]
        ready[3 * count] = row_of(spec, cell)
        ready[3 * count + 1] = cell - ready[3 * count] * spec[pk.H_WIDTH]
        ready[3 * count + 2] = spec[static + pk.T_TYPE]
        count += 1
    return count


@part
def module_slot(cell_row, cell_col, kind, ready, count):  # type: ignore[no-untyped-def]  # compiled
    """The entry in the list of `open_slots` that is nearest to a module of a type (ties: the first), or -1."""
    best = FAR
    for k in range(count):  # without a branch, which nothing could predict
        distance = abs(ready[np.uintp(3 * k)] - cell_row) + abs(ready[np.uintp(3 * k + 1)] - cell_col)
        best = min(best, (distance << 8 | k) + (FAR >> 1) * int(ready[np.uintp(3 * k + 2)] != kind))
    return best & 255 if best < FAR >> 1 else -1


@part
def look_beside(spec, row, grid, i, seen, obs, mask):  # type: ignore[no-untyped-def]  # compiled
    """Writes robot `i`'s mask and, if `obs` is (N, F), what is solid beside it.

    Args:
        spec, row: as for `observe`.
        grid: (H*W + 1,) int64, the flag grid and, for what lies outside of it, `G_OUTSIDE`.
        i: the robot.
        seen: its sensor range.
        obs, mask: (N, ...) float32 and (N, 6) int8, written.
    """
    at, static = spec[pk.H_ROBOT] + i * pk.R_WIDTH, spec[pk.H_ROBOT0] + i * pk.R_STATIC
    cell, held, safe = row[at + pk.R_CELL], row[at + pk.R_GRIPS], spec[pk.H_SAFE_MASK]
    solid = pk.G_STATIC | pk.G_ROBOT | pk.G_GRIPPED | pk.G_OUTSIDE
    barred = pk.G_OUTSIDE | pk.G_STATIC * int(safe > 0 and seen > 0)
    north, south = grid[shifted(spec, cell, 1)], grid[shifted(spec, cell, 2)]  # -1, outside: the last one
    west, east = grid[shifted(spec, cell, 3)], grid[shifted(spec, cell, 4)]
    around = north | south | west | east
    if obs.ndim == 2:  # known when it is compiled
        put(obs, i, 8, north & solid > 0)
        put(obs, i, 9, south & solid > 0)
        put(obs, i, 10, west & solid > 0)
        put(obs, i, 11, east & solid > 0)
    put(mask, i, 1, north & barred == 0)
    put(mask, i, 2, south & barred == 0)
    put(mask, i, 3, west & barred == 0)
    put(mask, i, 4, east & barred == 0)
    put(mask, i, 0, 1)
    graspable = (around & (pk.G_LOOSE | pk.G_GRIPPED) > 0) & (spec[static + pk.R_GRIP] > 0)
    put(mask, i, 5, (held >= 0) | graspable)
    if held >= 0:
        for direction in range(1, 5):
            can = possible(spec, row, i, direction) and not (safe and into_solid(spec, row, grid, i, direction))
            put(mask, i, direction, can)


@lean_kernel
def describe_robots(spec, row, strongest, sheet):  # type: ignore[no-untyped-def]  # compiled
    """Writes what others see of robots 1..N-1, 0, 1..N-2, `OTHER` floats each, so that all others are one run of it."""
    n = spec[pk.H_ROBOTS]
    for k in range(n):
        j = k + 1 if k + 1 < n else 0
        at, static = spec[pk.H_ROBOT] + j * pk.R_WIDTH, spec[pk.H_ROBOT0] + j * pk.R_STATIC
        p = k * OTHER
        note(sheet, p, 1.0)
        note(sheet, p + 3, spec[static + pk.R_THRUST] * strongest)
        note(sheet, p + 4, spec[static + pk.R_DOCK])
        note(sheet, p + 5, row[at + pk.R_GRIPS] >= 0)
        note(sheet, p + 6, 0.0)
        note(sheet, p + 7, row[at + pk.R_HITS] > 0)
        down, across, interacts = last_action(row[at + pk.R_ACTION])
        note(sheet, p + 8, down)
        note(sheet, p + 9, across)
        note(sheet, p + 10, interacts)
    for p in range((n - 2) * OTHER):
        note(sheet, n * OTHER + p, sheet[np.uintp(p)])


@part
def enter(spec, things, k, p, cell):  # type: ignore[no-untyped-def]  # compiled
    """Makes (row, column, where its features begin) entry `k` of the list of things; returns row and column."""
    cell_row = row_of(spec, cell)
    cell_col = cell - cell_row * spec[pk.H_WIDTH]
    things[np.uintp(3 * k + 0)], things[np.uintp(3 * k + 1)], things[np.uintp(3 * k + 2)] = cell_row, cell_col, p
    return cell_row, cell_col


@lean_kernel
def describe_things(spec, row, pull, ready, things, sheet):  # type: ignore[no-untyped-def]  # compiled
    """Writes what is seen of modules, slots, places and debris, but for what each robot sees of it in its own way.

    Args:
        spec, row: as for `observe`.
        pull: (M,) the thrust on each module.
        ready: (3 * S,) int64, scratch.
        things: (3 * T + 3,) int64, written: row, column and first float of each thing; behind them where they end.
        sheet: (F - what comes before things,) float32, written.
    """
    types = spec[pk.H_TYPES] if spec[pk.H_TYPES] > 1 else 0
    scale = spec[pk.H_SCALE : pk.H_SCALE + 5].view(np.float64)
    down, across, heaviest = scale[0], scale[1], scale[3]
    filled = filled_slots(spec, row)
    count = open_slots(spec, row, filled, ready)
    sheet[:] = 0.0
    p, k = 0, 0
    for m in range(spec[pk.H_MODULES]):
        body, static = spec[pk.H_MODULE] + m * pk.M_WIDTH, spec[pk.H_MODULE0] + m * pk.M_STATIC
        docked = row[body + pk.M_SLOT] >= 0
        kind = spec[static + pk.M_TYPE]
        cell_row, cell_col = enter(spec, things, k, p, row[body + pk.M_CELL])
        goal = -1 if docked else module_slot(cell_row, cell_col, kind, ready, count)
        if goal >= 0:
            note(sheet, p + 8, (ready[3 * goal] - cell_row) * down)
            note(sheet, p + 9, (ready[3 * goal + 1] - cell_col) * across)
        note(sheet, p, 1.0)
        note(sheet, p + 3, spec[static + pk.M_MASS] * heaviest)
        note(sheet, p + 4, docked)
        if pull[m]:
            note(sheet, p + 6, min(1.0, pull[m] / spec[static + pk.M_MASS]))
        note(sheet, p + 7, goal >= 0)
        if types:
            note(sheet, p + MODULE + kind, 1.0)
        p, k = p + MODULE + types, k + 1
    for s in range(spec[pk.H_SLOTS]):
        static = spec[pk.H_SLOT0] + s * pk.T_STATIC
        full = filled >> s & 1
        enter(spec, things, k, p, row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL])
        note(sheet, p, 1.0)
        note(sheet, p + 3, full)
        note(sheet, p + 4, (full == 0) & (spec[static + pk.T_NEEDS] & ~filled == 0))
        if types:
            note(sheet, p + SLOT + spec[static + pk.T_TYPE], 1.0)
        p, k = p + SLOT + types, k + 1
    for c in range(spec[pk.H_CORE] + spec[pk.H_KEEP]):  # keep-out cells lie behind the core cells in the row
        enter(spec, things, k, p, row[spec[pk.H_COREROW] + c])
        note(sheet, p, 1.0)
        p, k = p + PLACE, k + 1
    for d in range(spec[pk.H_DEBRIS]):
        body = spec[pk.H_DRIFT] + d * pk.D_WIDTH
        enter(spec, things, k, p, row[body + pk.D_CELL])
        drift = row[body + pk.D_DIR]
        note(sheet, p, 1.0)
        note(sheet, p + 3, 1.0 * (drift == pk.SOUTH) - 1.0 * (drift == pk.NORTH))
        note(sheet, p + 4, 1.0 * (drift == pk.EAST) - 1.0 * (drift == pk.WEST))
        p, k = p + DEBRIS, k + 1
    things[3 * k + 2] = p


@lean_kernel
def observe(spec, row, work, obs, mask):  # type: ignore[no-untyped-def]  # compiled
    """Fills `obs` (N, F) float32 and `mask` (N, 6) int8; `work` is the kernel's scratch.

    What is seen is written down once for all robots. Each gets a copy, into which only what differs is written: where
    things are from there. A robot with a short range gets copies of those things that it sees.
    """
    n, height, width = spec[pk.H_ROBOTS], spec[pk.H_HEIGHT], spec[pk.H_WIDTH]
    scale = spec[pk.H_SCALE : pk.H_SCALE + 5].view(np.float64)  # products are much faster than divisions
    down, across, strongest, largest = scale[0], scale[1], scale[2], scale[4]
    left = 1.0 - row[pk.S_STEP] / spec[pk.H_HORIZON]
    grid = work[: height * width + 1]
    fill_grid(spec, row, grid)
    grid[height * width] = pk.G_OUTSIDE
    own = work[height * width + 1 :]  # row, column and sensor range of each robot
    pull = own[3 * n :]  # on each module: the thrust of those who grip it
    ready = pull[spec[pk.H_MODULES] :]
    things = ready[3 * spec[pk.H_SLOTS] :]
    pull[: spec[pk.H_MODULES]] = 0
    for i in range(n):
        held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
        if held >= 0:
            pull[held] += spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_THRUST]
        cell = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_CELL]
        own[3 * i + 0] = row_of(spec, cell)
        own[3 * i + 1] = cell - own[3 * i + 0] * width
        own[3 * i + 2] = spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_SENSOR]
    number = spec[pk.H_MODULES] + spec[pk.H_SLOTS] + spec[pk.H_CORE] + spec[pk.H_KEEP] + spec[pk.H_DEBRIS]
    robot_sheet = things[3 * number + 3 :].view(np.float32)  # see `describe_robots`
    first = OWN + (n - 1) * OTHER
    last = obs.shape[1] - first
    sheet = robot_sheet[2 * n * OTHER : 2 * n * OTHER + last]
    describe_robots(spec, row, strongest, robot_sheet)
    describe_things(spec, row, pull, ready, things, sheet)
    rel = spec[spec[pk.H_REL] : spec[pk.H_REL] + height + width - 1].view(np.float32)
    types = spec[pk.H_TYPES] if spec[pk.H_TYPES] > 1 else 0
    for i in range(n):
        at, static = spec[pk.H_ROBOT] + i * pk.R_WIDTH, spec[pk.H_ROBOT0] + i * pk.R_STATIC
        held = row[at + pk.R_GRIPS]
        my_row, my_col, seen = own[3 * i + 0], own[3 * i + 1], own[3 * i + 2]
        put(obs, i, 0, 2 * my_row * down - 1)
        put(obs, i, 1, 2 * my_col * across - 1)
        put(obs, i, 2, spec[static + pk.R_THRUST] * strongest)
        put(obs, i, 3, spec[static + pk.R_GRIP])
        put(obs, i, 4, spec[static + pk.R_DOCK])
        put(obs, i, 5, held >= 0)
        put(obs, i, 6, 0.0)
        put(obs, i, 15, 0.0)
        if held >= 0:
            mass = spec[spec[pk.H_MODULE0] + held * pk.M_STATIC + pk.M_MASS]
            put(obs, i, 6, min(1.0, pull[held] / mass))
            put(obs, i, 15, open_slot(spec, row, held) >= 0)
        put(obs, i, 7, row[at + pk.R_HITS] > 0)
        look_beside(spec, row, grid, i, seen, obs, mask)
        south, east, interacts = last_action(row[at + pk.R_ACTION])
        put(obs, i, 12, south)
        put(obs, i, 13, east)
        put(obs, i, 14, interacts)
        put(obs, i, 16, min(1.0, seen * largest))
        put(obs, i, 17, left)

        rows, cols = height - 1 - my_row, 2 * height + width - 2 - my_col  # of row 0, column 0 in `rel`
        if seen >= max(height, width) - 1:
            for p in range((n - 1) * OTHER):
                put(obs, i, OWN + p, robot_sheet[np.uintp(i * OTHER + p)])
            for p in range(last):
                put(obs, i, first + p, sheet[np.uintp(p)])
            for k in range(1, n):
                j = i + k if i + k < n else i + k - n
                p = OWN + (k - 1) * OTHER
                locate(obs, i, p, rel, rows + own[np.uintp(3 * j + 0)], cols + own[np.uintp(3 * j + 1)])
            for k in range(number):
                p = first + things[np.uintp(3 * k + 2)]
                locate(obs, i, p, rel, rows + things[np.uintp(3 * k + 0)], cols + things[np.uintp(3 * k + 1)])
        else:
            obs[i, OWN:] = 0.0
            for k in range(1, n):
                j = i + k if i + k < n else i + k - n
                if max(abs(own[3 * j + 0] - my_row), abs(own[3 * j + 1] - my_col)) > seen:
                    continue
                p = OWN + (k - 1) * OTHER
                for q in range(OTHER):
                    put(obs, i, p + q, robot_sheet[np.uintp((i + k - 1) * OTHER + q)])
                locate(obs, i, p, rel, rows + own[np.uintp(3 * j + 0)], cols + own[np.uintp(3 * j + 1)])
            for k in range(number):
                if max(abs(things[3 * k + 0] - my_row), abs(things[3 * k + 1] - my_col)) > seen:
                    continue
                for q in range(things[3 * k + 2], things[3 * k + 5]):
                    put(obs, i, first + q, sheet[np.uintp(q)])
                p = first + things[np.uintp(3 * k + 2)]
                locate(obs, i, p, rel, rows + things[np.uintp(3 * k + 0)], cols + things[np.uintp(3 * k + 1)])
        if held >= 0:
            for k in range(1, n):
                j = i + k if i + k < n else i + k - n
                if row[spec[pk.H_ROBOT] + j * pk.R_WIDTH + pk.R_GRIPS] == held:
                    p = OWN + (k - 1) * OTHER
                    put(obs, i, p + 6, obs[i, p])  # if it is seen
            p = first + held * (MODULE + types)
            put(obs, i, p + 5, obs[i, p])


@lean_kernel
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


@lean_kernel
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


@lean_kernel
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
