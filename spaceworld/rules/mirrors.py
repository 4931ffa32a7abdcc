"""Mirrors: the turns and reflections of the grid, under which the rules stay what they are.

A mirrored layout with mirrored actions makes the mirrored episode, with the same rewards and costs. One rule alone is
not the same in a mirror: a robot that grips beside several loose modules takes the one in the lowest cell, so an
episode with such a grip may go on otherwise there. A square grid has
eight mirrors, another one four; number 0 changes nothing. Debris drifts in the mirrored direction.
"""

from __future__ import annotations

import numpy as np

from spaceworld.rules import packing as pk
from spaceworld.scenario import Scenario

# What each action becomes where rows are reversed, columns are reversed, rows and columns are exchanged.
_UPSIDE_DOWN = np.array([pk.STAY, pk.SOUTH, pk.NORTH, pk.WEST, pk.EAST, pk.INTERACT])
_LEFT_RIGHT = np.array([pk.STAY, pk.NORTH, pk.SOUTH, pk.EAST, pk.WEST, pk.INTERACT])
_EXCHANGED = np.array([pk.STAY, pk.WEST, pk.EAST, pk.NORTH, pk.SOUTH, pk.INTERACT])


def mirror_count(scenario: Scenario) -> int:
    """Return the number of mirrors of a scenario's grid."""
    return 8 if scenario.height == scenario.width else 4


def mirrored_actions(mirror: int) -> np.ndarray:
    """Return what each action becomes, (N_ACTIONS,) int64: index it with actions."""
    becomes = np.arange(pk.N_ACTIONS)
    for bit, change in enumerate((_UPSIDE_DOWN, _LEFT_RIGHT, _EXCHANGED)):
        if mirror >> bit & 1:
            becomes = change[becomes]
    return becomes


def mirror_row(spec: np.ndarray, row: np.ndarray, mirror: int) -> None:
    """Mirror a packed state in place.

    Args:
        spec: The packed scenario.
        row: The state. What happened in its last step is forgotten.
        mirror: Number of the mirror; bit 0 reverses the rows, then bit 1 the columns, then bit 2 exchanges both.
    """
    height, width = int(spec[pk.H_HEIGHT]), int(spec[pk.H_WIDTH])
    becomes = np.arange(height * width).reshape(height, width)  # at each new place, the cell that comes there
    becomes = becomes[::-1] if mirror & 1 else becomes
    becomes = becomes[:, ::-1] if mirror & 2 else becomes
    becomes = becomes.T if mirror & 4 else becomes
    to = np.argsort(becomes.ravel())
    views = pk.blocks(spec, row)
    for name in ("robots", "modules", "slots", "debris"):
        views[name][:, 0] = to[views[name][:, 0]]  # the cell is every block's first column
    for name in ("core", "keep_out"):
        views[name][:] = to[views[name]]
    drifts = views["debris"][:, pk.D_DIR]  # an action's number, or 0 at rest
    drifts[:] = mirrored_actions(mirror)[drifts]
    views["robots"][:, pk.R_ACTION] = -1
    views["robots"][:, pk.R_HITS :] = 0
