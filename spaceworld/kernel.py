"""One step of the rules over packed state, compiled by numba. `reference.py` says the same in plain Python.

Order of a step (rules: ours): interacts, moves, debris, keep-out, end. Nothing depends on robot numbering: every
phase first reads, then decides for all, then writes; ties are broken by cell, never by index.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from spaceworld.packing import (
    B_DEBRIS, B_MODULE, B_ROBOT, B_STRUCTURE, D_CELL, D_DIR, D_PERIOD, D_STATIC, D_WIDTH, E_BLOCKER_SHIFT,
    E_CARRIED, E_DISAGREED, E_DOCKED, E_EDGE, E_GRIPPED, E_KEEP_OUT, E_KIND_SHIFT, E_MODULE_SHIFT, E_MOVED,
    E_RELEASED, E_SLOT_SHIFT, E_STRUCK, E_WEAK, G_DEBRIS, G_GRIPPED, G_KEEP, G_LOOSE, G_ROBOT, G_STATIC,
    G_STRUCTURE, H_CORE, H_COREROW, H_DEBRIS, H_DEBRIS0, H_DRIFT, H_HEIGHT, H_HORIZON, H_KEEP, H_KEEPROW, H_MODULE,
    H_MODULE0, H_MODULES, H_ROBOT, H_ROBOT0, H_ROBOTS, H_SLOT, H_SLOT0, H_SLOTS, H_TERMINATE, H_WIDTH, INTERACT,
    M_CELL, M_MASS, M_SLOT, M_STATIC, M_TYPE, M_WHEN, M_WIDTH, R_ACTION, R_CELL, R_COST, R_DOCK, R_EVENT, R_GRIP,
    R_GRIPS, R_HITS, R_STATIC, R_THRUST, R_VIOLATION, R_WIDTH, S_DOCKED, S_FAULTS, S_STATUS, S_STEP, T_CELL,
    T_FILLED, T_NEEDS, T_STATIC, T_TYPE, T_WIDTH, TERMINATED, TRUNCATED,
)  # fmt: skip

FAR = 1 << 62  # larger than every blocker key


@njit(cache=True)
def fill_grid(spec, row, grid):  # type: ignore[no-untyped-def]  # compiled
    """Rebuilds the flag grid, (H*W,) int64, from the row."""
    grid[: spec[H_HEIGHT] * spec[H_WIDTH]] = 0
    for k in range(spec[H_CORE]):
        grid[row[spec[H_COREROW] + k]] |= G_STRUCTURE
    for k in range(spec[H_KEEP]):
        grid[row[spec[H_KEEPROW] + k]] |= G_KEEP
    for m in range(spec[H_MODULES]):
        at = spec[H_MODULE] + m * M_WIDTH
        grid[row[at + M_CELL]] |= G_STRUCTURE if row[at + M_SLOT] >= 0 else G_LOOSE
    for d in range(spec[H_DEBRIS]):
        grid[row[spec[H_DRIFT] + d * D_WIDTH + D_CELL]] |= G_DEBRIS
    for i in range(spec[H_ROBOTS]):
        at = spec[H_ROBOT] + i * R_WIDTH
        grid[row[at + R_CELL]] |= G_ROBOT
        if row[at + R_GRIPS] >= 0:
            cell = row[spec[H_MODULE] + row[at + R_GRIPS] * M_WIDTH + M_CELL]
            grid[cell] = (grid[cell] & (63 - G_LOOSE)) | G_GRIPPED


@njit(cache=True)
def shifted(spec, cell, direction):  # type: ignore[no-untyped-def]  # compiled
    """The neighbouring cell in direction 1..4, or -1 outside the grid."""
    width = spec[H_WIDTH]
    if direction == 1:
        return cell - width if cell >= width else -1
    if direction == 2:
        return cell + width if cell < (spec[H_HEIGHT] - 1) * width else -1
    if direction == 3:
        return cell - 1 if cell % width > 0 else -1
    return cell + 1 if cell % width < width - 1 else -1


@njit(cache=True)
def grip_target(spec, row, cell):  # type: ignore[no-untyped-def]  # compiled
    """The undocked module beside `cell`, the one in the lowest cell if several; -1 if none."""
    best, where = -1, FAR
    for m in range(spec[H_MODULES]):
        at = spec[H_MODULE] + m * M_WIDTH
        if row[at + M_SLOT] < 0 and row[at + M_CELL] < where:
            for direction in range(1, 5):
                if shifted(spec, cell, direction) == row[at + M_CELL]:
                    best, where = m, row[at + M_CELL]
    return best


@njit(cache=True)
def open_slot(spec, row, module):  # type: ignore[no-untyped-def]  # compiled
    """The slot in which `module` could be docked where it lies, its precedence met; -1 if none."""
    filled = 0
    for s in range(spec[H_SLOTS]):
        if row[spec[H_SLOT] + s * T_WIDTH + T_FILLED]:
            filled |= 1 << s
    for s in range(spec[H_SLOTS]):
        at, static = spec[H_SLOT] + s * T_WIDTH, spec[H_SLOT0] + s * T_STATIC
        if (
            row[at + T_CELL] == row[spec[H_MODULE] + module * M_WIDTH + M_CELL]
            and not row[at + T_FILLED]
            and spec[static + T_TYPE] == spec[spec[H_MODULE0] + module * M_STATIC + M_TYPE]
            and spec[static + T_NEEDS] & ~filled == 0
        ):
            return s
    return -1


@njit(cache=True)
def interact(spec, row, actions, intent):  # type: ignore[no-untyped-def]  # compiled
    """Phase 1: grips, docks and releases, all decided on the state before the step."""
    robots, n = spec[H_ROBOT], spec[H_ROBOTS]
    for i in range(n):  # decide; intent: -1 nothing, else 3 * module + (0 grip, 1 dock, 2 release)
        at = robots + i * R_WIDTH
        intent[i] = -1
        if actions[i] != INTERACT:
            continue
        held, static = row[at + R_GRIPS], spec[H_ROBOT0] + i * R_STATIC
        if held < 0:
            target = grip_target(spec, row, row[at + R_CELL]) if spec[static + R_GRIP] else -1
            if target >= 0:
                intent[i] = 3 * target
        elif spec[static + R_DOCK] and open_slot(spec, row, held) >= 0:
            intent[i] = 3 * held + 1
        else:
            intent[i] = 3 * held + 2
    for i in range(n):  # grips and releases
        at = robots + i * R_WIDTH
        if intent[i] >= 0 and intent[i] % 3 == 0:
            row[at + R_GRIPS] = intent[i] // 3
            row[at + R_EVENT] |= E_GRIPPED | (intent[i] // 3 + 1) << E_MODULE_SHIFT
        elif intent[i] >= 0 and intent[i] % 3 == 2:
            row[at + R_GRIPS] = -1
            row[at + R_EVENT] |= E_RELEASED | (intent[i] // 3 + 1) << E_MODULE_SHIFT
    mass = 0
    for i in range(n):  # docks, which also free whoever gripped the module in this very step
        if intent[i] < 0 or intent[i] % 3 != 1:
            continue
        module = intent[i] // 3
        at = spec[H_MODULE] + module * M_WIDTH
        if row[at + M_SLOT] < 0:
            slot = open_slot(spec, row, module)
            row[at + M_SLOT] = slot
            row[at + M_WHEN] = row[S_STEP] + 1
            mass += spec[spec[H_MODULE0] + module * M_STATIC + M_MASS]
        code = E_DOCKED | (module + 1) << E_MODULE_SHIFT | (row[at + M_SLOT] + 1) << E_SLOT_SHIFT
        for j in range(n):
            other = robots + j * R_WIDTH
            if row[other + R_GRIPS] == module:
                row[other + R_GRIPS] = -1
                late = intent[j] == 3 * module  # gripped in this very step: came to nothing
                row[other + R_EVENT] = 0 if late else code
            elif j == i:
                row[other + R_EVENT] = code  # docked together with another carrier
    for m in range(spec[H_MODULES]):  # filled only now, so that two docks of one step do not see each other
        at = spec[H_MODULE] + m * M_WIDTH
        if row[at + M_SLOT] >= 0:
            row[spec[H_SLOT] + row[at + M_SLOT] * T_WIDTH + T_FILLED] = 1
    return mass


@njit(cache=True)
def propose(spec, row, actions, unit_dir):  # type: ignore[no-untyped-def]  # compiled
    """The direction that each unit proposes, 0 for none: units 0..N-1 are free robots, N.. assemblies."""
    n, robots = spec[H_ROBOTS], spec[H_ROBOT]
    for i in range(n):
        at = robots + i * R_WIDTH
        unit_dir[i] = 0
        if row[at + R_GRIPS] < 0 and 1 <= actions[i] <= 4:
            if shifted(spec, row[at + R_CELL], actions[i]) >= 0:
                unit_dir[i] = actions[i]
            else:
                row[at + R_EVENT] |= E_EDGE
    for m in range(spec[H_MODULES]):
        unit_dir[n + m] = 0
        direction, agreed, thrust, wanted = 0, True, 0, False
        for i in range(n):
            at = robots + i * R_WIDTH
            if row[at + R_GRIPS] != m:
                continue
            choice = actions[i] if 1 <= actions[i] <= 4 else 0
            wanted = wanted or choice > 0
            agreed = agreed and (thrust == 0 or choice == direction)
            direction = choice
            thrust += spec[spec[H_ROBOT0] + i * R_STATIC + R_THRUST]
        if not wanted:
            continue
        flag = 0
        if not agreed:
            flag = E_DISAGREED
        elif thrust < spec[spec[H_MODULE0] + m * M_STATIC + M_MASS]:
            flag = E_WEAK
        else:
            inside = shifted(spec, row[spec[H_MODULE] + m * M_WIDTH + M_CELL], direction) >= 0
            for i in range(n):
                at = robots + i * R_WIDTH
                if row[at + R_GRIPS] == m and shifted(spec, row[at + R_CELL], direction) < 0:
                    inside = False
            if inside:
                unit_dir[n + m] = direction
            else:
                flag = E_EDGE
        if flag:
            for i in range(n):
                at = robots + i * R_WIDTH
                if row[at + R_GRIPS] == m:
                    row[at + R_EVENT] |= flag | (m + 1) << E_MODULE_SHIFT


@njit(cache=True)
def unit_of(spec, row, i):  # type: ignore[no-untyped-def]  # compiled
    """The unit of robot `i`."""
    held = row[spec[H_ROBOT] + i * R_WIDTH + R_GRIPS]
    return i if held < 0 else spec[H_ROBOTS] + held


@njit(cache=True)
def body_cell(spec, row, b):  # type: ignore[no-untyped-def]  # compiled
    """The cell of body `b`: robots are bodies 0..N-1, modules N.."""
    if b < spec[H_ROBOTS]:
        return row[spec[H_ROBOT] + b * R_WIDTH + R_CELL]
    return row[spec[H_MODULE] + (b - spec[H_ROBOTS]) * M_WIDTH + M_CELL]


@njit(cache=True)
def shifted_body(spec, row, unit_dir, member, b):  # type: ignore[no-untyped-def]  # compiled
    """The cell that body `b` would enter; only for bodies of a unit that proposes to move."""
    return shifted(spec, body_cell(spec, row, b), unit_dir[member[b]])


@njit(cache=True)
def move(spec, row, grid, unit_dir, member, blocked, occupant, claim):  # type: ignore[no-untyped-def]  # compiled
    """Phase 2: all proposals are compared at once, then blocked to the fixed point, then carried out."""
    n, bodies = spec[H_ROBOTS], spec[H_ROBOTS] + spec[H_MODULES]
    cells = spec[H_HEIGHT] * spec[H_WIDTH]
    occupant[:cells] = -1
    claim[:cells] = -1
    moving = False
    for b in range(bodies):
        member[b] = unit_of(spec, row, b) if b < n else b
        if b >= n and not grid[body_cell(spec, row, b)] & G_GRIPPED:
            member[b] = -1  # loose or docked: not a unit
        blocked[b] = 0
        moving = moving or unit_dir[b] > 0
        if member[b] >= 0:
            occupant[body_cell(spec, row, b)] = member[b]
    if not moving:
        return
    collided = False
    for b in range(bodies):
        unit = member[b]
        if unit < 0 or unit_dir[unit] == 0:
            continue
        target = shifted_body(spec, row, unit_dir, member, b)
        if grid[target] & G_STATIC:
            blocked[unit] = 1
        if claim[target] < 0:
            claim[target] = unit
        elif claim[target] != unit:
            blocked[unit] = blocked[claim[target]] = 1
        other = occupant[target]
        if other >= 0 and other != unit and unit_dir[other] > 0:
            for c in range(bodies):  # do they claim each other's cells?
                if member[c] == other and occupant[shifted_body(spec, row, unit_dir, member, c)] == unit:
                    blocked[unit] = blocked[other] = 1
        collided = collided or blocked[unit] > 0 or other >= 0
    while collided:
        collided = False
        for b in range(bodies):
            unit = member[b]
            if unit < 0 or unit_dir[unit] == 0 or blocked[unit]:
                continue
            other = occupant[shifted_body(spec, row, unit_dir, member, b)]
            if other >= 0 and other != unit and (unit_dir[other] == 0 or blocked[other]):
                blocked[unit] = 1
                collided = True
    for i in range(n):
        unit, at = member[i], spec[H_ROBOT] + i * R_WIDTH
        if unit_dir[unit] == 0:
            continue
        if unit >= n:
            row[at + R_EVENT] |= (unit - n + 1) << E_MODULE_SHIFT
        if blocked[unit]:
            row[at + R_HITS] += 1
            row[at + R_EVENT] |= blocker(spec, row, grid, unit_dir, member, blocked, occupant, unit)
        else:
            row[at + R_EVENT] |= E_CARRIED if unit >= n else E_MOVED
    for b in range(bodies):
        unit = member[b]
        if unit >= 0 and unit_dir[unit] > 0 and not blocked[unit]:
            target = shifted_body(spec, row, unit_dir, member, b)
            if b < n:
                row[spec[H_ROBOT] + b * R_WIDTH + R_CELL] = target
            else:
                row[spec[H_MODULE] + (b - n) * M_WIDTH + M_CELL] = target


@njit(cache=True)
def blocker(spec, row, grid, unit_dir, member, blocked, occupant, unit):  # type: ignore[no-untyped-def]  # compiled
    """The event bits that name what blocked `unit`: what is solid first, then a rival, then who stood there.

    Ties go to the lowest cell, so that the numbering of the robots cannot show.
    """
    n, bodies = spec[H_ROBOTS], spec[H_ROBOTS] + spec[H_MODULES]
    cells = spec[H_HEIGHT] * spec[H_WIDTH]
    best, kind, index = FAR, 0, 0
    for b in range(bodies):
        if member[b] != unit:
            continue
        target = shifted_body(spec, row, unit_dir, member, b)
        if grid[target] & G_STATIC and target * cells < best:
            best, kind, index = target * cells, B_STRUCTURE, 0
            for m in range(spec[H_MODULES]):
                if grid[target] & G_LOOSE and row[spec[H_MODULE] + m * M_WIDTH + M_CELL] == target:
                    kind, index = B_MODULE, m
            for d in range(spec[H_DEBRIS]):
                if grid[target] & G_DEBRIS and row[spec[H_DRIFT] + d * D_WIDTH + D_CELL] == target:
                    kind, index = B_DEBRIS, d
        for i in range(n):  # a robot of another unit that claims the cell, stands in it or swaps with this one
            other = member[i]
            if other == unit:
                continue
            rank = 3
            if occupant[target] == other and (unit_dir[other] == 0 or blocked[other]):
                rank = 2
            for c in range(bodies):
                if member[c] == other and unit_dir[other] > 0:
                    back = shifted_body(spec, row, unit_dir, member, c)
                    if back == target or (occupant[target] == other and occupant[back] == unit):
                        rank = 1
            key = (rank * cells + target) * cells + row[spec[H_ROBOT] + i * R_WIDTH + R_CELL]
            if rank < 3 and key < best:
                best, kind, index = key, B_ROBOT, i
    return kind << E_KIND_SHIFT | (index + 1) << E_BLOCKER_SHIFT


@njit(cache=True)
def drift(spec, row, grid, target, struck, occupant, claim):  # type: ignore[no-untyped-def]  # compiled
    """Phase 3: debris moves, bounces, or is stopped by a robot or an assembly, which is hit."""
    cells, n = spec[H_HEIGHT] * spec[H_WIDTH], spec[H_ROBOTS]
    claim[:cells] = 0
    occupant[:cells] = -1
    for i in range(n):
        unit = unit_of(spec, row, i)
        occupant[row[spec[H_ROBOT] + i * R_WIDTH + R_CELL]] = unit
        if unit >= n:
            occupant[row[spec[H_MODULE] + (unit - n) * M_WIDTH + M_CELL]] = unit
    for d in range(spec[H_DEBRIS]):
        at = spec[H_DRIFT] + d * D_WIDTH
        period = spec[spec[H_DEBRIS0] + d * D_STATIC + D_PERIOD]
        target[d] = -2  # rests
        if row[at + D_DIR] > 0 and (row[S_STEP] + 1) % period == 0:
            target[d] = shifted(spec, row[at + D_CELL], row[at + D_DIR])
            if target[d] >= 0:
                claim[target[d]] += 1
    for d in range(spec[H_DEBRIS]):
        at = spec[H_DRIFT] + d * D_WIDTH
        if target[d] == -2:
            continue
        struck[d] = -1
        if target[d] >= 0 and occupant[target[d]] >= 0:
            struck[d] = occupant[target[d]]
        elif target[d] < 0 or grid[target[d]] & G_STATIC or claim[target[d]] > 1:
            row[at + D_DIR] = (0, 2, 1, 4, 3)[row[at + D_DIR]]
        else:
            row[at + D_CELL] = target[d]
    for d in range(spec[H_DEBRIS]):
        if target[d] != -2 and struck[d] >= 0:
            for i in range(n):
                if unit_of(spec, row, i) == struck[d]:
                    row[spec[H_ROBOT] + i * R_WIDTH + R_HITS] += 1
                    row[spec[H_ROBOT] + i * R_WIDTH + R_EVENT] |= E_STRUCK


@njit(cache=True)
def advance(spec, row, work, actions):  # type: ignore[no-untyped-def]  # compiled
    """Advances `row` by one step in place.

    Args:
        spec: (HEAD + blocks,) int64, static.
        row: (rowsize,) int64, the state.
        work: (work_size(spec),) int64, scratch.
        actions: (N,) int64 in 0..5.

    Returns:
        Mass docked in this step, and collisions plus violations in this step.
    """
    n, cells = spec[H_ROBOTS], spec[H_HEIGHT] * spec[H_WIDTH]
    units = n + spec[H_MODULES]
    grid, occupant, claim = work[:cells], work[cells : 2 * cells], work[2 * cells : 3 * cells]
    free = work[3 * cells :]
    unit_dir, blocked, member = free[:units], free[units : 2 * units], free[2 * units : 3 * units]
    for i in range(n):
        at = spec[H_ROBOT] + i * R_WIDTH
        row[at + R_ACTION] = actions[i]
        row[at + R_HITS] = row[at + R_VIOLATION] = row[at + R_EVENT] = 0
    mass = interact(spec, row, actions, blocked)
    propose(spec, row, actions, unit_dir)
    fill_grid(spec, row, grid)
    move(spec, row, grid, unit_dir, member, blocked, occupant, claim)
    if spec[H_DEBRIS] > 0:
        fill_grid(spec, row, grid)
        debris = free[3 * units :]
        drift(spec, row, grid, debris[: spec[H_DEBRIS]], debris[spec[H_DEBRIS] :], occupant, claim)
    faults, hits = 0, 0
    for i in range(n):
        at = spec[H_ROBOT] + i * R_WIDTH
        for k in range(spec[H_KEEP]):
            if row[at + R_CELL] == row[spec[H_KEEPROW] + k]:
                row[at + R_VIOLATION] = 1
                row[at + R_EVENT] |= E_KEEP_OUT
        hits += row[at + R_HITS]
        faults += row[at + R_HITS] + row[at + R_VIOLATION]
        row[at + R_COST] += row[at + R_HITS] + row[at + R_VIOLATION]
    row[S_STEP] += 1
    row[S_DOCKED] += mass
    row[S_FAULTS] += faults
    done = True
    for m in range(spec[H_MODULES]):
        if row[spec[H_MODULE] + m * M_WIDTH + M_SLOT] < 0:
            done = False
    if done or (spec[H_TERMINATE] and hits > 0):
        row[S_STATUS] = TERMINATED
    elif row[S_STEP] >= spec[H_HORIZON]:
        row[S_STATUS] = TRUNCATED
    return mass, faults

