"""The kernel does what the plain-Python reference does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from spaceworld import PRESETS
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy
from spaceworld.rules import packing as pk
from spaceworld.rules.packing import blocks
from tests.spaceworld.reference import World, advance
from tests.spaceworld.scenarios import ALL, busy_actions
from tests.spaceworld.worlds import eager_actions

ROOT = Path(__file__).parents[2]


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


def compare(name: str, terminate: bool, steps: int, planned: bool = False) -> Counter[str]:
    """Plays so many steps with both and counts what happened.

    At random, dithering in one episode and eager in the next; or as the scripted team plays.
    """
    horizon = None if planned else 60
    env = SpaceworldEnv(ALL[name], on_collision="terminate" if terminate else "block", max_cycles=horizon)
    rng = np.random.default_rng(7)
    env.reset(seed=11)
    team = policy(env) if planned else None
    counts: Counter[str] = Counter()
    for _ in range(steps):
        if not env.agents:
            env.reset()
            counts["episodes"] += 1
        before = world_of(env)
        if team is not None:
            actions = tuple(team().values())
        else:
            actions = tuple(busy_actions(env, rng)) if counts["episodes"] % 2 else eager_actions(env, rng)
        expected = advance(env.scenario, before, actions, env.max_cycles, terminate)
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
        counts["docks"] += expected.mass > 0
        counts["hits"] += sum(expected.hits.values())
        counts["violations"] += len(expected.violations)
        counts["carried"] += any("carried" in e for info in infos.values() for e in info["events"])
        filled = blocks(env._spec, env._row)["slots"][:, pk.T_FILLED]
        assert set(np.flatnonzero(filled)) == {x for x in expected.world.docked if x is not None}
    return counts


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("terminate", [False, True])
def test_kernel_and_reference_agree_on_every_step(name: str, terminate: bool) -> None:
    counts = compare(name, terminate, 1500)  # 18,000 steps in all
    # the comparison has seen what it is meant to compare
    assert counts["hits"] > 20, counts
    if name in ("crowd", "quick"):
        assert counts["violations"] > 20 and (terminate or counts["carried"] > 10), counts
    if name in ("solo", "duet", "pair", "truss", "crowd"):
        assert terminate or counts["docks"] > 3, counts
    if name == "quick":
        assert terminate or counts["docks"] > 20, counts


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_kernel_and_reference_agree_on_what_the_scripted_team_does(name: str) -> None:
    counts = compare(name, False, 140 if name == "swarm" else 300, planned=True)
    assert counts["docks"] >= len(PRESETS[name].modules) // 2, counts
    assert counts["carried"] > 20 and not counts["hits"] and not counts["violations"], counts


def test_the_kernels_do_the_same_as_plain_python() -> None:
    """With NUMBA_DISABLE_JIT=1, in a process of its own: fewer steps, and no function is compiled."""
    code = """
from types import FunctionType
from numba import config
from spaceworld.observations import feature_vector, image
from spaceworld.rules import generator, kernel
from tests.spaceworld import test_planes, test_reference
assert config.DISABLE_JIT
for compiled in (kernel.advance, feature_vector.observe, image.observe_image, generator.generate):
    assert type(compiled) is FunctionType, compiled
for name in ("crowd", "quick", "pair"):
    counts = test_reference.compare(name, False, 120)
    assert counts["docks"] and counts["hits"], counts
    test_planes.compare(name, None, 15)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
