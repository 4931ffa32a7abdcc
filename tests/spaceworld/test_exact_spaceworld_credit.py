"""Exact credit on `duet`: by all coalitions, each stepped by the plain-Python reference rules."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from credit_wrappers import EnvSimulator, exact_credit
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy, value_function
from tests.exact_episodes import recorded
from tests.spaceworld.reference import advance
from tests.spaceworld.scenarios import busy_actions
from tests.spaceworld.test_reference import world_of

PENALTY = 0.5


def duet() -> SpaceworldEnv:
    return SpaceworldEnv("duet", max_cycles=60)


@pytest.mark.parametrize("kind", ["time", "work"])
def test_credit_on_duet_is_that_of_all_coalitions_by_the_reference_rules(kind: str) -> None:
    env, rng = duet(), np.random.default_rng(5)
    values = value_function(env, kind)  # type: ignore[arg-type]
    team = policy(env)

    def choose(t: int, infos: dict[str, Any]) -> list[int]:
        """Mostly as the scripted team, so that the two carry and dock together."""
        planned = team()
        return [planned[agent] for agent in env.agents] if rng.random() < 0.5 else busy_actions(env, rng)

    episode = recorded(env, 4, choose)
    worth = np.zeros((episode.length, 2, 2))  # by whether robot_0 and robot_1 act as they did
    for t, joint in enumerate(episode.actions):
        for acts in product((0, 1), repeat=2):
            env.set_state(episode.snapshots[t])
            before, taken = world_of(env), tuple(int(a) * on for a, on in zip(joint, acts, strict=True))
            outcome = advance(env.scenario, before, taken, 60, False)
            _, _, _, _, infos = env.step(dict(zip(env.agents, taken, strict=True)))
            assert world_of(env) == outcome.world
            cost = sum(outcome.hits.values()) + len(outcome.violations)
            assert cost == sum(info["cost"] for info in infos.values())
            left = 0.0 if outcome.world.terminated else values.values([env.get_state()]).mean[0]
            worth[t][acts] = left - PENALTY * cost
    both, one, other, none = worth[:, 1, 1], worth[:, 1, 0], worth[:, 0, 1], worth[:, 0, 0]
    difference = np.stack([both - other, both - one], axis=1)
    shapley = np.stack([both - other + one - none, both - one + other - none], axis=1) / 2
    for name, expected in (("difference", difference), ("shapley", shapley)):
        found = exact_credit(episode, EnvSimulator(duet), values, name, penalty=PENALTY)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.values, expected, atol=1e-12)
        np.testing.assert_allclose(found.team, both - none, atol=1e-12)
    assert episode.terminated and episode.cost.any() and difference.any() and not np.allclose(difference, shapley)
