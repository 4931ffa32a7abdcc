"""Arguments that a newcomer mixes up: each is refused where it is given, and the message says what was meant."""

from __future__ import annotations

import logging

import pytest

from credit_wrappers import (
    BlendedCritic,
    Budget,
    CostPenaltyCritic,
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    Distillation,
    EqualSplitCritic,
    LLMCreditWrapper,
    LLMCritic,
    LLMTaskWrapper,
    Online,
    ScriptedClient,
    SharedCritic,
    StudentCritic,
    SummedCritic,
    annotate,
    fit_student,
)
from credit_wrappers.core.narrator import DEFINITIONS
from credit_wrappers.testing.corridor import CorridorEnv, CorridorNarrator
from credit_wrappers.wrappers.task_observation import TaskObservationWrapper
from spaceworld import spaceworld_v0

STAND_IN = r"ScriptedClient\(\)"


def llm(**options):
    return LLMCreditWrapper(CorridorEnv(), **options)


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    """Nobody has a key: a message about a key would hide what is really wrong."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


# -- clients, critics, budgets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("take", [lambda client: llm(client=client), LLMCritic])
def test_a_client_that_is_none_is_named(take):
    with pytest.raises(TypeError, match=r"EqualSplitCritic.* is a critic, not a model client: .*critic="):
        take(EqualSplitCritic())
    with pytest.raises(TypeError, match=rf"the class ScriptedClient; give an object, {STAND_IN[:-4]}"):
        take(ScriptedClient)
    with pytest.raises(TypeError, match=r"'claude' is no model client, it lacks name, source, complete: .*Anthropic"):
        take("claude")


@pytest.mark.parametrize(
    "take",
    [
        lambda critic: llm(critic=critic),
        lambda critic: llm(critic=critic, delivery="immediate"),
        lambda critic: llm(critic=critic, delivery="immediate", labels=5),
        lambda critic: LLMTaskWrapper(CorridorEnv(), wean_steps=5, critic=critic),
        Deferred,
        Online,
        CreditStore,
        Distillation,
        SummedCritic,
        lambda critic: BlendedCritic(critic, 0.5),
        lambda critic: CostPenaltyCritic(critic, 1.0),
        lambda critic: annotate([], critic),
    ],
)
def test_a_critic_that_is_none_is_named(take):
    with pytest.raises(TypeError, match=rf"takes .*a critic, got {STAND_IN}, a model client: .*LLMCritic\({STAND_IN}"):
        take(ScriptedClient())
    with pytest.raises(TypeError, match=r"EqualSplitCritic'>: give an object, EqualSplitCritic\(\.\.\.\)"):
        take(EqualSplitCritic)
    with pytest.raises(TypeError, match=r"takes .*a critic, got 42"):
        take(42)


@pytest.mark.parametrize("take", [llm, lambda **options: LLMCritic(ScriptedClient(), **options)])
def test_a_number_is_no_budget(take):
    with pytest.raises(TypeError, match=r"budget=5: give a Budget, such as Budget\(max_calls=100\)"):
        take(budget=5, **({"client": ScriptedClient()} if take is llm else {}))


def test_prices_are_no_tuple():
    with pytest.raises(TypeError, match=r"prices=\(3, 15\): give Prices\(input=\.\.\., output=\.\.\.\)"):
        Budget(max_cost=5, prices=(3, 15))


def test_a_class_is_no_store():
    with pytest.raises(TypeError, match="CreditStore'>: give an object"):
        Deferred(CreditStore)


# -- keywords ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("take", "name", "meant"),
    [
        (llm, "clinet", "client"),
        (llm, "oder", "order"),
        (llm, "legder", "ledger"),
        (lambda **given: LLMTaskWrapper(CorridorEnv(), wean_steps=5, **given), "clinet", "client"),
        (lambda **given: LLMTaskWrapper(CorridorEnv(), wean_steps=5, **given), "dropuot", "dropout"),
        (lambda **given: CreditWrapper(CorridorEnv(), Deferred(SharedCritic()), **given), "narator", "narrator"),
        (lambda **given: Distillation(SharedCritic(), **given), "grwoth", "growth"),
        (lambda **given: Distillation(SharedCritic(), **given), "epoch", "epochs"),
    ],
)
def test_a_mistyped_keyword_names_the_nearest_one(take, name, meant):
    with pytest.raises(TypeError, match=f"has no argument '{name}'; did you mean '{meant}'"):
        take(**{name: None})


def test_a_keyword_like_no_other_lists_them_all():
    with pytest.raises(TypeError, match=r"LLMCreditWrapper has no argument 'qqq'; there are: critic, client, .*order"):
        llm(qqq=1)


# -- arguments that would do nothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"delivery": "immediate", "labels": 5}])
def test_a_window_is_for_a_critic_that_is_asked_in_every_step(more):
    with pytest.raises(ValueError, match=r"window=3 is for delivery='immediate' where the critic is asked in every"):
        llm(client=ScriptedClient(), window=3, **more)
    assert llm(client=ScriptedClient(), window=3, delivery="immediate").source.window == 3
    assert llm(client=ScriptedClient(), delivery="immediate").source.window == 8


@pytest.mark.parametrize("option", [{"episodes_per_query": 4}, {"workers": 0}, {"progress": True}])
def test_settings_of_a_queue_are_refused_where_there_is_none_of_its_own(option):
    (name,) = option
    with pytest.raises(ValueError, match=rf"{name} would do nothing here \(what is shared has its own\)"):
        llm(store=CreditStore(SharedCritic(), workers=0), **option)
    with pytest.raises(ValueError, match=rf"{name} would do nothing here \(each step is credited by itself\)"):
        llm(critic=SharedCritic(), delivery="immediate", **option)


def test_the_store_that_is_made_has_the_settings_that_were_given():
    store = llm(client=ScriptedClient(), episodes_per_query=3).store
    assert (store.episodes_per_query, store.workers) == (3, 0)
    assert llm(client=ScriptedClient()).store.episodes_per_query == 8


# -- credit sources ---------------------------------------------------------------------------------------------------


def test_what_is_no_credit_source_is_told_how_to_become_one():
    student = object.__new__(StudentCritic)
    for given, way in (
        (CreditStore(SharedCritic(), workers=0), r"got CreditStore: write CreditWrapper\(env, Deferred\(store\)\)$"),
        (Distillation(SharedCritic()), r"got Distillation: write CreditWrapper\(env, Distilled\(distillation\)\)$"),
        (student, r"got StudentCritic: write CreditWrapper\(env, Student\(student\)\)$"),
        (ScriptedClient(), r"got ScriptedClient: write CreditWrapper\(env, Deferred\(LLMCritic\(client\)\)\), or LLM"),
        (CreditStore, r"got the class CreditStore: write CreditWrapper\(env, Deferred\(store\)\)$"),
        (Deferred, r"got the class Deferred: write CreditWrapper\(env, Deferred\(critic\)\), or"),
    ):
        with pytest.raises(TypeError, match=way):
            CreditWrapper(CorridorEnv(), given)


@pytest.mark.parametrize(
    "inner",
    [
        lambda: CreditWrapper(CorridorEnv(), Deferred(SharedCritic())),
        lambda: llm(client=ScriptedClient()),
        lambda: TaskObservationWrapper(llm(client=ScriptedClient()), ["wait", "walk"]),
        lambda: LLMTaskWrapper(CorridorEnv(), wean_steps=5, client=ScriptedClient()),
    ],
)
@pytest.mark.parametrize(
    "outer",
    [
        lambda env: CreditWrapper(env, Deferred(SharedCritic())),
        lambda env: LLMCreditWrapper(env, client=ScriptedClient()),
        lambda env: LLMTaskWrapper(env, wean_steps=5, client=ScriptedClient()),
    ],
)
def test_an_environment_takes_one_credit_wrapper(inner, outer):
    with pytest.raises(TypeError, match=r"a (LLM)?CreditWrapper around CorridorEnv already, and .* takes one"):
        outer(inner())


# -- narrators --------------------------------------------------------------------------------------------------------


class Mute(CorridorNarrator):
    frames = None


class Silent(CorridorNarrator):
    def examples(self):
        return {name: "x" for name in DEFINITIONS if name not in ("agreement", "temporal")}


class Listing(CorridorNarrator):
    def examples(self):
        return ["x"] * 5


TAKE_NARRATORS = [
    lambda narrator: CreditWrapper(CorridorEnv(), Deferred(LLMCritic(ScriptedClient())), narrator=narrator),
    lambda narrator: CreditWrapper(CorridorEnv(), Online(SummedCritic(LLMCritic(ScriptedClient()))), narrator=narrator),
    lambda narrator: llm(client=ScriptedClient(), narrator=narrator),
    lambda narrator: LLMTaskWrapper(CorridorEnv(), client=ScriptedClient(), wean_steps=5, narrator=narrator),
    lambda narrator: LLMCritic(ScriptedClient(), narrator=narrator),
]


@pytest.mark.parametrize("take", TAKE_NARRATORS)
def test_a_narrator_that_lacks_something_is_refused_at_once(take):
    with pytest.raises(TypeError, match=r"the narrator, object, lacks capture\(\)"):
        take(object())
    with pytest.raises(TypeError, match=r"the narrator, Mute, lacks frames\(\): .*narrator=ArrayNarrator\(env\)"):
        take(Mute(2, 4))
    with pytest.raises(TypeError, match=r"the class CorridorNarrator; give an object, CorridorNarrator\("):
        take(CorridorNarrator)
    with pytest.raises(CreditError, match=r"Silent.examples\(\) lacks temporal, agreement"):
        take(Silent(2, 4))
    with pytest.raises(CreditError, match=r"Listing.examples\(\) returns a list; a mapping is needed"):
        take(Listing(2, 4))


def test_the_environments_own_narrator_is_checked_too():
    env = CorridorEnv()
    env.narrator = "tells"
    with pytest.raises(TypeError, match=r"the narrator, str, lacks capture\(\):"):
        CreditWrapper(env, Deferred(SharedCritic()))


def test_a_critic_that_has_nothing_told_needs_a_narrator_that_captures_only():
    CreditWrapper(CorridorEnv(), Deferred(SharedCritic()), narrator=Mute(2, 4))


# -- labels -----------------------------------------------------------------------------------------------------------


def compare(labels):
    return object.__new__(StudentCritic).compare(labels)


@pytest.mark.parametrize("take", [fit_student, compare])
def test_what_is_no_label_is_named(take):
    with pytest.raises(TypeError, match=r"takes labels, pairs \(episode, credit\), and number 0 is 'a'"):
        take(["a"])
    with pytest.raises(TypeError, match="number 0 is a pair of str and int"):
        take([("a", 1)])


def test_what_is_no_episode_is_named():
    with pytest.raises(TypeError, match="annotate takes episodes, and number 0 is 'a'"):
        annotate(["a"], SharedCritic())


# -- the stand-in -----------------------------------------------------------------------------------------------------


def test_the_stand_in_warns_once_that_it_cannot_judge_an_unknown_environment(caplog):
    def play(env):
        _, infos = env.reset(seed=0)
        while env.agents:
            *_, infos = env.step(dict.fromkeys(env.agents, 0))
        env.store.settle([infos[env.possible_agents[0]]["episode_id"]])

    caplog.set_level(logging.WARNING, "credit_wrappers")
    client = ScriptedClient()
    play(LLMCreditWrapper(spaceworld_v0.parallel_env(scenario="solo", max_cycles=3), client=client))
    assert not caplog.records
    for _ in range(2):
        play(llm(client=client))
    (record,) = caplog.records
    assert "no rules for this environment" in record.message and "splits each reward equally" in record.message
