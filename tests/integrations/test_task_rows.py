"""Every row a learner samples holds its own agent's task for this very step, beside its own credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from known_credit import N_ACTIONS, KnownCreditEnv, KnownCritic, credit
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector
from torch import nn

from credit_wrappers import Credit, CreditError, CreditStore, Episode, LLMTaskWrapper, TaskDistillation, TaskSpan
from credit_wrappers.integrations.gymnasium import ParallelVecEnv, relabel_rewards
from credit_wrappers.integrations.tianshou import ActionHead, AgentVectorEnv, CreditReplayBuffer, ValueHead

TASKS = ["t0", "t1", "t2", "t3", "t4"]


def task(env: int, episode: int, agent: int, t: int) -> int:
    """The task that an agent is given in a step."""
    return (2 * env + 3 * episode + agent + t) % len(TASKS)


class KnownStudent:
    """Reads from an observation (env, episode, agent, t, last action) which task is meant."""

    def __init__(self) -> None:
        self.calls: list[int] = []  # environments in each call

    def check_env(self, *_: Any) -> None:
        """It fits."""

    def assign(self, observations: np.ndarray, there: np.ndarray) -> np.ndarray:
        self.calls.append(len(observations))
        numbers = [[task(*row[:4].astype(int)) for row in rows] for rows in observations]
        return np.where(there, numbers, 0)


class KnownTasks(KnownCritic):
    """Credits by `credit(...)`; its tasks are never learned from."""

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        return [
            replace(self.judge(e), tasks=tuple(TaskSpan(agent, 0, e.length, TASKS[0]) for agent in e.agents))
            for e in episodes
        ]


def factories(wean_steps: int, **options: Any) -> list[Any]:
    store = CreditStore(KnownTasks(), episodes_per_query=1, workers=0)
    students = TaskDistillation(2)
    students.newest = KnownStudent(), 1  # type: ignore[assignment]
    students.refresh = lambda: None  # type: ignore[method-assign]

    def make(number: int) -> LLMTaskWrapper:
        world = KnownCreditEnv(number, 2, {}, **options)
        return LLMTaskWrapper(world, tasks=TASKS, store=store, students=students, wean_steps=wean_steps)

    return [lambda k=k: make(k) for k in range(3)]


def expected(row: np.ndarray) -> np.ndarray:
    """The task numbers of the row of an observation (env, episode, agent, t, last action)."""
    numbers = np.zeros(len(TASKS))
    numbers[task(*map(int, row[:4]))] = 1
    return numbers


def ppo(venv: AgentVectorEnv) -> PPO:
    width = venv.envs[0].observation_space("walker_0").shape[0]
    actor, value = nn.Linear(width, N_ACTIONS), nn.Linear(width, 1)
    policy = DiscreteActorPolicy(actor=ActionHead(actor), action_space=Discrete(N_ACTIONS))
    return PPO(policy=policy, critic=ValueHead(value), optim=AdamOptimizerFactory(lr=0.1))


@pytest.mark.parametrize("leaves", [{}, {1: (1, "terminated")}])
def test_a_sampled_row_holds_its_own_agents_task_and_credit(leaves: dict[int, tuple[int, str]]) -> None:
    venv = AgentVectorEnv(factories(10**9, leaves=leaves))
    buffer = CreditReplayBuffer(1000, venv)
    torch.manual_seed(0)
    collector = Collector(ppo(venv), venv, buffer)
    collector.reset()
    collector.collect(n_episode=4 * len(venv))
    batch, _ = buffer.sample(0)
    assert len(batch) > 60
    for seen, after, reward in zip(batch.obs, batch.obs_next, batch.rew, strict=True):
        np.testing.assert_array_equal(seen[5:], expected(seen))
        if after.any():
            np.testing.assert_array_equal(after[5:], expected(after))
        assert reward == credit(*map(int, seen[:4]))
    assert {int(row[1]) for row in batch.obs} >= {0, 1, 2}
    env = venv.envs[0]
    assert env.weaning.progress(env._taken) == env.task_progress > 0  # its steps are counted
    assert max(env.students.newest[0].calls) == len(venv.envs)  # one call for all environments
    venv.close()


def test_a_cleanrl_rollout_holds_them_too() -> None:
    envs = ParallelVecEnv(factories(10**9))
    observations, _ = envs.reset(seed=0)
    steps = 40
    seen = np.zeros((steps, *observations.shape))
    rewards = np.zeros((steps, envs.num_envs))
    for t in range(steps):
        seen[t] = observations
        observations, rewards[t], _, _, infos = envs.step(np.zeros(envs.num_envs, dtype=np.int64))
    known = relabel_rewards(rewards, steps - 1, infos)
    for row, reward, has in zip(seen.reshape(-1, 10), rewards.ravel(), known.ravel(), strict=True):
        np.testing.assert_array_equal(row[5:], expected(row))
        if has:
            assert reward == credit(*map(int, row[:4]))
    assert known.mean() > 0.7


def test_once_weaned_rows_hold_no_task_and_actions_do_not_depend_on_the_assignment() -> None:
    def collected(shift: int) -> Any:
        fns = factories(12)
        venv = AgentVectorEnv(fns)
        for env in venv.envs:
            env.task_progress = 1.0
            env.students.newest = None, shift
        buffer = CreditReplayBuffer(1000, venv)
        torch.manual_seed(0)
        algorithm = ppo(venv)
        with torch.no_grad():
            algorithm.policy.actor.net.weight[:, 5:] = 100.0 * torch.randn(N_ACTIONS, len(TASKS))
        collector = Collector(algorithm, venv, buffer)
        collector.reset()
        collector.collect(n_episode=2 * len(venv))
        return buffer.sample(0)[0]

    first, second = collected(0), collected(2)
    assert not first.obs[:, 5:].any() and not first.obs_next[:, 5:].any()
    np.testing.assert_array_equal(first.obs, second.obs)
    np.testing.assert_array_equal(first.act, second.act)
    assert len(set(first.act.tolist())) > 1


def test_many_environments_at_once_show_what_each_shows_by_itself() -> None:
    """Hidden numbers included: the same seeds draw the same."""
    wean_steps = 12
    together = AgentVectorEnv(factories(wean_steps))
    alone = [make() for make in factories(wean_steps)]
    rows = [together.reset(seed=5)[0]]
    seen = [[env.reset(seed=5 + k)[0] for k, env in enumerate(alone)]]
    for _ in range(3):
        rows.append(together.step(np.zeros(6, dtype=int))[0])
        seen.append([env.step(dict.fromkeys(env.agents, 0))[0] for env in alone])
    for got, each in zip(rows, seen, strict=True):
        observations = got if isinstance(got, np.ndarray) else got.obs
        np.testing.assert_array_equal(observations, [row for one in each for row in one.values()])
    assert [env.task_progress for env in together.envs] == [env.task_progress for env in alone] == [0.25] * 3


def test_environments_in_worker_processes_are_told_to_learn_by_themselves() -> None:
    with pytest.raises(CreditError, match="a task distillation lives in the process that made it"):
        AgentVectorEnv(factories(10), worker="subprocess")
