"""Large teams are observed by describing things once, small ones thing by thing: bit for bit the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceworld import PRESETS
from spaceworld.env import SpaceworldEnv
from spaceworld.observations.feature_vector import observe
from spaceworld.rules import packing as pk
from tests.spaceworld.worlds import eager_actions, make_world


def both_ways(env: SpaceworldEnv) -> tuple[np.ndarray, np.ndarray]:
    """The observations of all robots, thing by thing and described once."""
    found = []
    shape = env.observation_space("robot_0").shape
    usual = int(env._spec[pk.H_SHARED])
    for shared in (0, 1):
        env._spec[pk.H_SHARED] = shared
        observations = np.full((len(env.possible_agents), *shape), np.nan, np.float32)
        masks = np.full((len(env.possible_agents), pk.N_ACTIONS), -1, np.int8)
        observe(env._spec, env._row, env._work, observations, masks)
        found.append(np.concatenate([observations, masks], axis=1, dtype=np.float32))
    env._spec[pk.H_SHARED] = usual
    return found[0], found[1]


def assert_alike(env: SpaceworldEnv, seed: int, steps: int) -> None:
    random = np.random.default_rng(seed)
    env.reset(seed=seed)
    for _ in range(steps):
        one, other = both_ways(env)
        assert one.tobytes() == other.tobytes()
        assert np.isfinite(one).all()
        if not env.agents:
            break
        env.step({f"robot_{i}": a for i, a in enumerate(eager_actions(env, random))})


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name: str) -> None:
    assert_alike(SpaceworldEnv(name), 3, 60)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), robots=st.integers(1, 6), modules=st.integers(1, 5), debris=st.integers(0, 3))
def test_worlds_of_any_kind(seed: int, robots: int, modules: int, debris: int) -> None:
    assert_alike(SpaceworldEnv(make_world(seed, 7, 6, robots, modules, debris, 2)), seed, 40)
