"""Custom scenarios that bring every rule into play at once, and a team that dithers usefully."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spaceworld import PRESETS, Debris, Layout, Module, Robot, Scenario, Slot
from spaceworld.env import SpaceworldEnv
from spaceworld.observations.feature_vector import possible
from spaceworld.rules.packing import INTERACT

CROWD = Scenario(
    "crowd",
    6,
    7,
    (Robot(), Robot(thrust=2), Robot("assembler", can_dock=False), Robot("scout", can_grip=False), Robot()),
    (Module("a", 1), Module("b", 3), Module("a", 2)),
    (Slot("a"), Slot("b", (0,)), Slot("a", (0, 1))),
    horizon=80,
    debris=(Debris(2, 1), Debris(4, 2), Debris(0, 1)),
    layout=Layout(
        core=((2, 3),),
        slots=((2, 2), (2, 4), (1, 3)),
        modules=((2, 1), (4, 4), (1, 5)),
        robots=((5, 0), (0, 2), (3, 2), (4, 6), (3, 5)),
        debris=((0, 0), (5, 2), (0, 6)),
        keep_out=((5, 5), (0, 4), (3, 3)),
    ),
)
# one heavy module already lies on its slot: docks happen often under random play
QUICK = replace(
    CROWD,
    name="quick",
    layout=replace(CROWD.layout, modules=((2, 2), (2, 4), (1, 3)), slots=((2, 2), (2, 4), (1, 3))),
)
ALL = {**PRESETS, "crowd": CROWD, "quick": QUICK}


def busy_actions(env: SpaceworldEnv, rng: np.random.Generator) -> list[int]:
    """Random actions that can have an effect, with a taste for interacting and for going one way together."""
    together = int(rng.integers(1, 5))
    chosen = []
    for i in range(env._n):
        can = [a for a in range(6) if possible(env._spec, env._row, i, a)]
        roll = rng.random()
        if roll < 0.3 and INTERACT in can:
            chosen.append(INTERACT)
        elif roll < 0.6 and together in can:
            chosen.append(together)
        else:
            chosen.append(int(rng.integers(6)))
    return chosen
