"""The credit wrapper: what it passes on, what it refuses, and how its options make a critic."""

import copy
import pickle
import warnings

import pytest
from credit_fakes import BACK, FORWARD, STAY, FakeClient, Script, answer, play, praise_forward
from gymnasium.spaces import Dict, Discrete, Text, Tuple
from pettingzoo.utils.conversions import parallel_to_aec

from credit_wrappers import (
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    EqualSplitCritic,
    Ledger,
    LLMCreditWrapper,
    LLMCritic,
    SharedCritic,
)
from credit_wrappers.testing.corridor import CorridorEnv

with warnings.catch_warnings():
    # PettingZoo's test package imports environments in a way that PettingZoo itself calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import parallel_api_test


def test_reset_announces_the_episode():
    env = CreditWrapper(CorridorEnv(), Deferred(CreditStore(SharedCritic(), workers=0)))
    for expected in range(3):
        _, infos = env.reset()
        assert infos["walker_1"] == {
            "cost": 0.0,
            "team_reward": 0.0,
            "episode_id": expected,
            "episode_step": -1,
        }


def test_infos_are_fresh_and_each_agents_own():
    shared = {"cost": 2.0}
    env = CreditWrapper(Script([{"a": 1, "b": 1}], infos={"a": shared, "b": shared}), Deferred(EqualSplitCritic()))
    _, first = env.reset()
    *_, second = env.step({"a": 0, "b": 0})
    dicts = [*first.values(), *second.values(), shared]
    assert len({id(info) for info in dicts}) == 5
    assert shared == {"cost": 2.0}
    assert second["a"]["cost"] == 2.0
    env.store.close()


def test_missing_infos_are_made():
    env = CreditWrapper(Script([{"a": 1, "b": 1}], infos={"a": {}}), Deferred(EqualSplitCritic()))
    _, infos = env.reset()
    assert infos.keys() == {"a", "b"}
    env.store.close()


class TestRefusals:
    def test_aec_environment_is_refused_with_the_way_to_convert_it(self):
        with pytest.raises(TypeError, match="aec_to_parallel"):
            CreditWrapper(parallel_to_aec(CorridorEnv()), Deferred(SharedCritic()))
        with pytest.raises(TypeError, match="aec_to_parallel"):
            LLMCreditWrapper(parallel_to_aec(CorridorEnv()), client=FakeClient(""))

    def test_other_things_are_refused(self):
        class Gym:
            action_space = Discrete(2)

        with pytest.raises(TypeError, match="Gymnasium"):
            CreditWrapper(Gym(), Deferred(SharedCritic()))
        with pytest.raises(TypeError, match=r"ParallelEnv, got str"):
            CreditWrapper("spaceworld", Deferred(SharedCritic()))

    @pytest.mark.parametrize("space", [Dict({"a": Discrete(2)}), Tuple([Discrete(2)]), Text(5)], ids=repr)
    def test_actions_that_are_no_number_and_no_vector_are_refused_by_name_with_a_way_out(self, space):
        class Odd(CorridorEnv):
            def action_space(self, agent):
                return space if agent == "walker_1" else Discrete(2)

        with pytest.raises(TypeError, match=rf"'walker_1' has {type(space).__name__}.*flatten"):
            CreditWrapper(Odd(), Deferred(SharedCritic()))

    @pytest.mark.parametrize("agents", ["missing", []])
    def test_environment_that_does_not_name_its_agents_is_refused(self, agents):
        env = CorridorEnv()
        if agents == "missing":
            del env.possible_agents
        else:
            env.possible_agents = agents
        with pytest.raises(TypeError, match="CorridorEnv has no possible_agents: credit needs"):
            LLMCreditWrapper(env, client=FakeClient(""))

    def test_agent_that_was_never_named_is_an_error_that_names_it(self):
        env = CreditWrapper(Script([{"a": 0, "b": 0}]), Deferred(SharedCritic()))
        env.env.possible_agents = ["a", "b", "c"]
        with pytest.raises(CreditError, match=r"script_v0: agent 'c' is not one of possible_agents, \['a', 'b'\]"):
            env.reset()

    def test_a_credit_source_is_needed_and_the_message_says_how_to_make_one(self):
        with pytest.raises(TypeError, match=r"nothing was given.*Deferred\(critic\)"):
            CreditWrapper(CorridorEnv())
        with pytest.raises(TypeError, match=r"got SharedCritic: write CreditWrapper\(env, Deferred\(critic\)\)"):
            bare = SharedCritic()
            CreditWrapper(CorridorEnv(), bare)

    @pytest.mark.parametrize(
        ("former", "now"),
        [
            ({"store": None}, r"instead of store=: Deferred\(store\)"),
            ({"critic": None}, r"instead of critic=: Deferred\(critic\)"),
            ({"distillation": None}, r"instead of distillation=: Distilled\(distillation\)"),
            ({"delivery": "immediate"}, r"Online\(critic, window\), Student\(student\) or Distilled"),
            ({"window": 3}, r"instead of window=: Online\(critic, window\)"),
        ],
    )
    def test_former_arguments_are_refused_with_the_new_names(self, former, now):
        with pytest.raises(TypeError, match=now):
            CreditWrapper(CorridorEnv(), **former)
        with pytest.raises(TypeError, match="no argument 'colour'"):
            CreditWrapper(CorridorEnv(), colour="red")

    def test_unknown_options_name_the_valid_ones(self):
        with pytest.raises(ValueError, match="unknown team_reward 'x'; valid: 'auto', 'shared', 'mean', 'sum'"):
            CreditWrapper(CorridorEnv(), Deferred(SharedCritic()), team_reward="x")
        with pytest.raises(ValueError, match="unknown delivery 'x'; valid: 'deferred', 'immediate'"):
            LLMCreditWrapper(CorridorEnv(), critic=SharedCritic(), delivery="x")


def test_wrapper_passes_pettingzoos_own_test():
    env = CreditWrapper(CorridorEnv(), Deferred(CreditStore(SharedCritic(), workers=0)))
    env.store.ready()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(env, num_cycles=300)
    assert env.store.pending > 0


def test_wrapper_passes_on_what_it_does_not_change():
    inner = CorridorEnv(length=7)
    env = CreditWrapper(inner, Deferred(CreditStore(SharedCritic(), workers=0)))
    env.reset(seed=1)
    assert env.unwrapped is inner
    assert env.agents == inner.agents
    assert env.length == 7
    assert env.observation_space("walker_0") is inner.observation_space("walker_0")
    assert env.metadata is inner.metadata


class TestLLMCreditWrapper:
    def test_credits_come_from_the_client_and_land_on_their_agents(self):
        env = LLMCreditWrapper(
            CorridorEnv(length=90, horizon=3), client=FakeClient(praise_forward), workers=0, fallback="raise"
        )
        play(env, [FORWARD, STAY], [BACK, FORWARD], [FORWARD, FORWARD])
        [(id, credit)] = env.store.settle([0])
        assert id == 0
        assert credit.values.tolist() == [[1, 0], [0, 1], [1, 1]]

    def test_environment_without_narrator_gets_one_that_tells_numbers(self):
        client = FakeClient(answer([]))
        env = LLMCreditWrapper(Script([{"a": 0, "b": 0}] * 2), client=client, workers=0, answer_format="events")
        play(env, [3, 4], [5, 6])
        env.store.settle([0])
        assert "0: agent_A action 3 sees 0=1 1=1; agent_B action 4 sees 0=1 1=1\n" in client.requests[0].prompt
        assert "Pays, ends and informs as it is told" in client.requests[0].system

    def test_options_reach_the_critic(self, tmp_path):
        env = LLMCreditWrapper(
            CorridorEnv(),
            client=FakeClient(""),
            ledger=tmp_path / "l.sqlite",
            fallback="shared",
            order="shuffled",
            blend=0.5,
            episodes_per_query=3,
        )
        critic = env.store.critic
        assert isinstance(critic, LLMCritic)
        assert (critic.settings.fallback, critic.settings.order, critic.settings.blend) == ("shared", "shuffled", 0.5)
        assert critic.ledger.path == tmp_path / "l.sqlite"
        assert env.store.episodes_per_query == 3

    @pytest.mark.parametrize(("source", "workers"), [("scripted", 0), ("model", 4)])
    def test_a_client_that_computes_needs_no_threads(self, source, workers):
        env = LLMCreditWrapper(CorridorEnv(), client=FakeClient("", source=source))
        assert env.store.workers == workers
        env.store.close()

    def test_ready_made_critic_or_store_is_used(self):
        critic = SharedCritic()
        env = LLMCreditWrapper(CorridorEnv(), critic=critic, workers=0)
        assert env.store.critic is critic
        assert LLMCreditWrapper(CorridorEnv(), store=env.store).store is env.store

    @pytest.mark.parametrize(
        "options",
        [
            {"critic": SharedCritic(), "client": FakeClient("")},
            {"critic": SharedCritic(), "fallback": "equal"},
            {"store": CreditStore(SharedCritic(), workers=0), "model": "m"},
            {"client": FakeClient(""), "model": "m"},
            {"client": FakeClient(""), "base_url": "http://127.0.0.1:1"},
        ],
    )
    def test_contradicting_options_are_refused(self, options):
        with pytest.raises(ValueError, match=r"remove|not both"):
            LLMCreditWrapper(CorridorEnv(), **options)

    def test_without_key_the_error_names_the_three_ways_out(self, monkeypatch):
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(CreditError) as caught:
            LLMCreditWrapper(CorridorEnv())
        for way in ("ANTHROPIC_API_KEY", "client=ScriptedClient()", "base_url="):
            assert way in str(caught.value)


@pytest.mark.parametrize("delivery", ["deferred", "immediate"])
@pytest.mark.parametrize("make", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_an_environment_whose_critic_has_a_ledger_can_be_copied(make, delivery, tmp_path):
    env = LLMCreditWrapper(
        CorridorEnv(horizon=1), client=FakeClient(praise_forward), ledger=tmp_path / "l.sqlite", delivery=delivery
    )
    other = make(env)
    other.reset(seed=0)
    other.step(dict.fromkeys(other.agents, FORWARD))
    if delivery == "deferred":
        other.store.settle([0])
    other.close()
    with Ledger(tmp_path / "l.sqlite", read_only=True) as ledger:
        assert len(ledger) == 1
