"""Random layouts, each checked to be solvable, drawn inside the kernel's random stream.

Friendly by design: the core is two cells from the border, slots are beside it (or form a line out of it), modules
lie off the border. Solvable means: in an order that precedence allows, every module can be carried to its slot by
as few robots as its mass needs, who may let go and take hold of other sides on the way; the other modules stay
where they are and other robots keep clear. The random numbers are L'Ecuyer's combined generator (CACM 31, 1988):
two words in the state row, no overflow, the same with and without compilation.
"""

from __future__ import annotations

import numpy as np

from spaceworld import packing as pk
from spaceworld.jit import kernel
from spaceworld.kernel import fill_grid, shifted

TRIES = 2000


@kernel
def draw(row, n):  # type: ignore[no-untyped-def]  # compiled
    """A random integer in [0, n); advances the two words."""
    row[pk.S_RNG1] = 40014 * row[pk.S_RNG1] % 2147483563
    row[pk.S_RNG2] = 40692 * row[pk.S_RNG2] % 2147483399
    return (row[pk.S_RNG1] - row[pk.S_RNG2]) % 2147483562 % n


@kernel
def draw_cell(spec, row, grid, margin):  # type: ignore[no-untyped-def]  # compiled
    """A random cell at least `margin` from the border that no thing has taken yet; -1 after many tries."""
    for _ in range(200):
        r = margin + draw(row, spec[pk.H_HEIGHT] - 2 * margin)
        c = margin + draw(row, spec[pk.H_WIDTH] - 2 * margin)
        if grid[r * spec[pk.H_WIDTH] + c] == 0:
            return r * spec[pk.H_WIDTH] + c
    return -1


@kernel
def generate(spec, row, work):  # type: ignore[no-untyped-def]  # compiled
    """Writes a solvable random layout into `row`; returns whether one was found."""
    cells = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    grid = work[:cells]
    for _ in range(TRIES):
        if attempt(spec, row, grid) and solvable(spec, row, grid, work[cells : 2 * cells], work[2 * cells : 3 * cells]):
            return True
    return False


@kernel
def attempt(spec, row, grid):  # type: ignore[no-untyped-def]  # compiled
    """One random layout: core, slots, modules, robots; False when something found no cell."""
    grid[:] = 0
    row[pk.S_STEP : spec[pk.H_ROBOT]] = 0
    core = draw_cell(spec, row, grid, 2)
    grid[core] = 1
    row[spec[pk.H_COREROW]] = core
    cell, direction = core, 1 + draw(row, 4)
    for s in range(spec[pk.H_SLOTS]):
        if spec[pk.H_PATTERN]:  # a truss that grows out of the core
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
        if spec[pk.H_PATTERN] and shifted(spec, cell, direction) < 0:
            return False  # the end of the truss stays off the border
        grid[cell] = 1
        row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL] = cell
        row[spec[pk.H_SLOT] + s * pk.T_WIDTH + 1] = 0
    for m in range(spec[pk.H_MODULES]):
        cell = draw_cell(spec, row, grid, 1)
        if cell < 0:
            return False
        grid[cell] = 1
        at = spec[pk.H_MODULE] + m * pk.M_WIDTH
        row[at + pk.M_CELL], row[at + pk.M_SLOT], row[at + pk.M_WHEN] = cell, -1, -1
    for i in range(spec[pk.H_ROBOTS]):
        cell = draw_cell(spec, row, grid, 0)
        if cell < 0:
            return False
        grid[cell] = 1
        at = spec[pk.H_ROBOT] + i * pk.R_WIDTH
        row[at : at + pk.R_WIDTH] = 0
        row[at + pk.R_CELL], row[at + pk.R_GRIPS], row[at + pk.R_ACTION] = cell, -1, -1
    return True


@kernel
def carriers(spec, mass):  # type: ignore[no-untyped-def]  # compiled
    """The least number of robots that can lift `mass`, the strongest first."""
    used, total, least = 0, 0, 1 << 40
    while total < mass:
        best = 0
        for i in range(spec[pk.H_ROBOTS]):
            static = spec[pk.H_ROBOT0] + i * pk.R_STATIC
            if not used >> i & 1 and spec[static + pk.R_GRIP]:
                best = max(best, spec[static + pk.R_THRUST])
        for i in range(spec[pk.H_ROBOTS]):
            static = spec[pk.H_ROBOT0] + i * pk.R_STATIC
            if not used >> i & 1 and spec[static + pk.R_GRIP] and spec[static + pk.R_THRUST] == best:
                used |= 1 << i
                break
        total += best
        if best == 0:
            return least
    count = 0
    for i in range(spec[pk.H_ROBOTS]):
        count += used >> i & 1
    return count


@kernel
def flood(spec, grid, start, hole, region, queue):  # type: ignore[no-untyped-def]  # compiled
    """Marks in `region` the cells that a robot at `start` can reach when `hole` is solid as well."""
    region[: spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]] = 0
    region[start] = 1
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        cell = queue[head]
        head += 1
        for direction in range(1, 5):
            to = shifted(spec, cell, direction)
            if to >= 0 and not region[to] and to != hole and not grid[to] & (pk.G_STRUCTURE | pk.G_LOOSE):
                region[to] = 1
                queue[tail] = to
                tail += 1


@kernel
def deliverable(spec, grid, start, goal, need, at, regrip, region, queue):  # type: ignore[no-untyped-def]  # compiled
    """Whether `need` robots, one of them at `at`, can bring the module at `start` to `goal`."""
    cells = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    seen = np.zeros((cells, 16), dtype=np.bool_)
    stack = np.empty(cells * 16, dtype=np.int64)
    top = 0
    flood(spec, grid, at, start, region, queue)
    for sides in range(1, 16):
        if sides_fit(spec, grid, start, sides, need, region):
            seen[start, sides] = True
            stack[top] = start * 16 + sides
            top += 1
    while top > 0:
        top -= 1
        cell, sides = stack[top] // 16, stack[top] % 16
        if cell == goal:
            return True
        for direction in range(1, 5):  # carried one cell
            to = shifted(spec, cell, direction)
            if to < 0 or grid[to] & (pk.G_STRUCTURE | pk.G_LOOSE) or seen[to, sides]:
                continue
            if sides_fit(spec, grid, to, sides, need, np.ones(1, dtype=np.int64)):
                seen[to, sides] = True
                stack[top] = to * 16 + sides
                top += 1
        if not regrip:
            continue
        for direction in range(1, 5):  # or gripped anew at other sides
            if sides >> (direction - 1) & 1:
                flood(spec, grid, shifted(spec, cell, direction), cell, region, queue)
                break
        for other in range(1, 16):
            if not seen[cell, other] and sides_fit(spec, grid, cell, other, need, region):
                seen[cell, other] = True
                stack[top] = cell * 16 + other
                top += 1
    return False


@kernel
def sides_fit(spec, grid, cell, sides, need, region):  # type: ignore[no-untyped-def]  # compiled
    """Whether exactly `need` robots fit around `cell` at `sides` (bits), on free cells of `region` (if given)."""
    count = 0
    for direction in range(1, 5):
        if sides >> (direction - 1) & 1:
            beside = shifted(spec, cell, direction)
            if beside < 0 or grid[beside] & (pk.G_STRUCTURE | pk.G_LOOSE):
                return False
            if region.size > 1 and not region[beside]:
                return False
            count += 1
    return count == need


@kernel
def solvable(spec, row, grid, region, queue):  # type: ignore[no-untyped-def]  # compiled
    """Whether the layout in `row` can be completed (see the module docstring)."""
    fill_grid(spec, row, grid)
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
            # the quick search first: most modules need no second grip
            if need <= 4 and (
                deliverable(spec, grid, start, goal, need, robot, False, region, queue)
                or deliverable(spec, grid, start, goal, need, robot, True, region, queue)
            ):
                grid[goal] |= pk.G_STRUCTURE
                placed[m] = True
                break
            grid[start] |= pk.G_LOOSE
    return placed.all()
