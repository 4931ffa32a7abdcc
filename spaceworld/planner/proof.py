"""Exact steps to go of many states of one layout, by one table of bounds that all of them share.

Iterative deepening (memory-enhanced IDA*) over a graph whose states do not tell equal robots and modules apart
(`keys`). Each node keeps the best proved lower bound of its steps to go, and its successors once it was expanded. A
state that was a few steps away from an earlier one finds most of its graph expanded and its bounds proved.

A step costs 1 (`by_work` False: fewest joint steps), or the number of robots that do not stay (`by_work` True: fewest
robot-actions). Steps with a collision or violation are left out, as in `exact`.
"""

from __future__ import annotations

import numpy as np

from spaceworld.planner.bound import FAR, bound, work_bound
from spaceworld.planner.choices import next_joint, options
from spaceworld.planner.keys import find, pack, unpack
from spaceworld.planner.search import arrays_for, complete
from spaceworld.rules import packing as pk
from spaceworld.rules.jit import kernel
from spaceworld.rules.kernel import advance

NO_ROOM = -2  # the nodes or edges are used up
USED_NODES, USED_EDGES = 0, 1  # of the graph


@kernel
def node_of(spec, row, guide, families, by_work, graph, scratch, words, wait):  # type: ignore[no-untyped-def]  # compiled
    """Return the node of the state in `row`, made if needed; NO_ROOM where there is none left."""
    keys, least, exact, _, _, _, _, table, used = graph
    pack(spec, row, families, scratch, words)
    at = find(keys, table, words)
    if table[at] > 0:
        return table[at] - 1
    node = used[USED_NODES]
    if node == len(least):
        return NO_ROOM
    used[USED_NODES] += 1
    keys[node, :] = words
    table[at] = node + 1
    exact[node] = complete(spec, row)
    if exact[node]:
        least[node] = 0
    elif by_work:
        least[node] = min(FAR, work_bound(spec, row, guide, wait))
    else:
        least[node] = min(FAR, bound(spec, row, guide, wait))
    return node


@kernel
def expand(spec, node, work, guide, families, slot_at, by_work, graph, arrays, here, there):  # type: ignore[no-untyped-def]  # compiled
    """Find the successors of a node, the most promising first; return False where there is no room."""
    keys, least, _, first, edges, targets, costs, _, used = graph
    grid, choices, counts, wheel, actions, scratch, words = arrays
    words[:] = keys[node]
    unpack(spec, words, slot_at, here)
    options(spec, here, grid, choices, counts)
    start = used[USED_EDGES]
    if start + pk.N_ACTIONS**counts.size > len(targets):
        return False
    end = start
    wheel[:] = 0
    actions[:] = pk.STAY
    while next_joint(spec, here, choices, counts, wheel, actions):
        there[:] = here
        if advance(spec, there, work, actions)[1] > 0:
            continue  # a collision or a violation
        reached = node_of(spec, there, guide, families, by_work, graph, scratch, words, scratch[0])
        if reached == NO_ROOM:
            return False
        if reached == node or least[reached] >= FAR:
            continue
        cost = 1
        if by_work:
            cost = 0
            for i in range(actions.size):
                cost += actions[i] != pk.STAY
        place = start
        while place < end and targets[place] != reached:
            place += 1
        if place < end:  # reached by two joint actions
            costs[place] = min(costs[place], cost)
            continue
        while place > start and least[targets[place - 1]] + costs[place - 1] > least[reached] + cost:
            targets[place], costs[place] = targets[place - 1], costs[place - 1]
            place -= 1
        targets[place], costs[place] = reached, cost
        end += 1
    first[node], edges[node] = start, end - start
    used[USED_EDGES] = end
    return True


@kernel
def prove(spec, row, work, guide, families, slot_at, limit, by_work, graph):  # type: ignore[no-untyped-def]  # compiled
    """Return the steps to go of the state in `row`; FAR where there is no plan, NO_ROOM where the table is full.

    Args:
        spec: (S,) int64, static.
        row: (rowsize,) int64, the state.
        work: (work_size,) int64, scratch.
        guide: The tables of the bound, made from a state of the layout in which nothing is docked.
        families: (N + M,) int64, as from `keys.families_of`.
        slot_at: (H*W,) int64, the slot in each cell, or -1.
        limit: The most steps to try; beyond them the answer is FAR.
        by_work: Whether robot-actions are counted instead of steps.
        graph: Keys (K, 2) int64; lower bounds (K,) int32; whether they are exact (K,) bool; place and number of the
            successors (K,) int32 each, -1 before they are known; targets (P,) int32 and costs (P,) int32 of the
            successors; the hash table, (a power of two > K,) int32, all 0; how many nodes and edges are used, (2,)
            int64.
    """
    _, least, exact, first, edges, targets, costs, _, _ = graph
    arrays = arrays_for(spec, families)
    here, there = row.copy(), row.copy()
    root = node_of(spec, row, guide, families, by_work, graph, arrays[5], arrays[6], arrays[5][0])
    if root == NO_ROOM:
        return NO_ROOM
    path, budget, turn = np.empty(limit + 2, np.int32), np.empty(limit + 2, np.int32), np.empty(limit + 2, np.int32)
    while not exact[root] and least[root] <= limit:
        path[0], budget[0], turn[0] = root, least[root], 0
        depth = 0
        while depth >= 0:
            node, left = path[depth], budget[depth]
            if first[node] < 0 and not expand(
                spec, node, work, guide, families, slot_at, by_work, graph, arrays, here, there
            ):
                return NO_ROOM
            next_depth = depth - 1
            found = False
            while turn[depth] < edges[node]:
                at = first[node] + turn[depth]
                turn[depth] += 1
                target, rest = targets[at], left - costs[at]
                if least[target] > rest:
                    continue
                if exact[target]:
                    found = True
                else:
                    next_depth = depth + 1
                    path[next_depth], budget[next_depth], turn[next_depth] = target, rest, 0
                break
            if found:  # every node of the path needs exactly its budget, or the root would need less
                for k in range(depth + 1):
                    least[path[k]], exact[path[k]] = budget[k], True
                break
            if next_depth < depth:  # no successor is near enough
                better = FAR
                for at in range(first[node], first[node] + edges[node]):
                    better = min(better, least[targets[at]] + costs[at])
                least[node] = max(least[node], left + 1, better)
            depth = next_depth
    return least[root] if exact[root] else FAR
