"""Where credits reach a learner that keeps its own rollout: which rows of it get which numbers."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.errors import CreditError

# Steps of the vector env without a call of `relabel_rewards` before it warns: more than any usual rollout has.
_FORGOTTEN_STEPS = 4096


@dataclass(frozen=True, slots=True)
class _Span:
    """When an episode was played, on the clock of the vector env: step number k of all it has taken is time k."""

    env: int
    start: int  # time of the episode's first step
    acted: np.ndarray  # (T, N) bool, who acted in each of its steps


class PlayedEpisodes:
    """Knows when each episode of a vector env was played, so that its credit finds its rows.

    Args:
        store: Where the credits come from.
        n_envs: Envs, E.
        n_agents: Agents of each, N.
    """

    def __init__(self, store: _Store, n_envs: int, n_agents: int) -> None:
        self.store, self.n_agents, self.columns = store, n_agents, n_envs * n_agents
        self.time = -1  # of the newest step
        self._episode = [-1] * n_envs  # id of the running episode
        self._start = np.zeros(n_envs, dtype=np.int64)  # time of its first step
        self._acting = np.zeros((64, n_envs, n_agents), dtype=bool)  # who acted at time t, in row t % its length
        self._unscored: dict[int, _Span] = {}
        self._asked = False  # whether credits were ever asked for, or the warning was given
        store.ready()  # tells the store that somebody collects its credits

    def begin(self, envs: np.ndarray, episodes: Sequence[int | None]) -> None:
        """Note that episodes begin in some envs with the next step; those that still run there are forgotten.

        Raises:
            CreditError: An env did not tell the id of its episode.
        """
        for env, episode in zip(envs.tolist(), episodes, strict=True):
            if episode is None:
                raise CreditError("the envs have a credit store, but no infos[agent]['episode_id'] at reset")
            self._episode[env] = episode
        self._start[envs] = self.time + 1

    def advance(self, over: np.ndarray, acting: np.ndarray) -> None:
        """Note a step: in which envs it ended the episode, and who acted in it, (E, N) bool."""
        self.time += 1
        if self.time - self._start.min() >= len(self._acting):  # an episode is longer than any before
            kept, times = self._acting, np.arange(self.time - len(self._acting), self.time)
            self._acting = np.zeros((2 * len(kept), *kept.shape[1:]), dtype=bool)
            self._acting[times % len(self._acting)] = kept[times % len(kept)]
        self._acting[self.time % len(self._acting)] = acting
        for env in over.tolist():
            start = int(self._start[env])
            acted = self._acting[np.arange(start, self.time + 1) % len(self._acting), env]
            self._unscored[self._episode[env]] = _Span(env, start, acted)
        if not self._asked and self.time >= _FORGOTTEN_STEPS:
            self._asked = True
            warnings.warn(
                f"{self.time} steps were taken and no credit was written: the learner trains on the placeholder (the "
                "team reward). Call relabel_rewards(rewards, step, infos) before the advantages are computed",
                RuntimeWarning,
                stacklevel=3,
            )

    def collect(self, wait: bool, timeout: float | None) -> list[tuple[_Span, np.ndarray]]:
        """Return when each newly scored episode was played and its credits (T, N), each episode once.

        Raises:
            CreditError: A credit has another shape than its episode; with `wait`, an episode has no score.
        """
        self._asked = True
        scored = self.store.settle(list(self._unscored), timeout) if wait else self.store.ready()
        # Others are for instance episodes of an evaluation that shares the store.
        ours = [(id, credit.values) for id, credit in scored if id in self._unscored]
        for id, values in ours:
            shape = self._unscored[id].acted.shape
            if values.shape != shape:
                raise CreditError(f"episode {id}: credit has shape {values.shape}, but {shape} was played")
        found = [(self._unscored.pop(id), values) for id, values in ours]
        if wait and self._unscored:
            raise CreditError(
                f"{len(self._unscored)} finished episodes have no score"
                + (f" after {timeout} s" if timeout is not None else "")
                + f" (ids {sorted(self._unscored)[:5]}..): the critic is too slow for the timeout, or somebody else "
                "took their credits from the store: each vector env that learns needs a CreditStore of its own"
            )
        return found

    def final_before(self) -> np.ndarray:
        """Return (E,) times before which every step of an env belongs to an episode that has its credit."""
        first = self._start.copy()
        for span in self._unscored.values():
            first[span.env] = min(first[span.env], span.start)
        return first


@dataclass(frozen=True, slots=True)
class CreditStamp:
    """What `ParallelVecEnv` puts into `infos["credit"]`: which episodes were played when, and the time of the step."""

    played: PlayedEpisodes
    time: int


def relabel_rewards(
    rewards: Any,
    step: int,
    infos: Mapping[str, Any],
    *,
    wait: bool | None = None,
    timeout: float | None = None,
) -> np.ndarray:
    """Write the credits of scored episodes over the placeholders in a rollout, each once, at its step and column.

    To be called after `rewards[step] = reward`, with the infos of that step: once a rollout, after its last
    step and before the advantages, or after every step; the rows that are learned from are the same.

    - An episode of T steps that ended in row k is written to rows k - T + 1 to k. Of one that began in an earlier
      rollout the part that is in this one is written; the rows before it have been learned from.
    - Rows of an agent that is not there keep their reward, which is 0.
    - Rows of episodes that still run keep the placeholder, the team reward. Where that is not wanted,
      leave them out of the update: the result tells them. The longer the rollout, the fewer they are.

    Args:
        rewards: The learner's own (num_steps, num_envs) torch tensor or numpy array, floating; changed in place.
        step: The row that the newest step of the envs was stored in.
        infos: What `ParallelVecEnv.step` returned for it.
        wait: Wait until every finished episode is scored; otherwise only write what is there. None: wait when
            `step` is the last row.
        timeout: Seconds to wait at most; None: as long as it takes.

    Returns:
        (num_steps, num_envs) bool: rows up to `step` of episodes that have their credit.

    Raises:
        CreditError: The envs have no credit store; an episode got no credit, or one of another length. What the
            critic raises is passed on; the episodes are kept, and a further call asks again.
        ValueError: `rewards` has another shape or holds whole numbers, `step` is not a row of it, or `infos` are not
            of the newest step.
    """
    stamp = infos.get("credit")
    if stamp is None:
        raise CreditError(
            "infos bring no credit: they must come from ParallelVecEnv, over envs with a credit store: "
            "CreditWrapper(env, Deferred(store)) or LLMCreditWrapper(env, store=store); where step pays credit, "
            "rewards are credits already: leave this line out"
        )
    played: PlayedEpisodes = stamp.played
    _check(rewards, step, stamp)
    rows, columns, values = [], [], []
    for span, credits in played.collect(step == len(rewards) - 1 if wait is None else wait, timeout):
        first = step - (stamp.time - span.start)  # row of the episode's first step; below 0 in an earlier rollout
        t, agent = np.nonzero(span.acted & (first + np.arange(len(credits))[:, None] >= 0))
        rows.append(first + t)
        columns.append(span.env * played.n_agents + agent)
        values.append(credits[t, agent])
    if rows:
        column = np.concatenate(values)
        place = np.concatenate(rows), np.concatenate(columns)
        rewards[place] = column if isinstance(rewards, np.ndarray) else rewards.new_tensor(column)
    final = step - (stamp.time - played.final_before())  # (E,) first row that is not final
    return np.arange(len(rewards))[:, None] < np.repeat(final, played.n_agents)


def _check(rewards: Any, step: int, stamp: CreditStamp) -> None:
    """Raise ValueError unless the arguments belong together."""
    shape, columns = tuple(rewards.shape), stamp.played.columns
    if len(shape) != 2 or shape[1] != columns:
        raise ValueError(
            f"rewards must have shape (num_steps, {columns}), one column for each agent of each env; got {shape}"
        )
    whole = rewards.dtype.kind not in "f" if isinstance(rewards, np.ndarray) else not rewards.is_floating_point()
    if whole:
        raise ValueError(f"rewards are {rewards.dtype}; credits need floating numbers")
    if not 0 <= step < shape[0]:
        raise ValueError(f"step {step} is not a row of rewards, which has {shape[0]}")
    if stamp.time != stamp.played.time:
        raise ValueError(
            f"these infos are {stamp.played.time - stamp.time} steps old: give the infos of the newest step, and the "
            "row it was stored in"
        )


class _Store(Protocol):
    """What is needed of a CreditStore."""

    def ready(self) -> list[tuple[int, Credit]]: ...

    def settle(self, ids: Collection[int], timeout: float | None = None) -> list[tuple[int, Credit]]: ...
