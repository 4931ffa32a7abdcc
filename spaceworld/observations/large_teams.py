"""What every robot sees alike, written once for all of them: how large teams are observed.

With many robots most of an observation is the same for all: what the things around are, but not where they are from
here. So that is written on sheets of float32, once for a world. A robot that sees the whole grid gets a copy, into
which only what differs is written; one with a short range gets copies of what it sees. Bit for bit the same as
`observation.observe` writes one by one, which is faster for few robots.
"""

from __future__ import annotations

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.rules.jit import lean_kernel, part
from spaceworld.rules.kernel import FAR, row_of
from spaceworld.rules.packing import DEBRIS, MODULE, OTHER, OWN, PLACE, SLOT


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
def action_of(action):  # type: ignore[no-untyped-def]  # compiled
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
def nearest_open(cell_row, cell_col, kind, ready, count):  # type: ignore[no-untyped-def]  # compiled
    """The entry in the list of `open_slots` that is nearest to a module of a type (ties: the first), or -1."""
    best = FAR
    for k in range(count):  # without a branch, which nothing could predict
        distance = abs(ready[np.uintp(3 * k)] - cell_row) + abs(ready[np.uintp(3 * k + 1)] - cell_col)
        best = min(best, (distance << 8 | k) + (FAR >> 1) * int(ready[np.uintp(3 * k + 2)] != kind))
    return best & 255 if best < FAR >> 1 else -1


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
        down, across, interacts = action_of(row[at + pk.R_ACTION])
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
        goal = -1 if docked else nearest_open(cell_row, cell_col, kind, ready, count)
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
def copy_sheets(spec, row, own, pull, obs):  # type: ignore[no-untyped-def]  # compiled
    """Fills `obs[:, OWN:]`.

    Args:
        spec, row: as for `observe`.
        own: (3 * N,) int64, row, column and sensor range of each robot.
        pull: (M,) the thrust on each module; behind it lies the scratch.
        obs: (N, F) float32.
    """
    n, height, width = spec[pk.H_ROBOTS], spec[pk.H_HEIGHT], spec[pk.H_WIDTH]
    ready = pull[spec[pk.H_MODULES] :]
    things = ready[3 * spec[pk.H_SLOTS] :]
    number = spec[pk.H_MODULES] + spec[pk.H_SLOTS] + spec[pk.H_CORE] + spec[pk.H_KEEP] + spec[pk.H_DEBRIS]
    robot_sheet = things[3 * number + 3 :].view(np.float32)  # see `describe_robots`
    first = OWN + (n - 1) * OTHER
    last = obs.shape[1] - first
    sheet = robot_sheet[2 * n * OTHER : 2 * n * OTHER + last]
    scale = spec[pk.H_SCALE : pk.H_SCALE + 5].view(np.float64)
    describe_robots(spec, row, scale[2], robot_sheet)
    describe_things(spec, row, pull, ready, things, sheet)
    rel = spec[spec[pk.H_REL] : spec[pk.H_REL] + height + width - 1].view(np.float32)
    types = spec[pk.H_TYPES] if spec[pk.H_TYPES] > 1 else 0
    for i in range(n):
        held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
        my_row, my_col, seen = own[3 * i + 0], own[3 * i + 1], own[3 * i + 2]
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
