"""Environments that show their agents tasks: one call of the task student for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Box
from pettingzoo import ParallelEnv

from credit_wrappers.delivery.session import CreditSession
from credit_wrappers.integrations.env_group import Gathered
from credit_wrappers.wrappers.llm_task_wrapper import LLMTaskWrapper


class _Group(Protocol):
    session: CreditSession | None

    def require_masks(self, n_actions: int) -> None: ...
    def reset(
        self, chosen: np.ndarray, seeds: Iterable[int | None], options: dict[str, Any] | None
    ) -> tuple[Gathered, list[int | None]]: ...
    def step(self, chosen: np.ndarray, actions: np.ndarray, acting: np.ndarray) -> Gathered: ...


class TaskEnvGroup:
    """E environments, each in an `LLMTaskWrapper` of the same students; does what these do, for all at once.

    Args:
        envs: The environments with their wrappers.
        agents: Their agents, in the order of rows.
        inner: The same environments without these wrappers.

    Attributes:
        session: The common crediting session of the environments, or None.
    """

    def __init__(self, envs: Sequence[Any], agents: Sequence[str], inner: _Group) -> None:
        self._envs, self._agents, self._inner = list(envs), list(agents), inner
        self._students = envs[0].students
        self._dtype = envs[0].observation_space(agents[0]).dtype
        self.session = inner.session

    def require_masks(self, n_actions: int) -> None:
        """See `EnvGroup.require_masks`."""
        self._inner.require_masks(n_actions)

    def reset(
        self, chosen: np.ndarray, seeds: Iterable[int | None], options: dict[str, Any] | None
    ) -> tuple[Gathered, list[int | None]]:
        """Reset some envs; see `EnvGroup.reset`."""
        given = list(seeds)
        for k, seed in zip(chosen.tolist(), given, strict=True):
            self._envs[k].begin(seed)
        got, episodes = self._inner.reset(chosen, given, options)
        return self._widened(chosen, got, got.there), episodes

    def step(self, chosen: np.ndarray, actions: np.ndarray, acting: np.ndarray) -> Gathered:
        """Step some envs; see `EnvGroup.step`."""
        got = self._inner.step(chosen, actions, acting)
        for k in chosen.tolist():
            self._envs[k].count_step()
        return self._widened(chosen, got, acting | got.there)

    def _widened(self, chosen: np.ndarray, got: Gathered, there: np.ndarray) -> Gathered:
        """Return what agents got, with the tasks of those that are there, (e, N) bool, behind their observations."""
        envs = [self._envs[k] for k in chosen.tolist()]
        seen = got.observations.reshape(*there.shape, -1)
        showing = [env.shows_tasks for env in envs]
        numbers = self._students.assign(seen, there) if any(showing) else None
        tasks = np.zeros((*there.shape, envs[0].task_numbers), np.float32)
        for j, env in enumerate(envs):
            env.give(None if numbers is None or not showing[j] else numbers[j].tolist())
            if numbers is not None and showing[j]:
                rows, _ = env.task_rows([agent for agent, here in zip(self._agents, there[j], strict=True) if here])
                for i, agent in enumerate(self._agents):
                    if agent in rows:
                        tasks[j, i] = rows[agent]
        wide = np.concatenate([seen, tasks], axis=-1, dtype=self._dtype, casting="unsafe")
        return replace(got, observations=wide.reshape(-1, wide.shape[-1]))


def assigns_together(envs: Sequence[ParallelEnv], agents: Sequence[str]) -> bool:
    """Return whether the outermost wrappers give tasks by the same students, behind observations that are vectors."""
    first: Any = envs[0]
    spaces = [first.env.observation_space(agent) for agent in agents] if type(first) is LLMTaskWrapper else []
    return (
        type(first) is LLMTaskWrapper
        and first.students is not None
        and all(type(env) is LLMTaskWrapper and env.students is first.students for env in envs)
        and all(isinstance(space, Box) and space.shape == spaces[0].shape for space in spaces)
        and len(spaces[0].shape) == 1
        and all(getattr(env, "render_mode", None) != "human" for env in envs)
    )
