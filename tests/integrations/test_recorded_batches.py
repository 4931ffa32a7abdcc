"""Environments that are stepped by one call record, and show, what each does by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from credit_wrappers import (
    CreditStore,
    CreditWrapper,
    Deferred,
    Episode,
    LLMTaskWrapper,
    SharedCritic,
    TaskDistillation,
)
from credit_wrappers.integrations.batched_env_group import BatchedEnvGroup, make_env_group
from credit_wrappers.integrations.task_env_group import TaskEnvGroup
from spaceworld import spaceworld_v0

AGENTS = ["robot_0", "robot_1"]
ENVS, LIMIT = 3, 6


def world() -> Any:
    return spaceworld_v0.parallel_env(scenario="duet", max_cycles=LIMIT)


def store() -> CreditStore:
    made = CreditStore(SharedCritic(), workers=0, episodes_per_query=1)
    made.ready()
    return made


def actions() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 6, (LIMIT, ENVS, 2))


def together(envs: list[Any]) -> tuple[Any, list[np.ndarray]]:
    """The group, and what all agents see, (E, N, F), at reset and after each step."""
    group = make_env_group(envs, AGENTS)
    chosen = np.arange(ENVS)
    got, _ = group.reset(chosen, [10, 11, 12], None)
    seen = [got.observations]
    for joint in actions():
        seen.append(group.step(chosen, joint.ravel(), np.ones((ENVS, 2), bool)).observations)
    return group, [rows.reshape(ENVS, 2, -1) for rows in seen]


def alone(envs: list[Any]) -> list[np.ndarray]:
    seen = [[env.reset(seed=10 + k)[0] for k, env in enumerate(envs)]]
    for joint in actions():
        seen.append([env.step(dict(zip(AGENTS, joint[k].tolist(), strict=True)))[0] for k, env in enumerate(envs)])
    return [np.array([list(one.values()) for one in each]) for each in seen]


def test_recorded_observations_are_the_same_for_one_environment_and_for_many_that_step_together() -> None:
    recorded: list[list[Episode]] = []
    for play in (together, alone):
        shared, episodes = store(), []
        envs = [CreditWrapper(world(), Deferred(shared), record_observations=True) for _ in range(ENVS)]
        for env in envs:
            env.add_listener(lambda episode, credit, kept=episodes: kept.append(episode))
        done = play(envs)
        assert play is alone or isinstance(done[0], BatchedEnvGroup)
        recorded.append(sorted(episodes, key=lambda episode: episode.seed or 0))
    for one, other in zip(*recorded, strict=True):
        assert one.observations is not None and one.observations.dtype == other.observations.dtype  # type: ignore[union-attr]
        np.testing.assert_array_equal(one.observations, other.observations)  # type: ignore[arg-type]
        assert one.key == other.key


class Alternating:
    """Gives the two robots different tasks, which change with what the first one sees."""

    def check_env(self, *_: Any) -> None:
        """It fits."""

    def assign(self, observations: np.ndarray, there: np.ndarray) -> np.ndarray:
        odd = (np.abs(observations[:, 0]).sum(axis=-1) * 7).astype(int) % 2
        return np.stack([odd, 2 + odd], axis=1)


def test_tasks_and_where_they_lead_are_the_same_for_one_environment_and_for_many_that_step_together() -> None:
    seen = []
    for play in (together, alone):
        shared, students = store(), TaskDistillation(2)
        students.newest = Alternating(), 1  # type: ignore[assignment]
        students.refresh = lambda: None  # type: ignore[method-assign]
        students.learn = lambda *_: None  # type: ignore[method-assign]
        envs = [LLMTaskWrapper(world(), store=shared, students=students, wean_steps=20) for _ in range(ENVS)]
        if play is together:
            group, rows = together(envs)
            assert isinstance(group, TaskEnvGroup) and isinstance(group._inner, BatchedEnvGroup)
            seen.append(rows)
        else:
            seen.append(alone(envs))
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one, other)
    tasks = np.array(seen[0])[..., -7:-3]  # four tasks, then whether there is a place, and where
    assert tasks[..., 0, :2].any() and tasks[..., 1, 2:].any() and not tasks[..., 0, 2:].any()
