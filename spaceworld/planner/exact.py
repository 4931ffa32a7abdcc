"""Exact shortest joint plans for small layouts, the optimum for comparison with scripted and learned teams.

The search is A* with an admissible bound (`bound`) over states that do not tell equal robots and modules apart
(`keys`), with the environment's own step as the transition. Layouts larger than those of `solo`, `duet` and `pair` have
too many states.
"""

from __future__ import annotations

import numpy as np

from spaceworld.env import SpaceworldEnv
from spaceworld.planner.bound import FAR, Tables, bound, tables
from spaceworld.planner.keys import families_of, fits
from spaceworld.planner.search import FULL, LATE, retrace, search
from spaceworld.rules import packing as pk

MAX_STATES = 2_000_000  # about 40 bytes each; memory is used only as states are made
WAY_OUT = "the scripted team needs no search"


def shortest_plan(env: SpaceworldEnv, max_states: int = MAX_STATES) -> np.ndarray:
    """Return a shortest plan that completes the assembly from the present state; the environment is unchanged.

    No robot collides in the plan, and none is in a keep-out cell after a step. Collisions never shorten a plan: a unit
    that collides stays and does not interact, as if its robots had chosen to stay, and all others move as before. So
    every plan with collisions has one of the same length without. There are two exceptions. A robot can help by
    stopping drifting debris, so drifting debris is refused. And violations can shorten a way; the plan is the shortest
    without violations.

    Args:
        env: An environment after `reset` or `set_state`; of its options only `max_cycles` matters.
        max_states: The most states to search.

    Returns:
        (T, N) int64 joint actions; T = 0 when the assembly is complete.

    Raises:
        ValueError: When the state cannot be completed, or not in the steps left, or not with `max_states` states; when
            debris drifts; when the states do not fit into two words. The message says which.
    """
    if max_states < 1:
        raise ValueError(f"max_states is {max_states}; at least 1 state is needed")
    scenario = env.scenario
    spec, row = pk.build_spec(scenario, env.max_cycles, False, False), env.get_state().row
    views, n, cells = pk.blocks(spec, row), len(scenario.robots), scenario.height * scenario.width
    if (views["modules"][:, pk.M_SLOT] >= 0).all():
        return np.empty((0, n), dtype=np.int64)
    _check(env, spec, views)
    families, slot_at = families_of(scenario), np.full(cells, -1, dtype=np.int64)
    slot_at[views["slots"][:, pk.T_CELL]] = np.arange(len(scenario.slots))
    guide, work = tables(spec, row), np.empty(pk.work_size(spec), dtype=np.int64)
    left = env.max_cycles - int(row[pk.S_STEP])
    keys = np.empty((max_states, 2), dtype=np.int64)
    table = np.zeros(1 << (2 * max_states).bit_length(), dtype=np.int32)
    parents, steps, following = np.empty((3, max_states), dtype=np.int32)
    nodes = (keys, parents, steps, following, table)
    node, made = search(spec, row, work, guide, families, slot_at, min(left, FAR - 1), nodes)
    if node == FULL:
        raise ValueError(
            f"more than max_states = {max_states} states are needed for scenario {scenario.name!r}; {WAY_OUT}"
        )
    if node < 0:
        why = f"not in the {left} steps left" if node == LATE else _reason(spec, row, guide, made)
        raise ValueError(f"the assembly cannot be completed without a collision or violation: {why}")
    plan = np.empty((int(steps[node]), n), dtype=np.int64)
    if not retrace(spec, row, work, families, keys, parents, node, plan):
        raise AssertionError("a step of the plan was not found again; please report this state")
    return plan


def _check(env: SpaceworldEnv, spec: np.ndarray, views: dict[str, np.ndarray]) -> None:
    """Refuse states that have no plan or cannot be searched."""
    scenario = env.scenario
    if not env.agents:
        raise ValueError("there is no running episode: reset() the environment, or set_state() one that runs")
    for k in np.flatnonzero(views["debris"][:, pk.D_DIR]):
        raise ValueError(f"debris_{k} drifts: exact plans are only for still debris; {WAY_OUT}")
    if not fits(scenario):
        raise ValueError(f"scenario {scenario.name!r} is too large for exact plans; {WAY_OUT}")
    for i, (cell, held) in enumerate(views["robots"][:, [pk.R_CELL, pk.R_GRIPS]]):
        if held >= 0:
            rows, cols = np.divmod([cell, views["modules"][held, pk.M_CELL]], scenario.width)
            if abs(rows[0] - rows[1]) + abs(cols[0] - cols[1]) != 1:
                raise ValueError(f"robot_{i} grips module_{held}, but is not beside it: not a state of the rules")


def _reason(spec: np.ndarray, row: np.ndarray, guide: Tables, made: int) -> str:
    """Return the reason why there is no plan."""
    for m in range(int(spec[pk.H_MODULES])):
        alone = row.copy()
        modules = pk.blocks(spec, alone)["modules"]
        waits = modules[m, pk.M_SLOT] < 0
        modules[np.arange(len(modules)) != m, pk.M_SLOT] = 0  # as if all others were docked
        if waits and bound(spec, alone, guide, np.empty(len(spec), dtype=np.int64)) >= FAR:
            return f"module_{m} cannot be brought to any slot of its type, or not by enough robots"
    return f"all {made} states that can follow were searched"
