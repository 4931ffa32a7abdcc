"""Checks of the arrays that a student is given; each message names the environment, agent or feature at fault."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.team_spec import TeamSpec

Numbers = Sequence[int] | np.ndarray  # the number of each row of an array, for messages


def as_float32(numbers: npt.ArrayLike) -> np.ndarray:
    """Return numbers as float32, without a warning about those that become infinite, which `check_finite` names."""
    if isinstance(numbers, np.ndarray) and numbers.dtype == np.float32:
        return numbers
    with np.errstate(over="ignore"):
        return np.asarray(numbers, np.float32)


def checked_observations(team: TeamSpec, observations: npt.ArrayLike, name: str, environments: Numbers) -> np.ndarray:
    """Return observations as (e, N, F) float32; raise CreditError if they do not fit the team."""
    seen = as_float32(observations)
    _check_shape(team, name, seen, (len(environments), len(team.agents), max(team.sizes)))
    check_finite(team, seen, name, "environment", environments)
    return seen


def checked_actions(team: TeamSpec, actions: npt.ArrayLike, environments: Numbers) -> np.ndarray:
    """Return actions as (e, N) whole numbers; raise CreditError if they do not fit the team, TypeError for others."""
    acted = np.asarray(actions)
    if acted.dtype.kind not in "iu":
        raise TypeError(f"a student needs actions that are whole numbers (Discrete), got dtype {acted.dtype}")
    _check_shape(team, "actions", acted, (len(environments), len(team.agents)))
    check_actions(team, acted, "actions", "environment", environments)
    return acted


def checked_ends(
    team: TeamSpec, team_reward: npt.ArrayLike, terminated: npt.ArrayLike, environments: Numbers
) -> tuple[np.ndarray, np.ndarray]:
    """Return team rewards, (e,) float32, and ends, (e,) bool; raise CreditError for other shapes, NaN or infinity."""
    reward, ended = as_float32(team_reward), np.asarray(terminated, bool)
    _check_shape(team, "team_reward", reward, (len(environments),))
    _check_shape(team, "terminated", ended, (len(environments),))
    if not np.isfinite(reward).all():
        k = int(np.flatnonzero(~np.isfinite(reward))[0])
        raise CreditError(f"environment {environments[k]}: the team reward is {reward[k]}")
    return reward, ended


def check_finite(team: TeamSpec, states: np.ndarray, what: str, row: str, numbers: Numbers) -> None:
    """Raise CreditError unless all observations, (M, N, F), are finite; `row` and `numbers` name one of the M rows."""
    if np.isfinite(states).all():
        return
    k, i, feature = (int(place) for place in np.argwhere(~np.isfinite(states))[0])
    raise CreditError(
        f"{what}, {row} {numbers[k]}: feature {feature} of what agent {team.agents[i]!r} observes is "
        f"{states[k, i, feature]}"
    )


def check_actions(team: TeamSpec, actions: np.ndarray, what: str, row: str, numbers: Numbers) -> None:
    """Raise CreditError unless the student was fitted for all actions, (M, N); see `check_finite` for the names."""
    wrong = actions.astype(np.uint64) >= team.limits  # a negative action becomes very large
    if not wrong.any():
        return
    k, i = (int(place) for place in np.argwhere(wrong)[0])
    where, agent = f"{what}, {row} {numbers[k]}", team.agents[i]
    if actions[k, i] == -1:
        raise CreditError(f"{where}: agent {agent!r} is not there; a student needs every agent in every step")
    raise CreditError(
        f"{where}: agent {agent!r} chose action {actions[k, i]}; the student is fitted for 0 to {team.actions[i] - 1}"
    )


def _check_shape(team: TeamSpec, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise CreditError(
            f"the student is fitted for {len(team.agents)} agents and observations of {max(team.sizes)} numbers: "
            f"{name} must have shape {shape}, got {array.shape}"
        )
