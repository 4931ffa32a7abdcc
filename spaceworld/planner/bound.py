"""Admissible bounds that guide the searches for shortest plans: on steps, and at the end on robot-actions.

Each undocked module is considered alone, as if the other modules and robots were not in the way:

- It cannot move before enough thrust holds it. A robot must fly to the module's side and needs one step for the grip,
  and one more when it alone holds another module, which it must first release or dock.
- Then it is carried, at best on the shortest way to a slot of its type, around everything that never moves.
- Then it is docked, in one more step, by a robot that had to reach the side of such a slot and to hold the module.

The bound is the largest over the modules. These parts cannot overlap: a robot that interacts does not move, nor does a
module that it grips. Docked modules and filled slots that get in the way later can only add steps.
"""

from __future__ import annotations

import numpy as np

from spaceworld.planner.spacetime import flood
from spaceworld.rules import packing as pk
from spaceworld.rules.jit import kernel
from spaceworld.rules.lookup import shifted

FAR = 1 << 20  # longer than any way; a bound of FAR or more means that no plan exists

Tables = tuple[np.ndarray, np.ndarray, np.ndarray]


def tables(spec: np.ndarray, row: np.ndarray) -> Tables:
    """Return the distances that the bound needs, for all states that can follow from `row`.

    Returns:
        `near` (H*W, H*W) int64, free flight from a cell to the side of another; `carry` (M, H*W) int64, a module's way
        from a cell to its nearest slot; `dock` (M, H*W) int64, free flight from a cell to the side of a slot of the
        module. FAR where there is no way.
    """
    cells, modules = int(spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]), int(spec[pk.H_MODULES])
    near = np.full((cells, cells), FAR, dtype=np.int64)
    carry, dock = np.full((2, modules, cells), FAR, dtype=np.int64)
    survey(spec, row, near, carry, dock)
    return near, carry, dock


@kernel
def survey(spec, row, near, carry, dock):  # type: ignore[no-untyped-def]  # compiled
    """Fill the three tables, which must be FAR everywhere."""
    cells = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    queue, flight = np.empty(cells, dtype=np.int64), np.empty(cells, dtype=np.int64)
    solid = np.zeros(cells, dtype=np.bool_)  # forever: core, still debris, docked modules
    for k in range(spec[pk.H_CORE]):
        solid[row[spec[pk.H_COREROW] + k]] = True
    for d in range(spec[pk.H_DEBRIS]):
        solid[row[spec[pk.H_DRIFT] + d * pk.D_WIDTH + pk.D_CELL]] = True
    for m in range(spec[pk.H_MODULES]):
        at = spec[pk.H_MODULE] + m * pk.M_WIDTH
        if row[at + pk.M_SLOT] >= 0:
            solid[row[at + pk.M_CELL]] = True
    walls = solid.copy()
    for k in range(spec[pk.H_KEEP]):
        walls[row[spec[pk.H_KEEPROW] + k]] = True  # entering is a violation, but a robot may start there
    for start in range(cells):
        flight[:] = FAR
        flight[start], queue[0] = 0, start
        flood(spec[pk.H_WIDTH], walls, flight, queue, 1)
        for cell in range(cells):
            for direction in range(1, 5):
                beside = shifted(spec, cell, direction)
                if beside >= 0:
                    near[start, cell] = min(near[start, cell], flight[beside])
    for m in range(spec[pk.H_MODULES]):
        kind, count = spec[spec[pk.H_MODULE0] + m * pk.M_STATIC + pk.M_TYPE], 0
        for s in range(spec[pk.H_SLOTS]):
            at = spec[pk.H_SLOT] + s * pk.T_WIDTH
            cell = row[at + pk.T_CELL]
            if solid[cell] or spec[spec[pk.H_SLOT0] + s * pk.T_STATIC + pk.T_TYPE] != kind:
                continue
            carry[m, cell], queue[count] = 0, cell
            count += 1
            for start in range(cells):
                dock[m, start] = min(dock[m, start], near[start, cell])
        flood(spec[pk.H_WIDTH], solid, carry[m], queue, count)


@kernel
def held_from(spec, row, near, m, wait):  # type: ignore[no-untyped-def]  # compiled
    """Return the fewest steps after which enough thrust can hold module `m`; `wait` (N,) is scratch."""
    n = spec[pk.H_ROBOTS]
    at = spec[pk.H_MODULE] + m * pk.M_WIDTH
    for i in range(n):
        own = spec[pk.H_ROBOT] + i * pk.R_WIDTH
        held = row[own + pk.R_GRIPS]
        if held == m:
            wait[i] = 0
        elif not spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_GRIP]:
            wait[i] = FAR
        else:
            wait[i] = near[row[own + pk.R_CELL], row[at + pk.M_CELL]] + 1
            alone = held >= 0
            for j in range(n):
                if j != i and row[spec[pk.H_ROBOT] + j * pk.R_WIDTH + pk.R_GRIPS] == held:
                    alone = False
            wait[i] += alone  # it must release or dock first
    least = FAR
    for i in range(n):
        thrust = 0
        for j in range(n):
            if wait[j] <= wait[i]:
                thrust += spec[spec[pk.H_ROBOT0] + j * pk.R_STATIC + pk.R_THRUST]
        if thrust >= spec[spec[pk.H_MODULE0] + m * pk.M_STATIC + pk.M_MASS]:
            least = min(least, wait[i])
    return least


@kernel
def bound(spec, row, guide, wait):  # type: ignore[no-untyped-def]  # compiled
    """Return the bound for the state in `row`, in steps; FAR or more when it cannot be completed.

    `guide` is the tables `near`, `carry` and `dock`, and `wait`, (N or more,) int64, is scratch.
    """
    near, carry, dock = guide
    best = 0
    for m in range(spec[pk.H_MODULES]):
        at = spec[pk.H_MODULE] + m * pk.M_WIDTH
        if row[at + pk.M_SLOT] >= 0:
            continue
        way = carry[m, row[at + pk.M_CELL]]
        docker = FAR
        for i in range(spec[pk.H_ROBOTS]):
            sheet, own = spec[pk.H_ROBOT0] + i * pk.R_STATIC, spec[pk.H_ROBOT] + i * pk.R_WIDTH
            if spec[sheet + pk.R_GRIP] and spec[sheet + pk.R_DOCK]:
                docker = min(docker, dock[m, row[own + pk.R_CELL]] + (row[own + pk.R_GRIPS] != m))
        if way > 0:
            way += held_from(spec, row, near, m, wait)
        best = max(best, max(way, docker) + 1)
    return best


@kernel
def work_bound(spec, row, guide, wait):  # type: ignore[no-untyped-def]  # compiled
    """Return a bound on the robot-actions other than staying that complete the state in `row`; FAR: it cannot be.

    A module that must be moved needs at least as many robots as it would need if all were as strong as the strongest.
    Each cell of its way to the nearest slot costs an action of each of them, each grip that is missing one more, the
    dock one. These never overlap between modules. Where nobody grips anything, some robot must first fly to a module.

    The arguments are those of `bound`.
    """
    near, carry, _ = guide
    n = spec[pk.H_ROBOTS]
    total, gripping, nearest = 0, False, FAR
    for i in range(n):
        gripping = gripping or row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS] >= 0
    for m in range(spec[pk.H_MODULES]):
        at = spec[pk.H_MODULE] + m * pk.M_WIDTH
        if row[at + pk.M_SLOT] >= 0:
            continue
        cell = row[at + pk.M_CELL]
        way, mass = carry[m, cell], spec[spec[pk.H_MODULE0] + m * pk.M_STATIC + pk.M_MASS]
        if way >= FAR:
            return FAR
        strongest, holders = 0, 0
        for i in range(n):
            own = spec[pk.H_ROBOT] + i * pk.R_WIDTH
            if spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_GRIP]:
                strongest = max(strongest, spec[spec[pk.H_ROBOT0] + i * pk.R_STATIC + pk.R_THRUST])
                nearest = min(nearest, near[row[own + pk.R_CELL], cell])
            holders += row[own + pk.R_GRIPS] == m
        if strongest == 0:
            return FAR
        needed = 1 if way == 0 else -(-mass // strongest)
        total += way * needed + max(0, needed - holders) + 1
    if total > 0 and not gripping:
        total += nearest
    return min(total, FAR)
