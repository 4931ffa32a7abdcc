"""The ParallelEnv face: API, spaces, masks, determinism, snapshots, errors."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from spaceworld import PRESETS, Debris, Layout, Module, Robot, Scenario, Slot, spaceworld_v0
from spaceworld.env import SpaceworldEnv
from spaceworld.observations.feature_vector import OWN, feature_names
from spaceworld.rules import packing as pk
from tests.spaceworld.drawing import draw
from tests.spaceworld.scenarios import ALL, busy_actions

with warnings.catch_warnings():  # PettingZoo's test package imports its own deprecated names
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test

Trace = list[tuple[Any, ...]]


def rollout(env: SpaceworldEnv, seed: int | None, steps: int, action_seed: int = 0) -> Trace:
    """Everything that the env returned, as bytes and values."""
    rng = np.random.default_rng(action_seed)
    trace: Trace = []

    def note(observations: dict[str, np.ndarray], *rest: Any) -> None:
        infos = [(i["action_mask"].tobytes(), i["cost"], i["events"]) for i in rest[-1].values()]
        trace.append((*(o.tobytes() for o in observations.values()), rest[:-1], infos, env.state().tobytes()))

    if seed is not None:
        note(*env.reset(seed=seed))
    for _ in range(steps):
        if not env.agents:
            note(*env.reset())
        note(*env.step(dict(zip(env.agents, busy_actions(env, rng), strict=True))))
    return trace


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_pettingzoo_api(name: str) -> None:
    parallel_api_test(spaceworld_v0.parallel_env(scenario=name), num_cycles=300)
    parallel_seed_test(lambda: spaceworld_v0.parallel_env(scenario=name), num_cycles=50)


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.filterwarnings("ignore:Observation is not NumPy array:UserWarning")
def test_pettingzoo_aec_api(name: str) -> None:
    api_test(spaceworld_v0.env(scenario=name), num_cycles=100)


def test_all_three_factories_take_every_argument() -> None:
    for make in (spaceworld_v0.parallel_env, spaceworld_v0.env, spaceworld_v0.raw_env):
        env = make(scenario="duet", max_cycles=7, render_mode="ansi", on_collision="terminate", action_mask="safe")
        env.reset(seed=1)
        assert len(env.agents) == 2
        assert "duet" in env.render()


@pytest.mark.parametrize("name", sorted(ALL))
def test_observations_rewards_and_infos_keep_their_promises(name: str) -> None:
    env = SpaceworldEnv(ALL[name], max_cycles=40)
    rng = np.random.default_rng(1)
    observations, infos = env.reset(seed=2)
    total = 0.0
    for _ in range(400):
        assert list(observations) == list(infos)
        for agent, observation in observations.items():
            assert env.observation_space(agent).contains(observation)
            assert infos[agent]["action_mask"].dtype == np.int8
        assert env.state_space.contains(env.state())
        assert len({id(info) for info in infos.values()}) == len(infos)
        if not env.agents:
            scene = env.scene()
            assert total == pytest.approx(scene.team_return)
            total = 0.0
            env.reset()
        observations, rewards, terminated, truncated, infos = env.step(
            dict(zip(env.agents, busy_actions(env, rng), strict=True))
        )
        assert len(set(rewards.values())) == 1 and np.isfinite(list(rewards.values())).all()
        assert len(set(terminated.values())) == len(set(truncated.values())) == 1
        assert isinstance(next(iter(terminated.values())), bool)
        total += next(iter(rewards.values()))


@pytest.mark.parametrize("name", sorted(ALL))
def test_two_full_rollouts_with_one_seed_are_identical(name: str) -> None:
    assert rollout(SpaceworldEnv(ALL[name]), 5, 300) == rollout(SpaceworldEnv(ALL[name]), 5, 300)
    if name in PRESETS:
        assert rollout(SpaceworldEnv(ALL[name]), 5, 30) != rollout(SpaceworldEnv(ALL[name]), 6, 30)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_restored_snapshot_continues_bit_identically_through_resets(name: str) -> None:
    env, other = SpaceworldEnv(ALL[name], max_cycles=30), SpaceworldEnv(ALL[name], max_cycles=30)
    rollout(env, 5, 20)
    snapshot = pickle.loads(pickle.dumps(env.get_state()))
    expected = rollout(env, None, 100, action_seed=9)
    other.reset(seed=99)
    other.set_state(snapshot)
    assert rollout(other, None, 100, action_seed=9) == expected
    env.set_state(snapshot)
    assert rollout(env, None, 100, action_seed=9) == expected


def test_pickled_and_copied_envs_continue_identically_and_do_not_share_state() -> None:
    env = SpaceworldEnv("pair", render_mode="rgb_array")
    rollout(env, 5, 20)
    env.render()
    twins = [pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    expected = rollout(env, None, 60, action_seed=9)
    assert [rollout(twin, None, 60, action_seed=9) for twin in twins] == [expected, expected]


def test_returned_arrays_are_fresh_at_every_step() -> None:
    env = SpaceworldEnv("duet")
    first, infos = env.reset(seed=0)
    kept, mask = first["robot_0"].copy(), infos["robot_0"]["action_mask"].copy()
    for _ in range(20):
        env.step({"robot_0": 4, "robot_1": 1})
    assert np.array_equal(first["robot_0"], kept) and np.array_equal(infos["robot_0"]["action_mask"], mask)


def test_a_complete_assembly_sums_to_exactly_one() -> None:
    env = draw("""
        0A.B1
        .....
        2C..#
    """, grips={0: "A", 1: "B", 2: "C"}, on={"A": "a", "B": "b", "C": "c"})  # fmt: skip
    rewards = [env.step(dict.fromkeys(env.agents, 0) | {f"robot_{i}": 5})[1]["robot_0"] for i in range(3)]
    assert sum(rewards) == 1.0 and env.agents == []


def test_observation_names_match_and_each_robot_sees_itself_first() -> None:
    env = draw("""
        0....
        ..A..
        ....1
    """)
    names = feature_names(env.scenario)
    observations, _ = env.observe_all()
    assert len(names) == len(set(names)) == env.observation_space("robot_0").shape[0]
    zero, one = (dict(zip(names, observations[f"robot_{i}"].tolist(), strict=True)) for i in (0, 1))
    assert (zero["own.row"], zero["own.col"], one["own.row"], one["own.col"]) == (-1, -1, 1, 1)
    assert (zero["other_1.rel_row"], zero["other_1.rel_col"]) == (1, 1)
    assert (one["other_1.rel_row"], one["other_1.rel_col"]) == (-1, -1)
    assert (zero["module_0.rel_row"], zero["module_0.rel_col"]) == (0.5, 0.5)
    assert (zero["own.solid_north"], zero["own.solid_south"], zero["own.solid_west"]) == (1, 0, 1)
    assert names[OWN].startswith("other_1")


def test_beyond_the_sensor_range_everything_is_zero() -> None:
    env = draw("""
        0.1..
        .....
        ..A.*
    """, robots=[Robot(sensor_range=1), Robot()])  # fmt: skip
    names = feature_names(env.scenario)
    observations, _ = env.observe_all()
    seen = dict(zip(names, observations["robot_0"].tolist(), strict=True))
    assert not any(v for k, v in seen.items() if k.split(".")[0] in ("other_1", "module_0", "debris_0", "slot_0"))
    assert any(v for k, v in zip(names, observations["robot_1"], strict=True) if k.startswith("other_1"))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ({"robot_0": 6, "robot_1": 0}, "action 6 of 'robot_0'"),
        ({"robot_0": 0, "robot_1": -1}, "action -1 of 'robot_1'"),
        ({"robot_0": 1.0, "robot_1": 0}, r"action 1.0 of 'robot_0'"),
        ({"robot_0": None, "robot_1": 0}, "action None of 'robot_0'"),
        ({"robot_0": 0}, "'robot_1' is missing"),
        ({"robot_0": 0, "robot_1": 0, "robot_7": 0}, "no agent 'robot_7'"),
        ({}, "'robot_0' is missing"),
    ],
)
def test_bad_actions_name_agent_and_action_and_leave_the_state_unchanged(actions: dict[str, Any], message: str) -> None:
    env = SpaceworldEnv("duet")
    env.reset(seed=0)
    before = env._row.copy()
    with pytest.raises(ValueError, match=message):
        env.step(actions)
    assert np.array_equal(env._row, before)
    env.step({"robot_0": np.int64(1), "robot_1": np.array(2)})  # numpy integers are fine


def test_step_before_reset_and_after_the_end_is_pettingzoos_error() -> None:
    env = SpaceworldEnv("duet", max_cycles=1)
    with pytest.raises(AssertionError, match="reset"):
        env.step({"robot_0": 0, "robot_1": 0})
    env.reset(seed=0)
    env.step({"robot_0": 0, "robot_1": 0})
    with pytest.raises(AssertionError, match="reset"):
        env.step({"robot_0": 0, "robot_1": 0})
    assert env._row[pk.S_STEP] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenario": "moon"}, f"unknown scenario 'moon'; the presets are {', '.join(PRESETS)}"),
        ({"render_mode": "3d"}, "'rgb_array'"),
        ({"observation": "pixels"}, "'vector'"),
        ({"on_collision": "explode"}, "'terminate'"),
        ({"action_mask": "all"}, "'safe'"),
        ({"max_cycles": 0}, "max_cycles is 0"),
        ({"collision_penalty": -1}, "collision_penalty is -1"),
    ],
)
def test_unknown_options_name_the_valid_ones(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spaceworld_v0.parallel_env(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modules": (Module("a", 5),)}, "module_0 has mass 5"),
        ({"slots": (Slot("a", (0,)),)}, "slot_0 has a cycle"),
        ({"slots": (Slot("a", (3,)),)}, "needs slot 3"),
        ({"slots": (Slot("b"),)}, "more modules than slots"),
        ({"robots": (Robot(can_dock=False),)}, "no robot can both grip and dock"),
        ({"height": 2}, "2x5"),
        ({"height": 3, "width": 3, "debris": (Debris(),) * 9}, "do not fit"),
        ({"layout": Layout(((0, 0),), ((9, 9),), ((1, 1),), ((2, 2),))}, "outside the grid"),
        ({"layout": Layout(((0, 0),), ((3, 3),), ((0, 0),), ((2, 2),))}, "on one cell"),
        ({"keep_out": 30}, "30 keep-out cells do not fit"),
        ({"keep_out": -1}, "keep_out is -1"),
        ({"slot_pattern": "ring"}, "unknown slot_pattern 'ring'; valid are beside, line, cross"),
        ({"slots": (Slot("a"),) * 5}, "slot_4 has no place"),
        ({"slots": (Slot("a"),) * 2, "slot_pattern": "line"}, "slot_1 has no place.*need 6 cells"),
        ({"slots": (Slot("a"),) * 5, "slot_pattern": "cross"}, "slot_4 has no place.*need 7 cells"),
        ({"debris": (Debris(5),)}, "debris_0 has direction 5"),
        ({"debris": (Debris(1, 0),)}, "period 0"),
        ({"robots": (Robot(sensor_range=-1),)}, "robot_0 has sensor_range -1"),
        ({"modules": (Module("a", 5),), "robots": (Robot(),) * 5}, "module_0 has mass 5.*4 sides.*thrust 4"),
        ({"modules": (Module("a", 3),), "robots": (Robot(), Robot(thrust=9, can_grip=False))}, "has thrust 1"),
        (
            {"modules": (Module("a", 9),), "robots": (Robot(),) + (Robot(thrust=3, can_dock=False),) * 3},
            None,  # one that docks and three strong ones: 10
        ),
        ({"layout": Layout(((3, 4), (4, 3)), ((4, 4),), ((1, 1),), ((2, 2),))}, "slot_0 at .4, 4. cannot be reached"),
        ({"layout": Layout(((0, 1), (1, 0)), ((4, 4),), ((0, 0),), ((2, 2),))}, "module_0 at .0, 0. cannot be reached"),
    ],
)
def test_impossible_scenarios_name_the_culprit(changes: dict[str, Any], message: str | None) -> None:
    good: dict[str, Any] = {
        "name": "x", "height": 5, "width": 5, "robots": (Robot(),), "modules": (Module("a"),),
        "slots": (Slot("a"),), "horizon": 10,
    }  # fmt: skip
    Scenario(**good)
    if message is None:
        Scenario(**{**good, **changes})
        return
    with pytest.raises(ValueError, match=message):
        Scenario(**{**good, **changes})


def test_snapshots_of_another_scenario_or_variant_are_refused_by_name() -> None:
    snapshot = SpaceworldEnv("duet").get_state()
    with pytest.raises(ValueError, match=r"'duet'.*'pair'"):
        SpaceworldEnv("pair").set_state(snapshot)
    with pytest.raises(ValueError, match="max_cycles"):
        SpaceworldEnv("duet", max_cycles=3).set_state(snapshot)
    with pytest.raises(TypeError, match="get_state"):
        SpaceworldEnv("pair").set_state({"row": 1})  # type: ignore[arg-type]


def test_importing_opens_nothing_and_loads_neither_pygame_nor_numba() -> None:
    code = (
        "import sys, spaceworld, credit_wrappers; "
        "bad = {'pygame', 'numba', 'torch', 'tianshou', 'anthropic', 'httpx'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(bad)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_overlay_is_shown_from_the_next_picture_on_and_what_is_not_given_goes() -> None:
    env = SpaceworldEnv("duet", render_mode="ansi")
    env.reset(seed=0)
    bare = env.render()
    env.set_overlay(credits={"robot_1": np.float32(0.25)}, tasks={"robot_0": "wait"}, text="robot_1 came first")
    shown = env.render()
    assert "credit +0.250" in shown and "task: wait" in shown and "critic: robot_1 came first" in shown
    env.set_overlay(text="robot_1 came first")
    assert "credit" not in env.render() and "task" not in env.render()
    env.set_overlay()
    assert env.render() == bare


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"credits": {"robot_7": 1.0}}, "no agent 'robot_7'; the agents are robot_0, robot_1"),
        ({"tasks": {"tug": "wait"}}, "no agent 'tug'"),
        ({"credits": {"robot_0": float("nan")}}, "credit of 'robot_0' is nan"),
    ],
)
def test_an_overlay_for_nobody_is_refused_and_the_old_one_stays(overlay: dict[str, Any], message: str) -> None:
    env = SpaceworldEnv("duet", render_mode="ansi")
    env.reset(seed=0)
    env.set_overlay(text="before")
    with pytest.raises(ValueError, match=message):
        env.set_overlay(**overlay)
    assert "critic: before" in env.render()
    with pytest.raises(TypeError):
        env.set_overlay({"robot_0": 1.0})
