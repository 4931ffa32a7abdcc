"""How one team reward is made of the agents' rewards: one unit for a whole run, in all environments of a source."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
from credit_fakes import Recorder, Script, play

from credit_wrappers import CreditError, CreditStore, CreditWrapper, Deferred, EqualSplitCritic, Online, SharedCritic
from credit_wrappers.integrations.gymnasium import ParallelVecEnv
from credit_wrappers.integrations.tianshou import AgentVectorEnv
from credit_wrappers.recording.team_reward import TeamReward, TeamRewardDecision


def paid(*pairs):
    return [dict(zip("ab", pair, strict=True)) for pair in pairs]


SHARED_FIRST = paid((-1.0, -1.0), (-1.0, -1.5), (-1.0, -1.0))
OWN_FIRST = paid((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))


def totals(env, episodes=1):
    """Play, and return the team rewards of all steps."""
    return [infos["a"]["team_reward"] for _ in range(episodes) for _, infos in play(env, *[(1, 1)] * 3)]


def test_the_unit_does_not_change_in_mid_episode_nor_afterwards(caplog):
    env = CreditWrapper(Script(SHARED_FIRST), Deferred(SharedCritic(), workers=0))
    assert totals(env, 3) == [-1.0, -1.25, -1.0] * 3
    (told,) = caplog.messages
    assert "script_v0" in told and "{'a': -1.0, 'b': -1.5}" in told
    assert "team_reward='sum'" in told and "team_reward='mean'" in told


def test_rewards_that_differ_at_once_are_summed_from_the_start_and_in_every_episode(caplog):
    env = CreditWrapper(Script(OWN_FIRST), Deferred(SharedCritic(), workers=0))
    assert totals(env, 2) == [0.0, 1.0, 2.0] * 2
    (told,) = caplog.messages
    assert "their sum" in told and "{'a': 1.0, 'b': 0.0}" in told


@pytest.mark.parametrize(
    ("rule", "due"), [("mean", [-1.0, -1.25, -1.0]), ("sum", [-2.0, -2.5, -2.0]), ("shared", CreditError)]
)
def test_a_rule_that_was_chosen_is_silent(rule, due, caplog):
    env = CreditWrapper(Script(SHARED_FIRST), Deferred(SharedCritic(), workers=0), team_reward=rule)
    if due is CreditError:
        with pytest.raises(CreditError, match=r"step 1: .*team_reward='sum' or team_reward='mean'"):
            totals(env)
    else:
        assert totals(env) == due
    assert not caplog.messages


@pytest.mark.parametrize("rule", ["auto", "shared"])
@pytest.mark.parametrize("pair", [(0.1 + 0.2, 0.3), (np.float32(0.1), 0.1), (1e9 + 0.5, 1e9)])
def test_rounding_is_no_difference(rule, pair, caplog):
    env = CreditWrapper(Script(paid(pair, pair, pair)), Deferred(SharedCritic(), workers=0), team_reward=rule)
    assert totals(env) == [float(pair[0])] * 3
    assert not caplog.messages


def test_an_agent_that_has_left_does_not_count(caplog):
    class Ghosts(Script):
        """Goes on paying agent b 0 after it has left."""

        def step(self, actions):
            o, r, t, u, i = super().step(actions)
            return o, {"b": 0.0} | r, t, u, i

    env = CreditWrapper(Ghosts(paid(*[(1.0, 1.0)] * 3), leaves={"b": 0}), Deferred(SharedCritic(), workers=0))
    assert totals(env) == [1.0] * 3
    assert not caplog.messages


def test_a_reward_of_one_agent_alone_decides_nothing():
    decision = TeamRewardDecision()
    reward = TeamReward("auto", decision)
    assert reward({"a": 3.0, "b": 9.0}, {"a"}) == 3.0 and decision.rule is None
    assert reward({"a": 0.0, "b": 0.0}) == 0.0 and decision.rule is None
    assert reward({"a": 1.0, "b": 1.0}) == 1.0 and decision.rule == "mean"


def test_all_environments_of_a_store_decide_once(caplog):
    store = CreditStore(SharedCritic(), workers=0)
    envs = [CreditWrapper(Script(rewards), Deferred(store)) for rewards in (OWN_FIRST, SHARED_FIRST)]
    assert totals(envs[0]) == [0.0, 1.0, 2.0]
    assert totals(envs[1]) == [-2.0, -2.5, -2.0]
    assert len(caplog.messages) == 1 and store.team_reward.rule == "sum"


@pytest.mark.parametrize("make", [partial(Online, EqualSplitCritic()), partial(Deferred, SharedCritic(), workers=0)])
def test_copies_of_an_environment_share_the_decision(make):
    first = CreditWrapper(Script(OWN_FIRST), make())
    copies = [copy.deepcopy(first), pickle.loads(pickle.dumps(first))]
    totals(first)
    assert [env.session.team_rewards[0].decision.rule for env in copies] == ["sum", "sum"]


@pytest.mark.parametrize("vector_env", [AgentVectorEnv, ParallelVecEnv])
def test_environments_of_a_vector_env_decide_once(vector_env, caplog):
    store = CreditStore(Recorder(), episodes_per_query=1, workers=0)
    scripts = [SHARED_FIRST, OWN_FIRST]
    venv = vector_env([lambda r=r: CreditWrapper(Script(r), Deferred(store)) for r in scripts])
    venv.reset()
    rewards = [venv.step(np.ones(4, int))[1].tolist() for _ in range(3)]
    assert rewards == [[-1.0, -1.0, 0.0, 0.0], [-1.25, -1.25, 0.5, 0.5], [-1.0, -1.0, 1.0, 1.0]]
    assert store.team_reward.rule == "mean" and len(caplog.messages) == 1


def worker_venv(store, scripts):
    return AgentVectorEnv([lambda r=r: CreditWrapper(Script(r), Deferred(store)) for r in scripts], worker="subprocess")


def test_environments_in_worker_processes_decide_once(caplog):
    store = CreditStore(Recorder(), episodes_per_query=1, workers=0)
    venv = worker_venv(store, [SHARED_FIRST, OWN_FIRST])
    venv.reset()
    rewards = [venv.step(np.ones(4, int))[1].tolist() for _ in range(3)]
    assert rewards == [[-1.0, -1.0, 0.0, 0.0], [-1.25, -1.25, 0.5, 0.5], [-1.0, -1.0, 1.0, 1.0]]
    assert store.team_reward.rule == "mean" and len(caplog.messages) == 1
    venv.close()
    later = worker_venv(store, [OWN_FIRST])  # new workers know what was decided
    later.reset()
    assert [later.step(np.ones(2, int))[1].tolist() for _ in range(2)] == [[0.0, 0.0], [0.5, 0.5]]
    later.close()


def test_workers_that_decide_differently_in_one_step_are_an_error():
    store = CreditStore(Recorder(), episodes_per_query=1, workers=0)
    venv = worker_venv(store, [SHARED_FIRST, OWN_FIRST[1:]])
    venv.reset()
    with pytest.raises(CreditError, match=r"decided differently in the same step: .*say which one is meant"):
        venv.step(np.ones(4, int))
    venv.close()


def test_unknown_rules_are_refused():
    with pytest.raises(ValueError, match="unknown team_reward 'max'; valid: 'auto', 'shared', 'mean', 'sum'"):
        TeamReward("max")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.float32("nan")], ids=repr)
@pytest.mark.parametrize("rule", ["auto", "shared", "mean", "sum"])
def test_a_reward_that_is_not_finite_is_refused_in_its_step_and_decides_nothing(bad, rule, caplog):
    env = CreditWrapper(Script(paid((0.0, 0.0), (bad, bad))), Deferred(SharedCritic(), workers=0), team_reward=rule)
    with pytest.raises(CreditError, match="step 1: the reward of agent 'a' is"):
        play(env, (1, 1), (1, 1))
    assert env.store.team_reward.rule is None and not caplog.messages


def test_a_decision_without_a_difference_is_logged_as_information(caplog):
    caplog.set_level("INFO", "credit_wrappers")
    env = CreditWrapper(Script(paid(*[(1.0, 1.0)] * 3)), Deferred(SharedCritic(), workers=0))
    assert totals(env, 2) == [1.0] * 6
    assert [record.levelname for record in caplog.records] == ["INFO"] and "paid the same number" in caplog.text
