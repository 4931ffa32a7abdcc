"""The narrator that tells numbers: which ones, under which names, and what actions are called."""

import pickle
import warnings

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple

from credit_wrappers import ArrayNarrator, CreditError
from credit_wrappers.llm.prompts.render import DEFINITIONS
from credit_wrappers.testing.corridor import CorridorEnv


def narrator(seen=None, acts=None, **options):
    """A narrator of two walkers; `seen` and `acts` are spaces, for both, or by agent."""

    class Env(CorridorEnv):
        def observation_space(self, agent):
            return Box(-9, 9, (2,)) if seen is None else seen.get(agent) if type(seen) is dict else seen

        def action_space(self, agent):
            return Discrete(3) if acts is None else acts.get(agent) if type(acts) is dict else acts

    return ArrayNarrator(Env(), **options)


def seen(*rows):
    return {f"walker_{i}": np.array(row, np.float32) for i, row in enumerate(rows)}


def told(tells, *moments):
    """The frames of the first agent when both see the same."""
    captured = [tells.capture(dict.fromkeys(tells.agents, moment)) for moment in moments]
    frames = tells.frames(captured, (0, 1), ("x", "y"))
    first = [frame.partition("; ")[0] for frame in frames]
    assert [frame.partition("; ")[2] for frame in frames] == [clause.replace("x", "y", 1) for clause in first]
    return [clause.removeprefix("x: ") for clause in first]


def test_first_frame_is_whole_and_later_ones_tell_changes_in_the_order_asked_for():
    tells = narrator()
    moments = [
        tells.capture(seen([0, 0.5], [1, 2])),
        tells.capture(seen([0, 0.5], [1, 3])),
        tells.capture(seen([0, 0.5], [1, 3])),
        tells.capture(seen([9, 0.123456], [1, 4])),
    ]
    assert tells.frames(moments, (1, 0), ("agent_A", "agent_B")) == [
        "agent_A: sees [1 2]; agent_B: sees [0 0.5]",
        "agent_A: sees 1=3",
        "",
        "agent_A: sees 1=4; agent_B: sees 0=9 1=0.1235",
    ]


def test_change_that_rounding_hides_is_not_told_but_its_sum_is():
    rows = [[0.10001, np.nan], [0.10002, np.nan], [0.10004, np.nan], [0.10006, 1]]
    assert told(narrator(), *rows) == ["sees [0.1 nan]", "", "", "sees 0=0.1001 1=1"]


def test_moments_are_copies():
    tells = narrator()
    observations = seen([0, 0], [0, 0])
    moment = tells.capture(observations)
    observations["walker_0"][:] = 7
    assert tells.frames([moment], (0, 1), ("x", "y")) == ["x: sees [0 0]; y: sees [0 0]"]


def test_agent_that_leaves_is_told_once_and_whole_when_it_comes_back():
    tells = narrator()
    here, alone = tells.capture(seen([1, 1], [2, 2])), tells.capture(seen([1, 1]))
    assert tells.frames([here, alone, alone, here], (0, 1), ("x", "y")) == [
        "x: sees [1 1]; y: sees [2 2]",
        "y is gone",
        "",
        "y: sees [2 2]",
    ]
    assert tells.frames([alone, here], (0, 1), ("x", "y")) == ["x: sees [1 1]; y is not there", "y: sees [2 2]"]


NESTED = Dict({"b": Discrete(5), "position": Box(0, 1, (2,)), "a": Tuple([MultiBinary(2), Dict({"c": Discrete(2)})])})


def test_nested_observations_are_named_by_their_keys():
    first = {"b": 4, "position": np.array([0.5, 1]), "a": (np.array([0, 1]), {"c": 1})}
    second = {"b": 3, "position": np.array([0.5, 0]), "a": (np.array([1, 1]), {"c": 0})}
    tells = narrator(NESTED)
    assert told(tells, first, second) == [
        "sees a.0=[0 1] a.1.c=1 b=4 position=[0.5 1]",
        "sees a.0.0=1 a.1.c=0 b=3 position.1=0",
    ]
    assert "position (2 numbers)" in tells.describe()


def test_action_mask_is_not_told_and_the_observation_beside_it_needs_no_name():
    masked = Dict({"observation": Box(0, 9, (2, 2)), "action_mask": MultiBinary(300)})
    first = {"observation": np.zeros((2, 2)), "action_mask": np.ones(300)}
    second = {"observation": np.eye(2), "action_mask": np.zeros(300)}
    tells = narrator(masked)
    assert told(tells, first, second) == ["sees [0 0 0 0]", "sees 0=1 3=1"]
    assert "observes 4 numbers (shape (2, 2)) and" in tells.describe()


def test_given_names_are_used_and_none_leaves_a_number_out():
    tells = narrator(Box(0, 9, (3,)), feature_names=("energy", None, "x"))
    assert told(tells, [1, 2, 3], [1, 9, 4], [1, 8, 4]) == ["sees energy=1 x=3", "sees x=4", ""]
    assert "sees energy=0.5" in tells.notation()


def test_names_can_differ_by_agent():
    spaces = {"walker_0": Box(0, 9, (1,)), "walker_1": Box(0, 9, (2,))}
    tells = narrator(spaces, feature_names={"walker_1": ("hot", "cold")})
    moment = tells.capture({"walker_0": [1], "walker_1": [2, 3]})
    assert tells.frames([moment], (0, 1), ("x", "y")) == ["x: sees [1]; y: sees hot=2 cold=3"]
    assert "The agents differ: 1 observing 1 number and" in tells.describe()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"feature_names": ("a",)}, "feature_names has 1 names, but agent 'walker_0' observes 2 numbers"),
        ({"feature_names": {"walker_1": "abc"}}, "feature_names has 3 names, but agent 'walker_1' observes 2"),
        ({"feature_names": ("a", "a")}, "'a' twice"),
        ({"feature_names": {"walker_7": "ab"}}, r"feature_names is given for \['walker_7'\]"),
        ({"action_names": ("go",)}, "action_names has 1 names, but agent 'walker_0' has 3 actions"),
        ({"action_names": {"runner": ("go",)}}, r"action_names is given for \['runner'\]"),
        ({"action_names": ("go",), "acts": Box(0, 1, (2,))}, "1 names, but agent 'walker_0' has 2 components"),
    ],
)
def test_names_that_do_not_fit_are_refused(options, error):
    with pytest.raises(ValueError, match=error):
        narrator(**options)


def test_images_are_not_written_down_with_one_warning_that_names_the_ways_out():
    with pytest.warns(
        UserWarning, match=r"768 numbers.*actions and rewards only.*narrator=.*describe_state\(\)"
    ) as said:
        tells = narrator(Box(0, 255, (16, 16, 3), np.uint8))
    assert len(said) == 1
    assert told(tells, np.zeros((16, 16, 3)), np.ones((16, 16, 3))) == ["x is there", ""]
    assert "Only actions and rewards" in tells.notation()


def test_a_few_named_numbers_of_many_are_told():
    names = [None] * 300
    names[7] = "fuel"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tells = narrator(Box(0, 9, (300,)), feature_names=names)
    assert told(tells, np.zeros(300), np.arange(300)) == ["sees fuel=0", "sees fuel=7"]


def test_what_is_no_number_is_not_told_with_a_warning():
    with pytest.warns(UserWarning, match="hold Text spaces"):
        tells = narrator(Dict({"word": Text(9), "n": Discrete(4)}))
    assert told(tells, {"word": "hello", "n": 3}) == ["sees n=3"]


def test_observation_that_does_not_fit_its_space_is_an_error_that_says_where():
    tells = narrator(Dict({"deep": Dict({"er": Box(0, 1, (2,))})}))
    with pytest.raises(
        CreditError, match=r"'walker_0' observed 3 numbers at deep\.er, but its observation space has 2"
    ):
        tells.capture({"walker_0": {"deep": {"er": [1, 2, 3]}}})
    with pytest.raises(
        CreditError, match="'walker_0' observed something that is not in its observation space: KeyError 'er'"
    ):
        tells.capture({"walker_0": {"deep": {}}})


@pytest.mark.parametrize(
    ("space", "names", "action", "called"),
    [
        (Discrete(3), None, 2, "action 2"),
        (Discrete(3), ("stay", "go", "come"), 2, "come"),
        (Discrete(3, start=-1), ("stay", "go", "come"), np.array([-1.0]), "stay"),
        (Discrete(3), None, np.array([1.0, np.nan]), "action 1"),
        (Box(-1, 1, (2,)), None, np.array([0.1, -0.50001, np.nan]), "[0.1 -0.5]"),
        (Box(-1, 1, (2,)), ("thrust", "turn"), np.array([0.1, -0.0]), "[thrust=0.1 turn=0]"),
        (MultiDiscrete([2, 5]), None, np.array([1.0, 4.0]), "[1 4]"),
        (MultiBinary(3), None, np.array([1.0, 0.0, 1.0]), "[1 0 1]"),
    ],
)
def test_actions_are_named_numbered_or_written_as_vectors(space, names, action, called):
    assert narrator(acts=space, action_names=names).action_name("walker_0", action) == called


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (Discrete(3, start=2), "the actions 2 to 4"),
        (Box(-1, 1, (2,)), "vectors of 2 numbers from -1 to 1"),
        (Box(np.array([0, -1]), np.array([1, 1]), dtype=np.float64), "vectors of 2 numbers"),
        (MultiDiscrete([2, 5]), r"vectors of 2 whole numbers (0 to 1, 0 to 4)"),
        (MultiBinary(3), "vectors of 3 zeros and ones"),
    ],
)
def test_description_says_what_the_agents_choose_from(space, text):
    assert narrator(acts=space).describe().endswith(f"chooses from {text}.")


def test_description_has_the_users_words_the_team_and_the_actions():
    text = narrator(describe="Walk!", action_names=("stay", "back", "forward")).describe()
    assert text.startswith("Walk!\n")
    assert "A team of 2 agents. Each agent observes 2 numbers and chooses from the actions stay, back, forward." in text


def test_description_is_the_environments_own_else_its_docstring_else_its_modules():
    class Plain(CorridorEnv):
        pass

    class Documented(CorridorEnv):
        """Two walkers.

        They walk.
        """

    class Speaking(Documented):
        def describe(self):
            return "It speaks."

    start = [ArrayNarrator(kind()).describe().split("\n\nA team")[0] for kind in (Plain, Documented, Speaking)]
    assert start == [f"corridor_v0. {__doc__.strip()}", "corridor_v0. Two walkers.\n\nThey walk.", "It speaks."]


def test_agents_that_the_description_names_can_be_told_apart_in_the_episode():
    tells = narrator(describe="walker_1 carries, walker_10 does not.")
    frames = tells.frames([tells.capture(seen([1, 1], [2, 2]))] * 2, (1, 0), ("agent_A", "agent_B"))
    assert frames == ["agent_A is walker_1; agent_A: sees [2 2]; agent_B: sees [1 1]", ""]


def test_it_has_an_example_for_each_definition_and_pickles():
    tells = pickle.loads(pickle.dumps(narrator()))
    assert set(tells.examples()) == set(DEFINITIONS)
    assert tells.notation()


def test_the_actions_are_the_tasks_where_all_agents_have_the_same_ones():
    assert tuple(narrator().tasks()) == ("action 0", "action 1", "action 2")
    assert tuple(narrator(acts=Discrete(2, start=3), action_names=["left", "right"]).tasks()) == ("left", "right")
    same = {"walker_0": ["a", "b", "c"], "walker_1": ["a", "b", "c"]}
    assert tuple(narrator(action_names=same).tasks()) == ("a", "b", "c")
    assert tuple(narrator(action_names=same | {"walker_1": ["a", "c", "b"]}).tasks()) == ()
    assert tuple(narrator(action_names={"walker_0": ["a", "b", "c"]}).tasks()) == ()
    for acts in (
        {"walker_0": Discrete(3), "walker_1": Discrete(4)},
        {"walker_0": Discrete(3), "walker_1": Discrete(3, start=1)},
        {"walker_0": Discrete(2), "walker_1": MultiBinary(2)},
        MultiDiscrete([2, 2]),
    ):
        assert tuple(narrator(acts=acts).tasks()) == ()


@pytest.mark.parametrize("bad", ["go", "", " left", "up; down", "up\ndown"])
def test_actions_whose_names_cannot_be_listed_are_no_tasks(bad):
    tells = narrator(action_names=["stay", "go", bad])
    with pytest.raises(ValueError, match="cannot be tasks"):
        tells.tasks()
