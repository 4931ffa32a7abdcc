"""Environments of one kind that are stepped together, by one call for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Discrete
from pettingzoo import ParallelEnv

from credit_wrappers.delivery.session import CreditSession, join_sessions
from credit_wrappers.integrations.env_group import EnvGroup, Gathered
from credit_wrappers.integrations.task_env_group import TaskEnvGroup, assigns_together
from credit_wrappers.recording.recorder import StepColumns
from credit_wrappers.wrappers.credit_wrapper import CreditWrapper


class _BatchStep(Protocol):
    """What a step of e environments with N agents gave; see `spaceworld.batch.BatchStep`."""

    observations: np.ndarray  # (e, N, ...)
    masks: np.ndarray  # (e, N, A)
    rewards: np.ndarray  # (e,), the same for all agents of an environment
    costs: np.ndarray  # (e, N)

    @property
    def terminated(self) -> np.ndarray: ...
    @property
    def truncated(self) -> np.ndarray: ...


class _EnvBatch(Protocol):
    """What `env.unwrapped.batch(envs)` returns; the environments stay usable."""

    rows: np.ndarray  # (E, R): row k is what environment k's own narrator captures

    def seed(self, chosen: np.ndarray, seeds: Sequence[int | None]) -> None: ...
    def reset(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def step(self, chosen: np.ndarray, actions: np.ndarray) -> _BatchStep: ...


class BatchedEnvGroup:
    """E environments with the same N agents, as `EnvGroup`, with one call for each step of all of them.

    Args:
        envs: The envs, bare or each in a `CreditWrapper`, whose work is done here.
        agents: Their agents, in the order of rows.
        session: The common crediting session of wrapped envs; None: they are bare.

    Attributes:
        session: As given.
    """

    def __init__(self, envs: Sequence[ParallelEnv], agents: Sequence[str], session: CreditSession | None) -> None:
        self._worlds: list[Any] = [env.unwrapped for env in envs]
        self._agents = list(agents)
        self._batch: _EnvBatch = self._worlds[0].batch(self._worlds)
        self._n_actions = int(self._worlds[0].action_space(agents[0]).n)
        self.session = session

    def require_masks(self, n_actions: int) -> None:
        """Do nothing: a batch always gives masks."""

    def reset(
        self, chosen: np.ndarray, seeds: Iterable[int | None], options: dict[str, Any] | None
    ) -> tuple[Gathered, list[int | None]]:
        """Reset some envs; see `EnvGroup.reset`. The options are ignored."""
        given = list(seeds)
        self._batch.seed(chosen, given)
        observations, masks = self._batch.reset(chosen)
        for k in chosen.tolist():
            self._worlds[k].agents = list(self._agents)
        episodes: list[int | None] = [None] * len(chosen)
        if self.session is not None:
            rows = observations.reshape(*observations.shape[:2], -1)
            episodes = [*self.session.start_many(chosen, given, self._batch.rows[chosen], rows)]
        shape = observations.shape[:2]
        flags = np.zeros(shape, dtype=bool)
        return self._gather(observations, masks, np.zeros(shape), flags, flags), episodes

    def step(self, chosen: np.ndarray, actions: np.ndarray, acting: np.ndarray) -> Gathered:
        """Step some envs; see `EnvGroup.step`.

        Raises:
            ValueError: An action is out of range.
            AssertionError: An env has ended and was not reset, as PettingZoo's own say it.
        """
        given = actions.reshape(acting.shape)
        assert acting.all(), "an env has ended: reset it before the next step"
        if given.min() < 0 or given.max() >= self._n_actions:
            k, i = np.argwhere((given < 0) | (given >= self._n_actions))[0].tolist()
            raise ValueError(f"action {given[k, i]} of {self._agents[i]!r} is not one of 0..{self._n_actions - 1}")
        step = self._batch.step(chosen, given)
        n = len(self._agents)
        terminated, truncated = step.terminated, step.truncated
        over = terminated | truncated
        for k in chosen[over].tolist():
            self._worlds[k].agents = []
        paid = None
        if self.session is not None:
            rows = step.observations.reshape(len(chosen), n, -1)
            # What is recorded is copied: the caller may write into the actions, and into the observations that it gets.
            kept = rows.copy() if self.session.keeps_observations else None
            wanted = self.session.source.takes_episodes or any(self.session.listeners)
            moments = self._batch.rows[chosen] if wanted else [None] * len(chosen)
            columns = (given.copy(), step.rewards, step.costs, moments, kept, terminated, truncated, over, rows)
            paid = self.session.credit(StepColumns(chosen, *columns))
        rewards = np.repeat(step.rewards, n).reshape(-1, n) if paid is None else paid
        flags = [np.repeat(x, n).reshape(-1, n) for x in (terminated, truncated & ~terminated)]
        return self._gather(step.observations, step.masks, rewards, *flags)

    def _gather(
        self,
        observations: np.ndarray,
        masks: np.ndarray,
        rewards: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
    ) -> Gathered:
        def rows(array: np.ndarray) -> np.ndarray:
            return array.reshape(-1, *array.shape[2:])

        there = ~(terminated | truncated)
        return Gathered(rows(observations), rows(masks).astype(bool), rewards.reshape(-1), terminated, truncated, there)


def make_env_group(envs: Sequence[ParallelEnv], agents: Sequence[str]) -> EnvGroup | BatchedEnvGroup | TaskEnvGroup:
    """Return envs that are stepped together where all of them can be, else one after another."""
    if assigns_together(envs, agents):
        return TaskEnvGroup(envs, agents, _env_group([env.env for env in envs], agents))
    return _env_group(envs, agents)


def _env_group(envs: Sequence[ParallelEnv], agents: Sequence[str]) -> EnvGroup | BatchedEnvGroup:
    worlds = [env.unwrapped for env in envs]
    batchable = (
        hasattr(worlds[0], "batch")
        and len({id(world) for world in worlds}) == len(worlds)
        and isinstance(worlds[0].action_space(agents[0]), Discrete)
        and all(_plain(env) and type(env) is type(envs[0]) for env in envs)
    )
    if batchable:
        bare = envs[0] is worlds[0]
        session = None if bare else join_sessions([env.session for env in envs])
        if bare or session is not None:
            try:
                return BatchedEnvGroup(envs, agents, session)
            except ValueError:  # worlds that differ in their arguments
                pass
    return EnvGroup(envs, agents)


def _plain(env: ParallelEnv) -> bool:
    """Return whether at most a credit wrapper is around the env, whose session needs nothing that a batch lacks.

    A batch does not draw: an env that shows itself to a person in a window must step by itself.
    """
    world = env.unwrapped
    if getattr(world, "render_mode", None) == "human":
        return False
    if env is world:
        return True
    return (
        isinstance(env, CreditWrapper)
        and env.env is world
        and type(env).step is CreditWrapper.step
        and type(env).reset is CreditWrapper.reset
        and type(env.narrator) is type(getattr(world, "narrator", None))
        and env.session.takes_columns
    )
