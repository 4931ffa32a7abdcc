"""EnvGroup whose environments live in worker processes and work at the same time."""

from __future__ import annotations

import contextlib
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import cloudpickle
import numpy as np
from pettingzoo import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.integrations.env_group import Gathered, late_mask
from credit_wrappers.integrations.tianshou.env_worker import Command, TeamStep
from credit_wrappers.integrations.tianshou.remote_env import RemoteEnv
from credit_wrappers.integrations.tianshou.worker_connection import WorkerConnection


class WorkerEnvGroup:
    """E environments with the same N agents, as `EnvGroup`, each in a process of its own.

    A command goes to all workers before the first answer is read. Answers are worked off in the order of the
    environments, so that episodes get the same ids, and reach their store in the same order, as in one process.

    Args:
        env_fns: One factory for each env.
        worker: "subprocess" or "ray".

    Attributes:
        envs: A `RemoteEnv` for each env.
    """

    def __init__(self, env_fns: Sequence[Callable[[], ParallelEnv]], worker: str) -> None:
        self._masked: bool | None = None  # whether infos bring action masks; known at the first reset
        self._all_legal = np.ones(0, dtype=bool)
        self._lines: list[WorkerConnection] = []
        self._ids: list[dict[int, int]] = [{} for _ in env_fns]  # a worker's number of an episode -> its store's id
        self._credits: list[deque[tuple[int, Credit]]] = [deque() for _ in env_fns]  # credits that a worker waits for
        self._narrators: list[tuple[bytes, Any]] = [(b"", None)] * len(self._ids)  # each env's newest
        try:
            for number, make in enumerate(env_fns):
                self._lines.append(WorkerConnection(worker, number, make))
            facts = self._ask(range(len(self._lines)), [("make",)] * len(self._lines))
        except BaseException:
            with contextlib.suppress(Exception):
                self.close()
            raise
        self.envs = [RemoteEnv(pickle.loads(fact), partial(self._tell, k)) for k, fact in enumerate(facts)]
        for k, store in enumerate(env.store for env in self.envs):
            if store is not None and store.team_reward.rule is not None:
                self._tell(k, "agree", store, store.team_reward.rule, store.team_reward.told)

    def require_masks(self, n_actions: int) -> None:
        """Give masks in any case; where infos bring none, every action is legal."""
        self._masked, self._all_legal = True, np.ones(n_actions, dtype=bool)

    def reset(
        self, chosen: np.ndarray, seeds: Iterable[int | None], options: dict[str, Any] | None
    ) -> tuple[Gathered, list[int | None]]:
        """Reset some envs; see `EnvGroup.reset`."""
        numbers = chosen.tolist()
        packed = cloudpickle.dumps(options) if options else None
        got = self._ask(numbers, [("reset", seed, packed) for seed in seeds])
        if self._masked is None:
            self._masked = got[0].masks is not None
            if self._masked:
                self._all_legal = np.ones(got[0].masks.shape[1], dtype=bool)
        for k, team in zip(numbers, got, strict=True):
            if team.masks is not None and not self._masked:
                raise late_mask(f"env {k}")
        episodes = [self._ids[k].get(team.episode, team.episode) for k, team in zip(numbers, got, strict=True)]
        return self._gather(got), episodes

    def step(self, chosen: np.ndarray, actions: np.ndarray, acting: np.ndarray) -> Gathered:
        """Step some envs; see `EnvGroup.step`."""
        moves = actions.reshape(*acting.shape, *actions.shape[1:])
        return self._gather(self._ask(chosen.tolist(), [("step", *own) for own in zip(moves, acting, strict=True)]))

    def close(self) -> None:
        """Close the envs and end their workers; then raise what an env raised, if anything."""
        lines, self._lines = self._lines, []
        with contextlib.ExitStack() as stack:
            for line in lines:
                stack.callback(line.close)
            for line in lines:
                line.send(Command("end", ()))
            failures = [line.receive()[2] for line in lines]
        for line, failure in zip(lines, failures, strict=True):
            if failure is not None and not line.dead:  # of the dead it was told before
                raise failure

    def _ask(self, numbers: Sequence[int], given: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send each env its command and its arguments, then return all answers.

        What the envs finished reaches the stores in any case; then the first failure is raised.
        """
        lines = [self._lines[k] for k in numbers]
        for line, (name, *arguments) in zip(lines, given, strict=True):
            line.send(Command(name, tuple(arguments), self._credits_for(line.number)))
        answers = [line.receive() for line in lines]
        failures = []
        decided: list[Any] = []  # stores whose environments agreed on a team reward
        for line, (_, messages, failure) in zip(lines, answers, strict=True):
            try:
                if messages is not None:
                    decided += self._submit(line.number, messages)
            except Exception as error:
                failures.append(error)
            if failure is not None:
                failures.append(failure)
        if failures:
            raise failures[0]
        for store in dict.fromkeys(decided):
            agreed = ("agree", store, store.team_reward.rule, store.team_reward.told)
            self._ask([line.number for line in self._lines], [agreed] * len(self._lines))
        return [value for value, _, _ in answers]

    def _tell(self, number: int, name: str, *arguments: Any) -> Any:
        """Return one env's answer."""
        return self._ask([number], [(name, *arguments)])[0]

    def _submit(self, number: int, messages: bytes) -> list[Any]:
        """Do with the stores what an env did with their stand-ins; return those with a new kind of team reward."""
        ids, decided = self._ids[number], []
        for (store, local, episode, listens, agreed), narrator in pickle.loads(messages):
            if agreed is not None:
                if store.team_reward.agree(*agreed):
                    decided.append(store)
                continue
            if episode is None:
                ids[local] = store.open()
                continue
            if narrator != self._narrators[number][0]:
                self._narrators[number] = narrator, pickle.loads(narrator)
            episode = replace(episode, id=ids.pop(local), narrator=self._narrators[number][1])
            if listens:
                store.submit(episode, scored=partial(self._keep_credit, number, local))
            else:
                store.submit(episode)
        return decided

    def _keep_credit(self, number: int, local: int, episode: Episode, credit: Credit) -> None:
        """Keep a credit for the worker; called from whatever thread scored it."""
        self._credits[number].append((local, credit))

    def _credits_for(self, number: int) -> bytes | None:
        """Return the pickled credits that a worker was not told yet; None when there are none."""
        waiting = self._credits[number]
        credits = [waiting.popleft() for _ in range(len(waiting))]
        return cloudpickle.dumps(credits) if credits else None

    def _gather(self, got: Sequence[TeamStep]) -> Gathered:
        tables = np.array([team.table for team in got])  # (e, 4, N)
        masks = None
        if self._masked:
            shape = (tables.shape[2], len(self._all_legal))
            given = (team.masks for team in got)
            masks = np.concatenate([np.broadcast_to(self._all_legal, shape) if m is None else m for m in given])
        return Gathered(
            np.concatenate([team.observations for team in got]),
            masks,
            tables[:, 0].ravel(),
            tables[:, 1].astype(bool),
            tables[:, 2].astype(bool),
            tables[:, 3].astype(bool),
        )
