"""How teams of four and more robots are observed: what all robots see alike is written once and copied.

Most of an observation is the same for all robots of a large team: what things are, though not where they are relative
to the robot. That is written once per world into shared float32 arrays. A robot that sees the whole grid copies them
whole, one with a short range copies what it sees, and then each writes what differs. The result equals that of
`feature_vector.observe` thing by thing, bit for bit.

Why there are two ways: `python -m tests.benchmarks.large_teams_speed` measured, as ratios of speed, 1.15 (`crew`), 1.41
(`station`) and 1.18 (`swarm`) in batches and 1.08, 1.11 and 1.03 by the dict API. With up to three robots it is the
other way round: `pair` ran at 0.91 in batches and `duet` at 0.38.
"""

from __future__ import annotations

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.rules.jit import lean_kernel, part
from spaceworld.rules.lookup import FAR, filled_slots, split
from spaceworld.rules.packing import DEBRIS, MODULE, OTHER, OWN, PLACE, SLOT


@part
def put(array, p, value):  # type: ignore[no-untyped-def]  # compiled
    """Assign `array[p]`; the index is unsigned, because numba checks each signed one for being negative."""
    array[np.uintp(p)] = value


@part
def put_for(obs, i, p, value):  # type: ignore[no-untyped-def]  # compiled
    """Assign `obs[i, p]`, unsigned like `put`."""
    obs[np.uintp(i), np.uintp(p)] = value


@part
def locate(obs, i, p, rel, down, across):  # type: ignore[no-untyped-def]  # compiled
    """Write a thing's position relative to robot `i`, two entries of `rel`, after its flag `seen` at `obs[i, p]`."""
    put_for(obs, i, p + 1, rel[np.uintp(down)])
    put_for(obs, i, p + 2, rel[np.uintp(across)])


@part
def action_of(action):  # type: ignore[no-untyped-def]  # compiled
    """Return an action as (row, col, interact); without branches, which cannot be predicted here."""
    down, across = 1.0 * (action == 2) - 1.0 * (action == 1), 1.0 * (action == 4) - 1.0 * (action == 3)
    return down, across, 1.0 * (action == 5)


@part
def open_slots(spec, row, filled, ready):  # type: ignore[no-untyped-def]  # compiled
    """Write row, column and type of each open slot into `ready`, (3 * S,); return the number of open slots.

    A slot is open when it is not filled and its precedence is met; `filled` has a bit for each filled slot.
    """
    count = 0
    for s in range(spec[pk.H_SLOTS]):
        static = spec[pk.H_SLOT0] + s * pk.T_STATIC
        if filled >> s & 1 or spec[static + pk.T_NEEDS] & ~filled:
            continue
        cell = row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL]
        ready[3 * count], ready[3 * count + 1] = split(spec, cell)
        ready[3 * count + 2] = spec[static + pk.T_TYPE]
        count += 1
    return count


@part
def nearest_open(cell_row, cell_col, kind, ready, count):  # type: ignore[no-untyped-def]  # compiled
    """Return the entry of `ready` that is nearest to a module of type `kind` (ties: the first), or -1."""
    best = FAR
    for k in range(count):  # without branches, which cannot be predicted here
        distance = abs(ready[np.uintp(3 * k)] - cell_row) + abs(ready[np.uintp(3 * k + 1)] - cell_col)
        best = min(best, (distance << 8 | k) + (FAR >> 1) * int(ready[np.uintp(3 * k + 2)] != kind))
    return best & 255 if best < FAR >> 1 else -1


@lean_kernel
def describe_robots(spec, row, strongest, shared):  # type: ignore[no-untyped-def]  # compiled
    """Write what others see of robots 1..N-1, 0, 1..N-2, `OTHER` floats each: the others of each robot are one run."""
    n = spec[pk.H_ROBOTS]
    for k in range(n):
        j = k + 1 if k + 1 < n else 0
        at, static = spec[pk.H_ROBOT] + j * pk.R_WIDTH, spec[pk.H_ROBOT0] + j * pk.R_STATIC
        p = k * OTHER
        put(shared, p, 1.0)
        put(shared, p + 3, spec[static + pk.R_TOLD_THRUST] * strongest)
        put(shared, p + 4, spec[static + pk.R_TOLD_DOCK])
        put(shared, p + 5, row[at + pk.R_GRIPS] >= 0)
        put(shared, p + 6, 0.0)
        put(shared, p + 7, row[at + pk.R_HITS] > 0)
        down, across, interacts = action_of(row[at + pk.R_ACTION])
        put(shared, p + 8, down)
        put(shared, p + 9, across)
        put(shared, p + 10, interacts)
    for p in range((n - 2) * OTHER):
        put(shared, n * OTHER + p, shared[np.uintp(p)])


@part
def enter(spec, things, k, p, cell):  # type: ignore[no-untyped-def]  # compiled
    """Write row, column and first feature as entry `k` of the list of things; return row and column."""
    cell_row, cell_col = split(spec, cell)
    things[np.uintp(3 * k + 0)], things[np.uintp(3 * k + 1)], things[np.uintp(3 * k + 2)] = cell_row, cell_col, p
    return cell_row, cell_col


@lean_kernel
def describe_things(spec, row, pull, ready, things, shared):  # type: ignore[no-untyped-def]  # compiled
    """Write what all robots see alike of modules, slots, places and debris.

    It goes to `shared`, float32, and row, column and first float of each thing to `things`, (3 * T + 3,) int64, at last
    where they end. `pull` (M,) is the thrust on each module, `ready` (3 * S,) scratch.
    """
    types = spec[pk.H_TYPES] if spec[pk.H_TYPES] > 1 else 0
    scale = spec[pk.H_SCALE : pk.H_SCALE + 5].view(np.float64)
    down, across, heaviest = scale[0], scale[1], scale[3]
    filled = filled_slots(spec, row)
    count = open_slots(spec, row, filled, ready)
    shared[:] = 0.0
    p, k = 0, 0
    for m in range(spec[pk.H_MODULES]):
        body, static = spec[pk.H_MODULE] + m * pk.M_WIDTH, spec[pk.H_MODULE0] + m * pk.M_STATIC
        docked = row[body + pk.M_SLOT] >= 0
        kind = spec[static + pk.M_TYPE]
        cell_row, cell_col = enter(spec, things, k, p, row[body + pk.M_CELL])
        goal = -1 if docked else nearest_open(cell_row, cell_col, kind, ready, count)
        if goal >= 0:
            put(shared, p + 8, (ready[3 * goal] - cell_row) * down)
            put(shared, p + 9, (ready[3 * goal + 1] - cell_col) * across)
        put(shared, p, 1.0)
        put(shared, p + 3, spec[static + pk.M_MASS] * heaviest)
        put(shared, p + 4, docked)
        if pull[m]:
            put(shared, p + 6, min(1.0, pull[m] / spec[static + pk.M_MASS]))
        put(shared, p + 7, goal >= 0)
        if types:
            put(shared, p + MODULE + kind, 1.0)
        p, k = p + MODULE + types, k + 1
    for s in range(spec[pk.H_SLOTS]):
        static = spec[pk.H_SLOT0] + s * pk.T_STATIC
        full = filled >> s & 1
        enter(spec, things, k, p, row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL])
        put(shared, p, 1.0)
        put(shared, p + 3, full)
        put(shared, p + 4, (full == 0) & (spec[static + pk.T_NEEDS] & ~filled == 0))
        if types:
            put(shared, p + SLOT + spec[static + pk.T_TYPE], 1.0)
        p, k = p + SLOT + types, k + 1
    for c in range(spec[pk.H_CORE] + spec[pk.H_KEEP]):  # in the row, keep-out cells follow the core
        enter(spec, things, k, p, row[spec[pk.H_COREROW] + c])
        put(shared, p, 1.0)
        p, k = p + PLACE, k + 1
    for d in range(spec[pk.H_DEBRIS]):
        body = spec[pk.H_DRIFT] + d * pk.D_WIDTH
        enter(spec, things, k, p, row[body + pk.D_CELL])
        drift_row, drift_col, _ = action_of(row[body + pk.D_DIR])
        put(shared, p, 1.0)
        put(shared, p + 3, drift_row)
        put(shared, p + 4, drift_col)
        p, k = p + DEBRIS, k + 1
    things[3 * k + 2] = p


@lean_kernel
def observe_shared(spec, row, own, pull, obs):  # type: ignore[no-untyped-def]  # compiled
    """Fill `obs[:, OWN:]`, float32.

    `own` (3 * N,) has row, column and sensor range of each robot, `pull` the thrust on each module, then scratch.
    """
    n, height, width = spec[pk.H_ROBOTS], spec[pk.H_HEIGHT], spec[pk.H_WIDTH]
    ready = pull[spec[pk.H_MODULES] :]
    things = ready[3 * spec[pk.H_SLOTS] :]
    number = spec[pk.H_MODULES] + spec[pk.H_SLOTS] + spec[pk.H_CORE] + spec[pk.H_KEEP] + spec[pk.H_DEBRIS]
    robots_shared = things[3 * number + 3 :].view(np.float32)  # see `describe_robots`
    first = OWN + (n - 1) * OTHER
    last = obs.shape[1] - first
    shared = robots_shared[2 * n * OTHER : 2 * n * OTHER + last]
    scale = spec[pk.H_SCALE : pk.H_SCALE + 5].view(np.float64)
    describe_robots(spec, row, scale[2], robots_shared)
    describe_things(spec, row, pull, ready, things, shared)
    rel = spec[spec[pk.H_REL] : spec[pk.H_REL] + height + width - 1].view(np.float32)
    types = spec[pk.H_TYPES] if spec[pk.H_TYPES] > 1 else 0
    for i in range(n):
        held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
        my_row, my_col, seen = own[3 * i + 0], own[3 * i + 1], own[3 * i + 2]
        rows, cols = height - 1 - my_row, 2 * height + width - 2 - my_col  # where row 0 and column 0 are in `rel`
        if seen >= max(height, width) - 1:
            for p in range((n - 1) * OTHER):
                put_for(obs, i, OWN + p, robots_shared[np.uintp(i * OTHER + p)])
            for p in range(last):
                put_for(obs, i, first + p, shared[np.uintp(p)])
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
                    put_for(obs, i, p + q, robots_shared[np.uintp((i + k - 1) * OTHER + q)])
                locate(obs, i, p, rel, rows + own[np.uintp(3 * j + 0)], cols + own[np.uintp(3 * j + 1)])
            for k in range(number):
                if max(abs(things[3 * k + 0] - my_row), abs(things[3 * k + 1] - my_col)) > seen:
                    continue
                for q in range(things[3 * k + 2], things[3 * k + 5]):
                    put_for(obs, i, first + q, shared[np.uintp(q)])
                p = first + things[np.uintp(3 * k + 2)]
                locate(obs, i, p, rel, rows + things[np.uintp(3 * k + 0)], cols + things[np.uintp(3 * k + 1)])
        if held >= 0:
            for k in range(1, n):
                j = i + k if i + k < n else i + k - n
                if row[spec[pk.H_ROBOT] + j * pk.R_WIDTH + pk.R_GRIPS] == held:
                    p = OWN + (k - 1) * OTHER
                    put_for(obs, i, p + 6, obs[i, p])  # if that robot is seen
            p = first + held * (MODULE + types)
            put_for(obs, i, p + 5, obs[i, p])
