"""The joint actions worth trying in a state: those that differ from staying and need not collide."""

from __future__ import annotations

from spaceworld.rules import packing as pk
from spaceworld.rules.jit import kernel
from spaceworld.rules.lookup import fill_grid, grip_target, shifted


@kernel
def worthwhile(spec, row, grid, i, action):  # type: ignore[no-untyped-def]  # compiled
    """Return whether `action` of robot `i` can do something that staying does not, without a sure fault."""
    at, sheet = spec[pk.H_ROBOT] + i * pk.R_WIDTH, spec[pk.H_ROBOT0] + i * pk.R_STATIC
    cell, held = row[at + pk.R_CELL], row[at + pk.R_GRIPS]
    if action == pk.STAY:
        return True
    if action == pk.INTERACT:
        return held >= 0 or (spec[sheet + pk.R_GRIP] != 0 and grip_target(spec, row, cell) >= 0)
    to = shifted(spec, cell, action)
    if to < 0 or grid[to] & (pk.G_STATIC | pk.G_KEEP):
        return False  # a loose module stays there in this step, also when it is gripped in it
    if held < 0:
        return True
    thrust = 0
    for j in range(spec[pk.H_ROBOTS]):
        if row[spec[pk.H_ROBOT] + j * pk.R_WIDTH + pk.R_GRIPS] == held:
            thrust += spec[spec[pk.H_ROBOT0] + j * pk.R_STATIC + pk.R_THRUST]
    # a robot that grips in this step does not push yet; another robot's dock would set this one free to move
    others = thrust > spec[sheet + pk.R_THRUST]
    return others or thrust >= spec[spec[pk.H_MODULE0] + held * pk.M_STATIC + pk.M_MASS]


@kernel
def options(spec, row, grid, choices, counts):  # type: ignore[no-untyped-def]  # compiled
    """Fill `choices` (N, 6) and `counts` (N,) with the worthwhile actions of each robot; the first is to stay."""
    fill_grid(spec, row, grid)
    for i in range(spec[pk.H_ROBOTS]):
        counts[i] = 0
        for action in range(pk.N_ACTIONS):
            if worthwhile(spec, row, grid, i, action):
                choices[i, counts[i]] = action
                counts[i] += 1


@kernel
def agreed(spec, row, actions):  # type: ignore[no-untyped-def]  # compiled
    """Return whether all assemblies agree; one that disagrees stays, which is tried as all its robots staying."""
    n = spec[pk.H_ROBOTS]
    for i in range(n):
        held = row[spec[pk.H_ROBOT] + i * pk.R_WIDTH + pk.R_GRIPS]
        if held < 0:
            continue
        differ = False
        for j in range(n):
            if row[spec[pk.H_ROBOT] + j * pk.R_WIDTH + pk.R_GRIPS] == held:
                if actions[j] == pk.INTERACT:
                    differ = False  # a dock sets all of its robots free to move
                    break
                differ = differ or actions[j] != actions[i]
        if differ:
            return False
    return True


@kernel
def next_joint(spec, row, choices, counts, wheel, actions):  # type: ignore[no-untyped-def]  # compiled
    """Advance `actions`, (N,), to the next joint action, like an odometer; return False after the last one.

    At the start `wheel`, (N,), must be 0 and all robots stay; that joint action itself is skipped.
    """
    i = counts.size - 1
    while i >= 0:
        wheel[i] += 1
        if wheel[i] < counts[i]:
            actions[i] = choices[i, wheel[i]]
            if agreed(spec, row, actions):
                return True
            i = counts.size - 1
        else:
            wheel[i] = 0
            actions[i] = pk.STAY
            i -= 1
    return False
