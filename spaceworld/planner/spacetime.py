"""Searches in space and time, compiled: a robot's walk, an assembly's flight, and clearing the way.

All use the same three tables. `static` (cells,) uint8: 1 solid, 2 keep-out. `taken` (T+1, cells) int16: the unit on a
cell at each time, 0 for none. `hazard` (T+1, cells) uint8: 1 where debris is or may go. Time 0 is now, and an action at
time t leads to time t+1. Each search expands the reachable cells time by time, so that the first arrival is the
earliest; the way is then read backwards, with rests as late as possible.
"""

from __future__ import annotations

import numpy as np

from spaceworld.rules.jit import kernel


@kernel
def step_from(width, cells, cell, direction):  # type: ignore[no-untyped-def]  # compiled
    """Return the cell in direction 1..4, the cell itself for 0, or -1 outside the grid."""
    if direction == 0:
        return cell
    if direction == 1:
        return cell - width if cell >= width else -1
    if direction == 2:
        return cell + width if cell + width < cells else -1
    if direction == 3:
        return cell - 1 if cell % width > 0 else -1
    return cell + 1 if cell % width < width - 1 else -1


@kernel
def flood(width, walls, out, queue, tail):  # type: ignore[no-untyped-def]  # compiled
    """Complete the distances `out`, (cells,), from the first `tail` cells of `queue`, where they are 0, around walls.

    All other distances must be larger than any way.
    """
    head = 0
    while head < tail:
        cell = queue[head]
        head += 1
        for direction in range(1, 5):
            to = step_from(width, walls.size, cell, direction)
            if to >= 0 and not walls[to] and out[to] > out[cell] + 1:
                out[to] = out[cell] + 1
                queue[tail] = to
                tail += 1


@kernel
def may_walk(static, taken, hazard, t, cell, to):  # type: ignore[no-untyped-def]  # compiled
    """Return whether a free robot on `cell` at `t` may be on `to` at t+1; keep-out is entered only from keep-out."""
    if to != cell and static[to] and (static[to] & 1 or not static[cell] & 2):
        return False
    if hazard[t + 1, to] or taken[t + 1, to]:
        return False
    other = taken[t, to]
    return to == cell or other == 0 or taken[t + 1, cell] != other  # swapping cells is a collision


@kernel
def may_carry(static, taken, hazard, width, unit, t, cell, sides, direction):  # type: ignore[no-untyped-def]  # compiled
    """Return whether the assembly `unit`, module on `cell` at `t` and held at `sides`, may move in `direction`."""
    cells = static.size
    for k in range(5):
        if k > 0 and not sides >> (k - 1) & 1:
            continue
        here = step_from(width, cells, cell, k)
        to = step_from(width, cells, here, direction)
        if to < 0 or static[to] & 1 or (k > 0 and direction > 0 and static[to]) or hazard[t + 1, to]:
            return False
        if taken[t + 1, to] and taken[t + 1, to] != unit:
            return False
        other = taken[t, to]
        if other and other != unit:
            for j in range(5):
                own = j == 0 or sides >> (j - 1) & 1
                if own and taken[t + 1, step_from(width, cells, cell, j)] == other:
                    return False
    return True


@kernel
def expand(static, taken, hazard, width, t, now, count, then, reach):  # type: ignore[no-untyped-def]  # compiled
    """List in `then`, and mark in `reach`, the cells at t+1 of a robot on one of `count` cells `now` at t."""
    found = 0
    for k in range(count):
        for direction in range(5):
            to = step_from(width, static.size, now[k], direction)
            if to >= 0 and not reach[t + 1, to] and may_walk(static, taken, hazard, t, now[k], to):
                reach[t + 1, to] = 1
                then[found] = to
                found += 1
    return found


@kernel
def spread(static, taken, hazard, width, cell, start, stop, reach):  # type: ignore[no-untyped-def]  # compiled
    """Mark in `reach` (T+1, cells) where a robot on `cell` at `start` can be at each time up to `stop`."""
    now, then = np.empty(static.size, np.int64), np.empty(static.size, np.int64)
    now[0], count = cell, 1
    reach[start, cell] = 1
    for t in range(start, stop):
        count = expand(static, taken, hazard, width, t, now, count, then, reach)
        now, then = then, now


@kernel
def trace_walk(static, taken, hazard, width, reach, start, cell, stop, path):  # type: ignore[no-untyped-def]  # compiled
    """Write into `path`, (T+1,), a walk to `cell` at `stop`, read backwards from `reach`."""
    path[stop] = cell
    for t in range(stop - 1, start - 1, -1):
        for direction in range(5):
            back = step_from(width, static.size, cell, direction)
            if back >= 0 and reach[t, back] and may_walk(static, taken, hazard, t, back, cell):
                cell = back
                break
        path[t] = cell


@kernel
def fly(static, taken, hazard, width, unit, starts, origin, goal, ends, ready, until, seen):  # type: ignore[no-untyped-def]  # compiled
    """Return the earliest time to release the module on `goal`, and the sides at which it is held; (-1, 0) if never.

    `starts` (16, T+1) says when the team may hold the module at which sides, still on `origin`, and `ends` (16,) at
    which sides it may arrive, from time `ready` to time `until`. `seen` (T+1, cells, 16) uint8 must be zero and is
    filled for `trace_flight`.
    """
    last, cells = taken.shape[0] - 1, static.size
    for t in range(last, -1, -1):  # the module stays there forever: wait until no other unit needs the cell
        if hazard[t, goal] or (taken[t, goal] and taken[t, goal] != unit):
            ready = max(ready, t)
            break
    now, then = np.empty(cells * 16, np.int64), np.empty(cells * 16, np.int64)
    count = 0
    for t in range(min(until + 1, last - 1)):
        for sides in range(1, 16):
            if starts[sides, t] and not seen[t, origin, sides]:
                seen[t, origin, sides] = 1
                now[count] = origin * 16 + sides
                count += 1
        if t >= ready:
            for sides in range(1, 16):
                here = ends[sides] and seen[t, goal, sides] > 0
                if here and may_carry(static, taken, hazard, width, unit, t, goal, sides, 0):
                    return t, sides
        found = 0
        for k in range(count):
            cell, sides = now[k] // 16, now[k] % 16
            for direction in range(5):
                if may_carry(static, taken, hazard, width, unit, t, cell, sides, direction):
                    to = step_from(width, cells, cell, direction)
                    if not seen[t + 1, to, sides]:
                        seen[t + 1, to, sides] = 1
                        then[found] = to * 16 + sides
                        found += 1
        now, then, count = then, now, found
    return -1, 0


@kernel
def trace_flight(static, taken, hazard, width, unit, starts, origin, seen, stop, cell, sides, path):  # type: ignore[no-untyped-def]  # compiled
    """Write the module's cells up to `stop` into `path`, (T+1,); return the time at which the flight begins."""
    path[stop] = cell
    t = stop
    while not (cell == origin and starts[sides, t]):
        t -= 1
        for direction in range(5):
            back = step_from(width, static.size, cell, direction)
            if back < 0 or not seen[t, back, sides]:
                continue
            forth = (0, 2, 1, 4, 3)[direction]
            if may_carry(static, taken, hazard, width, unit, t, back, sides, forth):
                cell = back
                break
        path[t] = cell
    return t


@kernel
def dodge(static, taken, hazard, width, cell, start, path):  # type: ignore[no-untyped-def]  # compiled
    """Write into `path` a way from `cell` at `start` to the nearest cell that stays free; return False without one."""
    last, cells = taken.shape[0] - 1, static.size
    free = static[cell] == 0
    for t in range(start + 1, last + 1):
        if taken[t, cell] or hazard[t, cell]:
            free = False
            break
    if free:
        path[start:] = cell
        return True
    since = np.zeros(cells, np.int64)  # the time from which on no unit needs the cell
    for t in range(start, last + 1):
        for c in range(cells):
            if taken[t, c] or hazard[t, c]:
                since[c] = t + 1
    reach = np.zeros((last + 1, cells), np.uint8)
    now, then = np.empty(cells, np.int64), np.empty(cells, np.int64)
    now[0], count = cell, 1
    reach[start, cell] = 1
    for t in range(start, last):
        count = expand(static, taken, hazard, width, t, now, count, then, reach)
        for to in then[:count]:
            if t + 1 >= since[to] and not static[to]:
                path[t + 1 :] = to
                trace_walk(static, taken, hazard, width, reach, start, to, t + 1, path)
                return True
        now, then = then, now
    return False
