"""Environments by name."""

from __future__ import annotations

import pytest

from credit_wrappers.bench.environments import environment_families, make_environment
from credit_wrappers.core.errors import CreditError


@pytest.mark.parametrize(
    ("world", "agents"),
    [
        ("corridor", 2),
        ("spaceworld:truss", 3),
        ("lbf:Foraging-5x5-3p-1f-v3", 3),
        ("rware:rware-tiny-2ag-v2", 2),
    ],
)
def test_a_world_is_a_family_and_a_scenario_and_max_cycles_is_its_time_limit(world, agents):
    env = make_environment(world, max_cycles=3)
    env.reset(seed=0)
    assert len(env.possible_agents) == agents
    for steps in range(1, 4):
        truncated = env.step(dict.fromkeys(env.agents, 0))[3]
        assert any(truncated.values()) == (steps == 3)


def test_an_unknown_family_is_refused_with_the_valid_ones():
    assert environment_families() == ["broken", "corridor", "lbf", "rware", "spaceworld"]
    with pytest.raises(ValueError, match=r"no family 'spaceword'; did you mean spaceworld\? valid families are broken"):
        make_environment("spaceword:duet")
    with pytest.raises(ValueError, match="unknown scenario 'duo'"):
        make_environment("spaceworld:duo")
    with pytest.raises(ValueError, match="the corridor has no scenario 'long'"):
        make_environment("corridor:long")


def test_a_family_that_cannot_be_imported_is_named():
    with pytest.raises(CreditError, match=r"family 'broken' \(credit_wrappers.nowhere:make\) cannot be imported"):
        make_environment("broken:x")
