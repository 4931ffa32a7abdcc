"""The scripted critic's rules for Spaceworld, compiled: the credit that the text brings, for many worlds (ours).

`credit_wrappers.scripted` reads each episode as text, as a language model would, which takes longer than the world
itself. These kernels read the packed state. Tests compare every credit with the text's, in all presets; what the rules
mean is said in `credit_wrappers.scripted.spaceworld_potential` and `spaceworld_rules`.
"""

from __future__ import annotations

import numpy as np

from credit_wrappers.scripted.spaceworld_potential import APPROACH, BLAME, CARRY, CLEAR, DOCK, GRIP, IDLE, REGRIP, VAIN
from spaceworld.rules import packing as pk
from spaceworld.rules.jit import lean_kernel, part
from spaceworld.rules.lookup import filled_slots, parts_of, shifted, split
from tianshou_examples.experiment.compiled_ways import (
    SHUNNED,
    carry_way,
    goals_of,
    is_kept_out,
    leave,
    mark_in_the_way,
    mark_station,
    module_at,
    plain_way,
    robot_at,
    spread,
)


@part
def _reckon(spec, row, home, since, phi, needed, grids, lists):  # type: ignore[no-untyped-def]  # compiled
    """Fill the potentials `phi` and `needed`, (N,) each.

    `home` (M,) has the modules' first cells, `since` (N,) numbers that order the robots as they took hold; `grids`
    (6, H*W) and `lists` (4, M + N + types) are scratch.
    """
    n, modules, far = spec[pk.H_ROBOTS], spec[pk.H_MODULES], spec[pk.H_HEIGHT] + spec[pk.H_WIDTH]
    station, solid, both, steps, queue, field = grids[0], grids[1], grids[2], grids[3], grids[4], grids[5]
    claim, thrust, docks, room = lists[0], lists[1], lists[2], lists[3]
    mark_station(spec, row, station)
    lists[:] = 0
    filled, left = filled_slots(spec, row), 0
    for s in range(spec[pk.H_SLOTS]):
        static = spec[pk.H_SLOT0] + s * pk.T_STATIC
        if not filled >> s & 1 and not spec[static + pk.T_NEEDS] & ~filled:
            room[spec[static + pk.T_TYPE]] += 1
    for m in range(modules):
        left += not module_at(spec, row, m)[3]
    needed[:] = False
    last = -1
    for _ in range(n):  # holders in the order in which they took hold
        i = -1
        for j in range(n):
            if robot_at(spec, row, j)[1] >= 0 and since[j] > last and (i < 0 or since[j] < since[i]):
                i = j
        if i < 0:
            break
        last = since[i]
        _, m, force, can_dock = robot_at(spec, row, i)
        _, kind, mass, _ = module_at(spec, row, m)
        if not claim[m]:
            claim[m] = 1 if room[kind] > 0 else -1
            room[kind] -= claim[m] > 0
        if claim[m] > 0 and (thrust[m] < mass or (can_dock and not docks[m])):
            needed[i] = True
            thrust[m] += force
            docks[m] |= can_dock
    for can_dock in range(2):  # the targets of those that cannot dock, then of the others
        some = False
        for i in range(n):
            some = some or (robot_at(spec, row, i)[3] == (can_dock > 0) and not needed[i])
        if not some or not left:
            continue
        sides = _sides(spec, row, station, claim, thrust, docks, room, can_dock > 0, solid, both, steps, queue, field)
        for i in range(n):
            cell, m, _, docker = robot_at(spec, row, i)
            if docker != (can_dock > 0) or needed[i]:
                continue
            if sides:
                way = field[cell] if field[cell] >= 0 else far
            else:
                way = IDLE + _crowding(spec, row, claim, cell, queue)
            phi[i] = -APPROACH * way
            if m >= 0:
                phi[i] -= GRIP if claim[m] > 0 else VAIN
    for i in range(n):
        cell, m, _, _ = robot_at(spec, row, i)
        if needed[i]:
            mark_in_the_way(spec, row, station, m, solid)
            first = plain_way(spec, row, m, home[m], solid, steps, queue)
            phi[i] = GRIP + CARRY * (first - carry_way(spec, row, m, cell, solid, both, steps, queue))
        elif not left:
            phi[i] = 0


@part
def _crowding(spec, row, claim, cell, queue):  # type: ignore[no-untyped-def]  # compiled
    """Return what the distance of a cell to the nearest slot to which a module is carried lacks of CLEAR."""
    most, (r, c) = 0, split(spec, cell)
    for m in range(spec[pk.H_MODULES]):
        for k in range(goals_of(spec, row, m, queue) if claim[m] > 0 else 0):
            slot_r, slot_c = split(spec, queue[k])
            most = max(most, CLEAR - abs(r - slot_r) - abs(c - slot_c))
    return most


@part
def _is_target(spec, row, station, m, claim, thrust, docks, room, can_dock, solid, steps, queue):  # type: ignore[no-untyped-def]  # compiled
    """Return whether a robot should go for a module for which there is a slot."""
    cell, kind, mass, docked = module_at(spec, row, m)
    if docked or claim[m] < 0:
        return False
    if claim[m] > 0:
        return thrust[m] < mass or (can_dock and not docks[m])
    if room[kind] <= 0 or mass == 1:
        return room[kind] > 0
    mark_in_the_way(spec, row, station, m, solid)
    way, nearer = plain_way(spec, row, m, cell, solid, steps, queue), 0
    for x in range(spec[pk.H_MODULES]):
        at, other, _, gone = module_at(spec, row, x)
        if x != m and other == kind and not gone and not claim[x]:
            mark_in_the_way(spec, row, station, x, solid)
            its = plain_way(spec, row, x, at, solid, steps, queue)
            nearer += its < way or (its == way and x < m)
    return nearer < room[kind]


@part
def _sides(spec, row, station, claim, thrust, docks, room, can_dock, solid, both, steps, queue, field):  # type: ignore[no-untyped-def]  # compiled
    """Fill `field` with the steps to the nearest free side of a target; return how many targets there are."""
    modules, n = spec[pk.H_MODULES], spec[pk.H_ROBOTS]
    targets, some = 0, False
    for m in range(modules):
        if _is_target(spec, row, station, m, claim, thrust, docks, room, can_dock, solid, steps, queue):
            targets |= 1 << m
    for m in range(modules):
        some = some or targets >> m & 1 > 0
    if not some:  # what opens next
        for m in range(modules):
            if not module_at(spec, row, m)[3] and not claim[m]:
                targets |= 1 << m
    field[:] = 0  # marks the sides, until it is filled
    for m in range(modules):
        if not targets >> m & 1:
            continue
        cell = module_at(spec, row, m)[0]
        mark_in_the_way(spec, row, station, m, solid)
        plain = plain_way(spec, row, m, cell, solid, steps, queue)
        for bad in range(2):
            found = False
            for direction in range(1, 5):
                side = shifted(spec, cell, direction)
                if side < 0 or _blocked(spec, row, station, targets, side):
                    continue
                if not bad and is_kept_out(spec, row, side):
                    continue
                if bad or carry_way(spec, row, m, side, solid, both, steps, queue) <= plain + REGRIP - 1:
                    field[side], found = 1, True
            if found:
                break
    k = 0
    for c in range(len(field)):
        if field[c]:
            queue[k] = c
            k += 1
    for c in range(len(solid)):
        solid[c] = station[c]
    for m in range(modules):
        cell, _, _, docked = module_at(spec, row, m)
        if not docked:
            solid[cell] = 1
    for i in range(n):
        cell, m, _, _ = robot_at(spec, row, i)
        if m >= 0 and targets >> m & 1:
            solid[cell] = 1
    for c in range(spec[pk.H_CORE], spec[pk.H_CORE] + spec[pk.H_KEEP]):
        cell = row[spec[pk.H_COREROW] + c]
        if not solid[cell] and not field[cell]:
            solid[cell] = SHUNNED
    spread(spec, solid, field, queue, k)
    leave(spec, solid, field)
    return targets


@part
def _blocked(spec, row, station, targets, side):  # type: ignore[no-untyped-def]  # compiled
    """Return whether a side of a target is taken: by the station, a module, or a holder of a target."""
    taken = station[side] > 0
    for m in range(spec[pk.H_MODULES]):
        cell, _, _, docked = module_at(spec, row, m)
        taken = taken or (not docked and cell == side)
    for i in range(spec[pk.H_ROBOTS]):
        cell, m, _, _ = robot_at(spec, row, i)
        taken = taken or (m >= 0 and targets >> m & 1 > 0 and cell == side)
    return taken


@lean_kernel
def _begin(memory, chosen, home, since, struck, grips, phi, needed, grids, lists):  # type: ignore[no-untyped-def]  # compiled
    """Begin episodes in the worlds `chosen`."""
    at, actions, _ = parts_of(memory[0])
    spec = memory[0, :at]
    for e in chosen:
        row = memory[e, at:actions]
        for m in range(spec[pk.H_MODULES]):
            home[e, m] = module_at(spec, row, m)[0]
        for i in range(spec[pk.H_ROBOTS]):
            cell, held, _, _ = robot_at(spec, row, i)
            since[e, i], struck[e, i], grips[e, i] = cell, -2, held
        _reckon(spec, row, home[e], since[e], phi[e], needed[e], grids, lists)


@lean_kernel
def _judge(memory, home, since, struck, grips, phi, needed, grids, lists, was, credit):  # type: ignore[no-untyped-def]  # compiled
    """Write the credit of the last step of all worlds, (E, N) int64, in hundredths; `was` (2, N) is scratch."""
    at, actions, _ = parts_of(memory[0])
    spec = memory[0, :at]
    n = spec[pk.H_ROBOTS]
    for e in range(len(memory)):
        row = memory[e, at:actions]
        step = row[pk.S_STEP]
        for i in range(n):
            was[0, i], was[1, i] = phi[e, i], needed[e, i]
            cell, held, _, _ = robot_at(spec, row, i)
            if held >= 0 and held != grips[e, i]:
                since[e, i] = step * spec[pk.H_HEIGHT] * spec[pk.H_WIDTH] + cell  # of one step, by place
        _reckon(spec, row, home[e], since[e], phi[e], needed[e], grids, lists)
        docking = False
        for m in range(spec[pk.H_MODULES]):
            docking = docking or row[spec[pk.H_MODULE] + m * pk.M_WIDTH + pk.M_WHEN] == step
        for i in range(n):
            credit[e, i] = 0 if docking else phi[e, i] - was[0, i]
        for i in range(n):
            robot = spec[pk.H_ROBOT] + i * pk.R_WIDTH
            m, event = grips[e, i], row[robot + pk.R_EVENT]
            if docking and m >= 0 and was[1, i] and not event & pk.E_RELEASED:
                credit[e, i] += DOCK * (row[spec[pk.H_MODULE] + m * pk.M_WIDTH + pk.M_WHEN] == step)
            faults = row[robot + pk.R_HITS] + row[robot + pk.R_VIOLATION]
            if faults:
                again = struck[e, i] == step - 1
                credit[e, i] -= BLAME * faults * (1 + again)
                blocker = event >> pk.E_BLOCKER_SHIFT
                kind = event >> pk.E_KIND_SHIFT & (1 << pk.E_BLOCKER_SHIFT - pk.E_KIND_SHIFT) - 1
                hit = row[robot + pk.R_HITS] and kind == pk.B_ROBOT and row[robot + pk.R_GRIPS] >= 0
                if again and hit and _stands(spec, row, blocker - 1):
                    credit[e, blocker - 1] -= BLAME
        for i in range(n):
            robot = spec[pk.H_ROBOT] + i * pk.R_WIDTH
            grips[e, i] = row[robot + pk.R_GRIPS]
            if row[robot + pk.R_HITS] + row[robot + pk.R_VIOLATION]:
                struck[e, i] = step


@part
def _stands(spec, row, i):  # type: ignore[no-untyped-def]  # compiled
    """Return whether a free robot did nothing in the last step, and had no fault."""
    robot = spec[pk.H_ROBOT] + i * pk.R_WIDTH
    did = row[robot + pk.R_EVENT] & (pk.E_MOVED | pk.E_CARRIED | pk.E_GRIPPED | pk.E_RELEASED | pk.E_DOCKED)
    return row[robot + pk.R_GRIPS] < 0 and not did and not row[robot + pk.R_HITS] + row[robot + pk.R_VIOLATION]


class CompiledRules:
    """The scripted critic's credit for E worlds that are stepped together.

    Args:
        memory: (E, M) int64, the worlds' memory (`spaceworld.batch.Batch.memory`), read in place.
    """

    def __init__(self, memory: np.ndarray) -> None:
        spec, e = memory[0], len(memory)
        n, modules, types = (int(spec[h]) for h in (pk.H_ROBOTS, pk.H_MODULES, pk.H_TYPES))
        if modules > 62:
            raise ValueError(f"the compiled rules know at most 62 modules, not {modules}")
        self.memory = memory
        self._state = (
            np.zeros((e, modules), np.int64),  # first cells
            np.zeros((e, n), np.int64),  # numbers that order the robots as they took hold
            np.zeros((e, n), np.int64),  # step of its last fault
            np.zeros((e, n), np.int64),  # module that it held before the step
            np.zeros((e, n), np.int64),  # potentials
            np.zeros((e, n), np.bool_),  # who is needed
            np.zeros((6, int(spec[pk.H_HEIGHT] * spec[pk.H_WIDTH])), np.int64),
            np.zeros((4, modules + n + types), np.int64),
        )
        self._was = np.zeros((2, n), np.int64)

    def begin(self, chosen: np.ndarray) -> None:
        """Begin episodes in the worlds `chosen`, (e,), which have just been reset."""
        _begin(self.memory, chosen, *self._state)

    def pay(self) -> np.ndarray:
        """Return the credit of the last step of every world, (E, N) float64; call it before worlds are reset."""
        credit = np.empty(self._state[1].shape, np.int64)
        _judge(self.memory, *self._state, self._was, credit)
        return credit / 100.0
