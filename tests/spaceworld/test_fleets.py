"""Fleets: scenarios of equal density for any number of robots."""

from __future__ import annotations

import re

import pytest

from spaceworld import PRESETS, fleet, get_scenario, spaceworld_v0
from spaceworld.app.command import main
from spaceworld.planner import policy
from spaceworld.presets import LARGEST_FLEET, LEAST_FLEET

SIZES = range(LEAST_FLEET, LARGEST_FLEET + 1)


@pytest.mark.parametrize("robots", SIZES)
def test_every_fleet_has_the_same_density(robots: int) -> None:
    scenario = fleet(robots)
    assert len(scenario.robots) == robots and len(scenario.modules) == len(scenario.slots) == 2 * robots
    assert scenario.height == scenario.width
    assert 0.85 < scenario.height * scenario.width / (32 * robots) < 1.15
    assert 2 * scenario.total_mass == 3 * len(scenario.modules), "half of the modules are heavy"
    assert scenario.horizon == 50 * robots


@pytest.mark.parametrize("robots", [2, 5, 8])
def test_the_scripted_team_completes_a_fleet_without_a_collision(robots: int) -> None:
    env = spaceworld_v0.parallel_env(scenario=f"fleet-{robots}")
    for seed in range(2):
        env.reset(seed=seed)
        act, total = policy(env), 0.0
        while env.agents:
            _, rewards, terminated, _, _ = env.step(act())
            total += rewards["robot_0"]
        assert all(terminated.values()) and total == pytest.approx(1.0)


def test_the_largest_fleet_has_layouts() -> None:
    env = spaceworld_v0.parallel_env(scenario=f"fleet-{LARGEST_FLEET}")
    observations, _ = env.reset(seed=0)
    assert len(observations) == LARGEST_FLEET


def test_a_fleet_is_a_scenario_by_name_but_no_preset() -> None:
    assert get_scenario("fleet-8") == fleet(8)
    assert not [name for name in PRESETS if name.startswith("fleet")]


@pytest.mark.parametrize("name", ["fleet-1", "fleet-25", "fleet-08", "fleet-", "fleet", "fleet-x", "fleet-2 "])
def test_a_fleet_that_there_is_not_is_refused_and_the_message_names_the_sizes(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape("and fleet-2 to fleet-24")):
        get_scenario(name)


@pytest.mark.parametrize("robots", [1, 25])
def test_a_size_that_there_is_not_is_refused(robots: int) -> None:
    with pytest.raises(ValueError, match="valid are 2 to 24"):
        fleet(robots)


def test_a_fleet_typed_without_a_command_is_answered_with_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet-4"]) == 2
    assert "spaceworld play fleet-4" in capsys.readouterr().err
