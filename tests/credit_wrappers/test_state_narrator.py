"""The narrator that repeats an environment's own words: in the prompt's names, and only what changed."""

import pickle
from dataclasses import replace

import pytest
from credit_fakes import FORWARD, STAY, FakeClient, corridor_episode

from credit_wrappers import CreditError, LLMCritic
from credit_wrappers.narration.fallback_narrators import ArrayNarrator, StateNarrator, narrator_for
from credit_wrappers.narration.task_vocabulary import OtherTasks
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
        (("tug-1", "tug-12"), "tug-12 pulls tug-1, not tug-123", "agent_B pulls agent_A, not tug-123"),
        (("uav.1", "uav+1"), "uav.1 uavx1 uav+1 (uav+1)", "agent_A uavx1 agent_B (agent_B)"),
        (("Käfer_1", "Käfer_10"), "Käfer_10, Käfer_1, Käfer_1s", "agent_B, agent_A, Käfer_1s"),
        (("機器人1", "機器人2"), "機器人2 拉 機器人1 x", "agent_B 拉 agent_A x"),
        (("adversary_0", "agent_0"), "agent_0 flees adversary_0", "agent_B flees agent_A"),
        (("piston_3", "archer_0"), "piston_3, archer_0's bow, piston_33", "agent_A, agent_B's bow, piston_33"),
        # A word that may mean something else stays.
        (("robot", "robot_1"), "robot_1 pulls the robot", "agent_B pulls the robot"),
        (("a", "b"), "b holds a crate of type a", "b holds a crate of type a"),
        (("left", "right"), "left is on the right", "left is on the right"),
        (("x1", "r2"), "x1 at r2", "x1 at r2"),
        (("player 1", "player 2"), "player 1 m from player 2", "player 1 m from player 2"),
        (("機器人", "[x]"), "機器人 [x] x", "機器人 [x] x"),
        (("0", "1"), "agent 0 at (1,0)", "agent 0 at (1,0)"),
        (("", "a_b c"), "a_b c", "a_b c"),
    ],
)
def test_whole_words_that_can_only_be_names_are_replaced(names, text, read):
    assert renamed(text, dict(zip(names, ("agent_A", "agent_B"), strict=True))) == read


def test_names_that_may_be_other_words_stay_and_the_start_says_who_is_who():
    before, after = "b holds a crate of type a; fog", "b holds a crate of type b; fog"
    assert frames([before, after], names=("a", "b"), order=(1, 0)) == [
        "agent_A is b; agent_B is a; b holds a crate of type a; fog",
        "b holds a crate of type b; no longer b holds a crate of type a",
    ]
    told = StateNarrator(Speaking(("b", "a"))).notation()
    assert "may also be other words and stand as the environment wrote them: `a`, `b`." in told
    assert "other words" not in StateNarrator(Speaking()).notation()


def test_only_who_is_called_by_an_unclear_name_is_told():
    assert frames(["robot_1 pulls robot; far: tug"], names=("robot", "robot_1", "tugs"), order=(2, 1, 0)) == [
        "agent_C is robot; agent_B pulls robot; far: tug"
    ]
    assert frames(["2 at (1,0)"], names=(1, 2)) == ["agent_A is 1; agent_B is 2; 2 at (1,0)"]
    assert frames(["(0, 1) waits"], names=((0, 0), (0, 1))) == ["agent_B is (0, 1); (0, 1) waits"]


def test_own_names_stand_as_they_are_and_articles_do_not_sort_clauses():
    env = Speaking(("a", "b"), "b holds a crate; it is a day; b sleeps; a waits")
    tells = StateNarrator(env)
    assert tells.frames([tells.capture({})], (1, 0), ("b", "a")) == [env.text]
    env = Speaking(("bot_1", "bot_2"), "bot_1 waits; bot_2 sleeps")
    tells = StateNarrator(env)
    assert tells.frames([tells.capture({})], (1, 0), ("bot_2", "bot_1")) == ["bot_2 sleeps; bot_1 waits"]


@pytest.mark.parametrize(
    ("names", "told"),
    [(("walker_0", "walker_1"), "agent_B is walker_1"), (("a", "b"), "agent_A is a"), (("0", "1"), "agent_B is 1")],
)
@pytest.mark.parametrize("where", ["describe", "action_names", "feature_names"])
def test_who_is_who_is_told_where_other_texts_name_agents(where, names, told):
    text = {"agent_B is walker_1": "after walker_1", "agent_A is a": "with a key", "agent_B is 1": "to 1"}[told]
    options = {"describe": "", where: text if where == "describe" else (text, "x_", "y_")[: 2 + (where[0] == "a")]}
    tells = ArrayNarrator(Speaking(names), **options)
    start = tells.frames([tells.capture({})], (0, 1), ("agent_A", "agent_B"))
    assert start == [f"{told}; agent_A is not there; agent_B is not there"]


@pytest.mark.parametrize("own", [False, True])
def test_who_is_who_is_told_where_tasks_name_agents(own):
    episode = corridor_episode([[FORWARD, STAY], [FORWARD, FORWARD]], start=(1, 2))
    episode = replace(episode, narrator=OtherTasks(episode.narrator, ["help walker_1", "wait"]))
    critic = LLMCritic(FakeClient(""), tasks=True, order="given", names="own" if own else "neutral")
    [question] = critic.questions([episode])
    names = ("walker_0", "walker_1") if own else ("agent_A", "agent_B")
    who = "" if own else "agent_B is walker_1; "
    assert f"start: {who}{names[0]} at 1; {names[1]} at 2\n" in question.request.prompt


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
