"""SuperSuit's vector envs run over a wrapped env: with the team reward, or with credits that are paid at once."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import supersuit
from known_credit import PLACEHOLDER, KnownCreditEnv, KnownCritic

from credit_wrappers import CreditError, CreditStore, CreditWrapper, Deferred, LLMCreditWrapper, ScriptedClient
from spaceworld.env import SpaceworldEnv


def supersuit_envs(env: Any, copies: int) -> Any:
    return supersuit.concat_vec_envs_v1(
        supersuit.pettingzoo_env_to_vec_env_v1(env), copies, num_cpus=0, base_class="gymnasium"
    )


def test_its_slots_are_paid_the_team_reward_and_all_copies_fill_one_store() -> None:
    made = CreditWrapper(KnownCreditEnv(0, 2, {}, lengths=(2,)), Deferred(CreditStore(KnownCritic(), workers=0)))
    envs = supersuit_envs(made, 3)
    obs, _ = envs.reset()
    assert obs.shape == (6, 5) and envs.num_envs == 6
    for step in range(4):
        obs, rewards, terminations, truncations, _ = envs.step(np.zeros(6, dtype=int))
        assert rewards.tolist() == [PLACEHOLDER] * 6
        assert (terminations | truncations).all() == (step % 2 == 1)
    credits = made.store.settle(range(100))
    assert len(credits) == 2 * 3 and len({id for id, _ in credits}) == 6


def test_immediate_delivery_pays_its_slots_their_own_credits() -> None:
    deferred = LLMCreditWrapper(SpaceworldEnv("pair", max_cycles=12), client=ScriptedClient())
    made = LLMCreditWrapper(
        SpaceworldEnv("pair", max_cycles=12), client=ScriptedClient(), delivery="immediate", window=12
    )
    envs = supersuit_envs(made, 2)
    envs.reset(seed=7)
    deferred.reset(seed=7)
    random = np.random.default_rng(1)
    paid = []
    for _ in range(12):
        actions = random.integers(6, size=4)
        _, rewards, *_ = envs.step(actions)
        deferred.step(dict(zip(deferred.agents, actions[:2], strict=True)))
        paid.append(rewards)
    ((_, credit),) = deferred.store.settle([0])
    np.testing.assert_allclose(np.array(paid)[:, :2], credit.values, atol=1e-6)
    assert np.abs(credit.values).sum() > 0 and not np.array_equal(credit.values[:, 0], credit.values[:, 1])


def test_it_runs_over_a_wrapped_spaceworld() -> None:
    env = LLMCreditWrapper(SpaceworldEnv("pair", max_cycles=5), client=ScriptedClient())
    envs = supersuit_envs(env, 2)
    envs.reset(seed=1)
    for _ in range(5):
        _, _, _, truncations, infos = envs.step(np.ones(4, dtype=int))
    assert truncations.all() and len(infos) == 4
    assert all(info["terminal_observation"].shape == (70,) for info in infos)
    assert [credit.source for _, credit in env.store.settle(range(9))] == ["scripted"] * 2


def test_a_copy_in_mid_episode_submits_nothing_of_it() -> None:
    store = CreditStore(KnownCritic(), workers=0)
    env = CreditWrapper(KnownCreditEnv(0, 1, {}, lengths=(2, 3)), Deferred(store))
    env.reset()
    env.step({"walker_0": 0})
    other = copy.deepcopy(env)
    assert other.store is store
    for each in (env, other):
        each.step({"walker_0": 0})
        assert not each.agents
    assert [id for id, _ in store.settle(range(9))] == [0]
    other.reset()
    for _ in range(3):
        other.step({"walker_0": 0})
    assert [(id, len(credit.values)) for id, credit in store.settle(range(9))] == [(1, 3)]


def test_a_store_is_not_carried_into_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    store = CreditStore(KnownCritic(), workers=0)
    assert pickle.loads(pickle.dumps(store)) is store
    pickled = pickle.dumps(store)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("os.getpid", lambda: -1)
        with pytest.raises(CreditError, match="in each process"):
            pickle.loads(pickled)
    del store
    with pytest.raises(CreditError, match="in each process"):
        pickle.loads(pickled)
