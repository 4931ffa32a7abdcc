"""`CostPenaltyCritic`: each agent pays for its own costs, in the step in which they arose."""

from __future__ import annotations

import math

import numpy as np
import pytest
from credit_fakes import FORWARD, STAY
from credit_fakes import corridor_episode as walk

from credit_wrappers import CostPenaltyCritic, CreditWrapper, Deferred, EqualSplitCritic, LLMCritic, ScriptedClient
from spaceworld import spaceworld_v0


def test_each_agent_pays_for_its_own_cost_in_its_step():
    episode = walk([[FORWARD, STAY], [STAY, FORWARD]], reward=[0.0, 1.0], cost=[[0, 2], [1, 0]])
    (credit,) = CostPenaltyCritic(EqualSplitCritic(), 0.25).score([episode])
    np.testing.assert_array_equal(credit.values, np.array([[0.0, -0.5], [0.25, 0.5]], np.float32))
    assert credit.values.dtype == np.float32


def test_what_the_critic_said_is_kept():
    episode = walk([[FORWARD, FORWARD]] * 3, reward=[0.0, 0.0, 1.0], cost=[[1, 0], [0, 0], [0, 0]])
    critic = LLMCritic(ScriptedClient())
    (plain,), (priced,) = critic.score([episode]), CostPenaltyCritic(critic, 1).score([episode])
    assert priced.events == plain.events and priced.summary == plain.summary and priced.source == plain.source
    np.testing.assert_allclose(plain.values - priced.values, episode.cost, atol=1e-6)


def test_a_price_of_nothing_changes_nothing_and_an_odd_one_is_refused():
    episode = walk([[FORWARD, STAY]], reward=[1.0], cost=[[3, 1]])
    (credit,) = CostPenaltyCritic(EqualSplitCritic(), 0).score([episode])
    np.testing.assert_array_equal(credit.values, [[0.5, 0.5]])
    for price in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"price must be 0 or more, and finite, got {price}"):
            CostPenaltyCritic(EqualSplitCritic(), price)
    for odd in ("1.6", None):
        with pytest.raises(TypeError, match=f"price must be a number, got {odd!r}"):
            CostPenaltyCritic(EqualSplitCritic(), odd)


def test_a_priced_critic_says_whether_a_model_is_asked_so_a_distillation_asks_it_in_threads():
    assert CostPenaltyCritic(LLMCritic(ScriptedClient()), 1).source == "scripted"
    assert not hasattr(CostPenaltyCritic(EqualSplitCritic(), 1), "source")


def test_costs_are_those_that_the_environment_told():
    critic = CostPenaltyCritic(EqualSplitCritic(), 2.0)
    env = CreditWrapper(spaceworld_v0.parallel_env(scenario="pair"), Deferred(critic))
    found = []
    env.add_listener(lambda episode, credit: found.append((episode, credit)))
    rng, told = np.random.default_rng(0), []
    env.reset(seed=0)
    while env.agents:
        infos = env.step({agent: int(rng.integers(6)) for agent in env.agents})[4]
        told.append([infos[agent]["cost"] for agent in env.possible_agents])
    env.store.settle([infos["robot_0"]["episode_id"]])
    ((episode, credit),) = found
    expected = episode.team_reward[:, None] / 2 - 2.0 * np.array(told)
    np.testing.assert_allclose(credit.values, expected, atol=1e-5)
    assert np.array(told).any()
