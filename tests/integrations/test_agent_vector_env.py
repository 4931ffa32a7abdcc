"""Rows of `AgentVectorEnv` belong to the right agent, step and env; what does not fit is refused."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from known_credit import PLACEHOLDER, KnownCreditEnv, ManualStore, known_venv, legal
from pettingzoo import ParallelEnv
from pettingzoo.utils import BaseParallelWrapper, parallel_to_aec
from tianshou.data import Batch, Collector, VectorReplayBuffer

from credit_wrappers import CreditWrapper, Deferred
from credit_wrappers.integrations.tianshou import AgentVectorEnv
from credit_wrappers.integrations.tianshou.agent_info import ACTIVE, GONE, TERMINATED, TRUNCATED


class Shuffled(BaseParallelWrapper):
    """Returns dicts whose order is not that of `possible_agents`."""

    def reset(self, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        return tuple(dict(reversed(d.items())) for d in self.env.reset(seed=seed, options=options))

    def step(self, actions: dict) -> tuple[dict, ...]:
        return tuple(dict(reversed(d.items())) for d in self.env.step(actions))


class OwnRewards(BaseParallelWrapper):
    """Pays agent i of env k 10 k + i + 1, and remembers seeds and options."""

    def reset(self, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        self.asked = (seed, options)
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: dict) -> tuple[dict, ...]:
        obs, rewards, *rest = self.env.step(actions)
        return (obs, {a: 10.0 * self.env.number + self.possible_agents.index(a) + 1 for a in rewards}, *rest)


def raw_venv(n_envs: int, n_agents: int, wrap: Any = lambda env: env, **options: Any) -> AgentVectorEnv:
    learners = options.pop("learners", "shared")
    fns = [lambda k=k: wrap(KnownCreditEnv(k, n_agents, {}, **options)) for k in range(n_envs)]
    return AgentVectorEnv(fns, learners=learners)


@pytest.mark.parametrize("wrap", [lambda env: env, Shuffled])
def test_slot_is_env_times_agents_plus_agent(wrap: Any) -> None:
    venv = raw_venv(3, 2, wrap)
    assert len(venv) == 6
    obs, info = venv.reset()
    assert obs.tolist() == [[e, 0, i, 0, -1] for e in range(3) for i in range(2)]
    assert info.episode_step.tolist() == [-1] * 6
    obs, rew, terminated, truncated, info = venv.step(np.array([3, 2, 1, 0, 1, 2]))
    actions = [3, 2, 1, 0, 1, 2]
    assert obs.tolist() == [[s // 2, 0, s % 2, 1, actions[s]] for s in range(6)]
    assert rew.tolist() == [PLACEHOLDER] * 6
    assert not terminated.any() and not truncated.any()
    assert info.agent.tolist() == [0, 1] * 3
    assert info.episode_step.tolist() == [0] * 6


def test_some_envs_can_be_stepped_and_reset_while_the_others_wait() -> None:
    venv = raw_venv(3, 2)
    venv.reset()
    venv.step(np.zeros(4, dtype=int), np.array([0, 1, 4, 5]))
    obs, *_, info = venv.step(np.zeros(4, dtype=int), np.array([4, 5, 2, 3]))
    assert obs[:, [0, 2, 3]].tolist() == [[2, 0, 2], [2, 1, 2], [1, 0, 1], [1, 1, 1]]
    assert info.episode_step.tolist() == [1, 1, 0, 0]
    obs, info = venv.reset(np.array([4, 5]))
    assert obs[:, [0, 1, 3]].tolist() == [[2, 1, 0]] * 2
    obs, *_, info = venv.step(np.zeros(6, dtype=int))
    assert obs[:, 3].tolist() == [2, 2, 2, 2, 1, 1]


def test_termination_and_truncation_are_told_apart_and_end_all_slots_of_their_env() -> None:
    venv = raw_venv(2, 3, lengths=(2,), ends=("terminated", "truncated"))
    venv.reset()
    venv.step(np.zeros(6, dtype=int))
    _, _, terminated, truncated, info = venv.step(np.zeros(6, dtype=int))
    assert terminated.tolist() == [True] * 3 + [False] * 3
    assert truncated.tolist() == [False] * 3 + [True] * 3
    assert info.status.tolist() == [TERMINATED] * 3 + [TRUNCATED] * 3


def test_an_agent_that_left_sees_zeros_does_nothing_and_ends_with_its_env() -> None:
    venv = raw_venv(1, 2, lengths=(3,), ends=("truncated",), leaves={0: (0, "terminated")}, masked=True)
    venv.reset()
    obs, rew, terminated, truncated, info = venv.step(np.array([1, 2]))
    assert info.status.tolist() == [TERMINATED, ACTIVE]
    assert not terminated.any() and not truncated.any()
    assert obs.obs[0].tolist() == [0, 0, 0, 1, 1]  # its own last observation
    obs, rew, terminated, truncated, info = venv.step(np.array([1, 2]))  # the env asserts who acts
    assert obs.obs.tolist() == [[0] * 5, [0, 0, 1, 2, 2]]
    assert obs.mask[0].all()
    assert rew.tolist() == [0.0, PLACEHOLDER]
    assert info.status.tolist() == [GONE, ACTIVE]
    _, _, terminated, truncated, info = venv.step(np.array([1, 2]))
    assert (terminated.tolist(), truncated.tolist()) == ([True, False], [False, True])
    assert info.status.tolist() == [GONE, TRUNCATED]
    obs, info = venv.reset()
    assert info.status.tolist() == [ACTIVE, ACTIVE]
    venv.step(np.array([1, 2]))


def test_shared_policies_get_a_number_for_each_slot_and_separate_learners_the_whole_teams_rewards() -> None:
    for wrap in (OwnRewards, lambda env: Shuffled(OwnRewards(env))):
        shared = raw_venv(2, 3, wrap)
        shared.reset()
        assert shared.step(np.zeros(6, dtype=int))[1].tolist() == [1, 2, 3, 11, 12, 13]
        separate = raw_venv(2, 3, wrap, learners="per-agent")
        separate.reset()
        expected = [[1, 2, 3]] * 3 + [[11, 12, 13]] * 3
        assert separate.step(np.zeros(6, dtype=int))[1].tolist() == expected


def test_observations_come_as_an_array_or_with_mask_and_agent() -> None:
    assert isinstance(raw_venv(2, 2).reset()[0], np.ndarray)
    masked, _ = raw_venv(2, 2, masked=True).reset()
    assert isinstance(masked, Batch)
    assert masked.agent_id.tolist() == [0, 1, 0, 1]
    assert masked.mask.dtype == bool
    assert masked.mask.tolist() == [legal(i, 0).astype(bool).tolist() for i in (0, 1, 0, 1)]
    named, _ = raw_venv(2, 2, masked=True, learners="per-agent").reset()
    assert named.agent_id.tolist() == ["walker_0", "walker_1"] * 2
    unmasked, _ = raw_venv(2, 2, learners="per-agent").reset()
    assert unmasked.mask.all() and unmasked.mask.shape == (4, 4)


def test_results_do_not_change_when_the_venv_goes_on() -> None:
    venv = raw_venv(2, 2, masked=True)
    obs, info = venv.reset()
    kept = Batch(Batch(obs=obs, info=info).to_dict(), copy=True)
    step = venv.step(np.zeros(4, dtype=int))
    kept_step = Batch(Batch(obs=step[0], rew=step[1], terminated=step[2], info=step[4]).to_dict(), copy=True)
    venv.step(np.ones(4, dtype=int))
    venv.reset()
    assert Batch(Batch(obs=obs, info=info).to_dict()) == kept
    assert Batch(Batch(obs=step[0], rew=step[1], terminated=step[2], info=step[4]).to_dict()) == kept_step


def test_rows_carry_the_episode_id_of_their_env() -> None:
    venv, _ = known_venv(2, 2, lengths=(2,), store=ManualStore())
    _, info = venv.reset()
    assert info.episode_id.tolist() == [0, 0, 1, 1]
    venv.step(np.zeros(4, dtype=int))
    assert venv.step(np.zeros(4, dtype=int))[4].episode_id.tolist() == [0, 0, 1, 1]
    _, info = venv.reset(np.array([2, 3]))
    assert info.episode_id.tolist() == [2, 2]
    _, info = raw_venv(1, 2).reset()
    assert info.episode_id.tolist() == [-1, -1]


def test_infos_survive_all_that_a_collector_does_to_them() -> None:
    import copy

    _, info = raw_venv(3, 2).reset()
    part = info[np.array([0, 1, 4, 5])]
    assert part.dtype == np.dtype(object) and len(part) == 4
    again = copy.copy(part)
    assert again.dtype == np.dtype(object)
    again[np.array([1])] = info[np.array([3])]
    kept = again[np.array([True, True, False, False])]
    assert kept.dtype == np.dtype(object) and len(kept) == 2
    assert len(kept.nonzero()[0]) == 0


@pytest.mark.parametrize("n_episode", [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 22])
def test_collecting_a_number_of_episodes_that_is_no_multiple_of_the_agents_raises(n_episode: int) -> None:
    venv = raw_venv(3, 3)
    collector = Collector(_random(venv), venv, VectorReplayBuffer(60 * len(venv), len(venv)))
    collector.reset()
    with (
        _few_episodes(n_episode < len(venv)),
        pytest.raises(ValueError, match=r"n_episode .* must be a multiple of the 3 agents"),
    ):
        collector.collect(n_episode=n_episode, random=True)


@pytest.mark.parametrize("n_episode", [3, 6, 9, 12, 21])
def test_collecting_any_multiple_works_and_gives_whole_teams(n_episode: int) -> None:
    venv = raw_venv(3, 3)
    buffer = VectorReplayBuffer(60 * len(venv), len(venv))
    collector = Collector(_random(venv), venv, buffer)
    collector.reset()
    with _few_episodes(n_episode < len(venv)):
        stats = collector.collect(n_episode=n_episode, random=True)
    assert stats.n_collected_episodes == n_episode
    done = buffer[:]
    ends = done.obs[done.terminated | done.truncated]
    assert len(ends) == n_episode
    teams = {(env, episode) for env, episode, *_ in ends.tolist()}
    assert len(teams) * 3 == n_episode


@pytest.mark.parametrize("slots", [[0], [1, 2], [1, 0], [0, 1, 2], [0, 3], 0])
def test_a_part_of_a_team_can_be_neither_stepped_nor_reset(slots: Any) -> None:
    venv = raw_venv(2, 2)
    venv.reset()
    with pytest.raises(ValueError, match="whole teams of 2"):
        venv.step(np.zeros(np.size(slots), dtype=int), slots)
    with pytest.raises(ValueError, match="whole teams of 2"):
        venv.reset(slots)


def test_a_wrong_number_of_actions_is_refused() -> None:
    venv = raw_venv(2, 2)
    venv.reset()
    with pytest.raises(ValueError, match="3 actions for 4 agent rows"):
        venv.step(np.zeros(3, dtype=int))


def test_a_team_of_one_works() -> None:
    venv = raw_venv(2, 1, masked=True)
    obs, _ = venv.reset()
    assert obs.obs[:, 0].tolist() == [0, 1]
    assert venv.step(np.array([1, 2]))[0].obs[:, 4].tolist() == [1, 2]
    assert venv.reset(1)[0].obs[:, 0].tolist() == [1]


def test_continuous_actions_reach_their_agent() -> None:
    class Continuous(KnownCreditEnv):
        def action_space(self, agent: str) -> Any:
            return Box(-1, 1, (2,))

        def step(self, actions: dict) -> Any:
            self.seen = {agent: action.tolist() for agent, action in actions.items()}
            return super().step(dict.fromkeys(actions, 0))

    venv = AgentVectorEnv([lambda: Continuous(0, 2, {})] * 2)
    venv.reset()
    venv.step(np.arange(8.0).reshape(4, 2))
    assert venv.envs[1].seen == {"walker_0": [4.0, 5.0], "walker_1": [6.0, 7.0]}


def test_seeds_and_options_reach_the_envs() -> None:
    venv = raw_venv(3, 2, OwnRewards)
    assert venv.seed(10) == [10, 11, 12]
    venv.reset(options={"a": 1})
    assert [env.asked for env in venv.envs] == [(10 + k, {"a": 1}) for k in range(3)]
    venv.reset()
    assert [env.asked[0] for env in venv.envs] == [None] * 3
    venv.seed([5, 6, 7])
    venv.reset(np.array([2, 3]))
    venv.reset()
    assert [env.asked[0] for env in venv.envs] == [5, None, 7]
    venv.reset(seed=20)
    assert [env.asked[0] for env in venv.envs] == [20, 21, 22]
    with pytest.raises(ValueError, match="2 seeds for 3 envs"):
        venv.seed([1, 2])


def test_attributes_are_those_of_the_slots_agent_and_env() -> None:
    venv = raw_venv(2, 2)
    assert venv.action_space == [Discrete(4)] * 4
    assert venv.observation_space[3].shape == (5,)
    assert venv.get_env_attr("number") == [0, 0, 1, 1]
    assert venv.get_env_attr("number", 2) == [1]
    venv.set_env_attr("number", 9, [2, 3])
    assert venv.get_env_attr("number") == [0, 0, 9, 9]
    assert venv.agents == ["walker_0", "walker_1"]
    assert venv.agent_idx == {"walker_0": 0, "walker_1": 1}


def test_closing_closes_the_envs_once() -> None:
    closed = []

    class Closing(KnownCreditEnv):
        def close(self) -> None:
            closed.append(self.number)

    venv = AgentVectorEnv([lambda k=k: Closing(k, 2, {}) for k in range(2)])
    venv.close()
    assert closed == [0, 1]
    with pytest.raises(AssertionError):
        venv.reset()


def test_an_aec_env_is_refused_with_the_way_to_convert_it() -> None:
    with pytest.raises(TypeError, match="aec_to_parallel"):
        AgentVectorEnv([lambda: parallel_to_aec(KnownCreditEnv(0, 2, {}))])


def test_a_gymnasium_env_is_refused() -> None:
    with pytest.raises(TypeError, match=r"gymnasium Env.*DummyVectorEnv"):
        AgentVectorEnv([lambda: gymnasium.make("CartPole-v1")])


def test_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a PettingZoo ParallelEnv, got int"):
        AgentVectorEnv([lambda: 3])
    with pytest.raises(ValueError, match="env_fns is empty"):
        AgentVectorEnv([])
    with pytest.raises(ValueError, match="'shared' or 'per-agent'"):
        raw_venv(1, 2, learners="both")


def test_envs_with_different_agents_are_refused() -> None:
    fns = [lambda: KnownCreditEnv(0, 2, {}), lambda: KnownCreditEnv(1, 3, {})]
    with pytest.raises(ValueError, match=r"env 0 has agents .*, env 1 has .*walker_2"):
        AgentVectorEnv(fns)


def test_envs_with_different_stores_or_some_without_are_refused() -> None:
    def make(store: Any) -> ParallelEnv:
        env = KnownCreditEnv(0, 2, {})
        return env if store is None else CreditWrapper(env, Deferred(store))

    for stores in ((ManualStore(), ManualStore()), (ManualStore(), None)):
        with pytest.raises(ValueError, match="different credit stores"):
            AgentVectorEnv([lambda s=store: make(s) for store in stores])


def test_agents_whose_observations_do_not_fit_one_array_are_refused() -> None:
    class Different(KnownCreditEnv):
        def observation_space(self, agent: str) -> Any:
            return Box(0, 1, (5 if agent == "walker_0" else 6,))

    with pytest.raises(ValueError, match=r"'walker_1' have shape \(6,\).*pad_observations"):
        AgentVectorEnv([lambda: Different(0, 2, {})])

    class Nested(KnownCreditEnv):
        def observation_space(self, agent: str) -> Any:
            return gymnasium.spaces.Dict({"a": Box(0, 1)})

    with pytest.raises(ValueError, match=r"is a Dict.*flatten"):
        AgentVectorEnv([lambda: Nested(0, 2, {})])


def test_one_learner_per_agent_needs_discrete_actions() -> None:
    class Continuous(KnownCreditEnv):
        def action_space(self, agent: str) -> Any:
            return Box(-1, 1, (2,))

    with pytest.raises(ValueError, match="same Discrete actions"):
        AgentVectorEnv([lambda: Continuous(0, 2, {})], learners="per-agent")


def _random(venv: AgentVectorEnv) -> Any:
    from tianshou.algorithm.random import MARLRandomDiscreteMaskedOffPolicyAlgorithm as Random

    return Random(action_space=venv.action_space[0])


def _few_episodes(few: bool) -> Any:
    return pytest.warns(UserWarning, match="should be larger") if few else nullcontext()


@pytest.mark.parametrize(
    ("former", "now"),
    [("AgentSlotVectorEnv", "AgentVectorEnv"), ("SlotReplayBuffer", "AgentReplayBuffer"), ("SlotInfo", "AgentInfo")],
)
def test_former_names_are_refused_with_the_new_ones(former: str, now: str) -> None:
    import credit_wrappers.integrations.tianshou as bridge

    with pytest.raises(ImportError, match=rf"{former} is called {now} now: from credit_wrappers.*import {now}"):
        getattr(bridge, former)
    with pytest.raises(AttributeError, match="has no attribute 'Other'"):
        _ = bridge.Other
