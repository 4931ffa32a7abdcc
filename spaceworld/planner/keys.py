"""Keys of states: two int64 words, the same for all states that differ only in the order of equal things.

One word has the robots (cell, grip), the other the modules (cell, docked), each in mixed radix. Equal robots and equal
modules are sorted first. The rules do not depend on numbering, so all states with one key need the same number of
steps. Step count, costs and events are not in the key.
"""

from __future__ import annotations

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.rules.jit import kernel
from spaceworld.scenario import Scenario

ROBOTS, MODULES = 0, 1  # the two words


def families_of(scenario: Scenario) -> np.ndarray:
    """Return, (N + M,) int64, for each robot, then for each module, the first one that is equal to it."""
    robots = [(r.thrust, r.can_grip, r.can_dock) for r in scenario.robots]
    modules = [(m.type, m.mass) for m in scenario.modules]
    return np.array([*map(robots.index, robots), *map(modules.index, modules)], dtype=np.int64)


def fits(scenario: Scenario) -> bool:
    """Return whether the states of a scenario fit into the two words."""
    cells, n, modules = scenario.height * scenario.width, len(scenario.robots), len(scenario.modules)
    return bool((cells * (modules + 1)) ** n < 1 << 62 and (2 * cells) ** modules < 1 << 62)


@kernel
def place_of(fields, families, k):  # type: ignore[no-untyped-def]  # compiled
    """Return the place of item `k` when each family is sorted by field within its own places."""
    smaller = 0
    for j in range(fields.size):
        if families[j] == families[k] and fields[j] < fields[k]:
            smaller += 1
    for j in range(fields.size):
        if families[j] == families[k]:
            if smaller == 0:
                return j
            smaller -= 1
    return k


@kernel
def pack(spec, row, families, scratch, words):  # type: ignore[no-untyped-def]  # compiled
    """Write the key of the state in `row` into `words`, (2,) int64.

    `families` is as from `families_of`, and `scratch` is (3, N + M) int64.
    """
    n, modules = spec[pk.H_ROBOTS], spec[pk.H_MODULES]
    cells = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    fields, places, ordered = scratch[0], scratch[1], scratch[2]
    for m in range(modules):
        at = spec[pk.H_MODULE] + m * pk.M_WIDTH
        fields[n + m] = row[at + pk.M_CELL] * 2 + (row[at + pk.M_SLOT] >= 0)
    for m in range(modules):
        places[n + m] = place_of(fields[n:], families[n:], m)
        ordered[n + places[n + m]] = fields[n + m]
    for i in range(n):
        at = spec[pk.H_ROBOT] + i * pk.R_WIDTH
        held = row[at + pk.R_GRIPS]
        fields[i] = row[at + pk.R_CELL] * (modules + 1) + (places[n + held] + 1 if held >= 0 else 0)
    for i in range(n):
        ordered[place_of(fields[:n], families[:n], i)] = fields[i]
    words[:] = 0
    for m in range(modules - 1, -1, -1):
        words[MODULES] = words[MODULES] * (2 * cells) + ordered[n + m]
    for i in range(n - 1, -1, -1):
        words[ROBOTS] = words[ROBOTS] * (cells * (modules + 1)) + ordered[i]


@kernel
def unpack(spec, words, slot_at, row):  # type: ignore[no-untyped-def]  # compiled
    """Write the state of `words` into `row`, which already has what never changes; the step is set to 0.

    `slot_at`, (H*W,) int64, is the slot in each cell, or -1.
    """
    modules = spec[pk.H_MODULES]
    cells = spec[pk.H_HEIGHT] * spec[pk.H_WIDTH]
    row[pk.S_STEP] = row[pk.S_STATUS] = 0
    for s in range(spec[pk.H_SLOTS]):
        row[spec[pk.H_SLOT] + s * pk.T_WIDTH + pk.T_FILLED] = 0
    rest = words[MODULES]
    for m in range(modules):
        at, field = spec[pk.H_MODULE] + m * pk.M_WIDTH, rest % (2 * cells)
        rest //= 2 * cells
        row[at + pk.M_CELL], row[at + pk.M_SLOT] = field // 2, -1
        if field % 2:
            slot = slot_at[field // 2]
            row[at + pk.M_SLOT] = slot
            row[spec[pk.H_SLOT] + slot * pk.T_WIDTH + pk.T_FILLED] = 1
    rest = words[ROBOTS]
    for i in range(spec[pk.H_ROBOTS]):
        at, field = spec[pk.H_ROBOT] + i * pk.R_WIDTH, rest % (cells * (modules + 1))
        rest //= cells * (modules + 1)
        row[at + pk.R_CELL], row[at + pk.R_GRIPS] = field // (modules + 1), field % (modules + 1) - 1


@kernel
def find(keys, table, words):  # type: ignore[no-untyped-def]  # compiled
    """Return the place in the hash table where `words`, (2,) int64, are or belong.

    `keys`, (K, 2) int64, are the words of each node; `table`, (a power of two > K,) int32, has node + 1, or 0 where it
    is free.
    """
    mask = table.size - 1
    # `int`, because numpy's integers would warn of the overflow without compilation
    mixed = int(words[ROBOTS]) * 6364136223846793005 + int(words[MODULES]) * 3202034522624059733
    at = (mixed ^ mixed >> 29) & mask
    while table[at] > 0:
        node = table[at] - 1
        if keys[node, ROBOTS] == words[ROBOTS] and keys[node, MODULES] == words[MODULES]:
            break
        at = (at + 1) & mask
    return at
