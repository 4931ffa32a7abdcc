"""The image observation: egocentric planes, (C, 2r+1, 2r+1) float32 in [-1, 1], the robot in the middle.

All planes but the `own` ones are 0 in cells that the robot does not see: outside the grid or beyond its sensor range.
The plane `seen` marks the others. The `own` planes are constant: the robot's own scalars, for convolutions.

- The planes are the same for every scenario, so that one network fits all. A type is therefore a scaled number instead
  of a one-hot vector, and two planes say what types are needed for: `module_wanted` (some open slot takes the module)
  and `slot_mine` (an open slot for the module that I grip).
- The robot itself is drawn like the others: the `robot_*` planes hold for the cell in the middle, too.
- `own_goal_*` also points to cells outside the picture: from my module to its nearest open slot or, when I grip
  nothing, from me to the nearest wanted module that I sense. So a large grid can be played with a small picture.
"""

from __future__ import annotations

from spaceworld.observations.feature_vector import look_beside, module_slot
from spaceworld.observations.large_teams import action_of
from spaceworld.rules import packing as pk
from spaceworld.rules.jit import lean_kernel, part
from spaceworld.rules.lookup import fill_grid, filled_slots, open_slot, split
from spaceworld.scenario import Scenario

# A picture of 11 x 11 shows all of a 6 x 6 grid from anywhere in it. Drawing more is cheap, but storing it and learning
# from it is not: all of `truss` (9 x 9) takes 17 x 17, mostly cells outside the grid. `image_radius` asks for that.
MAX_RADIUS = 5

PLANES = (
    "seen", "structure", "keep_out", "debris", "debris_row", "debris_col", "debris_due",
    "module_mass", "module_grip", "module_mine", "module_type", "module_wanted",
    "slot_open", "slot_closed", "slot_type", "slot_mine",
    "robot_thrust", "robot_can_dock", "robot_grips", "robot_same_module", "robot_collided",
    "robot_last_row", "robot_last_col", "robot_last_interact",
    "own_row", "own_col", "own_thrust", "own_can_grip", "own_can_dock", "own_grips", "own_grip_strength",
    "own_at_open_slot", "own_goal_row", "own_goal_col", "own_time_left",
)  # fmt: skip
(SEEN, STRUCTURE, KEEP_OUT, DEBRIS, DEBRIS_ROW, DEBRIS_COL, DEBRIS_DUE) = range(7)
(MODULE_MASS, MODULE_GRIP, MODULE_MINE, MODULE_TYPE, MODULE_WANTED) = range(7, 12)
(SLOT_OPEN, SLOT_CLOSED, SLOT_TYPE, SLOT_MINE) = range(12, 16)
(THRUST, CAN_DOCK, GRIPS, SAME_MODULE, COLLIDED, LAST_ROW, LAST_COL, LAST_INTERACT) = range(16, 24)
(OWN_ROW, OWN_COL, OWN_THRUST, OWN_CAN_GRIP, OWN_CAN_DOCK, OWN_GRIPS, OWN_STRENGTH, OWN_AT_SLOT) = range(24, 32)
(OWN_GOAL_ROW, OWN_GOAL_COL, OWN_TIME) = range(32, 35)


def plane_names(scenario: Scenario) -> tuple[str, ...]:
    """Return the name of each plane of the image observation, in order; the same for every scenario."""
    return PLANES


def image_radius(scenario: Scenario) -> int:
    """Return the default radius: the largest sensor range, at most what the grid has and at most 5."""
    grid = max(scenario.height, scenario.width)
    sensed = max(grid if r.sensor_range is None else r.sensor_range for r in scenario.robots)
    return max(1, min(sensed, grid - 1, MAX_RADIUS))


def image_shape(scenario: Scenario, radius: int | None = None) -> tuple[int, int, int]:
    """Return (C, 2r+1, 2r+1) of one robot's planes; r is `image_radius(scenario)` when `radius` is None."""
    side = 2 * (image_radius(scenario) if radius is None else radius) + 1
    return len(PLANES), side, side


@part
def spot(own, cell_row, cell_col, radius):  # type: ignore[no-untyped-def]  # compiled
    """Return the index of a cell in a robot's plane, or -1 where it is not seen; `own` is its row, column and reach."""
    dr, dc = cell_row - own[0], cell_col - own[1]
    if max(abs(dr), abs(dc)) > own[2]:
        return -1
    return (dr + radius) * (2 * radius + 1) + dc + radius


@lean_kernel
def draw_planes(spec, row, work, out):  # type: ignore[no-untyped-def]  # compiled
    """Draw the planes of all robots into `out`, (N, C, 2r+1, 2r+1) float32, contiguous; r is read from its shape."""
    n, height, width = spec[pk.H_ROBOTS], spec[pk.H_HEIGHT], spec[pk.H_WIDTH]
    side = out.shape[3]
    radius, cells = (side - 1) // 2, height * width
    planes = out.reshape(n, len(PLANES), side * side)
    grid, own = work[:cells], work[cells + 1 : cells + 1 + 3 * n].reshape(n, 3)  # own: row, column, reach of each robot
    free = work[cells + 1 + 3 * n :]
    wanted, pull = free[: spec[pk.H_MODULES]], free[spec[pk.H_MODULES] :]  # pull: the thrust on each module
    pull[: spec[pk.H_MODULES]] = 0
    filled = filled_slots(spec, row)
    fill_grid(spec, row, grid)
    out[:] = 0.0
    for i in range(n):
        body = spec[pk.H_ROBOT] + i * pk.R_WIDTH
        if row[body + pk.R_GRIPS] >= 0:
            pull[row[body + pk.R_GRIPS]] += spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_THRUST]
        own[i, 0], own[i, 1] = split(spec, row[body + pk.R_CELL])
        own[i, 2] = min(radius, spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_SENSOR])
        draw_ground(grid, own[i], height, width, radius, planes[i])

    for m in range(spec[pk.H_MODULES]):
        body, sheet = spec[pk.H_MODULE] + m * pk.M_WIDTH, spec[pk.H_MODULE0] + m * pk.M_STATIC
        wanted[m] = 0
        if row[body + pk.M_SLOT] >= 0:
            continue  # docked modules are structure
        wanted[m] = module_slot(spec, row, m, filled) >= 0
        cell_row, cell_col = split(spec, row[body + pk.M_CELL])
        strength = min(1.0, pull[m] / spec[sheet + pk.M_MASS])
        for i in range(n):
            at, p = spot(own[i], cell_row, cell_col, radius), planes[i]
            if at >= 0:
                p[MODULE_MASS, at] = spec[sheet + pk.M_MASS] / spec[pk.H_MAX_MASS]
                p[MODULE_GRIP, at] = strength
                p[MODULE_MINE, at] = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS] == m
                p[MODULE_TYPE, at] = (spec[sheet + pk.M_TYPE] + 1) / spec[pk.H_TYPES]
                p[MODULE_WANTED, at] = wanted[m]

    for s in range(spec[pk.H_SLOTS]):
        if filled >> s & 1:
            continue  # filled slots are structure
        sheet = spec[pk.H_SLOT0] + s * pk.T_STATIC
        cell, is_open = row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL], spec[sheet + pk.T_NEEDS] & ~filled == 0
        cell_row, cell_col = split(spec, cell)
        for i in range(n):
            at, p = spot(own[i], cell_row, cell_col, radius), planes[i]
            if at >= 0:
                p[SLOT_OPEN if is_open else SLOT_CLOSED, at] = 1.0
                p[SLOT_TYPE, at] = (spec[sheet + pk.T_TYPE] + 1) / spec[pk.H_TYPES]
                held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
                if is_open and held >= 0:
                    kind = spec[spec[pk.H_MODULE0] + held * pk.M_STATIC + pk.M_TYPE]
                    p[SLOT_MINE, at] = kind == spec[sheet + pk.T_TYPE]

    for d in range(spec[pk.H_DEBRIS]):
        body = spec[pk.H_DRIFT] + d * pk.D_WIDTH
        cell, direction = row[body + pk.D_CELL], row[body + pk.D_DIR]
        cell_row, cell_col = split(spec, cell)
        down, across, _ = action_of(direction)
        period = spec[spec[pk.H_DEBRIS0] + d * pk.D_STATIC + pk.D_PERIOD]
        for i in range(n):
            at, p = spot(own[i], cell_row, cell_col, radius), planes[i]
            if at >= 0:
                p[DEBRIS, at] = 1.0
                p[DEBRIS_ROW, at] = down
                p[DEBRIS_COL, at] = across
                p[DEBRIS_DUE, at] = direction > 0 and (row[pk.S_STEP] + 1) % period == 0

    for j in range(n):
        body, sheet = spec[pk.H_ROBOT] + j * pk.R_WIDTH, spec[pk.H_ROBOT0] + j * pk.R_STATIC
        held = row[body + pk.R_GRIPS]
        down, across, interacts = action_of(row[body + pk.R_ACTION])
        for i in range(n):
            at, p = spot(own[i], own[j, 0], own[j, 1], radius), planes[i]
            if at >= 0:
                p[THRUST, at] = spec[sheet + pk.R_TOLD_THRUST] / spec[pk.H_MAX_THRUST]
                p[CAN_DOCK, at] = spec[sheet + pk.R_TOLD_DOCK]
                p[GRIPS, at] = held >= 0
                p[SAME_MODULE, at] = held >= 0 and row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS] == held
                p[COLLIDED, at] = row[body + pk.R_HITS] > 0
                p[LAST_ROW, at] = down
                p[LAST_COL, at] = across
                p[LAST_INTERACT, at] = interacts
    for i in range(n):
        draw_own(spec, row, i, own[i], filled, wanted, pull, planes[i])


@part
def draw_ground(grid, own, height, width, radius, planes):  # type: ignore[no-untyped-def]  # compiled
    """Draw the planes of one robot, (C, side * side), that follow from the flag grid."""
    reach, side = own[2], 2 * radius + 1
    left, right = max(0, own[1] - reach), min(width - 1, own[1] + reach)
    for r in range(max(0, own[0] - reach), min(height - 1, own[0] + reach) + 1):
        at = (r - own[0] + radius) * side + left - own[1] + radius
        for c in range(left, right + 1):
            flags = grid[r * width + c]
            planes[SEEN, at] = 1.0
            planes[STRUCTURE, at] = flags & pk.G_STRUCTURE > 0
            planes[KEEP_OUT, at] = flags & pk.G_KEEP > 0
            at += 1


@lean_kernel
def draw_own(spec, row, i, own, filled, wanted, pull, planes):  # type: ignore[no-untyped-def]  # compiled
    """Draw the constant planes of robot `i`; `wanted` and `pull` are as in `draw_planes`."""
    at, sheet = spec[pk.H_ROBOT] + i * pk.R_WIDTH, spec[pk.H_ROBOT0] + i * pk.R_STATIC
    height, width, held = spec[pk.H_HEIGHT], spec[pk.H_WIDTH], row[at + pk.R_GRIPS]
    planes[OWN_ROW] = 2 * own[0] / (height - 1) - 1
    planes[OWN_COL] = 2 * own[1] / (width - 1) - 1
    planes[OWN_THRUST] = spec[sheet + pk.R_TOLD_THRUST] / spec[pk.H_MAX_THRUST]
    planes[OWN_CAN_GRIP] = spec[sheet + pk.R_TOLD_GRIP]
    planes[OWN_CAN_DOCK] = spec[sheet + pk.R_TOLD_DOCK]
    planes[OWN_TIME] = 1.0 - row[pk.S_STEP] / spec[pk.H_HORIZON]
    start, goal = row[at + pk.R_CELL], -1
    if held >= 0:
        mass = spec[spec[pk.H_MODULE0] + held * pk.M_STATIC + pk.M_MASS]
        planes[OWN_GRIPS] = 1.0
        planes[OWN_STRENGTH] = min(1.0, pull[held] / mass)
        planes[OWN_AT_SLOT] = open_slot(spec, row, held) >= 0
        start, slot = row[spec[pk.H_MODULE] + held * pk.M_WIDTH + pk.M_CELL], module_slot(spec, row, held, filled)
        if slot >= 0:
            goal = row[spec[pk.H_SLOT] + slot * pk.T_WIDTH + pk.T_CELL]
    else:
        goal = nearest_wanted(spec, row, own, wanted, spec[sheet + pk.R_SENSOR])
    if goal >= 0:
        start_row, start_col = split(spec, start)
        goal_row, goal_col = split(spec, goal)
        planes[OWN_GOAL_ROW] = (goal_row - start_row) / (height - 1)
        planes[OWN_GOAL_COL] = (goal_col - start_col) / (width - 1)


@lean_kernel
def nearest_wanted(spec, row, own, wanted, sensed):  # type: ignore[no-untyped-def]  # compiled
    """Return the cell of the nearest wanted module within the sensor range (ties: the lowest cell), or -1."""
    best, least = -1, 1 << 40
    for m in range(spec[pk.H_MODULES]):
        cell = row[spec[pk.H_MODULE] + m * pk.M_WIDTH + pk.M_CELL]
        cell_row, cell_col = split(spec, cell)
        dr, dc = abs(cell_row - own[0]), abs(cell_col - own[1])
        nearer = dr + dc < least or (dr + dc == least and cell < best)
        if wanted[m] and max(dr, dc) <= sensed and nearer:
            best, least = cell, dr + dc
    return best


@lean_kernel
def observe_image(spec, row, work, out, mask):  # type: ignore[no-untyped-def]  # compiled
    """Fill `out` like `draw_planes` and `mask`, (N, 6) int8; the counterpart of `feature_vector.observe`."""
    draw_planes(spec, row, work, out)
    cells = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    work[cells] = pk.G_OUTSIDE
    for i in range(spec[pk.H_ROBOTS]):
        look_beside(spec, row, work[: cells + 1], i, spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_SENSOR], out, mask)
