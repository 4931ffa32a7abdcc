"""Routes without time, compiled: distances, and where a module must be gripped again on its way."""

from __future__ import annotations

import numpy as np

from spaceworld.planner.spacetime import flood, step_from
from spaceworld.rules.generator import count_of
from spaceworld.rules.jit import kernel

FAR = 1 << 30
REGRIP = 7  # the cost of a new grip, in steps


@kernel
def distances(static, parked, width, start, out):  # type: ignore[no-untyped-def]  # compiled
    """Write the robots' distances to `start` into `out`, (cells,), FAR without a way; `parked` marks modules."""
    queue = np.empty(static.size, np.int64)
    out[:] = FAR
    out[start], queue[0] = 0, start
    flood(width, static | parked, out, queue, 1)


@kernel
def holdable(static, parked, width, cell, sides, field):  # type: ignore[no-untyped-def]  # compiled
    """Return whether a module on `cell` can be held at `sides` or, with a `field` of distances, gripped there.

    A grip takes the module in the lowest cell, so no loose module beside the robot may be in a lower one.
    """
    if static[cell] & 1 or parked[cell]:
        return False
    for direction in range(1, 5):
        if sides >> (direction - 1) & 1:
            beside = step_from(width, static.size, cell, direction)
            if beside < 0 or static[beside] or parked[beside]:
                return False
            if field.size > 1:
                if field[beside] == FAR:
                    return False
                for way in range(1, 5):
                    near = step_from(width, static.size, beside, way)
                    if 0 <= near < cell and parked[near] == 1:
                        return False
    return True


@kernel
def route(static, parked, width, start, goal, count, robot, held, ends, forbidden):  # type: ignore[no-untyped-def]  # compiled
    """Return the cheapest way to carry a module from `start` to `goal` by `count` robots.

    Args:
        static: (cells,) uint8, 1 solid, 2 keep-out.
        parked: (cells,) uint8, 1 loose and 2 docked modules, without this one.
        width: The width of the grid.
        start: The module's cell.
        goal: The cell to reach.
        count: The number of robots.
        robot: The cell of one robot, which tells what the team can reach.
        held: The sides at which the module is already held.
        ends: (16,) the sides at which it may be held on `goal`.
        forbidden: (cells,) uint8, where it must not be released on the way.

    Returns:
        (cost, -1, 0) when no new grip is needed; else (cost, cell, sides): where to release it first, and the sides
        until then. The cost is FAR if there is no way.
    """
    cells = static.size
    cost = np.full(cells * 16, FAR, np.int64)
    origin = np.full(cells * 16, -1, np.int64)  # the state before the first new grip, or -1
    field = np.empty(cells, np.int64)
    anywhere = np.zeros(1, np.int64)
    buckets = 4 * cells + 16 * REGRIP
    head = np.full(buckets, -1, np.int64)  # a bucket queue: linked lists by cost
    link = np.full(cells * 16 * 8, -1, np.int64)
    entry = np.empty(cells * 16 * 8, np.int64)
    used = 0
    parked[start] = 1
    distances(static, parked, width, robot, field)
    parked[start] = 0
    for sides in range(1, 16):
        if count_of(sides) != count or sides & held != held:
            continue
        if holdable(static, parked, width, start, sides & ~held, field):
            cost[start * 16 + sides] = 0
            entry[used], link[used], head[0] = start * 16 + sides, head[0], used
            used += 1
    for price in range(buckets - REGRIP - 1):
        while head[price] >= 0:
            state = entry[head[price]]
            head[price] = link[head[price]]
            if cost[state] != price:
                continue
            cell, sides = state // 16, state % 16
            if cell == goal and ends[sides]:
                if origin[state] < 0:
                    return price, -1, 0
                return price, origin[state] // 16, origin[state] % 16
            for direction in range(1, 5):
                to = step_from(width, cells, cell, direction)
                if to < 0 or cost[to * 16 + sides] <= price + 1:
                    continue
                if holdable(static, parked, width, to, sides, anywhere):
                    cost[to * 16 + sides] = price + 1
                    origin[to * 16 + sides] = origin[state]
                    if used < entry.size:
                        entry[used], link[used], head[price + 1] = to * 16 + sides, head[price + 1], used
                        used += 1
            if forbidden[cell]:
                continue
            useful = False
            for other in range(1, 16):
                useful = useful or (count_of(other) == count and cost[cell * 16 + other] > price + REGRIP)
            if not useful:
                continue
            for direction in range(1, 5):
                if sides >> (direction - 1) & 1:
                    parked[cell] = 1
                    distances(static, parked, width, step_from(width, cells, cell, direction), field)
                    parked[cell] = 0
                    break
            for other in range(1, 16):
                if count_of(other) != count or cost[cell * 16 + other] <= price + REGRIP:
                    continue
                if holdable(static, parked, width, cell, other, field):
                    cost[cell * 16 + other] = price + REGRIP
                    origin[cell * 16 + other] = state if origin[state] < 0 else origin[state]
                    if used < entry.size:
                        entry[used], link[used] = cell * 16 + other, head[price + REGRIP]
                        head[price + REGRIP] = used
                        used += 1
    return FAR, -1, 0


@kernel
def predict(period, cell, heading, step, width, solid, module_cell, module_state, hazard, track):  # type: ignore[no-untyped-def]  # compiled
    """Fill `track` and `hazard` with the future of drifting debris, if it hits no robot.

    Args:
        period: (D,) steps per move.
        cell: (D,) the cells now.
        heading: (D,) the directions; 0 is at rest.
        step: The world's step count now.
        width: The width of the grid.
        solid: (cells,) uint8, 1 for structure now.
        module_cell: (M, T+1) where each module will be.
        module_state: (M, T+1) 0 loose, 1 held, 2 docked.
        hazard: (T+1, cells) uint8, zero; 1 where debris is or may go.
        track: (T+1, D), filled with its cells.
    """
    last, count = track.shape[0] - 1, cell.size
    at, way, target = cell.copy(), heading.copy(), np.empty(count, np.int64)
    track[0] = at
    for t in range(last):
        for d in range(count):
            target[d] = -2
            if way[d] > 0:
                hazard[t + 1, at[d]] = 1
                if (step + t + 1) % period[d] == 0:
                    target[d] = step_from(width, solid.size, at[d], way[d])
        for d in range(count):
            track[t + 1, d] = at[d]
            if target[d] == -2:
                continue
            stopped = target[d] < 0 or solid[target[d]] & 1
            if not stopped:
                hazard[t + 1, target[d]] = 1
                for m in range(module_cell.shape[0]):
                    if module_state[m, t + 1] != 1 and module_cell[m, t + 1] == target[d]:
                        stopped = True
                for other in range(count):
                    if other != d and (at[other] == target[d] or target[other] == target[d]):
                        stopped = True
            if stopped:
                way[d] = (0, 2, 1, 4, 3)[way[d]]
            else:
                track[t + 1, d] = target[d]
        at[:] = track[t + 1]
