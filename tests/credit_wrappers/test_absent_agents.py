"""What is paid for a step goes to the agents that were there to be paid."""

from dataclasses import replace

import numpy as np
import pytest
from credit_fakes import FakeClient, Script, answer, corridor_episode, event, events_critic, recorded

from credit_wrappers import EqualSplitCritic, LLMCreditWrapper, LLMCritic, ScriptedClient, SharedCritic

ONES = [{"a": 1.0, "b": 1.0}] * 3
LEFT = corridor_episode([[2, 2], [2, -1], [2, -1]], reward=[0.0, 1.0, 2.0])


def test_who_acted_is_there():
    assert LEFT.present.tolist() == [[True, True], [True, False], [True, False]]
    assert corridor_episode([[-1, -1], [0, 1]]).present.all()  # nobody acted: nobody is known to have left


def test_a_vector_of_nan_is_no_action():
    (episode, *_), _, _ = recorded(Script(ONES, leaves={"b": 0}), (1, 1), (1, 1), (1, 1))
    vectors = np.where(episode.actions == -1, np.nan, episode.actions)[..., None].repeat(2, axis=2)
    vectors[0, 0, 1] = np.nan  # the vectors of this agent are shorter
    assert replace(episode, actions=vectors).present.tolist() == episode.present.tolist()


def test_equal_parts_sum_to_the_reward_among_those_who_are_there():
    (credit,) = EqualSplitCritic().score([LEFT])
    assert credit.values.tolist() == [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]
    (credit,) = SharedCritic().score([LEFT])
    assert credit.values.tolist() == [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]


@pytest.mark.parametrize("order", ["given", "shuffled", "canonical", "average-2"])
@pytest.mark.parametrize(
    ("options", "due"),
    [
        ({"conserve": "step"}, [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]),
        ({"conserve": "episode"}, [[0.75, 0.75], [0.75, 0.0], [0.75, 0.0]]),
        ({"blend": 0.5}, [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]),
    ],
    ids=str,
)
def test_what_is_added_to_a_models_credit_goes_to_those_who_are_there(options, due, order):
    (credit,) = events_critic(FakeClient(answer([])), order=order, fallback="raise", **options).score([LEFT])
    np.testing.assert_allclose(credit.values, due)


def test_the_equal_fallback_is_paid_to_those_who_are_there():
    (credit,) = LLMCritic(FakeClient("no"), fallback="equal").score([LEFT])
    assert credit.source == "fallback" and credit.values.tolist() == [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]


@pytest.mark.parametrize("order", ["given", "shuffled"])
def test_the_scripted_critics_general_rule_leaves_out_who_has_left(order):
    env = LLMCreditWrapper(Script(ONES, leaves={"b": 0}), client=ScriptedClient(), fallback="raise", order=order)
    env.reset()
    while env.agents:
        env.step(dict.fromkeys(env.agents, 1))
    [(_, credit)] = env.store.settle([0])
    assert credit.values.tolist() == [[0.5, 0.5], [1.0, 0.0], [1.0, 0.0]]


def test_a_models_own_events_stay_as_they_are():
    client = FakeClient(answer([event("agent_A", 0, 3, 3.0)]))
    (credit,) = events_critic(client, order="given", fallback="raise").score([LEFT])
    assert credit.values[:, 0].tolist() == [1.0, 1.0, 1.0]
