"""Ways and things of a packed Spaceworld, compiled, as the scripted critic's rules see them (ours)."""

from __future__ import annotations

from credit_wrappers.scripted.spaceworld_potential import REGRIP
from spaceworld.rules import packing as pk
from spaceworld.rules.jit import part
from spaceworld.rules.lookup import filled_slots, shifted

SHUNNED = 2  # a cell that is free, but through which no way leads; 1: solid


@part
def module_at(spec, row, m):  # type: ignore[no-untyped-def]  # compiled
    """Return cell, type and mass of a module, and whether it is docked."""
    at, static = spec[pk.H_MODULE] + m * pk.M_WIDTH, spec[pk.H_MODULE0] + m * pk.M_STATIC
    return row[at + pk.M_CELL], spec[static + pk.M_TYPE], spec[static + pk.M_MASS], row[at + pk.M_SLOT] >= 0


@part
def robot_at(spec, row, i):  # type: ignore[no-untyped-def]  # compiled
    """Return cell, gripped module or -1, thrust of a robot, and whether it can dock."""
    at, static = spec[pk.H_ROBOT] + i * pk.R_WIDTH, spec[pk.H_ROBOT0] + i * pk.R_STATIC
    return row[at + pk.R_CELL], row[at + pk.R_GRIPS], spec[static + pk.R_THRUST], spec[static + pk.R_DOCK] > 0


@part
def spread(spec, solid, steps, queue, n):  # type: ignore[no-untyped-def]  # compiled
    """Fill `steps` (H*W,) with the steps to the nearest of the first `n` cells of `queue`; -1 where no way leads."""
    steps[:] = -1
    last = 0
    for k in range(n):
        cell = queue[k]
        if not solid[cell] and steps[cell] < 0:
            steps[cell] = 0
            queue[last] = cell
            last += 1
    first = 0
    while first < last:
        cell = queue[first]
        first += 1
        for direction in range(1, 5):
            other = shifted(spec, cell, direction)
            if other >= 0 and steps[other] < 0 and not solid[other]:
                steps[other] = steps[cell] + 1
                queue[last] = other
                last += 1


@part
def leave(spec, solid, steps):  # type: ignore[no-untyped-def]  # compiled
    """Fill `steps` in shunned cells, through which no way leads: from there the next cell's way is one step longer."""
    for cell in range(len(solid)):
        for direction in range(1, 5 if solid[cell] == SHUNNED else 1):
            other = shifted(spec, cell, direction)
            free = other >= 0 and not solid[other] and steps[other] >= 0
            if free and (steps[cell] < 0 or steps[other] + 1 < steps[cell]):
                steps[cell] = steps[other] + 1


@part
def is_kept_out(spec, row, cell):  # type: ignore[no-untyped-def]  # compiled
    """Return whether a cell is a keep-out cell."""
    found = False
    for k in range(spec[pk.H_CORE], spec[pk.H_CORE] + spec[pk.H_KEEP]):  # they follow the core
        found = found or row[spec[pk.H_COREROW] + k] == cell
    return found


@part
def mark_station(spec, row, solid):  # type: ignore[no-untyped-def]  # compiled
    """Mark the station: core and docked modules."""
    solid[:] = 0
    for k in range(spec[pk.H_CORE]):
        solid[row[spec[pk.H_COREROW] + k]] = 1
    for m in range(spec[pk.H_MODULES]):
        cell, _, _, docked = module_at(spec, row, m)
        if docked:
            solid[cell] = 1


@part
def goals_of(spec, row, m, queue):  # type: ignore[no-untyped-def]  # compiled
    """Write the cells of the slots that a module belongs in next into `queue`; return how many there are."""
    filled, (_, kind, _, _) = filled_slots(spec, row), module_at(spec, row, m)
    n, fitting = 0, -1
    for s in range(spec[pk.H_SLOTS]):
        static = spec[pk.H_SLOT0] + s * pk.T_STATIC
        if filled >> s & 1 or spec[static + pk.T_TYPE] != kind:
            continue
        if fitting < 0:
            fitting = s
        if not spec[static + pk.T_NEEDS] & ~filled:
            queue[n] = row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_CELL]
            n += 1
    if not n:
        queue[0] = row[spec[pk.H_SLOT] + max(fitting, 0) * pk.T_WIDTH + pk.T_CELL]
        n = 1
    return n


@part
def mark_in_the_way(spec, row, station, m, solid):  # type: ignore[no-untyped-def]  # compiled
    """Mark the station, and all modules but `m` that nobody holds."""
    for c in range(len(solid)):
        solid[c] = station[c]
    for x in range(spec[pk.H_MODULES]):
        cell, _, _, docked = module_at(spec, row, x)
        loose = x != m and not docked
        for i in range(spec[pk.H_ROBOTS] if loose else 0):
            loose = loose and robot_at(spec, row, i)[1] != x
        if loose:
            solid[cell] = 1


@part
def plain_way(spec, row, m, cell, solid, steps, queue):  # type: ignore[no-untyped-def]  # compiled
    """Return the steps of module `m` alone from a cell to its slot."""
    spread(spec, solid, steps, queue, goals_of(spec, row, m, queue))
    return steps[cell] if steps[cell] >= 0 else spec[pk.H_HEIGHT] + spec[pk.H_WIDTH]


@part
def carry_way(spec, row, m, holder, solid, both, steps, queue):  # type: ignore[no-untyped-def]  # compiled
    """Return the steps of module `m` to its slot when a robot in cell `holder` holds it; more if it must regrip."""
    cell, side = module_at(spec, row, m)[0], 0
    for direction in range(1, 5):
        if shifted(spec, cell, direction) == holder:
            side = direction
    shunned = False
    for c in range(len(solid)):  # the robot's cell must be free, too
        beside = shifted(spec, c, side)
        both[c] = solid[c] or beside < 0 or solid[beside]
        shunned = shunned or (not both[c] and is_kept_out(spec, row, beside))
    spread(spec, both, steps, queue, goals_of(spec, row, m, queue))
    way = steps[cell]
    if way < 0:
        return plain_way(spec, row, m, cell, solid, steps, queue) + REGRIP
    if not shunned:
        return way
    for c in range(len(solid)):
        if not both[c] and is_kept_out(spec, row, shifted(spec, c, side)):
            both[c] = SHUNNED
    spread(spec, both, steps, queue, goals_of(spec, row, m, queue))
    leave(spec, both, steps)
    return min(way + REGRIP, steps[cell]) if steps[cell] >= 0 else way + REGRIP
