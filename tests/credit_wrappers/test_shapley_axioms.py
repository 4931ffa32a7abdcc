"""Shapley credit has the properties that define it, and equals the definition written out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from credit_wrappers import EnvSimulator, Values, exact_credit
from credit_wrappers.exact import cases
from credit_wrappers.testing.corridor import CorridorEnv, CorridorValue
from tests.exact_episodes import Odd, shapley_by_definition, walk, wander, worth

THREE = partial(CorridorEnv, 3, length=4)
SEVEN = partial(CorridorEnv, 7, length=9)


@pytest.mark.parametrize("penalty", [0.0, 0.7])
@pytest.mark.parametrize("counts_reward", [False, True])
def test_shapley_credit_is_the_mean_over_all_orders_of_joining(penalty, counts_reward):
    value = Odd(counts_reward=counts_reward, discount=0.9)
    episode = wander(THREE(), 4)
    found = exact_credit(episode, EnvSimulator(THREE), value, "shapley", penalty=penalty)
    assert episode.cost.any()
    np.testing.assert_allclose(found.values, shapley_by_definition(THREE(), episode, value, penalty), atol=1e-9)
    assert not found.error.any()


@pytest.mark.parametrize("kind", ["time", "work"])
def test_shapley_credit_is_the_definitions_up_to_the_end_of_the_world(kind):
    episode = walk((2, 2, 0), (0, 2, 2), (2, 0, 2), (2, 2, 2), start=(1, 0, 0), length=4)
    assert episode.terminated
    value = CorridorValue(kind, 4)
    found = exact_credit(episode, EnvSimulator(partial(CorridorEnv, 3, length=4)), value, "shapley")
    np.testing.assert_allclose(found.values, shapley_by_definition(CorridorEnv(3, 4), episode, value), atol=1e-12)


def test_shapley_credit_sums_to_what_the_joint_action_gained_against_all_defaults():
    episode, value = wander(THREE(), 5), Odd()
    found = exact_credit(episode, EnvSimulator(THREE), value, "shapley", penalty=0.3)
    env = THREE()
    gained = [
        worth(env, state, joint, value, 0.3) - worth(env, state, (0, 0, 0), value, 0.3)
        for state, joint in zip(episode.snapshots[:-1], episode.actions, strict=True)
    ]
    np.testing.assert_allclose(found.values.sum(axis=1), gained, atol=1e-9)
    np.testing.assert_allclose(found.team, gained, atol=1e-9)
    progress = exact_credit(episode, EnvSimulator(THREE), value, "progress", penalty=0.3)
    np.testing.assert_allclose(progress.values, np.tile(np.array(gained)[:, None], 3), atol=1e-9)


@pytest.mark.parametrize("kind", ["difference", "average", "shapley"])
def test_agents_in_the_same_situation_get_the_same_credit(kind):
    episode = walk((2, 1, 2), (1, 2, 1), (2, 0, 2), start=(1, 0, 1), length=6)

    @dataclass
    class Even(Odd):
        def values(self, states):
            cells = np.array([state.position for state in states], float)
            return Values(np.sqrt(cells[:, 0] * cells[:, 2] + cells[:, 1]), np.zeros(len(states)))

    found = exact_credit(episode, EnvSimulator(partial(CorridorEnv, 3, length=6)), Even(), kind)
    np.testing.assert_allclose(found.values[:, 0], found.values[:, 2], atol=1e-12)
    assert found.values[:, 0].any() and not np.allclose(found.values[:, 0], found.values[:, 1])


@pytest.mark.parametrize("kind", ["difference", "shapley"])
def test_who_changes_nothing_gets_nothing(kind):
    # walker_1 stays, walker_2 walks against the wall at the end, which changes no cell
    episode = walk((2, 0, 2), (2, 0, 2), (1, 0, 2), start=(0, 1, 5), length=6)
    found = exact_credit(episode, EnvSimulator(partial(CorridorEnv, 3, length=6)), Odd(), kind)
    assert not found.values[:, 1:].any() and found.values[:, 0].all()


@pytest.mark.parametrize("kind", ["difference", "average", "shapley", "progress"])
def test_credit_is_linear_in_the_value_function(kind):
    @dataclass
    class Both(Odd):
        def values(self, states):
            return Values(2 * Odd(1.0).values(states).mean + 3 * Odd(-4.0).values(states).mean, np.zeros(len(states)))

    episode, simulator = wander(THREE(), 6), EnvSimulator(THREE)
    one, other, both = (exact_credit(episode, simulator, value, kind).values for value in (Odd(1.0), Odd(-4.0), Both()))
    assert np.abs(one - other).max() > 0.1
    np.testing.assert_allclose(both, 2 * one + 3 * other, atol=1e-9)


def test_sampled_shapley_credit_is_the_exact_one_within_its_error(monkeypatch):
    episode, simulator = wander(SEVEN(), 1, steps=4), EnvSimulator(SEVEN)
    few = exact_credit(episode, simulator, Odd(), "shapley", budget=40, seed=3)
    many = exact_credit(episode, simulator, Odd(), "shapley", budget=640, seed=4)
    again = exact_credit(episode, simulator, Odd(), "shapley", budget=40, seed=3)
    monkeypatch.setattr(cases, "EXACT_AGENTS", 7)
    exact = exact_credit(episode, simulator, Odd(), "shapley")
    acted = episode.actions != 0
    for found in (few, many):
        assert (np.abs(found.values - exact.values) <= 4 * found.error + 1e-9).all()
        assert (found.error[acted] > 0).mean() > 0.5 and not found.values[~acted].any()
        np.testing.assert_allclose(found.values.sum(axis=1), exact.team, atol=1e-9)
    assert np.abs(many.values - exact.values).max() < np.abs(few.values - exact.values).max()
    assert many.error.mean() < few.error.mean() / 3
    assert np.array_equal(few.values, again.values) and not exact.error.any()


def test_the_sampled_error_is_the_spread_of_the_gains_over_orders():
    # in the value below, whoever completes the team earns 1, so that a gain is 0 or 1
    @dataclass
    class Complete(Odd):
        def values(self, states):
            cells = np.array([state.position for state in states])
            return Values((cells == 1).all(axis=1).astype(float), np.zeros(len(states)))

    episode = walk((2,) * 7, start=(0,) * 7, length=9)
    found = exact_credit(episode, EnvSimulator(SEVEN), Complete(), "shapley", budget=50)
    share = found.values[0]
    assert share.sum() == pytest.approx(1) and np.allclose(share * 50, np.round(share * 50))
    np.testing.assert_allclose(found.error[0], np.sqrt(share * (1 - share) / 49), atol=1e-12)


def test_the_order_of_agents_does_not_matter():
    episode = wander(THREE(), 8)
    value = CorridorValue("time", 4)
    order = [2, 0, 1]
    turned = replace(
        episode,
        actions=episode.actions[:, order],
        cost=episode.cost[:, order],
        snapshots=tuple(
            replace(state, position=tuple(state.position[k] for k in order)) for state in episode.snapshots
        ),
    )
    for kind in ("difference", "average", "shapley"):
        plain = exact_credit(episode, EnvSimulator(THREE), value, kind).values
        np.testing.assert_allclose(exact_credit(turned, EnvSimulator(THREE), value, kind).values, plain[:, order])
