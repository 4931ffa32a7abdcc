"""The narrator for environments that bring none."""

import pickle

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete

from credit_wrappers import ArrayNarrator
from credit_wrappers.prompts import DEFINITIONS
from credit_wrappers.testing.corridor import CorridorEnv


def narrator(**options):
    return ArrayNarrator(CorridorEnv(), **options)


def seen(*rows):
    return {f"walker_{i}": np.array(row, np.float32) for i, row in enumerate(rows)}


def test_first_frame_is_whole_and_later_ones_tell_changes_in_the_order_asked_for():
    tells = narrator()
    moments = [
        tells.capture(seen([0, 0.5], [1, 2])),
        tells.capture(seen([0, 0.5], [1, 3])),
        tells.capture(seen([0, 0.5], [1, 3])),
        tells.capture(seen([9, 0.123456], [1, 4])),
    ]
    assert tells.frames(moments, (1, 0), ("agent_A", "agent_B")) == [
        "agent_A sees [1 2]; agent_B sees [0 0.5]",
        "agent_A 1=3",
        "no change",
        "agent_A 1=4; agent_B 0=9 1=0.1235",
    ]


def test_moments_are_copies():
    tells = narrator()
    observations = seen([0, 0], [0, 0])
    moment = tells.capture(observations)
    observations["walker_0"][:] = 7
    assert tells.frames([moment], (0, 1), ("x", "y")) == ["x sees [0 0]; y sees [0 0]"]


def test_agent_that_has_left_is_told_once():
    tells = narrator()
    moments = [tells.capture(seen([1], [2]))] + [tells.capture(seen([1]))] * 2
    assert tells.frames(moments, (0, 1), ("x", "y")) == ["x sees [1]; y sees [2]", "y is gone", "no change"]


def test_nested_and_discrete_observations_are_flattened():
    class Nested(CorridorEnv):
        def observation_space(self, agent):
            return Dict({"b": Discrete(5), "a": Box(0, 1, (2,))})

    tells = ArrayNarrator(Nested())
    moment = tells.capture({agent: {"b": 4, "a": np.array([0.5, 1])} for agent in tells.agents})
    assert tells.frames([moment], (0, 1), ("x", "y")) == ["x sees [0.5 1 4]; y sees [0.5 1 4]"]
    assert "a (2 numbers (shape (2,))) and b (the numbers 0 to 4)" in tells.describe()


def test_description_has_the_users_words_the_team_and_the_actions():
    text = narrator(about="Walk!", actions=("stay", "back", "forward")).describe()
    assert text.startswith("Walk!")
    assert "A team of 2 agents." in text
    assert "- action 2: forward" in text


def test_actions_are_named_or_numbered():
    assert narrator(actions=("stay",)).action_name("walker_0", 0) == "stay"
    assert narrator().action_name("walker_0", 2) == "action 2"


def test_it_has_an_example_for_each_definition_and_pickles():
    tells = pickle.loads(pickle.dumps(narrator()))
    assert set(tells.examples()) == set(DEFINITIONS)
    assert tells.notation()
    assert list(tells.tasks()) == []
