"""`BlendedCritic`: a mean of each agent's own credit and of the team reward, in every step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from credit_fakes import FORWARD, STAY
from credit_fakes import corridor_episode as walk

from credit_wrappers import BlendedCritic, CriticSettings, EqualSplitCritic, LLMCritic, ScriptedClient


def test_each_step_pays_the_mean_of_credit_and_team_reward() -> None:
    episode = walk([[FORWARD, STAY], [STAY, FORWARD]], reward=[0.0, 1.0])
    (credit,) = BlendedCritic(EqualSplitCritic(), 0.25).score([episode])
    np.testing.assert_array_equal(credit.values, np.array([[0.0, 0.0], [0.625, 0.625]], np.float32))
    assert credit.values.dtype == np.float32


@pytest.mark.parametrize("blend", [0.0, 0.3, 1.0])
def test_it_is_what_a_critic_that_asks_a_model_has_as_a_setting(blend: float) -> None:
    episodes = [walk([[FORWARD, STAY], [FORWARD, FORWARD], [STAY, FORWARD]], reward=[0.0, -0.5, 1.0])]
    settings = CriticSettings(blend=blend)
    (own,), (ours,) = (
        critic.score(episodes)
        for critic in (
            LLMCritic(ScriptedClient(), settings=settings),
            BlendedCritic(LLMCritic(ScriptedClient()), blend),
        )
    )
    np.testing.assert_allclose(ours.values, own.values, atol=1e-6)
    assert ours.events and ours.summary == own.summary and ours.source == own.source


def test_odd_blends_are_refused() -> None:
    for blend in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"blend must be in \[0, 1\]"):
            BlendedCritic(EqualSplitCritic(), blend)
    for odd in ("0.5", None):
        with pytest.raises(TypeError, match=f"blend must be a number, got {odd!r}"):
            BlendedCritic(EqualSplitCritic(), odd)


def test_it_says_whether_a_model_is_asked() -> None:
    assert BlendedCritic(LLMCritic(ScriptedClient()), 1).source == "scripted"
    assert not hasattr(BlendedCritic(EqualSplitCritic(), 1), "source")
