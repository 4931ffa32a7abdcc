"""A* over packed states, with the environment's own step as the transition.

The open list is one stack for each value of steps so far plus bound. A state that is found again on a shorter way gets
a new node, and the old one is skipped. So the bound needs to be admissible, but not consistent.
"""

from __future__ import annotations

import numpy as np

from spaceworld.planner.bound import FAR, bound
from spaceworld.planner.choices import next_joint, options
from spaceworld.planner.keys import find, pack, unpack
from spaceworld.rules import packing as pk
from spaceworld.rules.jit import kernel
from spaceworld.rules.kernel import advance

NONE, LATE, FULL = -1, -2, -3  # no plan; none within the limit; more states than there is room for


@kernel
def complete(spec, row):  # type: ignore[no-untyped-def]  # compiled
    """Return whether every module is docked."""
    waiting = 0
    for m in range(spec[pk.H_MODULES]):
        waiting += row[spec[pk.H_MODULE] + m * pk.M_WIDTH + pk.M_SLOT] < 0
    return waiting == 0


@kernel
def arrays_for(spec, families):  # type: ignore[no-untyped-def]  # compiled
    """Return new arrays: flag grid, choices, counts, wheel, joint action, scratch and words of a key."""
    n, cells = spec[pk.H_ROBOTS], spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    numbers, choices = np.zeros((3, n), dtype=np.int64), np.empty((n, pk.N_ACTIONS), dtype=np.int64)
    scratch, words = np.empty((3, families.size), dtype=np.int64), np.empty(2, dtype=np.int64)
    return np.empty(cells, dtype=np.int64), choices, numbers[0], numbers[1], numbers[2], scratch, words


@kernel
def search(spec, row, work, guide, families, slot_at, limit, nodes):  # type: ignore[no-untyped-def]  # compiled
    """Search for a shortest plan without collisions and violations from the state in `row`.

    `guide` is the tables of the bound, `families` as from `keys.families_of`, `slot_at`, (H*W,) int64, the slot in each
    cell or -1, and `limit`, below FAR, the most steps that a plan may have. `nodes` is for each node its key, (K, 2)
    int64, its parent, its steps and the next in its stack, (K,) int32 each, then the hash table, (a power of two > K,)
    int32, all 0.

    Returns:
        The goal's node, or NONE, LATE or FULL, and the number of nodes made.
    """
    keys, parents, steps, following, table = nodes
    grid, choices, counts, wheel, actions, scratch, words = arrays_for(spec, families)
    heads = np.full(limit + 1, -1, dtype=np.int32)
    here, there = row.copy(), row.copy()
    value = bound(spec, row, guide, scratch[0])
    if value > limit:
        return (NONE if value >= FAR else LATE), 0
    pack(spec, row, families, scratch, words)
    keys[0, :], parents[0], steps[0], following[0] = words, -1, 0, -1
    table[find(keys, table, words)] = 1
    heads[value] = 0
    made, late = 1, False
    while value <= limit:
        node = heads[value]
        if node < 0:
            value += 1
            continue
        heads[value] = following[node]
        words[:] = keys[node]
        if table[find(keys, table, words)] != node + 1:
            continue  # found again on a shorter way
        unpack(spec, words, slot_at, here)
        if complete(spec, here):
            return node, made
        options(spec, here, grid, choices, counts)  # after the last joint action, the wheel is back at its start
        while next_joint(spec, here, choices, counts, wheel, actions):
            there[:] = here
            if advance(spec, there, work, actions)[1] > 0:
                continue  # a collision or a violation
            pack(spec, there, families, scratch, words)
            at = find(keys, table, words)
            if table[at] > 0 and steps[table[at] - 1] <= steps[node] + 1:
                continue
            least = steps[node] + 1 + bound(spec, there, guide, scratch[0])
            if least > limit:
                late = late or least < FAR
                continue
            if made == parents.size:
                return FULL, made
            keys[made, :], parents[made], steps[made] = words, node, steps[node] + 1
            following[made], heads[least] = heads[least], made
            value = min(value, least)
            made += 1
            table[at] = made
    return (LATE if late else NONE), made


@kernel
def retrace(spec, row, work, families, keys, parents, node, plan):  # type: ignore[no-untyped-def]  # compiled
    """Fill `plan` (T, N) int64 with joint actions that lead from `row` to the state of `node`, T steps away.

    A key does not tell equal robots apart, so each step is searched again, from the real state.

    Returns:
        Whether all steps were found, which should always be so.
    """
    grid, choices, counts, wheel, actions, scratch, words = arrays_for(spec, families)
    path = np.empty(len(plan), dtype=np.int64)
    for t in range(len(plan) - 1, -1, -1):
        path[t] = node
        node = parents[node]
    here, there = row.copy(), row.copy()
    for t in range(len(plan)):
        options(spec, here, grid, choices, counts)
        wheel[:] = 0
        actions[:] = pk.STAY
        found = False
        while not found and next_joint(spec, here, choices, counts, wheel, actions):
            there[:] = here
            if advance(spec, there, work, actions)[1] == 0:
                pack(spec, there, families, scratch, words)
                found = words[0] == keys[path[t], 0] and words[1] == keys[path[t], 1]
        if not found:
            return False
        plan[t] = actions
        here[:] = there
    return True
