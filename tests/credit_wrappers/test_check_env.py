"""The check of environments says what works, names what does not, and breaks with no environment."""

from __future__ import annotations

import copy
import re
import sys
import warnings

import numpy as np
import pytest
from broken_envs import (
    Endless,
    Everyone,
    FourValues,
    Late,
    NoInfos,
    NoneInfos,
    NoSpace,
    NumberedAgents,
    Raising,
    Returning,
    Speechless,
    Stranger,
    StrangersPaid,
    Texts,
    Unpaid,
    Unseen,
    Vanishing,
    generated_agents,
)
from credit_fakes import Script
from gymnasium.spaces import Box
from pettingzoo.utils import BaseParallelWrapper, parallel_to_aec

from credit_wrappers import CreditWrapper, Deferred, SharedCritic
from credit_wrappers.adapters import lbf, rware
from credit_wrappers.testing import EnvFinding, EnvReport, check_env
from credit_wrappers.testing.__main__ import main
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld.env import SpaceworldEnv


def paid(*rows):
    return [{"a": a, "b": b} for a, b in rows]


SHARED = paid((0, 0), (1, 1), (0, 0), (1, 1))


def script(kind=Script, rewards=SHARED, **options):
    return lambda: kind(rewards, **options)


def level_of(report, topic):
    return [finding.level for finding in report.about(topic)]


def text_of(report, topic):
    return " ".join(f"{finding.text} {finding.way_out}" for finding in report.about(topic))


@pytest.mark.parametrize(
    "make",
    [
        CorridorEnv,
        CorridorEnv(),
        lambda: SpaceworldEnv("pair", max_cycles=12),
        lambda: lbf.parallel_env("Foraging-5x5-2p-1f-coop-v3"),
        lambda: rware.parallel_env("rware-tiny-2ag-v2", max_steps=20),
    ],
    ids=["corridor", "one corridor", "spaceworld", "lbf", "rware"],
)
def test_everything_works_in_good_environments(make):
    report = check_env(make, steps=60)
    assert report.problems == () and report.episodes >= 1 and report.steps == 60
    paths = ("Deferred", "Online", "Student", "ParallelVecEnv", "AgentVectorEnv", "seeds")
    assert [level_of(report, path) for path in paths] == [["works"]] * 6
    page = str(report)
    assert len(page.splitlines()) <= 40 and all(len(line) <= 120 for line in page.splitlines())
    assert "A line: " in text_of(report, "text") and "agent_B" in text_of(report, "text")


def test_masks_costs_and_snapshots_are_told():
    report = check_env(lambda: SpaceworldEnv("pair", max_cycles=12), steps=20)
    assert [level_of(report, topic) for topic in ("action masks", "costs", "snapshots")] == [["works"]] * 3


@pytest.mark.parametrize(
    ("make", "topic", "text"),
    [
        (script(NumberedAgents), "environment", "agent 0 in possible_agents is not a name"),
        (
            script(NoInfos),
            "reset and step",
            r"reset\(\) .* returns \(observations, infos\).*this one returned one dict",
        ),
        (script(NoneInfos), "reset and step", "returned 2 values .dict, NoneType."),
        (script(FourValues), "reset and step", r"this one returned 4 values \(dict, dict, dict, dict\)"),
        (script(Stranger), "reset and step", "'c' is not one of possible_agents"),
        (script(Raising), "reset and step", "stopped after 1 steps: ZeroDivisionError: the world fell apart"),
        (
            script(rewards=paid((0, 0), (np.zeros(2), 0))),
            "reset and step",
            r"reward of agent 'a' is .*a number is needed",
        ),
        (
            script(rewards=paid((0, 0), (np.nan, 0))),
            "reset and step",
            "step 1: the reward of agent 'a' is nan repair the reward",
        ),
        (
            lambda: CreditWrapper(Script(SHARED), Deferred(SharedCritic())),
            "environment",
            "a CreditWrapper around Script",
        ),
        (script(Speechless), "text", r"Narrows, lacks frames\(\), describe\(\)"),
        (script(NoSpace), "environment", "NotImplementedError: later"),
        (parallel_to_aec(CorridorEnv()), "environment", "it is an AEC environment"),
        (generated_agents, "environment", "no possible_agents: credit needs the list of all agents"),
        (script(Endless), "ends", "no episode ended in 40 steps.*truncations when time is up"),
        (script(leaves={"b": 1}), "Student", "'b' leaves in step 1: a student needs every agent"),
        (script(Late), "Student", "'b' arrives in step 1"),
        (script(Unseen), "Student", "'b' in step 0 observes nothing: a student needs every agent"),
        (script(Texts), "Student", "a student reads numbers; agent 'a' observes Text"),
        (script(Texts), "ParallelVecEnv", "flatten it first"),
        (lambda: 1 / 0, "making", "ZeroDivisionError"),
        ("no env", "environment", "got str; write it as"),
    ],
)
def test_what_does_not_work_is_a_problem_with_a_way_out(make, topic, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = check_env(make, steps=40)
    assert "problem" in level_of(report, topic), str(report)
    assert all(finding.way_out for finding in report.problems)
    assert re.search(text, text_of(report, topic)), str(report)
    assert len(str(report).splitlines()) <= 40


@pytest.mark.parametrize(
    ("make", "topic", "text"),
    [
        (script(rewards=paid((1, 0), (1, 1))), "rewards", "paid differently.*so the team reward is their sum"),
        (script(rewards=paid((1, 1), (1, 2))), "rewards", "rewards differ.*so the team reward is their mean"),
        (script(rewards=paid((0, 0), (0, 0))), "rewards", "no reward but 0 was seen"),
        (script(rewards=paid((0, 0), (np.ones(1), np.ones(1)))), "rewards", "'a' is an array of one number"),
        (script(Vanishing), "come and go", "'b' in step 1 disappears without a flag.*read as a termination"),
        (script(Unpaid), "rewards", "'b' in step 0 acts and is not among the rewards"),
        (script(Unseen), "observations", "'b' in step 0 goes on and observes nothing"),
        (script(StrangersPaid), "rewards", "'z' in step 0 is paid and did not act"),
        (script(Returning), "come and go", "'b' leaves in step 0.*'b' arrives in step 2"),
        (script(Late), "come and go", "'b' arrives in step 1, in mid-episode"),
        (script(Everyone), "ends", "'__all__' is read as every agent's"),
        (script(Everyone), "ends", "has ended and stays in env.agents"),
        (script(keeps_agents=True), "ends", "stays in env.agents; its flag counts"),
    ],
)
def test_what_is_unusual_and_works_is_a_note(make, topic, text):
    report = check_env(make, steps=40)
    assert report.episodes >= 1
    assert "note" in level_of(report, topic) and level_of(report, "Deferred") == ["works"]
    assert re.search(text, text_of(report, topic)), str(report)
    assert level_of(report, "ParallelVecEnv") == level_of(report, "Online") == ["works"], str(report)
    assert level_of(report, "AgentVectorEnv") == ["works"] and level_of(report, "seeds") == ["works"], str(report)


def test_the_rule_that_was_given_is_taken():
    rewards = paid((1, 0), (1, 1))
    assert "team_reward='mean', as you said" in text_of(
        check_env(script(rewards=rewards), steps=9, team_reward="mean"), "rewards"
    )
    report = check_env(script(rewards=rewards), steps=9, team_reward="shared")
    assert "team_reward='shared' was asked for" in text_of(report, "reset and step")


class Reusing(BaseParallelWrapper):
    """Writes every observation into one array, which all agents get, in one dict."""

    def __init__(self, env, *, dicts=False):
        super().__init__(env)
        self.array, self.dict, self.dicts = np.zeros(2, np.float32), {}, dicts

    def _into(self, observations):
        for agent, seen in observations.items():
            self.array[:] = seen
            self.dict[agent] = self.array
        return self.dict if self.dicts else dict(self.dict)

    def reset(self, seed=None, options=None):
        observations, infos = self.env.reset(seed, options)
        return self._into(observations), infos

    def step(self, actions):
        observations, *rest = self.env.step(actions)
        return (self._into(observations), *rest)


@pytest.mark.parametrize(("dicts", "what"), [(False, "the same array"), (True, "the same dict")])
def test_arrays_that_are_written_again_are_noted(dicts, what):
    report = check_env(lambda: Reusing(Script(SHARED), dicts=dicts), steps=20)
    assert level_of(report, "arrays") == ["note", "note"]
    assert what in text_of(report, "arrays") and "share memory" in text_of(report, "arrays")


def test_observations_outside_of_their_space_are_a_problem():
    class Outside(Script):
        def observation_space(self, agent):
            return Box(0, 1, (2,), np.float32)

    report = check_env(script(Outside), steps=20)
    assert level_of(report, "observations") == ["works", "problem"]
    assert "step 2: agent 'a' observes an array of shape (2,)" in text_of(report, "observations")


def test_an_environment_that_a_seed_does_not_repeat_is_noted():
    class Random(Script):
        def step(self, actions):
            observations, *rest = super().step(actions)
            noise = np.random.default_rng().random(2).astype(np.float32)
            return ({agent: seen + noise for agent, seen in observations.items()}, *rest)

    report = check_env(script(Random), steps=20)
    assert level_of(report, "seeds") == ["note"] and "from step 0 on" in text_of(report, "seeds")


@pytest.mark.parametrize("broken", [False, True])
def test_snapshots_are_compared_with_what_really_followed(broken):
    class Snapshots(CorridorEnv):
        def get_state(self):
            return copy.deepcopy((self.position, self._time, self.agents))

        def set_state(self, state):
            self.position, self._time, self.agents = copy.deepcopy(state)
            if broken:
                self.position = [1 for _ in self.position]

    report = check_env(lambda: Snapshots(length=9), steps=20, seed=3)
    assert level_of(report, "snapshots") == ["problem" if broken else "works"], str(report)


class Masked(Script):
    """Has action masks when `told` says so, of the number of the step."""

    def __init__(self, rewards, told):
        super().__init__(rewards)
        self.told = told

    def _infos(self):
        return {agent: {"action_mask": np.ones(10, np.int8)} if self.told(self.t) else {} for agent in self.agents}


def test_masks_that_are_there_at_times_are_noted():
    report = check_env(script(Masked, told=lambda t: t != 2), steps=8)
    assert level_of(report, "action masks") == ["note"]
    assert "have no 'action_mask'" in text_of(report, "action masks")
    assert level_of(report, "ParallelVecEnv") == level_of(report, "AgentVectorEnv") == ["works"], str(report)


def test_masks_that_are_missing_at_reset_only_are_one_problem():
    report = check_env(script(Masked, told=lambda t: t > 0), steps=8)
    assert [finding.topic for finding in report.problems] == ["action masks"]
    assert "reset() returned no action_mask, step() did return one from both" in text_of(report, "action masks")
    for topic in ("ParallelVecEnv", "AgentVectorEnv"):
        assert level_of(report, topic) == ["note"] and "not checked" in text_of(report, topic)


def test_what_was_not_played_is_not_said_to_work():
    report = check_env(script(Endless), steps=9)
    assert level_of(report, "Deferred") == ["note"] and "not checked: no episode ended" in text_of(report, "Deferred")

    class Stuck(Script):
        def step(self, actions):
            raise RuntimeError("boom")

    for broken in (NoInfos, Stuck):
        report = check_env(script(broken), steps=9)
        assert "play stopped after 0 steps" in text_of(report, "reset and step")
        assert level_of(report, "Student") == ["note"] and "not checked" in text_of(report, "Student")


@pytest.mark.parametrize("value", [np.nan, np.inf, np.float32(np.nan), np.array([np.nan])])
@pytest.mark.parametrize("rule", ["auto", "shared", "sum"])
def test_a_reward_that_is_no_number_is_the_fault_and_nothing_is_said_of_how_agents_are_paid(value, rule):
    report = check_env(script(rewards=paid((0, 0), (value, 0), (1, 1))), steps=9, team_reward=rule)
    assert "step 1: the reward of agent 'a' is " in text_of(report, "reset and step")
    assert text_of(report, "reset and step").endswith("repair the reward")
    assert "differ" not in str(report)


def test_an_observation_that_is_no_number_is_the_fault():
    class Blind(Script):
        def step(self, actions):
            observations, *rest = super().step(actions)
            return ({agent: seen * np.nan for agent, seen in observations.items()}, *rest)

    report = check_env(script(Blind), steps=9)
    assert level_of(report, "observations") == ["works", "problem"], str(report)
    assert "step 1: agent 'a' observes nan" in text_of(report, "observations")
    assert "repair the observation" in text_of(report, "observations")


def test_an_error_names_the_line_of_the_users_code():
    class Deep(Script):
        def step(self, actions):
            return self._inner(actions) if self.t == 2 else super().step(actions)

        def _inner(self, actions):
            return np.zeros(2).reshape(7)  # raised inside numpy

    (problem,) = check_env(script(Deep), steps=9).about("reset and step")
    line = Deep._inner.__code__.co_firstlineno + 1
    assert problem.text.startswith("play stopped after 2 steps: ValueError: cannot reshape")
    assert problem.text.endswith(f"test_check_env.py:{line})") and problem.way_out == "repair it there"
    (problem,) = check_env(lambda: 1 / 0).about("making")
    assert "test_check_env.py:" in problem.text
    (problem,) = check_env(script(FourValues), steps=9).about("reset and step")
    assert ".py:" not in problem.text and "in a wrapper around it" in problem.way_out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"team_reward": "avg"}, "unknown team_reward 'avg'; valid: 'auto'"), ({"steps": 0}, "at least 1")],
)
def test_a_wrong_argument_is_an_error_and_no_problem_of_the_environment(wrong, said):
    with pytest.raises(ValueError, match=said):
        check_env(CorridorEnv, **wrong)


def test_images_are_told_by_actions_alone():
    class Images(Script):
        def observation_space(self, agent):
            return Box(-np.inf, np.inf, (20, 20), np.float32)

        def reset(self, seed=None, options=None):
            observations, infos = super().reset(seed, options)
            return dict.fromkeys(observations, np.zeros((20, 20), np.float32)), infos

        def step(self, actions):
            observations, *rest = super().step(actions)
            return ({agent: np.zeros((20, 20), np.float32) for agent in observations}, *rest)

    report = check_env(script(Images), steps=8)
    assert level_of(report, "text") == ["note", "works"]
    assert "observes 400 numbers, more than 256: the critic is told actions and rewards only" in text_of(report, "text")


def test_a_text_that_breaks_is_a_problem():
    class Silent(Script):
        def describe_state(self):
            return None

    report = check_env(script(Silent), steps=8)
    assert "describe_state() returned NoneType" in text_of(report, "reset and step")


def test_environments_that_it_made_are_closed_and_one_that_was_given_is_not():
    made = []

    class Closing(Script):
        def __init__(self):
            super().__init__(SHARED)
            self.closed = 0
            made.append(self)

        def close(self):
            self.closed += 1

    check_env(Closing, steps=20)
    assert len(made) == 8 and {env.closed for env in made} == {1}
    check_env(Closing(), steps=20)
    assert len(made) == 9 and made[-1].closed == 0


def test_nothing_is_logged(caplog):
    check_env(script(rewards=paid((1, 0), (1, 1))), steps=20)
    assert caplog.records == []


def test_the_page_shortens_numbers_and_texts():
    findings = (EnvFinding("problem", "text", f"0.12345678 {'word ' * 200}", "a way"), EnvFinding("note", "ends", "x"))
    page = str(EnvReport("env", 1, 0, findings))
    assert "0.1235 word" in page and len(page.splitlines()) == 7 and page.endswith("note    ends            x")
    assert "WAY OUT: a" in page


def test_the_command_prints_the_report(capsys, monkeypatch):
    assert main(["credit_wrappers.testing.corridor:CorridorEnv", "--steps", "20"]) == 0
    assert "corridor_v0: 20 steps" in capsys.readouterr().out
    for name in ("corridor:Nothing", "corridor", "corridor:np", "corridor:_STEP"):
        assert main([f"credit_wrappers.testing.{name}"]) == 2
        assert "write MODULE:FUNCTION, for example myenv:Ring; the module must be" in capsys.readouterr().err
    assert main(["/path/myenv.py:Ring"]) == main(["no_such_module:Ring"]) == 2
    assert capsys.readouterr().err.count("importable from the current folder") == 2
    assert main(["credit_wrappers.testing.corridor:CorridorEnv", "--steps", "0"]) == 2
    assert capsys.readouterr().err == "error: steps must be at least 1, got 0\n"
    assert main(["credit_wrappers.testing.corridor:CorridorEnv", "--steps", "20", "--team-reward", "sum"]) == 0
    assert "team_reward='sum', as you said" in capsys.readouterr().out
    monkeypatch.setattr(sys.modules[__name__], "broken", script(NoInfos), raising=False)
    assert main([f"{__name__}:broken"]) == 1
