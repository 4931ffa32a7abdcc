"""Teams whose environments are stepped together, by one call for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Discrete
from pettingzoo import ParallelEnv

from credit_wrappers.distillation.student_pay import StudentPay
from credit_wrappers.integrations.env_group import Gathered, Teams
from credit_wrappers.recording.batch_recorder import BatchRecorder
from credit_wrappers.wrappers.credit_wrapper import CreditWrapper


class _Turn(Protocol):
    """What a step of e environments with N agents gave; see `spaceworld.batch.BatchStep`."""

    observations: np.ndarray  # (e, N, ...)
    masks: np.ndarray  # (e, N, A)
    rewards: np.ndarray  # (e,), the same for all agents of an environment
    costs: np.ndarray  # (e, N)

    @property
    def terminated(self) -> np.ndarray: ...
    @property
    def truncated(self) -> np.ndarray: ...


class _Batch(Protocol):
    """What `env.unwrapped.batch(envs)` returns; the environments stay usable."""

    rows: np.ndarray  # (E, R): row k is what environment k's own narrator captures

    def seed(self, chosen: np.ndarray, seeds: Sequence[int | None]) -> None: ...
    def reset(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def step(self, chosen: np.ndarray, actions: np.ndarray) -> _Turn: ...


class BatchTeams:
    """E environments with the same N agents, as `Teams`, with one call for each step of all of them.

    Args:
        envs: The envs, bare or each in a `CreditWrapper`, whose work is done here.
        agents: Their agents, in the order of rows.
    """

    def __init__(self, envs: Sequence[ParallelEnv], agents: Sequence[str]) -> None:
        self._envs: list[Any] = list(envs)
        self._worlds = [env.unwrapped for env in envs]
        self._agents = list(agents)
        self._batch: _Batch = self._worlds[0].batch(self._worlds)
        self._n_actions = int(self._worlds[0].action_space(agents[0]).n)
        self._distillation = getattr(envs[0], "distillation", None)
        pay = _student_pay(envs[0])
        self._payroll = None if pay is None else pay.batch(len(envs))
        self._recorder: BatchRecorder | None = None
        # Who numbers the episodes of each env; None: nobody wants to know of them.
        self._numbers: list[Any] = [_student_pay(env) or getattr(env, "store", None) for env in envs]
        labels = self._distillation is not None
        if labels or (pay is None and self._numbers[0] is not None):
            self._recorder = BatchRecorder([env.recorder for env in envs], observations=labels)

    def require_masks(self, n_actions: int) -> None:
        """Do nothing: a batch always gives masks."""

    def reset(
        self, chosen: np.ndarray, seeds: Iterable[int | None], options: dict[str, Any] | None
    ) -> tuple[Gathered, np.ndarray, list[int | None]]:
        """Reset some envs; see `Teams.reset`. The options are ignored."""
        given = list(seeds)
        self._batch.seed(chosen, given)
        observations, masks = self._batch.reset(chosen)
        episodes: list[int | None] = []
        rows = observations.reshape(*observations.shape[:2], -1)
        for j, (k, seed) in enumerate(zip(chosen.tolist(), given, strict=True)):
            self._worlds[k].agents = list(self._agents)
            numbers = self._numbers[k]
            episode = None if numbers is None else numbers.open()
            if self._recorder is not None and episode is not None:
                self._recorder.start(k, episode, seed, self._batch.rows[k], rows[j])
            episodes.append(episode)
        if self._payroll is not None:
            self._payroll.begin(chosen, rows)
        shape = observations.shape[:2]
        flags = np.zeros(shape, dtype=bool)
        return self._gather(observations, masks, np.zeros(shape), flags, flags), ~flags, episodes

    def step(self, chosen: np.ndarray, actions: np.ndarray, acting: np.ndarray) -> Gathered:
        """Step some envs; see `Teams.step`.

        Raises:
            ValueError: An action is out of range.
            AssertionError: An env has ended and was not reset, as PettingZoo's own say it.
        """
        given = actions.reshape(acting.shape)
        assert acting.all(), "an env has ended: reset it before the next step"
        if given.min() < 0 or given.max() >= self._n_actions:
            k, i = np.argwhere((given < 0) | (given >= self._n_actions))[0].tolist()
            raise ValueError(f"action {given[k, i]} of {self._agents[i]!r} is not one of 0..{self._n_actions - 1}")
        turn = self._batch.step(chosen, given)
        n = len(self._agents)
        terminated, truncated = turn.terminated, turn.truncated
        rows = turn.observations.reshape(len(chosen), n, -1)
        if self._recorder is not None:
            moments = self._batch.rows[chosen]
            self._recorder.add(chosen, given, turn.rewards, turn.costs, moments, rows)
        rewards = np.repeat(turn.rewards, n).reshape(-1, n)
        if self._payroll is not None:
            rewards = self._payroll.pay(chosen, given, rows, turn.rewards, terminated)
        for j in np.flatnonzero(terminated | truncated).tolist():
            k = int(chosen[j])
            self._worlds[k].agents = []
            if self._recorder is not None:
                episode = self._recorder.finish(k, bool(terminated[j]), bool(truncated[j]))
                (self._envs[k].submit if self._distillation is None else self._distillation.offer)(episode)
        flags = [np.repeat(x, n).reshape(-1, n) for x in (terminated, truncated)]
        return self._gather(turn.observations, turn.masks, rewards, *flags)

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

        return Gathered(rows(observations), rows(masks).astype(bool), rewards.reshape(-1), terminated, truncated)


def make_teams(envs: Sequence[ParallelEnv], agents: Sequence[str]) -> Teams | BatchTeams:
    """Return teams that are stepped together where all envs can be, else one after another."""
    worlds = [env.unwrapped for env in envs]
    together = all(_plain(env) and type(env) is type(envs[0]) for env in envs)
    together = together and isinstance(worlds[0].action_space(agents[0]), Discrete)
    students = [None if (pay := _student_pay(env)) is None else pay.payroll.source.newest[0] for env in envs]
    together = together and all(student is students[0] for student in students)
    if together and len({id(world) for world in worlds}) == len(worlds) and hasattr(worlds[0], "batch"):
        try:
            return BatchTeams(envs, agents)
        except ValueError:  # worlds that differ in their arguments
            pass
    return Teams(envs, agents)


def _plain(env: ParallelEnv) -> bool:
    """Whether nothing but a credit wrapper is around the env, and that one asks for nothing that a batch has not.

    A batch does not draw: an env that shows itself to a person in a window must step by itself.
    """
    world = env.unwrapped
    if getattr(world, "render_mode", None) == "human":
        return False
    if env is world:
        return True
    if not isinstance(env, CreditWrapper) or type(env).step is not CreditWrapper.step or env.env is not world:
        return False
    own = type(env.narrator) is type(getattr(world, "narrator", None))
    # Of what a student pays a batch tells neither pictures nor who hears of credits.
    untold = getattr(world, "render_mode", None) is None and not env._hearers
    credited = env.delivery == "deferred" or (_student_pay(env) is not None and untold)
    return own and credited and env.team_reward != "sum" and not env.recorder.keeps_observations


def _student_pay(env: ParallelEnv) -> StudentPay | None:
    online = getattr(env, "_online", None)
    return online if isinstance(online, StudentPay) else None
