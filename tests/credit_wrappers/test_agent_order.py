"""The order of agents in the prompt, and that credits find the way back to the agents they are meant for."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from credit_fakes import BACK, FORWARD, STAY, FakeClient, corridor_episode, praise_forward, relabelled

from credit_wrappers import LLMCritic
from credit_wrappers.critics.order import agent_order

ORDERS = ("canonical", "shuffled", "given", "average-3")


def random_episode(seed, n_agents=3, steps=7):
    random = np.random.default_rng(seed)
    return corridor_episode(
        random.integers(0, 3, (steps, n_agents)).tolist(),
        start=random.integers(20, 60, n_agents).tolist(),
        cost=random.integers(0, 2, (steps, n_agents)).tolist(),
        id=seed,
    )


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("seed", range(4))
def test_credits_land_on_the_agent_and_step_that_earned_them(kind, seed):
    episodes = [random_episode(10 * seed + k, n_agents=3 + seed % 2, steps=5 + k) for k in range(4)]
    credits = LLMCritic(FakeClient(praise_forward), order=kind, seed=seed).score(episodes)
    for episode, credit in zip(episodes, credits, strict=True):
        np.testing.assert_allclose(credit.values, episode.actions == FORWARD, rtol=1e-6)
        for event in credit.events:
            assert episode.actions[event.start, episode.agents.index(event.agent)] == FORWARD
            assert event.why == f"{event.agent} went forward"


@pytest.mark.parametrize("kind", ["canonical", "shuffled"])
@pytest.mark.parametrize("new_from_old", list(permutations(range(3)))[1:])
def test_relabelled_team_gives_the_same_prompt_and_the_same_credit_for_the_same_deed(kind, new_from_old):
    client = FakeClient(praise_forward)
    critic = LLMCritic(client, order=kind, seed=5)
    episodes = [random_episode(seed) for seed in range(5)]
    first = critic.score(episodes)
    second = critic.score([relabelled(episode, new_from_old) for episode in episodes])
    assert client.requests[0] == client.requests[1]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.values[:, list(new_from_old)], other.values)


def test_relabelled_team_with_vectors_for_actions_is_listed_alike():
    random = np.random.default_rng(3)
    vectors = random.normal(size=(4, 3, 2))
    vectors[2:, 1] = np.nan
    episode = replace(random_episode(1, steps=4), actions=vectors)
    new_from_old = (2, 0, 1)
    for kind in ("canonical", "shuffled"):
        order = agent_order(episode, episode.narrator, kind)
        other = agent_order(relabelled(episode, new_from_old), episode.narrator, kind)
        assert tuple(new_from_old[i] for i in other) == order


def test_given_order_is_the_environments():
    for seed in range(5):
        episode = random_episode(seed)
        assert agent_order(episode, episode.narrator, "given") == (0, 1, 2)


def test_canonical_order_goes_by_actions_then_by_costs():
    episode = corridor_episode(
        [[FORWARD, BACK, BACK], [STAY, STAY, STAY]], cost=[[0, 1, 0], [0, 0, 0]], start=(5, 5, 9)
    )
    assert agent_order(episode, episode.narrator, "canonical") == (2, 1, 0)


def test_agents_that_acted_alike_are_told_apart_by_the_first_frame():
    episode = corridor_episode([[STAY, STAY, FORWARD]] * 3, start=(9, 2, 5))
    assert agent_order(episode, episode.narrator, "canonical") == (1, 0, 2)
    assert agent_order(relabelled(episode, (2, 0, 1)), episode.narrator, "canonical") == (2, 1, 0)


def test_many_agents_that_acted_alike_are_ordered_in_no_time():
    episode = corridor_episode([[STAY] * 40] * 3)
    assert agent_order(episode, episode.narrator, "canonical") == tuple(range(40))


def test_shuffled_order_is_a_permutation_that_depends_on_the_seed_and_is_repeatable():
    episodes = [random_episode(seed, n_agents=6) for seed in range(10)]

    def orders(seed):
        return [agent_order(episode, episode.narrator, "shuffled", seed) for episode in episodes]

    assert all(sorted(order) == list(range(6)) for order in orders(0))
    assert orders(0) == orders(0)
    assert orders(0) != orders(1)
    assert any(order != agent_order(e, e.narrator, "canonical") for order, e in zip(orders(0), episodes, strict=True))


def test_shuffling_differs_from_episode_to_episode():
    found = set()
    for seed in range(30):
        episode = random_episode(seed)
        canonical = agent_order(episode, episode.narrator, "canonical")
        shuffled = agent_order(episode, episode.narrator, "shuffled")
        found.add(tuple(canonical.index(i) for i in shuffled))
    assert len(found) == 6
