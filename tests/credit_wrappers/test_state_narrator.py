"""The narrator that repeats an environment's own words: in the prompt's names, and only what changed."""

import pickle

import pytest

from credit_wrappers import CreditError
from credit_wrappers.narration.fallback_narrators import ArrayNarrator, StateNarrator, narrator_for
from credit_wrappers.narration.text_diff import clauses, difference, renamed
from credit_wrappers.testing.corridor import CorridorEnv


class Speaking(CorridorEnv):
    """Says what it is told to."""

    def __init__(self, names=("walker_0", "walker_1"), text=""):
        super().__init__(n_agents=len(names))
        self.possible_agents = list(names)
        self._action_space = dict.fromkeys(names, self._action_space["walker_0"])
        self._observation_space = dict.fromkeys(names, self._observation_space["walker_0"])
        self.text = text
        del self.narrator

    def describe_state(self):
        return self.text


def frames(texts, names=("walker_0", "walker_1"), order=(0, 1)):
    env = Speaking(names)
    tells = StateNarrator(env)
    moments = []
    for env.text in texts:
        moments.append(tells.capture({}))
    return tells.detached().frames(moments, order, [f"agent_{'ABC'[k]}" for k in range(len(order))])


def test_first_state_is_whole_and_later_ones_tell_new_clauses():
    before, after = "walker_0 at 1; walker_1 at 1\ndoor: open", "walker_0 at 2; walker_1 at 1\ndoor: shut"
    assert frames([before, after, after]) == [
        "agent_A at 1; agent_B at 1; door: open",
        "agent_A at 2; door: shut",
        "",
    ]


def test_names_and_the_clauses_about_them_follow_the_order_in_the_prompt_and_may_be_swapped():
    assert frames(["agent_A at 1; agent_B at 2"], names=("agent_A", "agent_B"), order=(1, 0)) == [
        "agent_A at 2; agent_B at 1"
    ]


@pytest.mark.parametrize(
    ("names", "text", "read"),
    [
        (("agent_1", "agent_10"), "agent_1, agent_10 and agent_100", "agent_A, agent_B and agent_100"),
        (("tug", "tug-2"), "tug-2 pulls tug, not tugboat, my_tug", "agent_B pulls agent_A, not tugboat, my_tug"),
        (("a.b", "a+b"), "a.b axb a+b (a+b)", "agent_A axb agent_B (agent_B)"),
        (("Käfer", "Käferlein"), "Käferlein, Käfer, Käfers", "agent_B, agent_A, Käfers"),
        (("機器人", "[x]"), "機器人 [x] x", "agent_A agent_B x"),
        (("0", "1"), "agent 0 at (1,0)", "agent 0 at (1,0)"),
    ],
)
def test_whole_words_that_are_names_are_replaced(names, text, read):
    assert renamed(text, dict(zip(names, ("agent_A", "agent_B"), strict=True))) == read


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("x at 3; x holds key", "x at 4; x holds key", "x at 4"),
        ("x at 3; x holds key", "x at 4", "x at 4; no longer x holds key"),
        ("x at 3; x holds key", "x at 3; x is tired", "x is tired; no longer x holds key"),
        ("fog", "", "no longer fog"),
        ("", "fog", "fog"),
        ("door: open", "door: shut", "door: shut"),
        ("x: at 3; x: holds key", "x: at 4", "x: at 4; no longer x: holds key"),
        ("x: at 3; x: holds key", "x: at 3; x: tired", "x: tired; no longer x: holds key"),
        ("a box; a box", "a box", "no longer a box"),
        ("a; b", "b; a", ""),
        ("heat=1.5 high", "heat=-2 low", "heat=-2 low"),
        ("holds module_0", "holds module_1", "holds module_1; no longer holds module_0"),
    ],
)
def test_nothing_that_ceased_to_hold_is_passed_over(before, now, told):
    assert "; ".join(difference(clauses(before), clauses(now))) == told


def test_it_lets_go_of_the_environment_for_episodes_and_stays_one_object():
    tells = StateNarrator(Speaking())
    assert tells.detached() is tells.detached()
    assert pickle.loads(pickle.dumps(tells.detached())).describe() == tells.describe()


def test_state_that_is_no_text_is_an_error():
    with pytest.raises(CreditError, match=r"describe_state\(\) returned list"):
        StateNarrator(Speaking(text=["a"])).capture({})


def test_own_narrator_wins_then_own_words_then_numbers():
    silent = CorridorEnv()
    del silent.narrator
    speaking = Speaking()
    assert narrator_for(CorridorEnv()).tasks() == ("walk to the end", "wait")
    assert type(narrator_for(speaking)) is StateNarrator
    assert type(narrator_for(speaking, feature_names=("x", "y"))) is ArrayNarrator
    assert type(narrator_for(silent)) is ArrayNarrator
    assert narrator_for(silent, tells := StateNarrator(speaking)) is tells


def test_texts_are_used_where_there_is_no_narrator():
    tells = narrator_for(Speaking(), describe="Talk!", action_names=("a", "b", "c"))
    assert tells.describe().startswith("Talk!")
    assert tells.action_name("walker_0", 1) == "b"


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("option", [{"describe": "Walk!"}, {"action_names": "abc"}, {"feature_names": "xy"}])
def test_texts_for_a_narrator_with_its_own_words_are_refused_with_the_way_out(own, option):
    env = CorridorEnv()
    with pytest.raises(ValueError, match=rf"has its own words; remove {next(iter(option))}, .*ArrayNarrator\(env"):
        narrator_for(env, None if own else ArrayNarrator(env), **option)
