"""What the wrapper records of an episode: actions, rewards and costs step by step, and how episodes end."""

import numpy as np
import pytest
from credit_fakes import BACK, FORWARD, STAY, Recorder, Script, play, recorded

from credit_wrappers import ArrayNarrator, CreditError, CreditStore, CreditWrapper, Deferred
from credit_wrappers.testing.corridor import CorridorEnv


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
        with pytest.raises(CreditError, match="step 1: the reward of agent 'a' is nan"):
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
