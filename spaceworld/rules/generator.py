"""Random layouts, each checked to be solvable.

The core is away from the border, slots are beside it or form trusses that grow out of it, modules lie off the border,
and debris drifts in a row or column where nothing else lies. A layout is solvable when, in an order that precedence
allows, every module can be carried to its slot by the fewest robots that its mass allows, one of which docks. They may
release the module on the way and grip it at other sides. All other modules stay where they are, keep-out cells and
still debris are never entered, and other robots keep clear. The random numbers come from L'Ecuyer's combined generator
(CACM 31, 1988): two words in the state row, no overflow, the same with and without compilation.
"""

from __future__ import annotations

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.rules.jit import kernel, lean_kernel, part
from spaceworld.rules.lookup import fill_grid, row_of, shifted

TRIES = 2000
BARRED = pk.G_STATIC | pk.G_KEEP  # to robots and modules, in the check


@part
def draw(row, n):  # type: ignore[no-untyped-def]  # compiled
    """Return a random integer in [0, n) and advance the two words."""
    row[pk.S_RNG1] = 40014 * row[pk.S_RNG1] % 2147483563
    row[pk.S_RNG2] = 40692 * row[pk.S_RNG2] % 2147483399
    return (row[pk.S_RNG1] - row[pk.S_RNG2]) % 2147483562 % n


@lean_kernel
def draw_cell(spec, row, grid, margin):  # type: ignore[no-untyped-def]  # compiled
    """Return a random free cell at least `margin` from the border; -1 after many tries."""
    for _ in range(200):
        r = margin + draw(row, spec[pk.H_HEIGHT] - 2 * margin)
        c = margin + draw(row, spec[pk.H_WIDTH] - 2 * margin)
        if grid[r * spec[pk.H_WIDTH] + c] == 0:
            return r * spec[pk.H_WIDTH] + c
    return -1


@part
def take_cell(spec, row, grid, margin):  # type: ignore[no-untyped-def]  # compiled
    """Return a cell like `draw_cell` and mark it as taken."""
    cell = draw_cell(spec, row, grid, margin)
    if cell >= 0:
        grid[cell] = 1
    return cell


@lean_kernel
def generate(spec, row, work):  # type: ignore[no-untyped-def]  # compiled
    """Write a solvable random layout into `row`; return whether one was found."""
    cells = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    grid = work[:cells]
    for _ in range(TRIES):
        if attempt(spec, row, grid) and solvable(spec, row, grid, work[cells : 2 * cells], work[2 * cells : 3 * cells]):
            return True
    return False


@lean_kernel
def attempt(spec, row, grid):  # type: ignore[no-untyped-def]  # compiled
    """Write one random layout into `row`; return False when something found no free cell."""
    grid[:] = 0
    row[pk.S_STEP : spec[pk.H_ROBOT]] = 0
    if not attempt_slots(spec, row, grid):
        return False
    for m in range(spec[pk.H_MODULES]):
        cell = take_cell(spec, row, grid, 1)
        if cell < 0:
            return False
        at = spec[pk.H_MODULE] + m * pk.M_WIDTH
        row[at + pk.M_CELL], row[at + pk.M_SLOT], row[at + pk.M_WHEN] = cell, -1, -1
    for k in range(spec[pk.H_KEEP]):
        cell = take_cell(spec, row, grid, 1)
        if cell < 0:
            return False
        row[spec[pk.H_KEEPROW] + k] = cell
    for d in range(spec[pk.H_DEBRIS]):
        at, direction = spec[pk.H_DRIFT] + d * pk.D_WIDTH, spec[spec[pk.H_DEBRIS0] + d * pk.D_STATIC + pk.D_FIRST]
        cell = draw_lane(spec, row, grid, direction)
        if cell < 0:
            return False
        grid[cell] = 1
        row[at + pk.D_CELL], row[at + pk.D_DIR] = cell, direction
    for i in range(spec[pk.H_ROBOTS]):
        cell = take_cell(spec, row, grid, 0)
        if cell < 0:
            return False
        at = spec[pk.H_ROBOT] + i * pk.R_WIDTH
        row[at : at + pk.R_WIDTH] = 0
        row[at + pk.R_CELL], row[at + pk.R_GRIPS], row[at + pk.R_ACTION] = cell, -1, -1
    return True


@lean_kernel
def attempt_slots(spec, row, grid):  # type: ignore[no-untyped-def]  # compiled
    """Write a core and its slots, by the scenario's pattern; return False when something found no free cell."""
    slots, pattern, margin = spec[pk.H_SLOTS], spec[pk.H_PATTERN], 2
    if pattern == pk.CROSS:
        margin = (slots + 3) // 4 + 1  # the end of a truss stays off the border
    core = take_cell(spec, row, grid, margin)
    if core < 0:
        return False
    row[spec[pk.H_COREROW]] = core
    cell, first = core, 1 + draw(row, 4)
    for s in range(slots):
        direction = first
        if pattern == pk.LINE:
            cell = shifted(spec, cell, direction)
        elif pattern == pk.CROSS:
            direction = 1 + (first + s) % 4
            cell = core
            for _ in range(1 + s // 4):
                cell = shifted(spec, cell, direction)
        else:  # a free side of the core
            cell = -1
            for _ in range(20):
                beside = shifted(spec, core, 1 + draw(row, 4))
                if grid[beside] == 0:
                    cell = beside
                    break
        if cell < 0 or grid[cell]:
            return False
        if pattern == pk.LINE and shifted(spec, cell, direction) < 0:
            return False  # the end of the truss stays off the border
        grid[cell] = 1
        row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL] = cell
        row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_FILLED] = 0
    return True


@lean_kernel
def draw_lane(spec, row, grid, direction):  # type: ignore[no-untyped-def]  # compiled
    """Return a cell for debris off the border or -1; drifting debris has its row or column for itself."""
    if direction == 0:
        return draw_cell(spec, row, grid, 1)
    width = spec[pk.H_WIDTH]
    for _ in range(40):
        cell = draw_cell(spec, row, grid, 1)
        if cell < 0:
            return -1
        start, stop, stride = cell // width * width, (cell // width + 1) * width, 1
        if direction <= 2:
            start, stop, stride = cell % width, spec[pk.H_HEIGHT] * width, width
        free = True
        for other in range(start, stop, stride):
            free = free and grid[other] == 0
        if free:
            return cell
    return -1


@lean_kernel
def carriers(spec, mass):  # type: ignore[no-untyped-def]  # compiled
    """Return the fewest robots that can lift and dock `mass`: the strongest that docks, then the strongest others."""
    used, total, count = 0, 0, 0
    while total < mass or count == 0:
        best = -1
        for i in range(spec[pk.H_ROBOTS]):
            static = spec[pk.H_ROBOT0] + i * pk.R_STATIC
            if used >> i & 1 or not spec[static + pk.R_GRIP] or (count == 0 and not spec[static + pk.R_DOCK]):
                continue
            if best < 0 or spec[static + pk.R_THRUST] > spec[spec[pk.H_ROBOT0] + best * pk.R_STATIC + pk.R_THRUST]:
                best = i
        if best < 0:
            return 1 << 40
        used |= 1 << best
        total += spec[spec[pk.H_ROBOT0] + best * pk.R_STATIC + pk.R_THRUST]
        count += 1
    return count


@lean_kernel
def flood(spec, grid, start, hole, region, queue):  # type: ignore[no-untyped-def]  # compiled
    """Mark in `region` the cells that a robot at `start` can reach when `hole` is solid, too."""
    region[: spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]] = 0
    region[start] = 1
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        cell = queue[head]
        head += 1
        for direction in range(1, 5):
            to = shifted(spec, cell, direction)
            if to >= 0 and not region[to] and to != hole and not grid[to] & BARRED:
                region[to] = 1
                queue[tail] = to
                tail += 1


@part
def free_sides(spec, grid, cell):  # type: ignore[no-untyped-def]  # compiled
    """Return the free sides of a module at `cell` as bits: 1 north, 2 south, 4 west, 8 east."""
    sides = 0
    for direction in range(1, 5):
        beside = shifted(spec, cell, direction)
        sides |= int((beside >= 0) & (grid[beside] & BARRED == 0)) << (direction - 1)
    return sides


@part
def sides_within(spec, region, cell):  # type: ignore[no-untyped-def]  # compiled
    """Return the sides of `cell` whose cells are in `region`, as bits."""
    sides = 0
    for direction in range(1, 5):
        beside = shifted(spec, cell, direction)
        sides |= int((beside >= 0) & (region[beside] > 0)) << (direction - 1)
    return sides


@part
def count_of(sides):  # type: ignore[no-untyped-def]  # compiled
    """Return the number of sides in the bits `sides`."""
    return (sides & 1) + (sides >> 1 & 1) + (sides >> 2 & 1) + (sides >> 3)


@part
def sides_meet(spec, grid, cell):  # type: ignore[no-untyped-def]  # compiled
    """Return whether a robot can get from any free side of a module at `cell` to any other around its corners."""
    height, width = spec[pk.H_HEIGHT], spec[pk.H_WIDTH]
    r = row_of(spec, cell)
    c = cell - r * width
    sides, links, before = 0, 0, False
    for k in range(9):  # the eight neighbours clockwise from north, and north again: odd ones are corners
        down, across = (-1, -1, 0, 1, 1, 1, 0, -1, -1)[k], (0, 1, 1, 1, 0, -1, -1, -1, 0)[k]
        inside = (0 <= r + down < height) & (0 <= c + across < width)
        free = inside and grid[cell + down * width + across] & BARRED == 0
        if k % 2 == 1:
            before = before and free  # side and corner
        else:
            links += int(before and free)
            sides += int(free and k < 8)
            before = free
    return sides - links <= 1


@kernel
def deliverable(spec, grid, start, goal, need, at, regrip, region, queue):  # type: ignore[no-untyped-def]  # compiled
    """Return whether `need` robots, one of them at `at`, can carry the module from `start` to `goal`."""
    cells = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    seen = np.zeros(cells * 16, dtype=np.bool_)
    stack = np.empty(cells * 16, dtype=np.int64)
    regripped = np.zeros(cells if regrip else 0, dtype=np.int64)  # at each cell, the sides already tried
    top = 0
    flood(spec, grid, at, start, region, queue)
    within = free_sides(spec, grid, start) & sides_within(spec, region, start)
    if not regrip:
        within &= free_sides(spec, grid, goal)  # the sides stay the same to the end
    for sides in range(1, 16):
        if sides & ~within == 0 and count_of(sides) == need:
            seen[start * 16 + sides] = True
            stack[top] = start * 16 + sides
            top += 1
    while top > 0:
        top -= 1
        cell, sides = stack[top] // 16, stack[top] % 16
        if cell == goal:
            return True
        # carry it one cell; what is pushed last is searched first, so the directions to the goal come last
        down = row_of(spec, goal) - row_of(spec, cell)
        across = goal - cell - down * spec[pk.H_WIDTH]
        nearer = int(down < 0) | int(down > 0) << 1 | int(across < 0) << 2 | int(across > 0) << 3
        for k in range(8):
            direction = 1 + k % 4
            if nearer >> (direction - 1) & 1 != k // 4:
                continue
            to = shifted(spec, cell, direction)
            if to < 0 or grid[to] & BARRED or seen[to * 16 + sides]:
                continue
            if sides & ~free_sides(spec, grid, to) == 0:
                seen[to * 16 + sides] = True
                stack[top] = to * 16 + sides
                top += 1
        if not regrip or sides & regripped[cell]:
            continue
        within = free_sides(spec, grid, cell)  # or grip it at other sides
        if not sides_meet(spec, grid, cell):
            for direction in range(1, 5):
                if sides >> (direction - 1) & 1:
                    flood(spec, grid, shifted(spec, cell, direction), cell, region, queue)
                    break
            within &= sides_within(spec, region, cell)
        regripped[cell] |= within
        for other in range(1, 16):
            if not seen[cell * 16 + other] and other & ~within == 0 and count_of(other) == need:
                seen[cell * 16 + other] = True
                stack[top] = cell * 16 + other
                top += 1
    return False


@kernel
def solvable(spec, row, grid, region, queue):  # type: ignore[no-untyped-def]  # compiled
    """Return whether the layout in `row` can be completed (see the module docstring)."""
    fill_grid(spec, row, grid)
    for d in range(spec[pk.H_DEBRIS]):  # drifting debris moves out of the way
        at = spec[pk.H_DRIFT] + d * pk.D_WIDTH
        if row[at + pk.D_DIR]:
            grid[row[at + pk.D_CELL]] &= 63 - pk.G_DEBRIS
    placed = np.zeros(spec[pk.H_MODULES], dtype=np.bool_)
    robot = row[spec[pk.H_ROBOT] + pk.R_CELL]
    flood(spec, grid, robot, robot, region, queue)
    for i in range(spec[pk.H_ROBOTS]):
        if not region[row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_CELL]]:
            return False
    for k in range(spec[pk.H_SLOTS]):
        slot = spec[spec[pk.H_ORDER0] + k]
        goal = row[spec[pk.H_SLOT] + slot * pk.T_WIDTH + pk.T_CELL]
        for m in range(spec[pk.H_MODULES]):
            sheet = spec[pk.H_MODULE0] + m * pk.M_STATIC
            if placed[m] or spec[sheet + pk.M_TYPE] != spec[spec[pk.H_SLOT0] + slot * pk.T_STATIC + pk.T_TYPE]:
                continue
            start = row[spec[pk.H_MODULE] + m * pk.M_WIDTH + pk.M_CELL]
            grid[start] &= 63 - pk.G_LOOSE
            need = carriers(spec, spec[sheet + pk.M_MASS])
            # first without a second grip: that is faster, and most modules need none
            if need <= 4 and (
                deliverable(spec, grid, start, goal, need, robot, False, region, queue)
                or deliverable(spec, grid, start, goal, need, robot, True, region, queue)
            ):
                grid[goal] |= pk.G_STRUCTURE
                placed[m] = True
                break
            grid[start] |= pk.G_LOOSE
    return placed.all()
