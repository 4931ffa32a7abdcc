"""The vector observation, its feature names, the action masks and the global state vector.

All values are in [-1, 1]. `rel` is (their cell - my cell) divided by (height - 1, width - 1). All features of a thing
outside the sensor range are 0, its flag `seen` included.
"""

from __future__ import annotations

import numpy as np

from spaceworld.observations.large_teams import action_of, observe_shared, put_for
from spaceworld.rules import packing as pk
from spaceworld.rules.jit import lean_kernel, part
from spaceworld.rules.lookup import body_cell, fill_grid, filled_slots, grip_target, open_slot, shifted, split
from spaceworld.rules.packing import DEBRIS, MODULE, OTHER, OWN, PLACE, SLOT
from spaceworld.scenario import Scenario


def feature_names(scenario: Scenario) -> tuple[str, ...]:
    """Return the name of each entry of the vector observation, in order."""
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
    for place in (*(f"core_{k}" for k in range(core)), *(f"keep_out_{k}" for k in range(keep))):
        names += [f"{place}.{x}" for x in ("seen", "rel_row", "rel_col")]
    for k in range(len(scenario.debris)):
        names += [f"debris_{k}.{x}" for x in ("seen", "rel_row", "rel_col", "drift_row", "drift_col")]
    return tuple(names)


@part
def look(obs, i, p, own, cell_row, cell_col, down, across):  # type: ignore[no-untyped-def]  # compiled
    """Write (seen, rel_row, rel_col) of a cell from `obs[i, p]` on; return whether robot `i` sees the cell.

    `own` (3 * N,) has row, column and sensor range of each robot, `down` is 1 / (height - 1), `across` 1 / (width - 1).
    Indices are passed because slicing an array takes longer than writing.
    """
    dr, dc = cell_row - own[3 * i + 0], cell_col - own[3 * i + 1]
    if max(abs(dr), abs(dc)) > own[3 * i + 2]:
        return False
    put_for(obs, i, p, 1.0)
    put_for(obs, i, p + 1, dr * down)
    put_for(obs, i, p + 2, dc * across)
    return True


@part
def last_action(action, obs, i, p):  # type: ignore[no-untyped-def]  # compiled
    """Write an action as (row, col, interact) at `obs[i, p]`."""
    down, across, interacts = action_of(action)
    put_for(obs, i, p, down)
    put_for(obs, i, p + 1, across)
    put_for(obs, i, p + 2, interacts)


@part
def module_slot(spec, row, module, filled):  # type: ignore[no-untyped-def]  # compiled
    """Return the open slot of its type that is nearest to a module (ties: the lowest index), or -1.

    `filled` has a bit for each filled slot.
    """
    best, least = -1, 1 << 40
    cell = row[spec[pk.H_MODULE] + module * pk.M_WIDTH + pk.M_CELL]
    kind = spec[spec[pk.H_MODULE0] + module * pk.M_STATIC + pk.M_TYPE]
    my_row, my_col = split(spec, cell)
    for s in range(spec[pk.H_SLOTS]):
        static = spec[pk.H_SLOT0] + s * pk.T_STATIC
        if filled >> s & 1 or spec[static + pk.T_NEEDS] & ~filled or spec[static + pk.T_TYPE] != kind:
            continue
        slot_row, slot_col = split(spec, row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL])
        distance = abs(slot_row - my_row) + abs(slot_col - my_col)
        if distance < least:
            best, least = s, distance
    return best


@part
def look_beside(spec, row, grid, i, seen, obs, mask):  # type: ignore[no-untyped-def]  # compiled
    """Write robot `i`'s row of `mask`, (N, 6) int8, and, if `obs` is (N, F), what is solid beside it.

    `grid` (H*W + 1,) is the flag grid, then `G_OUTSIDE` for all cells outside it; `seen` is the robot's sensor range.
    """
    at, static = spec[pk.H_ROBOT] + i * pk.R_WIDTH, spec[pk.H_ROBOT0] + i * pk.R_STATIC
    cell, held, safe = row[at + pk.R_CELL], row[at + pk.R_GRIPS], spec[pk.H_SAFE_MASK]
    solid = pk.G_STATIC | pk.G_ROBOT | pk.G_GRIPPED | pk.G_OUTSIDE
    barred = pk.G_OUTSIDE | pk.G_STATIC * int(safe > 0 and seen > 0)
    north, south = grid[shifted(spec, cell, 1)], grid[shifted(spec, cell, 2)]  # outside is -1, the last entry
    west, east = grid[shifted(spec, cell, 3)], grid[shifted(spec, cell, 4)]
    around = north | south | west | east
    if obs.ndim == 2:  # known when it is compiled
        put_for(obs, i, 8, north & solid > 0)
        put_for(obs, i, 9, south & solid > 0)
        put_for(obs, i, 10, west & solid > 0)
        put_for(obs, i, 11, east & solid > 0)
    put_for(mask, i, 1, north & barred == 0)
    put_for(mask, i, 2, south & barred == 0)
    put_for(mask, i, 3, west & barred == 0)
    put_for(mask, i, 4, east & barred == 0)
    put_for(mask, i, 0, 1)
    graspable = (around & (pk.G_LOOSE | pk.G_GRIPPED) > 0) & (spec[static + pk.R_GRIP] > 0)
    put_for(mask, i, 5, (held >= 0) | graspable)
    if held >= 0:
        for direction in range(1, 5):
            can = possible(spec, row, i, direction) and not (safe and into_solid(spec, row, grid, i, direction))
            put_for(mask, i, direction, can)


@lean_kernel
def observe(spec, row, work, obs, mask):  # type: ignore[no-untyped-def]  # compiled
    """Fill `obs` (N, F) float32 and `mask` (N, 6) int8; `work` is the kernel's scratch."""
    n, height, width = spec[pk.H_ROBOTS], spec[pk.H_HEIGHT], spec[pk.H_WIDTH]
    types = spec[pk.H_TYPES] if spec[pk.H_TYPES] > 1 else 0
    scale = spec[pk.H_SCALE : pk.H_SCALE + 5].view(np.float64)  # products are much faster than divisions
    down, across, strongest, heaviest, largest = scale[0], scale[1], scale[2], scale[3], scale[4]
    left = 1.0 - row[pk.S_STEP] / spec[pk.H_HORIZON]
    grid = work[: height * width + 1]
    fill_grid(spec, row, grid)
    grid[height * width] = pk.G_OUTSIDE
    shared = spec[pk.H_SHARED]
    if shared:
        obs[:, :OWN] = 0.0
    else:
        obs[:] = 0.0
    own = work[height * width + 1 :]  # row, column and sensor range of each robot
    pull = work[height * width + 1 + 3 * n :]  # the thrust on each module
    pull[: spec[pk.H_MODULES]] = 0
    filled = filled_slots(spec, row)
    for i in range(n):
        held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
        if held >= 0:
            pull[held] += spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_THRUST]
        cell = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_CELL]
        own[3 * i + 0], own[3 * i + 1] = split(spec, cell)
        own[3 * i + 2] = spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_SENSOR]
    for i in range(n):
        at, static = spec[pk.H_ROBOT] + i * pk.R_WIDTH, spec[pk.H_ROBOT0] + i * pk.R_STATIC
        cell, held = row[at + pk.R_CELL], row[at + pk.R_GRIPS]
        put_for(obs, i, 0, 2 * own[3 * i + 0] * down - 1)
        put_for(obs, i, 1, 2 * own[3 * i + 1] * across - 1)
        put_for(obs, i, 2, spec[static + pk.R_TOLD_THRUST] * strongest)
        put_for(obs, i, 3, spec[static + pk.R_TOLD_GRIP])
        put_for(obs, i, 4, spec[static + pk.R_TOLD_DOCK])
        if held >= 0:
            put_for(obs, i, 5, 1.0)
            mass = spec[spec[pk.H_MODULE0] + held * pk.M_STATIC + pk.M_MASS]
            put_for(obs, i, 6, min(1.0, pull[held] / mass))
            put_for(obs, i, 15, open_slot(spec, row, held) >= 0)
        put_for(obs, i, 7, row[at + pk.R_HITS] > 0)
        look_beside(spec, row, grid, i, own[3 * i + 2], obs, mask)
        last_action(row[at + pk.R_ACTION], obs, i, 12)
        put_for(obs, i, 16, min(1.0, own[3 * i + 2] * largest))
        put_for(obs, i, 17, left)
    if shared:
        observe_shared(spec, row, own, pull, obs)
        return

    for i in range(n):
        held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
        for k in range(1, n):
            j = i + k if i + k < n else i + k - n
            other, sheet = spec[pk.H_ROBOT] + j * pk.R_WIDTH, spec[pk.H_ROBOT0] + j * pk.R_STATIC
            p = OWN + (k - 1) * OTHER
            if look(obs, i, p, own, own[3 * j + 0], own[3 * j + 1], down, across):
                put_for(obs, i, p + 3, spec[sheet + pk.R_TOLD_THRUST] * strongest)
                put_for(obs, i, p + 4, spec[sheet + pk.R_TOLD_DOCK])
                put_for(obs, i, p + 5, row[other + pk.R_GRIPS] >= 0)
                put_for(obs, i, p + 6, held >= 0 and row[other + pk.R_GRIPS] == held)
                put_for(obs, i, p + 7, row[other + pk.R_HITS] > 0)
                last_action(row[other + pk.R_ACTION], obs, i, p + 8)

    # the outer loops are over things, so that what is seen of a thing is computed once for all robots
    p = OWN + (n - 1) * OTHER
    for m in range(spec[pk.H_MODULES]):
        body, sheet = spec[pk.H_MODULE] + m * pk.M_WIDTH, spec[pk.H_MODULE0] + m * pk.M_STATIC
        cell, docked = row[body + pk.M_CELL], row[body + pk.M_SLOT] >= 0
        strength = min(1.0, pull[m] / spec[sheet + pk.M_MASS]) if pull[m] else 0.0
        mass = spec[sheet + pk.M_MASS] * heaviest
        slot = -1 if docked else module_slot(spec, row, m, filled)
        cell_row, cell_col = split(spec, cell)
        goal_down = goal_across = 0.0
        if slot >= 0:
            goal_row, goal_col = split(spec, row[spec[pk.H_SLOT] + slot * pk.T_WIDTH + pk.T_CELL])
            goal_down, goal_across = (goal_row - cell_row) * down, (goal_col - cell_col) * across
        for i in range(n):
            if look(obs, i, p, own, cell_row, cell_col, down, across):
                put_for(obs, i, p + 3, mass)
                put_for(obs, i, p + 4, docked)
                put_for(obs, i, p + 5, row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS] == m)
                put_for(obs, i, p + 6, strength)
                put_for(obs, i, p + 7, slot >= 0)
                put_for(obs, i, p + 8, goal_down)
                put_for(obs, i, p + 9, goal_across)
                if types:
                    obs[i, p + MODULE + spec[sheet + pk.M_TYPE]] = 1.0
        p += MODULE + types
    for s in range(spec[pk.H_SLOTS]):
        body, sheet = spec[pk.H_SLOT] + s * pk.T_WIDTH, spec[pk.H_SLOT0] + s * pk.T_STATIC
        full = filled >> s & 1
        ready = not full and spec[sheet + pk.T_NEEDS] & ~filled == 0
        cell_row, cell_col = split(spec, row[body + pk.T_CELL])
        for i in range(n):
            if look(obs, i, p, own, cell_row, cell_col, down, across):
                put_for(obs, i, p + 3, full)
                put_for(obs, i, p + 4, ready)
                if types:
                    obs[i, p + SLOT + spec[sheet + pk.T_TYPE]] = 1.0
        p += SLOT + types
    for k in range(spec[pk.H_CORE] + spec[pk.H_KEEP]):  # in the row, keep-out cells follow the core
        cell_row, cell_col = split(spec, row[spec[pk.H_COREROW] + k])
        for i in range(n):
            look(obs, i, p, own, cell_row, cell_col, down, across)
        p += PLACE
    for d in range(spec[pk.H_DEBRIS]):
        body = spec[pk.H_DRIFT] + d * pk.D_WIDTH
        cell_row, cell_col = split(spec, row[body + pk.D_CELL])
        for i in range(n):
            if look(obs, i, p, own, cell_row, cell_col, down, across):
                drift_row, drift_col, _ = action_of(row[body + pk.D_DIR])
                put_for(obs, i, p + 3, drift_row)
                put_for(obs, i, p + 4, drift_col)
        p += DEBRIS


@lean_kernel
def possible(spec, row, i, action):  # type: ignore[no-untyped-def]  # compiled
    """Return whether `action` of robot `i` can have an effect or a cost now, for some actions of the others."""
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
    # a carrier moves with those that can come along, since the others may let go in this same step ...
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
    # ... or alone, when another carrier docks the module in this step
    return docker and open_slot(spec, row, held) >= 0


@lean_kernel
def into_solid(spec, row, grid, i, action):  # type: ignore[no-untyped-def]  # compiled
    """Return whether robot `i`, with what it carries, would fly into something solid that it can see."""
    held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
    seen = spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_SENSOR]
    my_row, my_col = split(spec, row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_CELL])
    for b in range(spec[pk.H_ROBOTS] + spec[pk.H_MODULES]):
        mine = b == i or (held >= 0 and b == spec[pk.H_ROBOTS] + held)
        if b < spec[pk.H_ROBOTS] and held >= 0 and row[spec[pk.H_ROBOT] + b * pk.R_WIDTH + pk.R_GRIPS] == held:
            mine = True
        if mine:
            cell = shifted(spec, body_cell(spec, row, b), action)
            if cell >= 0 and grid[cell] & pk.G_STATIC:
                cell_row, cell_col = split(spec, cell)
                if max(abs(cell_row - my_row), abs(cell_col - my_col)) <= seen:
                    return True
    return False


def state_vector(scenario: Scenario, views: dict[str, np.ndarray], time_left: float) -> np.ndarray:
    """Return the global state, (S,) float32 in [-1, 1]: time left, then cell and condition of every thing."""
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
