"""Where credits reach a Tianshou learner: a replay buffer that only gives out rows that have their credit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import copy
from typing import Any, Protocol

import numpy as np
from tianshou.data.batch import IndexType
from tianshou.data.types import RolloutBatchProtocol

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.errors import CreditError
from credit_wrappers.integrations.tianshou.agent_buffer import AgentReplayBuffer
from credit_wrappers.integrations.tianshou.agent_info import TERMINATED, TRUNCATED
from credit_wrappers.integrations.tianshou.agent_vector_env import AgentVectorEnv
from credit_wrappers.integrations.tianshou.crediting import RowCounts, check_credits, check_lengths, match


class CreditReplayBuffer(AgentReplayBuffer):
    """A `VectorReplayBuffer` in which a row's reward is its own agent's credit for its own step.

    Each agent of each env has a column of rows. Rows come in with a placeholder reward, the team reward. When an
    episode is scored, `credit.values[t, i]` is written to the row that holds step t of agent i. `AgentVectorEnv` stamps
    every row, so a late credit cannot hit a row that was overwritten. `sample` returns only rows that have their
    credit, so nothing is learned from a placeholder:

    - On-policy (`sample(0)`, the whole buffer) it waits until every finished episode in the buffer is scored, and
      returns these, column by column, in order. Running episodes stay in the buffer when a trainer clears it after an
      update (`reset(keep_statistics=True)`), and are learned from whole once they have ended. With `n_step` collection
      the first steps of a long episode were chosen by a policy that is some updates old; where that matters collect
      whole episodes (`collection_step_num_episodes`).
    - Off-policy (`sample(n)`) it takes what is ready, and waits only when no row has its credit.

    Each column must have room for the longest episode, and on-policy with `n_step` collection also for the rows of one
    collection. Otherwise finished episodes are overwritten before they are learned from, and `sample` warns.

    Args:
        total_size: Rows in all, shared evenly among the agent columns of `venv`.
        venv: The vector env the rows come from; its envs share a credit store.
        timeout: Seconds `sample` waits for scores before it raises; None: as long as it takes.
        random_seed: Seed of `sample`.

    Attributes:
        store: Where credits come from.
        counts: `RowCounts` since the start.

    Raises:
        TypeError: `venv` is no `AgentVectorEnv`.
        ValueError: The envs of `venv` have no credit store; there is not a row for each agent column.
    """

    def __init__(
        self,
        total_size: int,
        venv: AgentVectorEnv,
        *,
        timeout: float | None = None,
        random_seed: int = 42,
    ) -> None:
        if not isinstance(venv, AgentVectorEnv):
            raise TypeError(
                f"CreditReplayBuffer(total_size, venv) takes a size and an AgentVectorEnv, got {total_size!r} and "
                f"{venv!r}"
            )
        store: _Store | None = venv.store
        if store is None:
            raise ValueError(
                "the envs have no credit store: make one CreditStore(critic) and wrap each env in "
                "CreditWrapper(env, Deferred(store)) or LLMCreditWrapper(env, store=store); with delivery='immediate' "
                "rewards are credits already: use Tianshou's own VectorReplayBuffer"
            )
        super().__init__(total_size, len(venv), random_seed=random_seed)
        store.ready()  # tells the store that somebody collects its credits
        self.store: _Store | None = store
        self.timeout = timeout
        self.counts = RowCounts()
        self.n_agents = venv.n_agents
        self._credited = np.zeros(self.maxsize, dtype=bool)
        self._credited_rows: np.ndarray | None = None  # cached indices of credited rows; None: out of date
        self._running = np.full(self.buffer_num, -1)  # (agent columns,) id of the episode of the newest row
        # Finished episodes without a score: for each of their agent columns (column, first row in it, number of rows).
        self._unscored: dict[int, list[tuple[int, int, int]]] = {}

    def add(
        self, batch: RolloutBatchProtocol, buffer_ids: np.ndarray | list[int] | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Add one row to each of some agent columns; see `AgentReplayBuffer.add`.

        Raises:
            CreditError: The rows carry no episode ids.
            ValueError: An episode is longer than the agent column's part of the buffer.
        """
        columns = np.arange(self.buffer_num) if buffer_ids is None else np.asarray(buffer_ids)
        try:
            episodes = batch.info.episode_id
        except AttributeError:
            raise CreditError(
                "rows without info.episode_id: CreditReplayBuffer takes rows from AgentVectorEnv only"
            ) from None
        fresh = columns[episodes != self._running[columns]]
        if len(fresh):
            self._abandon(fresh)
            self._running[columns] = episodes
        if self._episode_length[columns].max() >= self.rows_each:
            raise ValueError(
                f"an episode has more than {self.rows_each} steps, which is all an agent column can hold: make "
                f"total_size at least {self.buffer_num} agent columns times the longest episode"
            )
        index, returns, lengths, first = super().add(batch, columns)
        self._credited[index] = False
        self._credited_rows = None
        over = lengths > 0
        if over.any():
            start = first[over] - self._offset[columns[over]]
            spans = zip(columns[over].tolist(), start.tolist(), lengths[over].tolist(), strict=True)
            for episode, span in zip(episodes[over].tolist(), spans, strict=True):
                self._unscored.setdefault(episode, []).append(span)
        return index, returns, lengths, first

    def sample(self, batch_size: int | None) -> tuple[RolloutBatchProtocol, np.ndarray]:
        """Return rows that have their credit, and their indices; see the class for when this waits.

        Raises:
            CreditError: No row has credit and none is to be expected, or the wait took longer than `timeout`.
        """
        if self.store is not None:
            if batch_size:
                self._receive(self.store.ready())
            if not batch_size or not self._credited.any():
                late = self.counts.late
                self._settle()
                if not batch_size and self.counts.late > late:
                    warnings.warn(
                        f"{self.counts.late - late} rows of finished episodes were overwritten before they were "
                        "learned from: on-policy, total_size must hold one collection and the longest episode "
                        f"for each of the {self.buffer_num} agent columns, and has {self.rows_each} rows for each",
                        RuntimeWarning,
                        stacklevel=2,
                    )
        indices = self.sample_indices(batch_size)
        if not len(indices):
            raise CreditError(
                f"nothing to learn from: none of the {len(self)} rows in the buffer belongs to a finished "
                "episode. Collect at least one whole episode before the first update: "
                f"collection_step_num_episodes (a multiple of the {self.n_agents} agents), or "
                f"collection_step_num_env_steps >= {self.buffer_num} agent columns times the longest episode; "
                "off-policy, collector.collect(n_episode=...) before the training"
            )
        return self[indices], indices

    def sample_indices(self, batch_size: int | None) -> np.ndarray:
        """Return rows that have their credit now: random ones; 0 or None: all, column by column, oldest first."""
        if not batch_size:
            rows = self.stored_rows()
            return rows[self._credited[rows]]
        if self._credited_rows is None:
            self._credited_rows = np.flatnonzero(self._credited)
        if batch_size < 0 or not len(self._credited_rows):
            return np.array([], dtype=np.int64)
        return self._random_state.choice(self._credited_rows, batch_size)

    def __getitem__(self, index: IndexType) -> RolloutBatchProtocol:
        """Return rows; `buffer[:]` is all that is stored, with or without credit."""
        if isinstance(index, slice) and index == slice(None):
            index = self.stored_rows()
        return super().__getitem__(index)

    def reset(self, keep_statistics: bool = False) -> None:
        """Forget the rows. With `keep_statistics`, as trainers call it, running episodes keep theirs."""
        self.counts.late += sum(length for spans in self._unscored.values() for _, _, length in spans)
        self._unscored.clear()
        self._credited[:] = False
        self._credited_rows = None
        if not keep_statistics:
            self.counts.abandoned += int(self._episode_length.sum())
            super().reset()
            return
        lengths = self._episode_length.copy()
        columns = np.arange(self.buffer_num)
        running = self.rows_of(columns, self._episode_start, lengths)
        super().reset(keep_statistics=True)
        if len(running):
            # Tianshou's index arithmetic expects an agent column that is not full to be filled from its start.
            self._meta[self.rows_of(columns, np.zeros_like(lengths), lengths)] = self._meta[running]
            self._lengths = lengths
            self._cursor = lengths % self.rows_each
            self.last_index = self._offset + np.maximum(lengths - 1, 0)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the store, which holds threads: a copy samples the rows that had their credit."""
        return {key: value for key, value in self.__dict__.items() if key not in ("store", "_unscored")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.store = None
        self._unscored = {}

    def save_hdf5(self, path: str, compression: str | None = None) -> None:
        """Save what a copy keeps to an HDF5 file."""
        super(CreditReplayBuffer, copy(self)).save_hdf5(path, compression)

    def _settle(self) -> None:
        """Wait until every finished episode in the buffer has its credit."""
        assert self.store is not None
        self._receive(self.store.settle(list(self._unscored), self.timeout))
        if self._unscored:
            raise CreditError(
                f"{len(self._unscored)} finished episodes in the buffer have no score"
                + (f" after {self.timeout} s" if self.timeout is not None else "")
                + f" (ids {sorted(self._unscored)[:5]}..): the critic is too slow for the timeout, or their "
                "episodes went to another store than the buffer's"
            )

    def _receive(self, scored: Sequence[tuple[int, Credit]]) -> None:
        """Write credits over the placeholders of the rows they belong to."""
        # Others are for instance episodes of an evaluation that shares the store.
        ours = {episode: credit.values for episode, credit in scored if episode in self._unscored}
        if not ours:
            return
        for episode, credits in ours.items():
            check_credits(episode, credits, self.n_agents)
        spans = [(k, *span) for k, episode in enumerate(ours) for span in self._unscored.pop(episode)]
        which, columns, starts, lengths = (np.array(column) for column in zip(*spans, strict=True))
        rows = self.rows_of(columns, starts, lengths)
        episodes, values = list(ours), list(ours.values())
        info = self._meta.info
        check_lengths(episodes, values, which, rows[np.cumsum(lengths) - 1], info)
        found = match(episodes, values, np.repeat(which, lengths), rows, info)
        self._end_early_leavers(found.rows)
        self._meta.rew[found.rows] = found.team if self._meta.rew.ndim == 2 else found.own
        self._credited[found.rows] = True
        self._credited_rows = None
        self.counts.late += found.late
        self.counts.credited += len(found.rows)

    def _end_early_leavers(self, rows: np.ndarray) -> None:
        """Mark the last row of agents that left before their team as the end of their episode.

        While collecting they must not be marked, since an agent column ends only with its env.
        """
        status = self._meta.info.status[rows]
        early = ((status == TERMINATED) | (status == TRUNCATED)) & ~self._meta.done[rows]
        self._meta.terminated[rows[early]] = status[early] == TERMINATED
        self._meta.truncated[rows[early]] = status[early] == TRUNCATED
        self._meta.done[rows[early]] = True

    def _abandon(self, columns: np.ndarray) -> None:
        """Count the rows of episodes that were cut off by a reset of their env, and forget these."""
        self.counts.abandoned += int(self._episode_length[columns].sum())
        self._episode_length[columns] = 0
        self._episode_return[columns] = 0.0
        self._episode_start[columns] = self._cursor[columns]


class _Store(Protocol):
    """What is needed of a CreditStore."""

    def ready(self) -> list[tuple[int, Credit]]: ...

    def settle(self, ids: Sequence[int], timeout: float | None = None) -> list[tuple[int, Credit]]: ...
