"""One step of the rules over packed state, compiled by numba; `tests/spaceworld/reference.py` has it in plain Python.

Order of a step (rules: ours): interacts, moves, debris, keep-out, end. Nothing depends on the numbers of the robots:
every phase first reads, then decides for all, then writes. Ties are broken by cell, never by index.
"""

from __future__ import annotations

from spaceworld.rules import packing as pk
from spaceworld.rules.jit import lean_kernel, part
from spaceworld.rules.lookup import FAR, body_cell, fill_grid, grip_target, open_slot, shifted, unit_of


@part
def interact(spec, row, actions, intent):  # type: ignore[no-untyped-def]  # compiled
    """Do phase 1: grips, docks and releases, all decided on the state before the step; return the docked mass."""
    robots, n = spec[pk.H_ROBOT], spec[pk.H_ROBOTS]
    for i in range(n):  # decide; intent: -1 nothing, else 3 * module + (0 grip, 1 dock, 2 release)
        at = robots + i * pk.R_WIDTH
        intent[i] = -1
        if actions[i] != pk.INTERACT:
            continue
        held, static = row[at + pk.R_GRIPS], spec[pk.H_ROBOT0] + i * pk.R_STATIC
        if held < 0:
            target = grip_target(spec, row, row[at + pk.R_CELL]) if spec[static + pk.R_GRIP] else -1
            if target >= 0:
                intent[i] = 3 * target
        elif spec[static + pk.R_DOCK] and open_slot(spec, row, held) >= 0:
            intent[i] = 3 * held + 1
        else:
            intent[i] = 3 * held + 2
    for i in range(n):  # grips and releases
        at = robots + i * pk.R_WIDTH
        if intent[i] >= 0 and intent[i] % 3 == 0:
            row[at + pk.R_GRIPS] = intent[i] // 3
            row[at + pk.R_EVENT] |= pk.E_GRIPPED | (intent[i] // 3 + 1) << pk.E_MODULE_SHIFT
        elif intent[i] >= 0 and intent[i] % 3 == 2:
            row[at + pk.R_GRIPS] = -1
            row[at + pk.R_EVENT] |= pk.E_RELEASED | (intent[i] // 3 + 1) << pk.E_MODULE_SHIFT
    mass = 0
    for i in range(n):  # docks, which also free robots that gripped the module in this same step
        if intent[i] < 0 or intent[i] % 3 != 1:
            continue
        module = intent[i] // 3
        at = spec[pk.H_MODULE] + module * pk.M_WIDTH
        if row[at + pk.M_SLOT] < 0:
            slot = open_slot(spec, row, module)
            row[at + pk.M_SLOT] = slot
            row[at + pk.M_WHEN] = row[pk.S_STEP] + 1
            mass += spec[spec[pk.H_MODULE0] + module * pk.M_STATIC + pk.M_MASS]
        code = pk.E_DOCKED | (module + 1) << pk.E_MODULE_SHIFT | (row[at + pk.M_SLOT] + 1) << pk.E_SLOT_SHIFT
        for j in range(n):
            other = robots + j * pk.R_WIDTH
            if row[other + pk.R_GRIPS] == module:
                row[other + pk.R_GRIPS] = -1
                late = intent[j] == 3 * module  # gripped in this same step: no effect
                row[other + pk.R_EVENT] = 0 if late else code
            elif j == i:
                row[other + pk.R_EVENT] = code  # another carrier docked it in the same step
    for m in range(spec[pk.H_MODULES] if mass else 0):  # last: docks of one step do not depend on each other
        at = spec[pk.H_MODULE] + m * pk.M_WIDTH
        if row[at + pk.M_SLOT] >= 0:
            row[spec[pk.H_SLOT] + row[at + pk.M_SLOT] * pk.T_WIDTH + pk.T_FILLED] = 1
    return mass


@part
def propose(spec, row, actions, unit_dir):  # type: ignore[no-untyped-def]  # compiled
    """Write the direction that each unit proposes, 0 for none: units 0..N-1 are free robots, the others assemblies."""
    n, robots = spec[pk.H_ROBOTS], spec[pk.H_ROBOT]
    for i in range(n):
        at = robots + i * pk.R_WIDTH
        free = (row[at + pk.R_GRIPS] < 0) & (actions[i] >= 1) & (actions[i] <= 4)
        inside = shifted(spec, row[at + pk.R_CELL], actions[i]) >= 0
        unit_dir[i] = actions[i] * int(free & inside)
        row[at + pk.R_EVENT] |= pk.E_EDGE * int(free & (not inside))
    for m in range(spec[pk.H_MODULES]):
        unit_dir[n + m] = 0
    for k in range(n):  # the carriers decide; a module is decided once for each of them, with the same result
        m = row[robots + k * pk.R_WIDTH + pk.R_GRIPS]
        if m < 0 or actions[k] < 1 or actions[k] > 4:
            continue
        direction, agreed, thrust = 0, True, 0
        for i in range(n):
            at = robots + i * pk.R_WIDTH
            if row[at + pk.R_GRIPS] != m:
                continue
            choice = actions[i] if 1 <= actions[i] <= 4 else 0
            agreed = agreed and (thrust == 0 or choice == direction)
            direction = choice
            thrust += spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_THRUST]
        flag = 0
        if not agreed:
            flag = pk.E_DISAGREED
        elif thrust < spec[spec[pk.H_MODULE0] + m * pk.M_STATIC + pk.M_MASS]:
            flag = pk.E_WEAK
        else:
            inside = shifted(spec, row[spec[pk.H_MODULE] + m * pk.M_WIDTH + pk.M_CELL], direction) >= 0
            for i in range(n):
                at = robots + i * pk.R_WIDTH
                if row[at + pk.R_GRIPS] == m and shifted(spec, row[at + pk.R_CELL], direction) < 0:
                    inside = False
            if inside:
                unit_dir[n + m] = direction
            else:
                flag = pk.E_EDGE
        if flag:
            for i in range(n):
                at = robots + i * pk.R_WIDTH
                if row[at + pk.R_GRIPS] == m:
                    row[at + pk.R_EVENT] |= flag | (m + 1) << pk.E_MODULE_SHIFT


@part
def shifted_body(spec, row, unit_dir, member, b):  # type: ignore[no-untyped-def]  # compiled
    """Return the cell that body `b` would enter; its unit must propose to move."""
    return shifted(spec, body_cell(spec, row, b), unit_dir[member[b]])


@part
def standing_in(spec, row, member, cell):  # type: ignore[no-untyped-def]  # compiled
    """Return the unit that stands in `cell`, or -1."""
    for b in range(spec[pk.H_ROBOTS] + spec[pk.H_MODULES]):
        if member[b] >= 0 and body_cell(spec, row, b) == cell:
            return member[b]
    return -1


@part
def move(spec, row, grid, unit_dir, member, blocked, mover, target):  # type: ignore[no-untyped-def]  # compiled
    """Do phase 2: compare all proposals at once, block to the fixed point, then move."""
    n, bodies = spec[pk.H_ROBOTS], spec[pk.H_ROBOTS] + spec[pk.H_MODULES]
    movers = 0  # bodies whose unit proposes to move: how many, which (`mover`), and where to (`target`)
    for b in range(bodies):
        cell = body_cell(spec, row, b)
        # a module that is loose or docked is no unit
        unit = unit_of(spec, row, b) if b < n else b if grid[cell] & pk.G_GRIPPED else -1
        direction = unit_dir[unit] if unit >= 0 else 0
        member[b] = unit
        blocked[b] = 0
        mover[movers] = b
        target[movers] = shifted(spec, cell, direction)
        movers += int(direction > 0)
    collided = False
    for k in range(movers):
        unit, to = member[mover[k]], target[k]
        if grid[to] & pk.G_STATIC:
            blocked[unit] = 1
            collided = True
        for q in range(k):
            if target[q] == to and member[mover[q]] != unit:
                blocked[unit] = blocked[member[mover[q]]] = 1
                collided = True
        if not grid[to] & (pk.G_ROBOT | pk.G_GRIPPED):
            continue
        other = standing_in(spec, row, member, to)
        if other != unit:
            collided = True
            for q in range(movers):  # do they claim each other's cells?
                if member[mover[q]] == other and standing_in(spec, row, member, target[q]) == unit:
                    blocked[unit] = blocked[other] = 1
    while collided:
        collided = False
        for k in range(movers):
            unit = member[mover[k]]
            if not blocked[unit] and grid[target[k]] & (pk.G_ROBOT | pk.G_GRIPPED):
                other = standing_in(spec, row, member, target[k])
                if other != unit and (unit_dir[other] == 0 or blocked[other]):
                    blocked[unit] = 1
                    collided = True
    for k in range(movers):
        unit = member[mover[k]]
        if mover[k] < n:
            at = spec[pk.H_ROBOT] + mover[k] * pk.R_WIDTH
            carried = int(unit >= n)
            event = carried * ((unit - n + 1) << pk.E_MODULE_SHIFT)
            if blocked[unit]:
                row[at + pk.R_HITS] += 1
                event |= blocker(spec, row, grid, unit_dir, member, blocked, unit)
            else:
                event |= pk.E_MOVED + carried * (pk.E_CARRIED - pk.E_MOVED)
            row[at + pk.R_EVENT] |= event
    for k in range(movers):
        if not blocked[member[mover[k]]]:
            if mover[k] < n:
                row[spec[pk.H_ROBOT] + mover[k] * pk.R_WIDTH + pk.R_CELL] = target[k]
            else:
                row[spec[pk.H_MODULE] + (mover[k] - n) * pk.M_WIDTH + pk.M_CELL] = target[k]


@lean_kernel
def blocker(spec, row, grid, unit_dir, member, blocked, unit):  # type: ignore[no-untyped-def]  # compiled
    """Return the event bits that name what blocked `unit`: a solid thing, else a rival, else a robot that stayed.

    Ties go to the lowest cell, so that the numbers of the robots do not matter.
    """
    n, bodies = spec[pk.H_ROBOTS], spec[pk.H_ROBOTS] + spec[pk.H_MODULES]
    cells = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    best, kind, index = FAR, 0, 0
    for b in range(bodies):
        if member[b] != unit:
            continue
        target = shifted_body(spec, row, unit_dir, member, b)
        if grid[target] & pk.G_STATIC and target * cells < best:
            best, kind, index = target * cells, pk.B_STRUCTURE, 0
            for m in range(spec[pk.H_MODULES]):
                if grid[target] & pk.G_LOOSE and row[spec[pk.H_MODULE] + m * pk.M_WIDTH + pk.M_CELL] == target:
                    kind, index = pk.B_MODULE, m
            for d in range(spec[pk.H_DEBRIS]):
                if grid[target] & pk.G_DEBRIS and row[spec[pk.H_DRIFT] + d * pk.D_WIDTH + pk.D_CELL] == target:
                    kind, index = pk.B_DEBRIS, d
        there = standing_in(spec, row, member, target)
        for i in range(n):  # a robot of another unit that claims the cell, stands in it or swaps with this one
            other = member[i]
            if other == unit:
                continue
            rank = 3
            if there == other and (unit_dir[other] == 0 or blocked[other]):
                rank = 2
            for c in range(bodies):
                if member[c] == other and unit_dir[other] > 0:
                    back = shifted_body(spec, row, unit_dir, member, c)
                    if back == target or (there == other and standing_in(spec, row, member, back) == unit):
                        rank = 1
            key = (rank * cells + target) * cells + row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_CELL]
            if rank < 3 and key < best:
                best, kind, index = key, pk.B_ROBOT, i
    return kind << pk.E_KIND_SHIFT | (index + 1) << pk.E_BLOCKER_SHIFT


@lean_kernel
def drift(spec, row, grid, target, struck, occupant, claim):  # type: ignore[no-untyped-def]  # compiled
    """Do phase 3: debris moves, bounces, or is stopped by a robot or an assembly, which it hits."""
    cells, n = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH], spec[pk.H_ROBOTS]
    claim[:cells] = 0
    occupant[:cells] = -1
    for i in range(n):
        unit = unit_of(spec, row, i)
        occupant[row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_CELL]] = unit
        if unit >= n:
            occupant[row[spec[pk.H_MODULE] + (unit - n) * pk.M_WIDTH + pk.M_CELL]] = unit
    for d in range(spec[pk.H_DEBRIS]):
        at = spec[pk.H_DRIFT] + d * pk.D_WIDTH
        period = spec[spec[pk.H_DEBRIS0] + d * pk.D_STATIC + pk.D_PERIOD]
        target[d] = -2  # rests
        if row[at + pk.D_DIR] > 0 and (row[pk.S_STEP] + 1) % period == 0:
            target[d] = shifted(spec, row[at + pk.D_CELL], row[at + pk.D_DIR])
            if target[d] >= 0:
                claim[target[d]] += 1
    for d in range(spec[pk.H_DEBRIS]):
        at = spec[pk.H_DRIFT] + d * pk.D_WIDTH
        if target[d] == -2:
            continue
        struck[d] = -1
        if target[d] >= 0 and occupant[target[d]] >= 0:
            struck[d] = occupant[target[d]]
        elif target[d] < 0 or grid[target[d]] & pk.G_STATIC or claim[target[d]] > 1:
            row[at + pk.D_DIR] = (0, 2, 1, 4, 3)[row[at + pk.D_DIR]]
        else:
            row[at + pk.D_CELL] = target[d]
    for d in range(spec[pk.H_DEBRIS]):
        if target[d] != -2 and struck[d] >= 0:
            for i in range(n):
                if unit_of(spec, row, i) == struck[d]:
                    row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_HITS] += 1
                    row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_EVENT] |= pk.E_STRUCK


@part
def idle_steps(spec, row):  # type: ignore[no-untyped-def]  # compiled
    """Return the number of steps since a module docked, or since the reset."""
    last = 0
    for m in range(spec[pk.H_MODULES]):
        last = max(last, row[spec[pk.H_MODULE] + m * pk.M_WIDTH + pk.M_WHEN])
    return row[pk.S_STEP] - last


@lean_kernel
def advance(spec, row, work, actions):  # type: ignore[no-untyped-def]  # compiled
    """Advance `row` by one step in place.

    Args:
        spec: (HEAD + blocks,) int64, static.
        row: (rowsize,) int64, the state.
        work: (work_size(spec),) int64, scratch.
        actions: (N,) int64 in 0..5.

    Returns:
        The mass docked in this step, its collisions plus violations, the mass docked so far, and the status.
    """
    n, cells = spec[pk.H_ROBOTS], spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    units = n + spec[pk.H_MODULES]
    grid, occupant, claim = work[:cells], work[cells : 2 * cells], work[2 * cells : 3 * cells]
    free = work[3 * cells :]
    unit_dir, blocked, member = free[:units], free[units : 2 * units], free[2 * units : 3 * units]
    # one extra entry each, which `move` writes and ignores
    mover, target = free[3 * units : 4 * units + 1], free[4 * units + 1 : 5 * units + 2]
    for i in range(n):
        at = spec[pk.H_ROBOT] + i * pk.R_WIDTH
        row[at + pk.R_ACTION] = actions[i]
        row[at + pk.R_HITS] = row[at + pk.R_VIOLATION] = row[at + pk.R_EVENT] = 0
    mass = interact(spec, row, actions, blocked)
    propose(spec, row, actions, unit_dir)
    fill_grid(spec, row, grid)
    move(spec, row, grid, unit_dir, member, blocked, mover, target)
    if spec[pk.H_DEBRIS] > 0:
        fill_grid(spec, row, grid)
        debris = free[5 * units + 2 :]
        drift(spec, row, grid, debris[: spec[pk.H_DEBRIS]], debris[spec[pk.H_DEBRIS] :], occupant, claim)
    faults, hits = 0, 0
    for i in range(n):
        at = spec[pk.H_ROBOT] + i * pk.R_WIDTH
        for k in range(spec[pk.H_KEEP]):
            if row[at + pk.R_CELL] == row[spec[pk.H_KEEPROW] + k]:
                row[at + pk.R_VIOLATION] = 1
                row[at + pk.R_EVENT] |= pk.E_KEEP_OUT
        hits += row[at + pk.R_HITS]
        faults += row[at + pk.R_HITS] + row[at + pk.R_VIOLATION]
        row[at + pk.R_COST] += row[at + pk.R_HITS] + row[at + pk.R_VIOLATION]
    row[pk.S_STEP] += 1
    row[pk.S_DOCKED] += mass
    row[pk.S_FAULTS] += faults
    done = mass > 0
    for m in range(spec[pk.H_MODULES] if mass else 0):
        if row[spec[pk.H_MODULE] + m * pk.M_WIDTH + pk.M_SLOT] < 0:
            done = False
    if done or (spec[pk.H_TERMINATE] and hits > 0):
        row[pk.S_STATUS] = pk.TERMINATED
    elif row[pk.S_STEP] >= spec[pk.H_HORIZON] or (spec[pk.H_IDLE] > 0 and idle_steps(spec, row) >= spec[pk.H_IDLE]):
        row[pk.S_STATUS] = pk.TRUNCATED
    return mass, faults, row[pk.S_DOCKED], row[pk.S_STATUS]
