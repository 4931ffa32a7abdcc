"""The kernel does what the plain-Python reference does."""

from __future__ import annotations

import numpy as np
import pytest

from spaceworld import packing as pk
from spaceworld.env import SpaceworldEnv
from spaceworld.packing import blocks
from spaceworld.reference import World, advance
from tests.spaceworld.scenarios import ALL, busy_actions


def world_of(env: SpaceworldEnv) -> World:
    views, width = blocks(env._spec, env._row), env.scenario.width

    def cells(values: np.ndarray) -> tuple[tuple[int, int], ...]:
        return tuple((int(v) // width, int(v) % width) for v in values)

    def maybe(values: np.ndarray) -> tuple[int | None, ...]:
        return tuple(int(v) if v >= 0 else None for v in values)

    return World(
        robots=cells(views["robots"][:, pk.R_CELL]),
        grips=maybe(views["robots"][:, pk.R_GRIPS]),
        modules=cells(views["modules"][:, pk.M_CELL]),
        docked=maybe(views["modules"][:, pk.M_SLOT]),
        slots=cells(views["slots"][:, pk.T_CELL]),
        # a docked module is structure
        core=frozenset(cells(views["core"])),
        keep_out=frozenset(cells(views["keep_out"])),
        debris=cells(views["debris"][:, pk.D_CELL]),
        drift=tuple(views["debris"][:, pk.D_DIR].tolist()),
        step=int(env._row[pk.S_STEP]),
        terminated=bool(env._row[pk.S_STATUS] == pk.TERMINATED),
        truncated=bool(env._row[pk.S_STATUS] == pk.TRUNCATED),
    )


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("terminate", [False, True])
def test_kernel_and_reference_agree_on_every_step(name: str, terminate: bool) -> None:
    env = SpaceworldEnv(ALL[name], on_collision="terminate" if terminate else "block", max_cycles=60)
    rng = np.random.default_rng(7)
    env.reset(seed=11)
    docks = hits = violations = carried = 0
    for _ in range(1500):
        if not env.agents:
            env.reset()
        before = world_of(env)
        actions = busy_actions(env, rng)
        expected = advance(env.scenario, before, tuple(actions), env.max_cycles, terminate)
        agents = env.agents
        _, rewards, terminated, truncated, infos = env.step(dict(zip(agents, actions, strict=True)))
        assert world_of(env) == expected.world
        robots = blocks(env._spec, env._row)["robots"]
        assert robots[:, pk.R_HITS].tolist() == [expected.hits[i] for i in range(env._n)]
        assert set(np.flatnonzero(robots[:, pk.R_VIOLATION])) == expected.violations
        share = expected.mass / env.scenario.total_mass
        faults = sum(expected.hits.values()) + len(expected.violations)
        assert rewards == dict.fromkeys(agents, pytest.approx(share - 0.05 * faults, abs=1e-12))
        assert terminated == dict.fromkeys(agents, expected.world.terminated)
        assert truncated == dict.fromkeys(agents, expected.world.truncated)
        docks += expected.mass > 0
        hits += sum(expected.hits.values())
        violations += len(expected.violations)
        carried += any("carried" in e for info in infos.values() for e in info["events"])
        filled = blocks(env._spec, env._row)["slots"][:, pk.T_FILLED]
        assert set(np.flatnonzero(filled)) == {x for x in expected.world.docked if x is not None}
    # the comparison has seen what it is meant to compare
    assert hits > 20
    if name in ("crowd", "quick"):
        assert violations > 20 and (terminate or carried > 10)
    if name == "quick":
        assert terminate or docks > 20
