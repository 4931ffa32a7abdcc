"""What compiled kernels look up in a packed state: cells and their neighbours, what stands where, what is open."""

from __future__ import annotations

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.rules.jit import part

FAR = 1 << 62  # larger than every key that cells are compared by


@part
def parts_of(memory):  # type: ignore[no-untyped-def]  # compiled
    """Return where row, actions and scratch begin in a world's memory; see `packing.memory_of`."""
    row = memory[pk.H_SPECSIZE]
    actions = row + memory[pk.H_ROWSIZE]
    return row, actions, actions + memory[pk.H_ROBOTS]


@part
def fill_grid(spec, row, grid):  # type: ignore[no-untyped-def]  # compiled
    """Fill the flag grid, (H*W,) int64, from the row."""
    grid[: spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]] = 0
    for k in range(spec[pk.H_CORE]):
        grid[row[spec[pk.H_COREROW] + k]] |= pk.G_STRUCTURE
    for k in range(spec[pk.H_KEEP]):
        grid[row[spec[pk.H_KEEPROW] + k]] |= pk.G_KEEP
    for m in range(spec[pk.H_MODULES]):
        at = spec[pk.H_MODULE] + m * pk.M_WIDTH
        grid[row[at + pk.M_CELL]] |= pk.G_STRUCTURE if row[at + pk.M_SLOT] >= 0 else pk.G_LOOSE
    for d in range(spec[pk.H_DEBRIS]):
        grid[row[spec[pk.H_DRIFT] + d * pk.D_WIDTH + pk.D_CELL]] |= pk.G_DEBRIS
    for i in range(spec[pk.H_ROBOTS]):
        at = spec[pk.H_ROBOT] + i * pk.R_WIDTH
        grid[row[at + pk.R_CELL]] |= pk.G_ROBOT
        if row[at + pk.R_GRIPS] >= 0:
            cell = row[spec[pk.H_MODULE] + row[at + pk.R_GRIPS] * pk.M_WIDTH + pk.M_CELL]
            grid[cell] = (grid[cell] & (63 - pk.G_LOOSE)) | pk.G_GRIPPED


@part
def row_of(spec, cell):  # type: ignore[no-untyped-def]  # compiled
    """Return the row of a cell, by a product: integer divisions were a large part of a step."""
    return cell * spec[pk.H_RECIPROCAL] >> 32


@part
def split(spec, cell):  # type: ignore[no-untyped-def]  # compiled
    """Return row and column of a cell."""
    row = row_of(spec, cell)
    return row, cell - row * spec[pk.H_WIDTH]


@part
def shifted(spec, cell, direction):  # type: ignore[no-untyped-def]  # compiled
    """Return the neighbouring cell in direction 1..4, or -1 outside the grid; the cell itself for other actions."""
    # a table, because a processor cannot predict branches that depend on positions and choices
    return spec[np.uintp(spec[pk.H_NEXT] + cell * pk.N_ACTIONS + direction)]


@part
def grip_target(spec, row, cell):  # type: ignore[no-untyped-def]  # compiled
    """Return the undocked module beside `cell`, the one in the lowest cell if there are several; -1 if none."""
    best, where = -1, FAR
    for m in range(spec[pk.H_MODULES]):
        at = spec[pk.H_MODULE] + m * pk.M_WIDTH
        if row[at + pk.M_SLOT] < 0 and row[at + pk.M_CELL] < where:
            for direction in range(1, 5):
                if shifted(spec, cell, direction) == row[at + pk.M_CELL]:
                    best, where = m, row[at + pk.M_CELL]
    return best


@part
def filled_slots(spec, row):  # type: ignore[no-untyped-def]  # compiled
    """Return the filled slots, a bit for each."""
    filled = 0
    for s in range(spec[pk.H_SLOTS]):
        filled |= row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_FILLED] << s
    return filled


@part
def open_slot(spec, row, module):  # type: ignore[no-untyped-def]  # compiled
    """Return the open slot on which `module` lies and in which it can be docked; -1 if none."""
    filled = filled_slots(spec, row)
    for s in range(spec[pk.H_SLOTS]):
        at, static = spec[pk.H_SLOT] + s * pk.T_WIDTH, spec[pk.H_SLOT0] + s * pk.T_STATIC
        if (
            row[at + pk.T_CELL] == row[spec[pk.H_MODULE] + module * pk.M_WIDTH + pk.M_CELL]
            and not row[at + pk.T_FILLED]
            and spec[static + pk.T_TYPE] == spec[spec[pk.H_MODULE0] + module * pk.M_STATIC + pk.M_TYPE]
            and spec[static + pk.T_NEEDS] & ~filled == 0
        ):
            return s
    return -1


@part
def unit_of(spec, row, i):  # type: ignore[no-untyped-def]  # compiled
    """Return the unit of robot `i`: itself when it is free, else N + the module that it grips."""
    held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
    return i if held < 0 else spec[pk.H_ROBOTS] + held


@part
def body_cell(spec, row, b):  # type: ignore[no-untyped-def]  # compiled
    """Return the cell of body `b`: robots are bodies 0..N-1, modules the ones from N on."""
    if b < spec[pk.H_ROBOTS]:
        return row[spec[pk.H_ROBOT] + b * pk.R_WIDTH + pk.R_CELL]
    return row[spec[pk.H_MODULE] + (b - spec[pk.H_ROBOTS]) * pk.M_WIDTH + pk.M_CELL]
