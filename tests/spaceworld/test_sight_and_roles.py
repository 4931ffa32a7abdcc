"""How far robots see, and whom it is told what each of them can do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from credit_wrappers import LLMCritic, ScriptedClient
from credit_wrappers.recording.replay import replay
from spaceworld import spaceworld_v0
from spaceworld.planner import policy
from spaceworld.vector import SpaceworldVectorEnv
from tests.spaceworld.scenarios import busy_actions

OTHERS = tuple(f"other_{k}.{ability}" for k in (1, 2, 3) for ability in ("thrust", "can_dock"))
ABILITIES = ("own.thrust", "own.can_grip", "own.can_dock", *OTHERS)
PLANES = ("robot_thrust", "robot_can_dock", "own_thrust", "own_can_grip", "own_can_dock")


def play(env: Any, seed: int = 3, steps: int = 30) -> np.ndarray:
    """Return the actions of a short episode in which things happen."""
    env.reset(seed=seed)
    rng, joints = np.random.default_rng(seed), []
    for _ in range(steps):
        joints.append(busy_actions(env, rng))
        env.step(dict(zip(env.agents, joints[-1], strict=True)))
    return np.array(joints)


@pytest.mark.parametrize(
    ("scenario", "sight"), [("pair", 0), ("pair", 2), ("crew", 0), ("crew", 2), ("crew", 3), ("fleet-6", 2)]
)
def test_what_is_out_of_sight_is_hidden_and_what_is_in_sight_is_as_ever(scenario: str, sight: int) -> None:
    near, whole = (spaceworld_v0.parallel_env(scenario=scenario, sight=s) for s in (sight, 100))
    names = np.array(whole.feature_names)
    things = sorted({name.split(".")[0] for name in names} - {"own"})
    height, width = whole.scenario.height - 1, whole.scenario.width - 1
    seen, whole_seen = near.reset(seed=5)[0], whole.reset(seed=5)[0]
    hidden = shown = 0
    for agent in near.agents:
        for thing in things:
            mine = np.array([name.startswith(f"{thing}.") for name in names])
            down, across = (whole_seen[agent][names == f"{thing}.rel_{way}"][0] for way in ("row", "col"))
            if max(abs(down * height), abs(across * width)) > sight + 1e-3:
                assert not seen[agent][mine].any()
                hidden += 1
            else:
                assert np.array_equal(seen[agent][mine], whole_seen[agent][mine])
                shown += 1
    assert hidden and (shown or sight == 0)


def test_sight_changes_neither_the_world_nor_what_the_critic_reads() -> None:
    near, own = spaceworld_v0.parallel_env(scenario="crew", sight=2), spaceworld_v0.parallel_env(scenario="crew")
    actions = play(own)
    one, other = (replay(env, 3, actions) for env in (near, own))
    assert np.array_equal(one.team_reward, other.team_reward) and np.array_equal(one.cost, other.cost)
    critic = LLMCritic(ScriptedClient())
    assert critic.questions([one])[0].request == critic.questions([other])[0].request


def test_sight_sets_the_radius_of_the_planes() -> None:
    env = spaceworld_v0.parallel_env(scenario="crew", observation="image", sight=2)
    assert env.observation_space("robot_0").shape == (35, 5, 5)


@pytest.mark.parametrize("told", ["critic", "nobody"])
def test_roles_that_are_not_told_are_zero_in_observations_and_nothing_else_is(told: str) -> None:
    for scenario in ("pair", "crew"):  # two kernels
        hidden, own = (spaceworld_v0.parallel_env(scenario=scenario, roles_told=t) for t in (told, "all"))
        names = np.array(own.feature_names)
        secret = np.isin(names, ABILITIES)
        actions = play(own)
        one, other = (replay(env, 3, actions, observations=True) for env in (hidden, own))
        assert one.observations is not None and other.observations is not None
        assert not one.observations[..., secret].any() and other.observations[..., secret].any()
        assert np.array_equal(one.observations[..., ~secret], other.observations[..., ~secret])
        assert np.array_equal(one.team_reward, other.team_reward)


def test_roles_that_are_not_told_are_zero_in_planes() -> None:
    from spaceworld.observations.image import plane_names

    hidden, own = (
        spaceworld_v0.parallel_env(scenario="crew", observation="image", roles_told=told) for told in ("critic", "all")
    )
    secret = np.isin(plane_names(own.scenario), PLANES)
    one, other = (np.stack(list(env.reset(seed=1)[0].values())) for env in (hidden, own))
    assert not one[:, secret].any() and other[:, secret].any()
    assert np.array_equal(one[:, ~secret], other[:, ~secret])


def test_vector_environments_hide_roles_and_what_is_out_of_sight_too() -> None:
    options: dict[str, Any] = {"sight": 2, "roles_told": "critic"}
    many, _ = SpaceworldVectorEnv(2, "crew", **options).reset(seed=[4, 5])
    for k in range(2):
        one, _ = spaceworld_v0.parallel_env(scenario="crew", **options).reset(seed=4 + k)
        assert np.array_equal(many[k], np.stack(list(one.values())))


def test_the_critic_reads_the_roles_unless_nobody_is_told() -> None:
    texts = {}
    for told in ("all", "critic", "nobody"):
        env = spaceworld_v0.parallel_env(scenario="crew", roles_told=told)
        episode = replay(env, 3, play(env))
        narrator = episode.narrator
        assert narrator is not None
        texts[told] = narrator.describe() + narrator.frames(episode.moments[:1], range(4), list("ABCD"))[0]
    assert texts["all"] == texts["critic"]
    assert "assembler with thrust 1" in texts["all"]
    assert not [word for word in ("tug", "assembler", "with thrust", "cannot") if word in texts["nobody"]]
    assert "is not told" in texts["nobody"]


def test_the_scripted_critic_judges_by_what_it_is_told() -> None:
    told, untold = (spaceworld_v0.parallel_env(scenario="crew", roles_told=t) for t in ("all", "nobody"))
    told.reset(seed=3)
    team, joints = policy(told, tries=1), []
    while told.agents:
        joints.append(list(team().values()))
        told.step(dict(zip(told.agents, joints[-1], strict=True)))
    actions = np.array(joints)
    one, other = (LLMCritic(ScriptedClient()).score([replay(env, 3, actions)])[0].values for env in (told, untold))
    assert one.any() and other.any() and not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"sight": -1}, "sensor_range -1"), ({"roles_told": "robots"}, "valid are 'all', 'critic', 'nobody'")],
)
def test_impossible_sight_and_roles_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spaceworld_v0.parallel_env(scenario="crew", **arguments)


def test_a_snapshot_of_other_sight_is_refused() -> None:
    near, own = spaceworld_v0.parallel_env(scenario="crew", sight=2), spaceworld_v0.parallel_env(scenario="crew")
    near.reset(seed=0)
    with pytest.raises(ValueError, match="sight or roles_told differ"):
        own.set_state(near.get_state())
