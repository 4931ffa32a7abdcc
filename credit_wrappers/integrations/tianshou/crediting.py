"""Matches scored episodes with stored rows: which rows get which numbers. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tianshou.data import Batch

from credit_wrappers.core.errors import CreditError
from credit_wrappers.integrations.tianshou.agent_info import GONE


@dataclass(slots=True)
class RowCounts:
    """What became of the rows that a `CreditReplayBuffer` took in, besides those that still wait.

    Attributes:
        credited: Rows that got their credit.
        late: Rows of scored episodes that were overwritten or cleared before the score came.
        abandoned: Rows of episodes that never ended: the env was reset in mid-episode, or the
            buffer was cleared.
    """

    credited: int = 0
    late: int = 0
    abandoned: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """What to write.

    Attributes:
        rows: (n,) rows that get credit.
        team: (n, N) credits of the row's whole team at the row's step.
        own: (n,) credit of the row's own agent.
        late: Number of rows that were overwritten before the score came.
    """

    rows: np.ndarray
    team: np.ndarray
    own: np.ndarray
    late: int


def match(
    episodes: Sequence[int],
    values: Sequence[np.ndarray],
    which: np.ndarray,
    rows: np.ndarray,
    info: Batch,
) -> Match:
    """Find the credit of every row by the row's own stamps.

    Args:
        episodes: Ids of scored episodes.
        values: Their credits, each (T, N).
        which: (n,) which of the episodes each row was written for.
        rows: (n,) indices of rows.
        info: Stamps of all stored rows.
    """
    intact = info.episode_id[rows] == np.asarray(episodes)[which]
    late = int((~intact).sum())
    use = intact & (info.status[rows] != GONE)
    rows, which = rows[use], which[use]
    # All episodes' credits one below the other; each row looks up its own step of its own episode.
    steps = np.array([len(credits) for credits in values])
    first = np.cumsum(steps) - steps
    team = np.concatenate(values)[first[which] + info.episode_step[rows]]
    return Match(rows, team, team[np.arange(len(rows)), info.agent[rows]], late)


def check_credits(episode: int, values: np.ndarray, n_agents: int) -> None:
    """Raise CreditError unless `values` is a finite (T, n_agents) array."""
    if values.ndim != 2 or values.shape[1] != n_agents or not np.isfinite(values).all():
        raise CreditError(
            f"episode {episode}: credit must be finite numbers of shape (T, {n_agents}), got shape {values.shape}"
        )


def check_lengths(
    episodes: Sequence[int], values: Sequence[np.ndarray], which: np.ndarray, last: np.ndarray, info: Batch
) -> None:
    """Raise CreditError unless every episode's last stored step is the last step of its credit.

    Args:
        episodes: Ids of scored episodes.
        values: Their credits.
        which: (k,) which of the episodes each span of rows belongs to.
        last: (k,) index of the last row of each span.
        info: Stamps of all stored rows.
    """
    # Rows are overwritten oldest first: where the last row of a span is gone, all its rows are.
    known = info.episode_id[last] == np.asarray(episodes)[which]
    steps = np.array([len(credits) for credits in values])[which]
    wrong = np.flatnonzero(known & (info.episode_step[last] != steps - 1))
    if len(wrong):
        k = wrong[0]
        raise CreditError(
            f"episode {episodes[which[k]]}: credit for {steps[k]} steps, but the buffer saw "
            f"{info.episode_step[last[k]] + 1}"
        )
