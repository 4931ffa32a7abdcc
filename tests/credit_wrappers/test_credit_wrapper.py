"""The wrapper: the placeholder, the record, and what happens to environments of every kind."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from credit_fakes import BACK, FORWARD, STAY, FakeClient, answer, praise_forward
from gymnasium.spaces import Box, Dict, Discrete, Text, Tuple
from pettingzoo.utils.conversions import parallel_to_aec
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers import (
    ArrayNarrator,
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


class Recorder:
    """A critic that keeps the episodes."""

    label = "recorder"

    def __init__(self):
        self.episodes = []

    def score(self, episodes):
        self.episodes.extend(episodes)
        return SharedCritic().score(episodes)


class Script(ParallelEnv):
    """Pays, ends and informs as it is told; agents leave by themselves.

    rewards[t][agent]; `leaves[agent]` is the step after which the agent is gone.
    """

    metadata = {"name": "script_v0"}  # noqa: RUF012

    def __init__(self, rewards, leaves=None, keeps_agents=False, infos=None):
        self.possible_agents = ["a", "b"]
        self.agents = []
        self.rewards, self.leaves, self.keeps_agents = rewards, leaves or {}, keeps_agents
        self.shared_infos = infos
        self.render_mode = None

    def observation_space(self, agent):
        return Box(-1, 100, (2,))

    def action_space(self, agent):
        return Discrete(10)

    def _infos(self):
        return self.shared_infos or {agent: {} for agent in self.agents}

    def reset(self, seed=None, options=None):
        self.agents, self.t = list(self.possible_agents), 0
        return {agent: np.zeros(2, np.float32) for agent in self.agents}, self._infos()

    def step(self, actions):
        for agent in self.agents:
            if not 0 <= actions[agent] < 10:
                raise ValueError(f"{agent}: {actions[agent]}")
        live, t = self.agents, self.t
        self.t += 1
        last = self.t == len(self.rewards)
        gone = {agent: self.leaves.get(agent) == t for agent in live}
        result = (
            {agent: np.full(2, self.t, np.float32) for agent in live},
            {agent: self.rewards[t][agent] for agent in live},
            gone,
            {agent: last and not gone[agent] for agent in live},
            self._infos(),
        )
        if not self.keeps_agents:
            self.agents = [] if last else [agent for agent in live if not gone[agent]]
        return result


def play(env, *joint_actions, seed=None):
    """Reset and play; return the infos and rewards of every step."""
    env.reset(seed=seed)
    history = []
    for joint in joint_actions:
        actions = dict(zip(env.possible_agents, joint, strict=True))
        _, rewards, *_, infos = env.step({agent: actions[agent] for agent in env.agents})
        history.append((rewards, infos))
    return history


def recorded(env, *joint_actions, seed=None, **options):
    critic = Recorder()
    wrapped = CreditWrapper(env, Deferred(critic, workers=0), **options)
    history = play(wrapped, *joint_actions, seed=seed)
    wrapped.store.settle(range(10))
    return critic.episodes, history, wrapped


def test_episode_holds_what_happened_step_by_step():
    joint = [[FORWARD, STAY], [STAY, BACK], [FORWARD, FORWARD]]
    env = CorridorEnv(length=50, horizon=3)
    [episode], history, _ = recorded(env, *joint, seed=3)
    start = episode.moments[0]
    assert episode.actions.tolist() == joint
    assert episode.agents == ("walker_0", "walker_1")
    assert episode.moments == (
        start,
        (start[0] + 1, start[1]),
        (start[0] + 1, start[1] - 1),
        (start[0] + 2, start[1]),
    )
    assert (episode.terminated, episode.truncated) == (False, True)
    assert (episode.env_id, episode.seed, episode.id) == ("corridor_v0", 3, 0)
    assert episode.actions.dtype == np.int64
    assert [infos["walker_0"]["episode_step"] for _, infos in history] == [0, 1, 2]


def test_rewards_and_costs_belong_to_the_step_they_were_paid_for():
    env = CorridorEnv(length=2, horizon=9)
    [episode], history, _ = recorded(env, [BACK, STAY], [FORWARD, BACK], [STAY, FORWARD])
    assert episode.team_reward.tolist() == [-0.05, -0.05, 1.0]
    assert episode.cost.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert (episode.terminated, episode.truncated) == (True, False)
    for (rewards, infos), paid in zip(history, [-0.05, -0.05, 1.0], strict=True):
        assert set(rewards.values()) == {paid}
        assert {info["team_reward"] for info in infos.values()} == {paid}


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


def test_unfinished_episode_is_dropped_at_reset():
    critic = Recorder()
    env = CreditWrapper(CorridorEnv(length=2, horizon=1), Deferred(CreditStore(critic, workers=0)))
    env.env.horizon = 5
    play(env, [STAY, STAY], [STAY, STAY])
    env.env.horizon = 2
    play(env, [FORWARD, STAY], [STAY, STAY])
    assert [id for id, _ in env.store.settle(range(9))] == [1]
    assert critic.episodes[0].actions.tolist() == [[FORWARD, STAY], [STAY, STAY]]


def test_episodes_of_environments_that_share_a_store_keep_apart():
    critic = Recorder()
    store = CreditStore(critic, workers=0)
    envs = [CreditWrapper(CorridorEnv(length=9, horizon=2), Deferred(store)) for _ in range(3)]
    for env in envs:
        env.reset()
    for t in range(2):
        for k, env in enumerate(envs):
            env.step({"walker_0": k, "walker_1": t})
    store.settle(range(3))
    assert {e.id: e.actions.tolist() for e in critic.episodes} == {k: [[k, 0], [k, 1]] for k in range(3)}


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


class TestTeamReward:
    @pytest.mark.parametrize("option", ["auto", "shared"])
    def test_reward_that_is_the_same_for_all_is_the_team_reward(self, option):
        [episode], *_ = recorded(Script([{"a": 2, "b": 2}]), [0, 0], team_reward=option)
        assert episode.team_reward.tolist() == [2.0]

    def test_sum_is_the_sum_also_where_rewards_are_the_same(self):
        [episode], *_ = recorded(Script([{"a": 2, "b": 2}]), [0, 0], team_reward="sum")
        assert episode.team_reward.tolist() == [4.0]

    def test_auto_adds_up_from_the_first_difference_on(self):
        rewards = [{"a": 0, "b": 0}, {"a": 1, "b": 0}, {"a": 1, "b": 1}]
        [episode], history, _ = recorded(Script(rewards), *[[0, 0]] * 3)
        assert episode.team_reward.tolist() == [0.0, 1.0, 2.0]
        assert [rewards["b"] for rewards, _ in history] == [0.0, 1.0, 2.0]

    def test_shared_refuses_different_rewards(self):
        with pytest.raises(CreditError, match=r"step 0.*team_reward='sum'"):
            recorded(Script([{"a": 1, "b": 0}]), [0, 0], team_reward="shared")

    def test_reward_that_is_no_number_is_an_error_naming_the_step(self):
        with pytest.raises(CreditError, match="step 1: the team reward is nan"):
            recorded(Script([{"a": 0, "b": 0}, {"a": float("nan"), "b": 0}]), [0, 0], [0, 0])


class TestEnds:
    def test_agent_that_leaves_early_acts_minus_one_from_then_on(self):
        rewards = [{"a": t, "b": t} for t in range(3)]
        [episode], history, _ = recorded(Script(rewards, leaves={"a": 0}), [3, 4], [5, 6], [7, 8])
        assert episode.actions.tolist() == [[3, 4], [-1, 6], [-1, 8]]
        assert episode.team_reward.tolist() == [0, 1, 2]
        assert episode.cost.shape == (3, 2)
        assert history[1][1].keys() == {"b"}

    def test_environment_that_keeps_its_agents_after_the_end_is_understood(self):
        episodes, *_ = recorded(Script([{"a": 0, "b": 0}] * 2, keeps_agents=True), [0, 0], [0, 0])
        assert [episode.length for episode in episodes] == [2]

    def test_step_after_the_end_records_nothing(self):
        env = CorridorEnv(length=9, horizon=1)
        episodes, _, wrapped = recorded(env, [STAY, STAY])
        with pytest.raises(KeyError):
            env.agents = ["walker_0"]
            wrapped.step({})
        env.agents = list(env.possible_agents)
        wrapped.step({"walker_0": FORWARD, "walker_1": FORWARD})
        assert wrapped.store.pending == 0
        assert len(episodes) == 1

    def test_action_that_the_environment_refuses_is_not_recorded(self):
        critic = Recorder()
        env = CreditWrapper(Script([{"a": 0, "b": 0}] * 2), Deferred(CreditStore(critic, workers=0)))
        env.reset()
        env.step({"a": 1, "b": 1})
        with pytest.raises(ValueError, match="99"):
            env.step({"a": 99, "b": 1})
        env.step({"a": 2, "b": 2})
        env.store.settle([0])
        assert critic.episodes[0].actions.tolist() == [[1, 1], [2, 2]]


class TestRecord:
    def test_observations_are_kept_on_request_as_copies(self):
        class Reusing(CorridorEnv):
            buffer = np.zeros(2, np.float32)

            def _observe(self):
                self.buffer[:] = self.position
                return dict.fromkeys(self.possible_agents, self.buffer)

        [episode], *_ = recorded(
            Reusing(length=90, horizon=2), [FORWARD, STAY], [FORWARD, FORWARD], record_observations=True
        )
        assert episode.observations.shape == (3, 2, 2)
        np.testing.assert_array_equal(episode.observations[:, 0], np.array(episode.moments))

    def test_observations_are_not_kept_by_default(self):
        [episode], *_ = recorded(CorridorEnv(horizon=1), [STAY, STAY])
        assert episode.observations is None

    def test_narrator_of_the_episode_holds_on_to_no_environment(self):
        [episode], *_ = recorded(CorridorEnv(horizon=1), [STAY, STAY])
        assert episode.narrator.live is None
        assert len(episode.frames) == 2

    def test_own_narrator_replaces_the_environments(self):
        env = CorridorEnv(horizon=1)
        [episode], *_ = recorded(env, [STAY, STAY], narrator=ArrayNarrator(env))
        assert isinstance(episode.narrator, ArrayNarrator)


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
        with pytest.raises(ValueError, match="unknown team_reward 'x'; valid: 'auto', 'shared', 'sum'"):
            CreditWrapper(CorridorEnv(), Deferred(SharedCritic()), team_reward="x")
        with pytest.raises(ValueError, match="unknown delivery 'x'; valid: 'deferred', 'immediate'"):
            LLMCreditWrapper(CorridorEnv(), critic=SharedCritic(), delivery="x")


@pytest.mark.parametrize("wrap", [lambda e: CreditWrapper(e, Deferred(CreditStore(SharedCritic(), workers=0)))])
def test_wrapper_passes_pettingzoos_own_test(wrap):
    env = wrap(CorridorEnv())
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
        env = LLMCreditWrapper(Script([{"a": 0, "b": 0}] * 2), client=client, workers=0)
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
