"""Mirrors: a mirrored layout with mirrored actions makes the mirrored episode."""

from __future__ import annotations

import numpy as np
import pytest

from spaceworld import PRESETS, get_scenario, spaceworld_v0
from spaceworld.rules import packing as pk
from spaceworld.rules.mirrors import mirror_row, mirrored_actions

WIDE = "wide"  # no square


def make(name):
    if name != WIDE:
        return spaceworld_v0.parallel_env(scenario=name)
    duet = get_scenario("duet")
    from dataclasses import replace

    return spaceworld_v0.parallel_env(scenario=replace(duet, name="wide", width=duet.width + 2))


def play(env, actions, **reset):
    """Return rewards, costs and ends of an episode, and its last packed state."""
    env.reset(**reset)
    found = []
    for joint in actions:
        if not env.agents:
            break
        _, rewards, terminations, truncations, infos = env.step(dict(zip(env.possible_agents, joint, strict=True)))
        costs = [infos[agent]["cost"] for agent in infos]
        found.append(([*rewards.values()], costs, [*terminations.values()], [*truncations.values()]))
    return found, env.unwrapped.get_state().row


@pytest.mark.parametrize("name", [*PRESETS, WIDE])
def test_a_mirrored_layout_with_mirrored_actions_makes_the_mirrored_episode(name):
    env, rng = make(name), np.random.default_rng(0)
    maps = env.unwrapped.mirrors()
    assert len(maps) == (4 if name == WIDE else 8) and (maps[0] == np.arange(6)).all()
    actions = rng.choice(6, (50, len(env.possible_agents)), p=[0.05, 0.18, 0.18, 0.18, 0.18, 0.23])
    seed = 0 if name == "hazard" else 3  # in none a robot grips between two loose modules
    plain, row = play(env, actions, seed=seed)
    assert any(any(costs) for _, costs, _, _ in plain) or name == "solo"
    for mirror, becomes in enumerate(maps):
        mirrored, found = play(env, becomes[actions], seed=seed, options={"mirror": mirror})
        assert mirrored == plain
        expected = row.copy()
        for state in (expected, found):
            mirror_row(env.unwrapped._spec, state, mirror if state is expected else 0)
        assert np.array_equal(expected, found)


@pytest.mark.parametrize("seed", range(8))
def test_debris_drifts_and_bounces_in_the_mirror_as_outside(seed):
    env, rng = make("hazard"), np.random.default_rng(seed)
    # without a grip: a robot between two loose modules grips the one in the lowest cell, which a mirror changes
    actions = rng.integers(5, size=(120, len(env.possible_agents)))
    plain, row = play(env, actions, seed=seed)
    assert len(env.unwrapped.mirrors()) == 8
    for mirror, becomes in enumerate(env.unwrapped.mirrors()):
        mirrored, found = play(env, becomes[actions], seed=seed, options={"mirror": mirror})
        assert mirrored == plain
        mirror_row(env.unwrapped._spec, found, 0)
        expected = row.copy()
        mirror_row(env.unwrapped._spec, expected, mirror)
        assert np.array_equal(expected, found)


def test_mirrors_are_all_different_and_each_undoes_itself_or_another_does():
    env = make("duet")
    starts = set()
    for mirror in range(8):
        env.reset(seed=5, options={"mirror": mirror})
        starts.add(env.unwrapped.get_state().row.tobytes())
    assert len(starts) == 8
    group = {tuple(mirrored_actions(mirror)) for mirror in range(8)}
    assert {tuple(np.array(b)[list(a)]) for a in group for b in group} == group
    assert mirrored_actions(1).tolist() == [pk.STAY, pk.SOUTH, pk.NORTH, pk.WEST, pk.EAST, pk.INTERACT]


def test_a_mirror_that_does_not_exist_is_named_and_nothing_begins():
    env = make(WIDE)
    env.reset(seed=1)
    row = env.unwrapped.get_state().row
    for wrong in (4, -1, "left"):
        with pytest.raises(ValueError, match=r"the mirrors here are 0 to 3"):
            env.reset(seed=2, options={"mirror": wrong})
    assert np.array_equal(env.unwrapped.get_state().row, row)
    env.reset(seed=2, options={"other": 1})  # options of others are passed over, as before
