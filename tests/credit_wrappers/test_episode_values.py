"""Episodes, usages and the critics that need no model."""

import pickle

import numpy as np
import pytest
from credit_fakes import BACK, FORWARD, STAY, FakeClient, answer, corridor_episode, event, events_critic

from credit_wrappers import EqualSplitCritic, SharedCritic, SummedCritic, Usage

EPISODE = corridor_episode([[FORWARD, STAY, STAY]] * 2, reward=[0.3, -0.6])


def test_shared_critic_pays_everyone_the_team_reward():
    [credit] = SharedCritic().score([EPISODE])
    np.testing.assert_allclose(credit.values, [[0.3] * 3, [-0.6] * 3], rtol=1e-6)
    assert (credit.values.dtype, credit.source) == (np.float32, "baseline")


def test_equal_split_sums_to_the_team_reward():
    [credit] = EqualSplitCritic().score([EPISODE])
    np.testing.assert_allclose(credit.values, [[0.1] * 3, [-0.2] * 3], rtol=1e-6)


def test_summed_critic_pays_everyone_the_teams_credit_of_the_step():
    text = answer([event("agent_C", 0, 2, 1.0), event("agent_A", 1, 2, 0.25)])
    critic = SummedCritic(events_critic(FakeClient(text)))
    [credit] = critic.score([EPISODE])
    assert credit.values.tolist() == [[0.5] * 3, [0.75] * 3]
    assert credit.source == "model"
    assert critic.label == "fake, summed"


def test_usages_add_up():
    assert Usage(1, 2, 3, 4, 0.5) + Usage(10, 20, 30, 40, 1.0) == Usage(11, 22, 33, 44, 1.5)


def test_frames_tell_the_episode_in_the_environments_own_words():
    episode = corridor_episode([[FORWARD, STAY], [BACK, FORWARD]], start=(3, 0), agents=["ann", "bob"])
    assert episode.frames == ("ann at 3; bob at 0", "ann at 4", "ann at 3; bob at 1")
    assert (episode.length, episode.n_agents) == (2, 2)


def test_episode_pickles_with_its_narrator():
    copy = pickle.loads(pickle.dumps(EPISODE))
    assert copy.frames == EPISODE.frames
    assert copy.key == EPISODE.key


@pytest.mark.parametrize(
    "other",
    [
        corridor_episode([[FORWARD, STAY, STAY], [FORWARD, STAY, BACK]], reward=[0.3, -0.6]),
        corridor_episode([[FORWARD, STAY, STAY]] * 2, reward=[0.3, -0.5]),
    ],
)
def test_key_names_what_was_done_and_not_the_number_of_the_episode(other):
    assert corridor_episode([[FORWARD, STAY, STAY]] * 2, reward=[0.3, -0.6], id=9).key == EPISODE.key
    assert other.key != EPISODE.key
    assert EPISODE.key.startswith("corridor_v0/-/")
