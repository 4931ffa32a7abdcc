"""What all adapters promise: the API, spaces, rewards, seeds, masks, snapshots, pictures, errors."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from credit_wrappers.adapters import lbf, rware
from tests.adapters.worlds import WORLDS, busy, flat, moves_of, rollout

with warnings.catch_warnings():  # PettingZoo's test package imports its own deprecated names
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import parallel_api_test, parallel_seed_test

every_world = pytest.mark.parametrize("name", WORLDS)


@every_world
def test_pettingzoo_api(name: str) -> None:
    parallel_api_test(WORLDS[name](), num_cycles=60)
    parallel_seed_test(WORLDS[name], num_cycles=20)


@every_world
def test_observations_rewards_and_infos_keep_their_promises(name: str) -> None:
    env = WORLDS[name]()
    rng = np.random.default_rng(1)
    observations, infos = env.reset(seed=2)
    for _ in range(80):
        assert list(observations) == list(infos) == env.possible_agents
        for agent, observation in observations.items():
            assert env.observation_space(agent).contains(observation)
            assert infos[agent]["action_mask"].dtype == np.int8
        assert env.state_space.contains(env.state())
        assert len(env.state_names) == len(set(env.state_names)) == env.state().size
        assert len({id(info) for info in infos.values()}) == len(infos)
        if not env.agents:
            env.reset()
        observations, rewards, ended, cut, infos = env.step(busy(env, infos, rng))
        own = [info["own_reward"] for info in infos.values()]
        assert set(rewards.values()) == {sum(own)} and np.isfinite(own).all()
        assert all(type(value) is float for value in (*own, *rewards.values()))
        assert all(type(flag) is bool for flag in (*ended.values(), *cut.values()))
        assert len(set(ended.values())) == len(set(cut.values())) == 1
        over = any(ended.values()) or any(cut.values())
        assert over == (not env.agents)
        assert not (any(ended.values()) and any(cut.values()))


@every_world
def test_feature_names_fit_the_observations(name: str) -> None:
    env = WORLDS[name]()
    space = env.observation_space(env.possible_agents[0])
    if env.feature_names:
        assert len(env.feature_names) == len(set(env.feature_names)) == space.shape[0]
    else:
        shape = space["image"].shape if name == "rware-both" else space.shape
        assert len(env.plane_names) == shape[0]


@every_world
def test_observations_share_no_memory(name: str) -> None:
    env = WORLDS[name]()
    seen, _ = env.reset(seed=4)
    arrays = [part for own in seen.values() for part in (own.values() if isinstance(own, dict) else (own,))]
    arrays.append(env.state())
    for one, other in combinations(arrays, 2):
        assert not np.may_share_memory(one, other)


@every_world
def test_two_rollouts_of_one_seed_are_identical_and_other_seeds_differ(name: str) -> None:
    env = WORLDS[name]()
    first = rollout(env, 7, 130)
    assert first == rollout(env, 7, 130) == rollout(WORLDS[name](render_mode="ansi"), 7, 130)
    assert first[0] != rollout(env, 8, 0)[0]


def test_a_reset_without_a_seed_goes_on_with_the_random_stream() -> None:
    for name in ("lbf", "rware"):
        env = WORLDS[name]()
        env.reset(seed=1)
        second = rollout_start(env.reset())
        assert second != rollout_start(env.reset(seed=1))
        assert second == rollout_start(env.reset())


def rollout_start(told: Any) -> list[bytes]:
    return [flat(observation) for observation in told[0].values()]


@every_world
def test_a_rollout_goes_on_bit_identically_from_a_snapshot_a_copy_and_a_pickle(name: str) -> None:
    env = WORLDS[name]()
    rng = np.random.default_rng(3)
    _, infos = env.reset(seed=11)
    for _ in range(12):
        if not env.agents:
            _, infos = env.reset()
        *_, infos = env.step(busy(env, infos, rng))
    snapshot = pickle.loads(pickle.dumps(env.get_state()))
    assert len(pickle.dumps(snapshot)) < 4000
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env)), WORLDS[name](), env]
    expected = rollout(env, None, 130)  # over the ends of episodes: the random stream counts, too
    for k, other in enumerate(copies):
        if k >= 2:
            other.set_state(snapshot)
            assert other.get_state() == snapshot
        assert rollout(other, None, 130) == expected


def test_a_snapshot_of_the_end_stays_at_the_end() -> None:
    env = WORLDS["lbf-near"]()
    _, infos = env.reset(seed=0)
    while env.agents:
        *_, infos = env.step(busy(env, infos, np.random.default_rng(0)))
    ended = env.get_state()
    env.reset()
    env.set_state(ended)
    assert env.agents == []


def test_snapshots_of_another_id_or_other_arguments_are_refused_by_name() -> None:
    env, other = WORLDS["lbf"](), WORLDS["rware"]()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"of 'Foraging-8x8-2p-3f-v3', this environment is 'rware-tiny-2ag-v2'"):
        other.set_state(env.get_state())
    with pytest.raises(ValueError, match="other arguments"):
        lbf.parallel_env("Foraging-8x8-2p-3f-v3", sight=3).set_state(env.get_state())
    with pytest.raises(TypeError, match="dict"):
        env.set_state({})
    with pytest.raises(ValueError, match="reset"):
        other.get_state()


@every_world
def test_a_masked_action_does_what_waiting_does(name: str) -> None:
    env = WORLDS[name]()
    rng = np.random.default_rng(6)
    _, infos = env.reset(seed=1)
    tried = 0
    for _ in range(40):
        if not env.agents:
            _, infos = env.reset()
        actions, here = busy(env, infos, rng, free=True), env.get_state()
        for agent in env.agents:
            for action in np.flatnonzero(infos[agent]["action_mask"] == 0):
                outcomes = []
                for move in (int(action), 0):
                    env.set_state(here)
                    chosen = actions[agent]
                    move_only = move if np.ndim(chosen) == 0 else np.array([move, *chosen[1:]])
                    seen, rewards, *_ = env.step({**actions, agent: move_only})
                    outcomes.append((rollout_start((seen,)), rewards, env.get_state().values[2:]))
                assert outcomes[0] == outcomes[1]
                tried += 1
        env.set_state(here)
        *_, infos = env.step(actions)
    assert tried > 20


@every_world
def test_every_action_that_is_not_masked_has_an_effect_in_some_state(name: str) -> None:
    env = WORLDS[name]()
    rng = np.random.default_rng(6)
    _, infos = env.reset(seed=1)
    effective: set[int] = set()
    for _ in range(200):
        if not env.agents:
            _, infos = env.reset()
        chosen, here = busy(env, infos, rng), env.get_state()
        agent = env.agents[0]
        waiting = {a: 0 if np.ndim(action) == 0 else np.zeros_like(action) for a, action in chosen.items()}
        moved = chosen[agent] if np.ndim(chosen[agent]) == 0 else np.array([chosen[agent][0], *waiting[agent][1:]])
        env.step({**waiting, agent: moved})
        acted = env.state().tobytes()
        env.set_state(here)
        env.step(waiting)
        if env.state().tobytes() != acted:
            effective.add(int(np.ravel(moved)[0]))
        env.set_state(here)
        *_, infos = env.step(chosen)
    assert effective >= ({1, 2, 3, 4} if name == "lbf-coop" else set(range(1, moves_of(env, env.possible_agents[0]))))


@pytest.mark.parametrize("name", ["lbf", "lbf-oblong", "rware", "rware-low"])
def test_pictures_and_texts_show_what_changes(name: str) -> None:
    env = WORLDS[name](render_mode="rgb_array")
    _, infos = env.reset(seed=3)
    first = env.render()
    assert isinstance(first, np.ndarray) and first.dtype == np.uint8 and first.ndim == 3
    assert len(np.unique(first.astype(int) @ (1, 256, 65536))) > 20  # colours
    env.step(busy(env, infos, np.random.default_rng(2)))
    assert not np.array_equal(first, env.render())
    env.render_mode = "ansi"
    text = env.render()
    assert isinstance(text, str) and env.metadata["name"] in text
    env.render_mode = None
    assert env.render() is None


def test_bad_actions_are_refused_and_change_nothing() -> None:
    env = WORLDS["rware"]()
    with pytest.raises(AssertionError):
        env.step({})
    env.reset(seed=0)
    before = env.state().tobytes()
    for actions in ({"robot_0": 1}, {"robot_0": 1, "robot_1": 5}, {"robot_0": 1, "robot_1": 0.5},
                    {"robot_0": 1, "robot_1": 0, "robot_2": 0}, {"robot_0": 1, "robot_1": [0, 0]}):  # fmt: skip
        with pytest.raises(ValueError, match="robot_"):
            env.step(actions)
    assert env.state().tobytes() == before
    env.step({"robot_0": np.array([1]), "robot_1": np.int64(0)})
    talk = WORLDS["rware-talk"]()
    talk.reset(seed=0)
    with pytest.raises(ValueError, match="robot_1"):
        talk.step({"robot_0": [0, 1, 1], "robot_1": [0, 1, 2], "robot_2": [0, 0, 0]})


def test_unknown_ids_and_render_modes_name_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"'Foraging-8x8-2p-3fv3'.*Foraging-8x8-2p-3f-v3"):
        lbf.parallel_env("Foraging-8x8-2p-3fv3")
    with pytest.raises(ValueError, match=r"nearest valid ids are .*Foraging-"):
        lbf.parallel_env("Foraging-grid-9s-8x8-2p-3f-v3")  # sees farther than the field
    with pytest.raises(ValueError, match=r"'rware-tinny-2ag-v2'.*rware-tiny-2ag-v2"):
        rware.parallel_env("rware-tinny-2ag-v2")
    with pytest.raises(ValueError, match=r"unknown render_mode 'human'.*'rgb_array'"):
        rware.parallel_env(render_mode="human")
    with pytest.raises(ValueError, match="FLATTENED"):
        rware.parallel_env(observation_type="DICT")


@pytest.mark.parametrize("extra", ["lbf", "rware"])
def test_a_missing_library_is_named_with_its_extra(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lbforaging", "lbforaging.foraging", "rware", "rware.warehouse"):
        monkeypatch.setitem(sys.modules, module, None)
    adapter = {"lbf": lbf, "rware": rware}[extra]
    with pytest.raises(ImportError, match=rf'pip install "llm-credit-wrappers\[{extra}\]"'):
        adapter.parallel_env()


def test_importing_the_adapters_imports_no_library() -> None:
    code = (
        "import sys, credit_wrappers.adapters.lbf, credit_wrappers.adapters.rware; "
        "print([m for m in ('lbforaging', 'rware', 'networkx', 'pygame', 'pyglet') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
