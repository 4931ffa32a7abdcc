"""From recorded episodes to the arrays a student reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.team_spec import Team


@dataclass(frozen=True, eq=False)
class Steps:
    """M steps of several episodes, whose S states stand below each other, in a team's order of agents.

    Attributes:
        states: (S, N, F) float32, what agents observe; F is the longest observation, shorter ones end in zeros.
        start: (M,) int64, the row of the state in which each step begins; it ends in the next row.
        actions: (M, N) int64.
        reward: (M,) float32, the team's.
        terminated: (M,) bool, whether the world ended with this step.
        episode: (M,) int64, which of the episodes a step belongs to.
    """

    states: np.ndarray
    start: np.ndarray
    actions: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    episode: np.ndarray


def steps_of(team: Team, episodes: Sequence[Episode]) -> Steps:
    """Return the steps of at least one episode.

    Raises:
        CreditError: An episode does not fit the team, has no observations, or numbers that are not finite.
        TypeError: Its actions are not whole numbers, or its observations no arrays of numbers.
    """
    states, starts, actions, ends, rows = [], [], [], [], 0
    for episode in episodes:
        what = f"episode {episode.id}"
        order = team.order(episode.agents, what)
        seen = observed(episode)
        team.check_sizes([seen[i].shape[1] for i in order], what)
        table = np.zeros((episode.length + 1, len(order), max(team.sizes)), np.float32)
        for column, i in enumerate(order):
            table[:, column, : seen[i].shape[1]] = seen[i]
        check_finite(team, table, what, "state")
        acted = chosen(episode)[:, order]
        check_actions(team, acted, what, "step")
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


def observed(episode: Episode) -> list[np.ndarray]:
    """Return (T+1, F) float32 for each agent: its observations, flattened.

    Raises:
        CreditError: They were not recorded, or an agent had left.
        TypeError: They are no arrays of numbers.
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
    return [_column(episode, i, agent) for i, agent in enumerate(episode.agents)]


def chosen(episode: Episode) -> np.ndarray:
    """Return the actions, (T, N) int64; raise TypeError unless they are whole numbers."""
    actions = episode.actions
    if actions.ndim != 2 or not np.issubdtype(actions.dtype, np.integer):
        raise TypeError(
            f"a student needs actions that are whole numbers (Discrete); episode {episode.id} has actions of shape "
            f"{actions.shape} and dtype {actions.dtype}"
        )
    return actions


def as_float32(numbers: npt.ArrayLike) -> np.ndarray:
    """Return them as float32, without a warning about what becomes infinite: `check_finite` names it."""
    if isinstance(numbers, np.ndarray) and numbers.dtype == np.float32:
        return numbers
    with np.errstate(over="ignore"):
        return np.asarray(numbers, np.float32)


def whole_numbers(actions: npt.ArrayLike) -> np.ndarray:
    """Return actions as an array; raise TypeError unless they are whole numbers."""
    acted = np.asarray(actions)
    if acted.dtype.kind not in "iu":
        raise TypeError(f"a student needs actions that are whole numbers (Discrete), got dtype {acted.dtype}")
    return acted


def placed(environments: int, chosen: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows of the chosen environments in a table of all, where a check tells the right number."""
    table = np.zeros((environments, *rows.shape[1:]), rows.dtype)
    table[chosen] = rows
    return table


def check_shapes(team: Team, environments: int, **arrays: np.ndarray) -> None:
    """Raise CreditError unless arrays of a step, named as in `StudentCritic.step`, fit the team and each other."""
    agents, size = len(team.agents), max(team.sizes)
    for name, array in arrays.items():
        inner = {"actions": (agents,), "team_reward": (), "terminated": ()}.get(name, (agents, size))
        if array.shape != (environments, *inner):
            raise CreditError(
                f"the student is fitted for {agents} agents and observations of {size} numbers: {name} must have "
                f"shape {(environments, *inner)}, got {array.shape}"
            )


def check_reward(reward: np.ndarray) -> None:
    """Raise CreditError, naming the environment, unless all team rewards, (E,), are finite."""
    if not np.isfinite(reward).all():
        env = int(np.flatnonzero(~np.isfinite(reward))[0])
        raise CreditError(f"environment {env}: the team reward is {reward[env]}")


def check_finite(team: Team, states: np.ndarray, what: str, row: str) -> None:
    """Raise CreditError unless all numbers are finite; the message names agent and feature."""
    if np.isfinite(states).all():
        return
    t, i, feature = (int(k) for k in np.argwhere(~np.isfinite(states))[0])
    raise CreditError(
        f"{what}, {row} {t}: feature {feature} of what agent {team.agents[i]!r} observes is {states[t, i, feature]}"
    )


def check_actions(team: Team, actions: np.ndarray, what: str, row: str) -> None:
    """Raise CreditError unless all actions are those the student was fitted for; the message names the agent."""
    wrong = (actions < 0) | (actions >= np.array(team.actions))
    if not wrong.any():
        return
    t, i = (int(k) for k in np.argwhere(wrong)[0])
    where, agent = f"{what}, {row} {t}", team.agents[i]
    if actions[t, i] == -1:
        raise CreditError(f"{where}: agent {agent!r} has left; a student needs every agent in every step")
    raise CreditError(
        f"{where}: agent {agent!r} chose action {actions[t, i]}; the student is fitted for 0 to {team.actions[i] - 1}"
    )


def _column(episode: Episode, i: int, agent: str) -> np.ndarray:
    assert episode.observations is not None
    rows = episode.observations[:, i]
    if rows.dtype == object:
        if any(row is None for row in rows):
            raise CreditError(
                f"episode {episode.id}: agent {agent!r} has left; a student needs every agent in every step"
            )
        try:
            rows = np.stack([np.asarray(row) for row in rows])
        except ValueError:  # arrays of several shapes
            rows = np.array(None)
    if rows.dtype.kind not in "biuf":
        raise TypeError(
            f"a student needs observations that are arrays of numbers; episode {episode.id}, agent {agent!r} has "
            f"{type(episode.observations[0, i]).__name__}: flatten them (gymnasium.spaces.flatten)"
        )
    return as_float32(rows.reshape(len(rows), -1))
