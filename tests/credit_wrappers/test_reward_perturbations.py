"""Sparse, delayed and noisy rewards: who is paid what, in which step."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from pettingzoo import ParallelEnv

from credit_wrappers import CreditWrapper, Deferred, DelayedReward, NoisyReward, SharedCritic, SparseReward
from spaceworld import spaceworld_v0

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing pettingzoo.test warns about the way classic games are made
    from pettingzoo.test import parallel_api_test, parallel_seed_test


class _Paying(ParallelEnv):
    """Pays agent `a` 1, 2, 4, ... and agent `b` ten times as much; `b` leaves after three of five steps."""

    metadata = {"name": "paying_v0", "render_modes": []}  # noqa: RUF012

    def __init__(self, leaves: int = 3) -> None:
        self.possible_agents, self.agents, self.leaves = ["a", "b"], [], leaves

    def observation_space(self, agent):
        return Discrete(9)

    def action_space(self, agent):
        return Discrete(2)

    def reset(self, seed=None, options=None):
        self.agents, self.t = ["a", "b"], 0
        return dict.fromkeys(self.agents, 0), {agent: {"cost": 0.5} for agent in self.agents}

    def step(self, actions):
        paid = {agent: 2.0**self.t * (10 if agent == "b" else 1) for agent in self.agents}
        self.t += 1
        over = {agent: self.t == (self.leaves if agent == "b" else 5) for agent in self.agents}
        infos = {agent: {"cost": 0.5} for agent in self.agents}
        seen = dict.fromkeys(self.agents, self.t)
        self.agents = [agent for agent in self.agents if not over[agent]]
        return seen, paid, over, dict.fromkeys(over, False), infos


def paid(env, episodes=1, seed=0):
    """Return what each agent was paid, by episode."""
    played = []
    for k in range(episodes):
        env.reset(seed=seed if k == 0 else None)
        rows = []
        while env.agents:
            _, rewards, *_, infos = env.step(dict.fromkeys(env.agents, 0))
            rows.append(rewards)
            assert all(info["cost"] == 0.5 for info in infos.values())
        played.append({agent: [row[agent] for row in rows if agent in row] for agent in env.possible_agents})
    return played


def test_a_sparse_reward_is_paid_in_an_agents_last_step():
    once = {"a": [0, 0, 0, 0, 31], "b": [0, 0, 70]}
    assert paid(SparseReward(_Paying()), episodes=2) == [once, once]


@pytest.mark.parametrize(
    ("delay", "a", "b"),
    [
        (0, [1, 2, 4, 8, 16], [10, 20, 40]),
        (1, [0, 1, 2, 4, 24], [0, 10, 60]),
        (2, [0, 0, 1, 2, 28], [0, 0, 70]),
        (9, [0, 0, 0, 0, 31], [0, 0, 70]),
    ],
)
def test_a_delayed_reward_comes_so_many_steps_later_and_the_rest_in_the_last_step(delay, a, b):
    assert paid(DelayedReward(_Paying(), delay), episodes=2) == [{"a": a, "b": b}] * 2


def test_an_interrupted_episode_leaves_nothing_due():
    for env in (SparseReward(_Paying()), DelayedReward(_Paying(), 2)):
        env.reset(seed=0)
        env.step({"a": 0, "b": 0})
        assert sum(paid(env)[0]["a"]) == 31


def test_noise_is_the_same_for_all_and_follows_the_seed():
    env = NoisyReward(_Paying(), 0.5)
    (one,) = paid(env, seed=3)
    noise = np.array(one["a"]) - [1, 2, 4, 8, 16]
    assert np.allclose(np.array(one["b"]) - [10, 20, 40], noise[:3]) and len(set(noise.tolist())) == 5
    assert paid(NoisyReward(_Paying(), 0.5), seed=3) == [one] != paid(env, seed=4)
    first, second = paid(env, episodes=2, seed=3)
    assert first == one != second  # without a seed it goes on


def test_agents_may_have_noise_of_their_own_which_does_not_depend_on_who_left():
    (stays,), (leaves,) = (paid(NoisyReward(_Paying(n), 0.5, per_agent=True), seed=3) for n in (5, 2))
    assert stays["a"] == leaves["a"] and stays["b"][:2] == leaves["b"]
    assert not np.allclose(np.array(stays["b"]) - 10 * 2.0 ** np.arange(5), np.array(stays["a"]) - 2.0 ** np.arange(5))


def test_noise_has_the_scale_that_was_asked_for():
    env = NoisyReward(_Paying(), 2.0)
    noise = np.concatenate([np.array(one["a"]) - [1, 2, 4, 8, 16] for one in paid(env, episodes=2000)])
    assert abs(noise.mean()) < 0.06 and abs(noise.std() - 2.0) < 0.05


def test_noise_does_not_change_the_world():
    bare, noisy = spaceworld_v0.parallel_env(scenario="pair"), spaceworld_v0.parallel_env(scenario="pair")
    wrapped = NoisyReward(noisy, 1.0)
    for seed in (5, None):
        seen, same = bare.reset(seed=seed)[0], wrapped.reset(seed=seed)[0]
        assert all(np.array_equal(seen[agent], same[agent]) for agent in seen)


@pytest.mark.parametrize("wrap", [SparseReward, lambda env: DelayedReward(env, 3), lambda env: NoisyReward(env, 1.0)])
def test_each_keeps_the_environments_own_reward_and_the_api(wrap):
    env, bare = wrap(spaceworld_v0.parallel_env(scenario="duet")), spaceworld_v0.parallel_env(scenario="duet")
    env.reset(seed=1)
    bare.reset(seed=1)
    while bare.agents:
        joint = dict.fromkeys(bare.agents, 1)
        own, infos = bare.step(joint)[1], env.step(joint)[4]
        assert {agent: infos[agent]["own_reward"] for agent in own} == own
        assert all("action_mask" in info for info in infos.values())
    parallel_api_test(wrap(spaceworld_v0.parallel_env(scenario="duet")), num_cycles=200)
    parallel_seed_test(lambda: wrap(spaceworld_v0.parallel_env(scenario="duet")))


def test_a_critic_sees_what_the_wrapper_pays():
    got = []
    env = CreditWrapper(SparseReward(_Paying(5)), Deferred(SharedCritic()))
    env.add_listener(lambda episode, credit: got.append((episode.team_reward, credit.values)))
    paid(env)
    env.store.settle([0])
    ((reward, values),) = got
    assert reward.tolist() == [0, 0, 0, 0, 341] and values[:4].any() == np.False_


@pytest.mark.parametrize("delay", [-1, 1.5, True, "2"])
def test_a_delay_that_is_no_number_of_steps_is_refused(delay):
    with pytest.raises(ValueError, match="delay="):
        DelayedReward(_Paying(), delay)


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf")])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(ValueError, match="scale="):
        NoisyReward(_Paying(), scale)


def test_what_is_no_parallel_env_is_refused():
    with pytest.raises(TypeError, match="SparseReward takes a PettingZoo ParallelEnv, got object"):
        SparseReward(object())
