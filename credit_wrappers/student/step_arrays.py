"""The steps of recorded episodes, as arrays that a student reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.input_checks import as_float32, check_actions, check_finite
from credit_wrappers.student.team_spec import TeamSpec


@dataclass(frozen=True, eq=False)
class Steps:
    """M steps of several episodes, and the S states of all these episodes in order; agents in a team's order."""

    states: np.ndarray  # (S, N, F) float32, observations; F is the longest one, shorter ones end in zeros
    start: np.ndarray  # (M,) int64, the row of the state in which each step begins; it ends in the next row
    actions: np.ndarray  # (M, N) int64
    reward: np.ndarray  # (M,) float32, the team reward
    terminated: np.ndarray  # (M,) bool, whether the world ended with this step
    episode: np.ndarray  # (M,) int64, the number of the episode that a step belongs to


def steps_of(team: TeamSpec, episodes: Sequence[Episode]) -> Steps:
    """Return the steps of at least one episode.

    Raises:
        CreditError: An episode does not fit the team, or has a number that is not finite; see also `observations_of`.
        TypeError: See `observations_of` and `actions_of`.
    """
    states, starts, actions, ends, rows = [], [], [], [], 0
    for episode in episodes:
        what = f"episode {episode.id}"
        order = team.order(episode.agents, what)
        seen = observations_of(episode)
        team.check(episode.agents, [rows.shape[1] for rows in seen], None, what)
        table = np.zeros((episode.length + 1, len(order), max(team.sizes)), np.float32)
        for column, i in enumerate(order):
            table[:, column, : seen[i].shape[1]] = seen[i]
        check_finite(team, table, what, "state", range(len(table)))
        acted = actions_of(episode)[:, order]
        check_actions(team, acted, what, "step", range(len(acted)))
        states.append(table)
        actions.append(acted)
        starts.append(rows + np.arange(episode.length))
        ends.append(np.arange(1, episode.length + 1) == (episode.length if episode.terminated else -1))
        rows += episode.length + 1
    return Steps(
        states=np.concatenate(states),
        start=np.concatenate(starts),
        actions=np.concatenate(actions),
        reward=np.concatenate([episode.team_reward for episode in episodes]).astype(np.float32),
        terminated=np.concatenate(ends),
        episode=np.repeat(np.arange(len(episodes)), [episode.length for episode in episodes]),
    )


def observations_of(episode: Episode) -> list[np.ndarray]:
    """Return the flattened observations of each agent, (T+1, F) float32.

    Raises:
        CreditError: They were not recorded, or an agent had left.
        TypeError: They are not arrays of numbers.
    """
    rows = episode.observations
    if rows is None:
        raise CreditError(
            f"episode {episode.id} was recorded without observations: CreditWrapper(..., record_observations=True)"
        )
    if rows.shape[:2] != (episode.length + 1, episode.n_agents):
        raise CreditError(
            f"episode {episode.id}: observations have shape {rows.shape}, expected "
            f"({episode.length + 1}, {episode.n_agents}, ...)"
        )
    return [_flattened(episode, rows[:, i], agent) for i, agent in enumerate(episode.agents)]


def actions_of(episode: Episode) -> np.ndarray:
    """Return the actions, (T, N) int64; raise TypeError unless they are whole numbers."""
    actions = episode.actions
    if actions.ndim != 2 or not np.issubdtype(actions.dtype, np.integer):
        raise TypeError(
            f"a student needs actions that are whole numbers (Discrete); episode {episode.id} has actions of shape "
            f"{actions.shape} and dtype {actions.dtype}"
        )
    return actions


def _flattened(episode: Episode, seen: np.ndarray, agent: str) -> np.ndarray:
    rows = seen
    if rows.dtype == object:
        if any(row is None for row in rows):
            raise CreditError(
                f"episode {episode.id}: agent {agent!r} is not there; a student needs every agent in every step"
            )
        try:
            rows = np.stack([np.asarray(row) for row in rows])
        except ValueError:  # arrays of several shapes
            rows = np.array(None)
    if rows.dtype.kind not in "biuf":
        raise TypeError(
            f"a student needs observations that are arrays of numbers; episode {episode.id}, agent {agent!r} has "
            f"{type(seen[0]).__name__}: flatten them (gymnasium.spaces.flatten)"
        )
    return as_float32(rows.reshape(len(rows), -1))
