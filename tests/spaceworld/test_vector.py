"""The batch engine: bit for bit the same as single environments, whatever the number of worlds and threads."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv

from spaceworld.env import SpaceworldEnv
from spaceworld.rules import packing as pk
from spaceworld.text.events import event_names
from spaceworld.vector import SpaceworldVectorEnv
from tests.spaceworld.scenarios import ALL, CROWD, QUICK, busy_actions


def stack(values: dict[str, Any]) -> np.ndarray:
    return np.stack(list(values.values()))


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("collision", ["block", "terminate"])
def test_every_world_is_a_single_environment_bit_for_bit(name: str, collision: str) -> None:
    worlds = 3
    options: dict[str, Any] = {"max_cycles": 25, "on_collision": collision, "collision_penalty": 0.3}
    envs = SpaceworldVectorEnv(worlds, ALL[name], **options)
    singles = [SpaceworldEnv(ALL[name], **options) for _ in range(worlds)]
    rng = np.random.default_rng(1)
    observations, infos = envs.reset(seed=40)
    for k, env in enumerate(singles):
        seen, told = env.reset(seed=40 + k)
        assert np.array_equal(observations[k], stack(seen))
        assert np.array_equal(infos["action_mask"][k], np.stack([i["action_mask"] for i in told.values()]))
    totals, ends = np.zeros((worlds, 3)), 0
    for _ in range(120):
        actions = np.array([busy_actions(env, rng) for env in singles])
        observations, rewards, terminations, truncations, infos = envs.step(actions)
        for k, env in enumerate(singles):
            agents = env.agents
            seen, paid, terminated, truncated, told = env.step(dict(zip(agents, actions[k].tolist(), strict=True)))
            assert rewards[k].tolist() == list(paid.values())
            assert terminations[k].tolist() == list(terminated.values())
            assert truncations[k].tolist() == list(truncated.values())
            assert infos["cost"][k].tolist() == [i["cost"] for i in told.values()]
            assert [event_names(code) for code in infos["events"][k].tolist()] == [i["events"] for i in told.values()]
            totals[k] += (paid[agents[0]], 1, infos["cost"][k].sum())
            if not env.agents:
                ends += 1
                assert infos["_final_obs"][k]
                assert np.array_equal(infos["final_obs"][k], stack(seen))
                episode = [infos["episode"][key][k] for key in "rlc"]
                assert episode == pytest.approx(totals[k].tolist(), abs=1e-12)
                totals[k] = 0
                seen, told = env.reset()
            elif "_final_obs" in infos:
                assert not infos["_final_obs"][k] and not infos["final_obs"][k].any()
            assert np.array_equal(observations[k], stack(seen))
            assert np.array_equal(infos["action_mask"][k], np.stack([i["action_mask"] for i in told.values()]))
    assert ends >= worlds


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(threads: int) -> None:
    one, many = (
        SpaceworldVectorEnv(7, "hazard", max_cycles=20),
        SpaceworldVectorEnv(7, "hazard", max_cycles=20, threads=threads),
    )
    assert np.array_equal(one.reset(seed=3)[0], many.reset(seed=3)[0])
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(0, 6, (7, 3))
        a, b = one.step(actions), many.step(actions)
        assert all(np.array_equal(x, y) for x, y in zip(a[:4], b[:4], strict=True))
        assert a[4].keys() == b[4].keys()
        assert np.array_equal(a[4]["action_mask"], b[4]["action_mask"])
    many.close()


def test_it_is_a_gymnasium_vector_env_that_says_how_it_resets() -> None:
    envs = SpaceworldVectorEnv(4, "crew", render_mode="ansi")
    assert isinstance(envs, VectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observations, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(observations)
    assert envs.single_observation_space.contains(observations[0, 0])
    step = envs.step(envs.action_space.sample())
    assert envs.observation_space.contains(step[0])
    assert [x.shape for x in step[1:4]] == [(4, 4)] * 3 and step[1].dtype == np.float64
    texts = envs.render()
    assert texts is not None and len(texts) == 4 and len(set(texts)) == 4
    single = SpaceworldEnv("crew", render_mode="ansi")
    single.reset(seed=2)
    envs.reset(seed=0)
    again = envs.render()
    assert again is not None and again[2] == single.render()


def test_seeds_of_a_sequence_and_streams_that_go_on() -> None:
    envs = SpaceworldVectorEnv(2, "pair")
    first = envs.reset(seed=[7, 5])[0]
    assert np.array_equal(first[1], envs.reset(seed=[5, 5])[0][0])
    second = envs.reset()[0]
    assert np.array_equal(second[0], second[1])  # two streams with one seed go on alike
    assert not np.array_equal(second[0], first[1])
    fresh = SpaceworldVectorEnv(2, "pair").reset()[0]
    assert not np.array_equal(fresh[0], fresh[1])


def test_what_was_returned_is_never_written_to_again() -> None:
    envs = SpaceworldVectorEnv(3, QUICK, max_cycles=5)
    kept = []
    kept.append(envs.reset(seed=0)[0])
    rng = np.random.default_rng(0)
    copies = [kept[0].copy()]
    for _ in range(12):
        out = envs.step(rng.integers(0, 6, (3, 5)))
        kept += [out[0], out[4]["action_mask"], out[4]["cost"]]
        copies += [x.copy() for x in kept[-3:]]
    assert all(np.array_equal(a, b) for a, b in zip(kept, copies, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_copies_go_on_alike_and_apart(threads: int) -> None:
    envs = SpaceworldVectorEnv(4, CROWD, threads=threads)
    envs.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(5):
        envs.step(rng.integers(0, 6, (4, 5)))
    twins = [copy.deepcopy(envs), pickle.loads(pickle.dumps(envs))]
    for _ in range(20):
        actions = rng.integers(0, 6, (4, 5))
        expected = envs.step(actions)[0]
        for twin in twins:
            assert np.array_equal(twin.step(actions)[0], expected)


def test_environments_in_a_batch_see_its_steps_and_it_sees_theirs() -> None:
    envs = [SpaceworldEnv("pair") for _ in range(3)]
    for k, env in enumerate(envs):
        env.reset(seed=k)
    before = [env.get_state() for env in envs]
    batch = SpaceworldEnv.batch(envs)
    assert all(np.array_equal(env.get_state().row, s.row) for env, s in zip(envs, before, strict=True))
    batch.step(np.array([0, 2]), np.array([[1, 2], [3, 4]]))
    assert [int(env._row[pk.S_STEP]) for env in envs] == [1, 0, 1]
    alone = SpaceworldEnv("pair")
    alone.reset(seed=2)
    alone.step({"robot_0": 3, "robot_1": 4})
    assert np.array_equal(alone._row, envs[2]._row)
    envs[1].step({"robot_0": 1, "robot_1": 1})
    assert batch.rows[1, pk.S_STEP] == 1
    with pytest.raises(ValueError, match="environment 1 differs"):
        SpaceworldEnv.batch([SpaceworldEnv("pair"), SpaceworldEnv("duet")])
    with pytest.raises(ValueError, match="environment 1 differs"):
        SpaceworldEnv.batch([SpaceworldEnv("pair"), SpaceworldEnv("pair", collision_penalty=1.0)])
    with pytest.raises(ValueError, match="environment 1 differs"):
        SpaceworldEnv.batch([SpaceworldEnv("pair"), SpaceworldEnv("pair", observation="image")])


def test_bad_input_is_named_and_changes_nothing() -> None:
    envs = SpaceworldVectorEnv(2, "pair")
    with pytest.raises(RuntimeError, match="reset"):
        envs.step(np.zeros((2, 2), dtype=int))
    envs.reset(seed=0)
    before = envs._batch.memory.copy()
    with pytest.raises(ValueError, match="action 6 of 'robot_1' in world 1"):
        envs.step(np.array([[0, 0], [0, 6]]))
    with pytest.raises(ValueError, match=r"shape \(2, 2\), got int64 of shape \(4,\)"):
        envs.step(np.zeros(4, dtype=int))
    with pytest.raises(ValueError, match="integers"):
        envs.step(np.zeros((2, 2)))
    assert np.array_equal(before, envs._batch.memory)
    with pytest.raises(ValueError, match="3 seeds for 2 worlds"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match="num_envs is 0"):
        SpaceworldVectorEnv(0)
    with pytest.raises(ValueError, match="threads is 0"):
        SpaceworldVectorEnv(2, threads=0)
    with pytest.raises(ValueError, match="unknown scenario 'par'; the presets are solo"):
        SpaceworldVectorEnv(2, "par")


def test_a_batch_of_copies_shares_nothing_with_the_world_that_was_copied() -> None:
    env = SpaceworldEnv("solo")
    env.reset(seed=3)
    before = env.get_state().row
    batch = env.copies(2)
    assert batch.rows.shape[0] == 2 and (batch.rows == batch.rows[0]).all()
    batch.step(np.arange(2), np.full((2, 1), 3))
    assert batch.rows[0, pk.S_STEP] == 1 and (env.get_state().row == before).all()
