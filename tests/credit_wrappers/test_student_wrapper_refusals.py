"""What wrappers whose students pay refuse, and what becomes of an episode when they do."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from credit_fakes import FakeClient, praise_forward
from distillation_fakes import ALIKE, ActionCritic, NumbersEnv, eager, fixed, play, same
from gymnasium.spaces import Box, Discrete, MultiBinary, Sequence, Text

from credit_wrappers import (
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    Distilled,
    EqualSplitCritic,
    LLMCreditWrapper,
    LLMTaskWrapper,
    ModelError,
    Student,
)
from credit_wrappers.testing.corridor import CorridorEnv


def students_and_none(env):
    """Wrap an environment whose student pays, and one whose distillation has none yet."""
    sizes = env.sizes
    return [CreditWrapper(copy.deepcopy(env), Student(fixed(sizes))),
            CreditWrapper(copy.deepcopy(env), Distilled(eager()))]  # fmt: skip


def spaced(observation: Any = None, action: Any = None) -> Any:
    """Return an environment whose second agent has other spaces."""
    env = NumbersEnv({"p": 4, "q": 4})
    env._spaces["q"] = observation if observation is not None else env._spaces["q"]
    env._actions["q"] = action if action is not None else env._actions["q"]
    return env


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (NumbersEnv({"p": 3, "q": 3}), r"for the agents \['p', 'q', 'r'\], the environment has \['p', 'q'\]"),
        (NumbersEnv({"p": 3, "q": 3, "s": 3}), r"agents \['p', 'q', 'r'\], the environment has \['p', 'q', 's'\]"),
        (NumbersEnv({"r": 3, "p": 3, "q": 4}), r"3 numbers of agent 'q', in the environment it observes 4"),
        (NumbersEnv(ALIKE, {"p": 3, "q": 3, "r": 4}), r"3 actions of agent 'r', in the environment it has 4"),
    ],
)
def test_a_student_of_another_team_is_refused_at_once_and_both_are_named(env, said):
    with pytest.raises(CreditError, match=said):
        CreditWrapper(env, Student(fixed()))


@pytest.mark.parametrize("source", [Student, Deferred])
def test_a_student_of_another_environment_is_refused_at_once_and_both_are_named(source):
    student = replace(fixed(), env_id="numbers_v1")
    with pytest.raises(CreditError, match=r"fitted for 'numbers_v1', this is 'numbers_v0'.*env_id"):
        CreditWrapper(NumbersEnv(ALIKE), source(student))
    CreditWrapper(NumbersEnv(ALIKE), source(replace(student, env_id="")))
    CreditWrapper(NumbersEnv(ALIKE), source(replace(student, env_id="numbers_v0")))


def test_recorded_episodes_of_another_environment_are_refused_by_name():
    env = NumbersEnv(ALIKE)
    play(CreditWrapper(env, Student(fixed())), np.random.default_rng(0), 0)
    episode, student = replace(env.record(), env_id="numbers_v0"), replace(fixed(), env_id="numbers_v1")
    with pytest.raises(CreditError, match="fitted for 'numbers_v1', this is 'numbers_v0'"):
        student.score([episode])
    assert student.score([replace(episode, env_id="numbers_v1")])[0].source == "student"


def test_a_deferred_student_of_another_team_is_refused_before_an_episode_is_played():
    with pytest.raises(CreditError, match="3 actions of agent 'r', in the environment it has 4"):
        CreditWrapper(NumbersEnv(ALIKE, {"p": 3, "q": 3, "r": 4}), Deferred(fixed()))


@pytest.mark.parametrize("joins_first", [False, True])
def test_a_restored_student_of_another_team_is_refused_and_both_are_named(fits, joins_first):
    old, rng = eager(), np.random.default_rng(0)
    env = CreditWrapper(NumbersEnv(ALIKE), Distilled(old))
    for seed in range(3):
        play(env, rng, seed)
    assert old.newest[1] > 0
    new = eager()
    with pytest.raises(CreditError, match="3 actions of agent 'p', in the environment it has 4"):
        if not joins_first:
            new.restore(old.state())
        CreditWrapper(NumbersEnv(ALIKE, 4), Distilled(new))
        new.restore(old.state())


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (
            NumbersEnv({"p": 3, "q": 3}),
            r"agents \['p', 'q'\] with \[3, 3\] .* \[3, 3\] actions after agents \['p', 'q', 'r'\]",
        ),
        (NumbersEnv({"p": 3, "q": 3, "r": 4}), r"with \[3, 3, 4\] observed numbers .* after .* with \[3, 3, 3\]"),
        (NumbersEnv(ALIKE, 4), r"\[4, 4, 4\] actions after .* \[3, 3, 3\] actions"),
    ],
)
def test_a_distillation_of_another_team_is_refused_at_once_and_both_are_named(env, said):
    distillation = eager()
    CreditWrapper(NumbersEnv(ALIKE), Distilled(distillation))
    with pytest.raises(ValueError, match=said):
        CreditWrapper(env, Distilled(distillation))
    CreditWrapper(NumbersEnv(ALIKE), Distilled(distillation))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("number", [np.nan, np.inf, 1e39])
@pytest.mark.parametrize("dressed", [False, True])
def test_an_observation_that_is_not_finite_is_refused_with_agent_and_feature(which, number, dressed):
    env = students_and_none(NumbersEnv({"r": 3, "p": 3, "q": 2}, dressed=dressed))[which]
    with np.errstate(over="ignore"):
        env.unwrapped.spoil = ("q", 1, number)
        with pytest.raises(CreditError, match=r"feature 1 of what agent 'q' observes is (nan|inf)"):
            env.reset(seed=0)
        env.reset(seed=0)
        env.step(dict.fromkeys("rpq", 0))
        env.unwrapped.spoil = ("p", 0, number)
        with pytest.raises(CreditError, match=r"feature 0 of what agent 'p' observes is (nan|inf)"):
            env.step(dict.fromkeys("rpq", 0))
    paid, _ = play(env, np.random.default_rng(0))
    assert np.isfinite(paid).all()


def test_an_episode_with_a_refused_step_or_reset_is_no_label_even_when_it_is_played_on(fits):
    critic, rng = ActionCritic(), np.random.default_rng(0)
    world, still = NumbersEnv(ALIKE, length=4), dict.fromkeys("pqr", 0)
    env = CreditWrapper(world, Distilled(eager(critic)))
    env.reset(seed=0)
    env.step(still)
    world.spoil = ("q", 1, np.nan)
    with pytest.raises(CreditError):
        env.step(still)
    env.step(still)
    env.step(still)
    assert env.agents == [] and critic.asked == []
    env.reset(seed=0)
    env.step(still)
    world.spoil = ("q", 1, np.nan)
    with pytest.raises(CreditError):
        env.reset()
    while env.agents:
        env.step(still)
    assert critic.asked == []
    for _ in range(2):
        play(env, rng)
    assert fits.labels == [2]
    play(env, rng)


class Watched(NumbersEnv):
    """Agents that have left are still observed."""

    def step(self, actions):
        _, *rest = super().step(actions)
        return {agent: array.copy() for agent, array in self._arrays.items()}, *rest


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", [NumbersEnv, Watched])
def test_an_agent_that_leaves_in_mid_episode_is_named(kind, which):
    env = students_and_none(kind(ALIKE, length=5, leaves=["q"]))[which]
    env.reset(seed=0)
    env.step(dict.fromkeys("pqr", 0))
    env.step(dict.fromkeys("pqr", 0))
    with pytest.raises(CreditError, match="agent 'q' is not there; a student needs every agent in every step"):
        env.step(dict.fromkeys("pr", 0))


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (spaced(action=Box(-1, 1, (2,))), r"whole numbers from 0 \(Discrete\), agent 'q' has Box"),
        (spaced(action=MultiBinary(3)), r"whole numbers from 0 \(Discrete\), agent 'q' has MultiBinary"),
        (spaced(action=Discrete(3, start=1)), r"whole numbers from 0 \(Discrete\), agent 'q' has Discrete"),
        (spaced(Text(5)), r"a student reads numbers; agent 'q' observes Text"),
        (spaced(Sequence(Box(0, 1, (1,)))), r"a student reads numbers; agent 'q' observes Sequence"),
        (spaced(Box(0, 1, (0,))), r"a student reads numbers; agent 'q' observes Box"),
    ],
)
def test_what_a_student_cannot_read_is_refused_at_once(env, said):
    with pytest.raises(TypeError, match=said):
        CreditWrapper(env, Distilled(eager()))


def test_an_observation_that_does_not_fit_its_space_is_refused():
    env = CreditWrapper(NumbersEnv(ALIKE), Distilled(eager()))
    env.unwrapped._arrays["q"] = np.zeros(5, np.float32)
    with pytest.raises(CreditError, match="agent 'q' observed 5 numbers, but its observation space has 3"):
        env.reset(seed=0)


def test_an_error_of_the_critic_is_raised_by_the_step_that_ends_an_episode_and_a_reset_goes_on(fits):
    critic, rng, env = ActionCritic(), np.random.default_rng(0), NumbersEnv(ALIKE)
    distillation = eager(critic, first=3)
    wrapped = CreditWrapper(env, Distilled(distillation))
    play(wrapped, rng)
    critic.error = ModelError("no route", "connection")
    for _ in range(2):
        done = []
        with pytest.raises(ModelError):
            play(wrapped, rng, None, done.append)
        assert done == [1, 2, 3] and wrapped.agents == []
        wrapped.step({})  # after the end
        assert len(distillation.labels) == 1
    critic.error = None
    paid, _ = play(wrapped, rng)
    np.testing.assert_array_equal(paid, np.repeat(np.array(env.paid)[:, None], 3, axis=1))
    play(wrapped, rng)
    student, version = distillation.newest
    assert version == 1 and len(critic.asked) == len({episode.id for episode in critic.asked}) == 3
    paid, _ = play(wrapped, rng)
    same(paid, student.score([env.record()])[0].values)


def test_labels_are_for_immediate_delivery_without_a_store_or_distillation():
    client, store = FakeClient(praise_forward), CreditStore(EqualSplitCritic(), workers=0)
    with pytest.raises(ValueError, match=r"labels=9 is for delivery='immediate' \(deferred scores every episode\)"):
        LLMCreditWrapper(CorridorEnv(), client=client, labels=9)
    for shared in ({"store": store}, {"distillation": eager()}):
        for delivery in ("deferred", "immediate"):
            with pytest.raises(ValueError, match=r"labels=9 .*a store or a distillation brings its own"):
                LLMCreditWrapper(CorridorEnv(), labels=9, delivery=delivery, **shared)
    with pytest.raises(ValueError, match="the distillation brings its critic; remove client"):
        LLMCreditWrapper(CorridorEnv(), client=client, distillation=eager())
    with pytest.raises(ValueError, match="labels must be at least 2"):
        LLMCreditWrapper(CorridorEnv(), client=client, delivery="immediate", labels=1)


@pytest.mark.parametrize(
    "options",
    [
        {"labels": 9, "delivery": "immediate", "client": FakeClient(praise_forward)},
        {"labels": 9, "client": FakeClient(praise_forward)},
        {"distillation": eager()},
        {"critic": fixed({"walker_0": 2, "walker_1": 2}), "delivery": "immediate"},
        {"store": CreditStore(fixed({"walker_0": 2, "walker_1": 2}), workers=0)},
    ],
)
def test_a_student_of_credit_names_no_tasks(options):
    with pytest.raises(ValueError, match="a student of credit"):
        LLMTaskWrapper(CorridorEnv(), wean_steps=10, **options)
