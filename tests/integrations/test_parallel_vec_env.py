"""Rows of `ParallelVecEnv` belong to the right agent, step and env; it keeps gymnasium's contract."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from known_credit import PLACEHOLDER, KnownCreditEnv, ManualStore, legal
from pettingzoo.utils import BaseParallelWrapper, parallel_to_aec

from credit_wrappers import CreditStore, CreditWrapper, Deferred, EqualSplitCritic
from credit_wrappers.integrations.batched_env_group import BatchedEnvGroup
from credit_wrappers.integrations.env_group import EnvGroup
from credit_wrappers.integrations.gymnasium import ParallelVecEnv, relabel_rewards
from spaceworld.env import SpaceworldEnv


class OwnRewards(BaseParallelWrapper):
    """Pays agent i of env k 10 k + i + 1, and remembers seeds and options."""

    def reset(self, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        self.asked = (seed, options)
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: dict) -> tuple[dict, ...]:
        obs, rewards, *rest = self.env.step(actions)
        return (obs, {a: 10.0 * self.env.number + self.possible_agents.index(a) + 1 for a in rewards}, *rest)


def known(n_envs: int, n_agents: int, wrap: Any = lambda env: env, **options: Any) -> ParallelVecEnv:
    return ParallelVecEnv([lambda k=k: wrap(KnownCreditEnv(k, n_agents, {}, **options)) for k in range(n_envs)])


def still(envs: ParallelVecEnv) -> np.ndarray:
    return np.zeros(envs.num_envs, dtype=np.int64)


def test_slot_is_env_times_agents_plus_agent() -> None:
    envs = known(3, 2, OwnRewards)
    obs, infos = envs.reset()
    assert envs.num_envs == 6 and envs.agents == ["walker_0", "walker_1"]
    assert obs.tolist() == [[e, 0, i, 0, -1] for e in range(3) for i in range(2)]
    assert infos["alive"].all() and "action_mask" not in infos and "credit" not in infos
    actions = np.array([3, 2, 1, 0, 1, 2])
    obs, rewards, terminations, truncations, infos = envs.step(actions)
    assert obs.tolist() == [[s // 2, 0, s % 2, 1, actions[s]] for s in range(6)]
    assert rewards.tolist() == [1, 2, 11, 12, 21, 22]
    assert not terminations.any() and not truncations.any()
    assert set(infos) == {"alive"}


def test_an_env_that_ends_begins_again_in_the_same_step() -> None:
    envs = known(2, 2, OwnRewards, lengths=(2, 3), ends=("terminated", "truncated"), masked=True)
    _, infos = envs.reset()
    assert infos["action_mask"].tolist() == [legal(i, 0).astype(bool).tolist() for i in (0, 1, 0, 1)]
    envs.step(still(envs))
    obs, rewards, terminations, truncations, infos = envs.step(np.array([3, 2, 1, 0]))
    assert rewards.tolist() == [1, 2, 11, 12]
    assert terminations.tolist() == [True, True, False, False] and not truncations.any()
    assert obs.tolist() == [[0, 1, 0, 0, -1], [0, 1, 1, 0, -1], [1, 0, 0, 2, 1], [1, 0, 1, 2, 0]]
    assert infos["final_obs"].tolist() == [[0, 0, 0, 2, 3], [0, 0, 1, 2, 2], [0] * 5, [0] * 5]
    assert infos["_final_obs"].tolist() == [True, True, False, False]
    assert infos["action_mask"].tolist() == [
        legal(i, t).astype(bool).tolist() for i, t in ((0, 0), (1, 0), (0, 2), (1, 2))
    ]
    final = infos["final_info"]
    assert final["episode"]["r"].tolist() == [2, 4, 0, 0] and final["episode"]["l"].tolist() == [2, 2, 0, 0]
    assert final["_episode"].tolist() == [True, True, False, False]
    assert final["action_mask"][:2].tolist() == [legal(i, 2).astype(bool).tolist() for i in (0, 1)]
    _, _, terminations, truncations, infos = envs.step(still(envs))
    assert truncations.tolist() == [False, False, True, True] and not terminations.any()
    assert infos["final_info"]["episode"]["r"].tolist() == [0, 0, 33, 36]
    envs.step(still(envs))
    infos = envs.step(still(envs))[4]  # both envs: of episodes that began anew
    assert infos["final_info"]["episode"]["r"].tolist() == [3, 6, 22, 24]


def test_an_agent_that_leaves_has_ended_then_and_is_an_empty_row_until_its_env_ends() -> None:
    envs = known(1, 2, lengths=(3,), ends=("truncated",), leaves={0: (0, "truncated")}, masked=True)
    envs.reset()
    obs, rewards, terminations, truncations, infos = envs.step(np.array([1, 2]))
    assert (terminations.tolist(), truncations.tolist()) == ([False, False], [True, False])
    assert obs.tolist() == [[0] * 5, [0, 0, 1, 1, 2]]
    assert infos["final_obs"].tolist() == [[0, 0, 0, 1, 1], [0] * 5]
    assert infos["alive"].tolist() == [False, True]
    assert infos["final_info"]["episode"]["l"].tolist() == [1, 0]
    obs, rewards, terminations, truncations, infos = envs.step(np.array([1, 2]))  # the env asserts who acts
    assert obs.tolist() == [[0] * 5, [0, 0, 1, 2, 2]] and rewards.tolist() == [0.0, PLACEHOLDER]
    assert not terminations.any() and not truncations.any() and "final_obs" not in infos
    obs, _, terminations, truncations, infos = envs.step(np.array([1, 2]))
    assert (terminations.tolist(), truncations.tolist()) == ([True, False], [False, True])
    assert infos["final_info"]["_episode"].tolist() == [False, True]
    assert infos["final_info"]["episode"]["r"].tolist() == [0.0, 3 * PLACEHOLDER]
    assert infos["final_obs"].tolist() == [[0] * 5, [0, 0, 1, 3, 2]]
    assert obs[:, 3].tolist() == [0, 0] and obs[:, 1].tolist() == [1, 1] and infos["alive"].all()


def test_an_env_that_goes_on_paying_an_agent_that_left_does_not_reach_its_row() -> None:
    class Paying(BaseParallelWrapper):
        def step(self, actions: dict) -> tuple[dict, ...]:
            obs, _, *rest = self.env.step(actions)
            return (obs, dict.fromkeys(self.possible_agents, 5.0), *rest)

    envs = known(1, 2, Paying, lengths=(3,), leaves={0: (0, "terminated")})
    envs.reset()
    assert envs.step(still(envs))[1].tolist() == [5.0, 5.0]
    assert envs.step(still(envs))[1].tolist() == [0.0, 5.0]


def test_results_do_not_change_when_the_envs_go_on() -> None:
    envs = known(2, 2, lengths=(2, 3), masked=True, leaves={0: (1, "terminated")})
    envs.reset()
    envs.step(still(envs))
    obs, rewards, terminations, truncations, infos = envs.step(still(envs))
    arrays = [obs, rewards, terminations, truncations, infos["alive"], infos["action_mask"], infos["final_obs"]]
    arrays += list(infos["final_info"]["episode"].values())
    kept = [array.copy() for array in arrays]
    assert not infos["alive"].all()
    envs.reset()
    for _ in range(4):
        envs.step(np.ones(4, dtype=int))
    assert all(np.array_equal(a, b) for a, b in zip(arrays, kept, strict=True))


def test_seeds_and_options_reach_the_envs() -> None:
    envs = known(3, 2, OwnRewards, lengths=(1,))
    envs.reset(seed=10, options={"a": 1})
    assert [env.asked for env in envs.envs] == [(10 + k, {"a": 1}) for k in range(3)]
    envs.step(still(envs))
    assert [env.asked for env in envs.envs] == [(None, None)] * 3
    envs.reset(seed=[5, None, 7])
    assert [env.asked[0] for env in envs.envs] == [5, None, 7]
    with pytest.raises(ValueError, match="2 seeds for 3 envs"):
        envs.reset(seed=[1, 2])


def test_it_keeps_gymnasiums_contract() -> None:
    envs = known(2, 2, lengths=(2,))
    assert isinstance(envs, gymnasium.vector.VectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.single_action_space == Discrete(4) and envs.single_observation_space.shape == (5,)
    assert envs.action_space.shape == (4,) and envs.observation_space.shape == (4, 5)
    recorded = RecordEpisodeStatistics(envs)
    recorded.reset(seed=3)
    recorded.step(recorded.action_space.sample())
    infos = recorded.step(recorded.action_space.sample())[4]
    assert infos["episode"]["r"].tolist() == [2 * PLACEHOLDER] * 4
    with pytest.raises(ValueError, match=r"actions must have shape \(4,\), got \(3,\)"):
        envs.step(np.zeros(3, dtype=int))
    with pytest.raises(RuntimeError, match="reset"):
        known(1, 1).step(np.zeros(1, dtype=int))


def test_closing_closes_the_envs_once() -> None:
    closed = []

    class Closing(KnownCreditEnv):
        def close(self) -> None:
            closed.append(self.number)

    envs = ParallelVecEnv([lambda k=k: Closing(k, 2, {}) for k in range(2)])
    assert envs.render() is None
    envs.close()
    envs.close()
    assert closed == [0, 1]


def test_continuous_actions_reach_their_agent() -> None:
    class Continuous(KnownCreditEnv):
        space = Box(-1, 1, (2,))

        def action_space(self, agent: str) -> Any:
            return self.space

        def step(self, actions: dict) -> Any:
            self.seen = {agent: action.tolist() for agent, action in actions.items()}
            return super().step(dict.fromkeys(actions, 0))

    envs = ParallelVecEnv([lambda: Continuous(0, 2, {})] * 2)
    envs.reset()
    envs.step(np.arange(8.0).reshape(4, 2))
    assert envs.envs[1].seen == {"walker_0": [4.0, 5.0], "walker_1": [6.0, 7.0]}


def test_what_cannot_share_arrays_is_refused() -> None:
    class Actions(KnownCreditEnv):
        def action_space(self, agent: str) -> Any:
            return Discrete(4 if agent == "walker_0" else 3)

    class Bounds(KnownCreditEnv):
        def observation_space(self, agent: str) -> Any:
            return Box(-1, 1 if agent == "walker_0" else 2, (5,))

    with pytest.raises(ValueError, match=r"action space of 'walker_1' is Discrete\(3\).*pad_action_space"):
        ParallelVecEnv([lambda: Actions(0, 2, {})])
    with pytest.raises(ValueError, match=r"observation space of 'walker_1' is Box.*pad_observations"):
        ParallelVecEnv([lambda: Bounds(0, 2, {})])
    with pytest.raises(ValueError, match="env 1 has"):
        ParallelVecEnv([lambda: KnownCreditEnv(0, 2, {}), lambda: KnownCreditEnv(1, 3, {})])
    with pytest.raises(ValueError, match="env_fns is empty"):
        ParallelVecEnv([])
    with pytest.raises(ValueError, match="different credit stores"):
        known(2, 2, lambda env: CreditWrapper(env, Deferred(ManualStore())))
    with pytest.raises(TypeError, match="aec_to_parallel"):
        ParallelVecEnv([lambda: parallel_to_aec(KnownCreditEnv(0, 2, {}))])
    with pytest.raises(TypeError, match="SyncVectorEnv"):
        ParallelVecEnv([lambda: gymnasium.make("CartPole-v1")])


class Through(BaseParallelWrapper):
    """Changes nothing; but what it does is not known, so it stands in the way of one common step."""

    @property
    def store(self) -> Any:
        return getattr(self.env, "store", None)


def test_spaceworlds_are_stepped_together_with_the_same_rows_and_credits() -> None:
    def make(through: bool, store: CreditStore) -> Any:
        env: Any = CreditWrapper(SpaceworldEnv("pair", max_cycles=7), Deferred(store))
        return Through(env) if through else env

    both = []
    for through in (False, True):
        store = CreditStore(EqualSplitCritic(), workers=0)
        envs = ParallelVecEnv([lambda t=through, s=store: make(t, s) for _ in range(3)])
        assert type(envs._teams) is (EnvGroup if through else BatchedEnvGroup)
        rng = np.random.default_rng(0)
        rewards = np.zeros((20, 6))
        obs, infos = envs.reset(seed=4)
        seen = [obs, infos["action_mask"]]
        for step in range(20):
            obs, rewards[step], *ends, infos = envs.step(rng.integers(0, 6, 6))
            seen += [obs, *ends, infos["action_mask"]]
            seen += [infos["final_obs"], infos["final_info"]["episode"]["r"]] if "final_obs" in infos else []
        both.append([*seen, relabel_rewards(rewards, 19, infos), rewards])
    assert len(both[0]) > 2 + 20 * 4 + 4
    for one, other in zip(*both, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
