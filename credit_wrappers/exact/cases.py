"""Which joint actions each kind of credit compares, and with which weights."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import factorial
from typing import Literal

import numpy as np

Kind = Literal["difference", "average", "shapley", "progress"]

EXACT_AGENTS = 5  # Shapley values of larger teams are sampled


@dataclass(frozen=True, eq=False)
class Cases:
    """C joint actions for each of T steps. Case 0 is what happened, case 1 everybody's default.

    An agent's credit is the weighted sum of M differences, each of the worth of one case and of another.

    Attributes:
        joints: (T, C, N) int64.
        with_it: (N, M) int, the case with the agent's action.
        without: (N, M) int, the case that it is compared with.
        weights: (T or 1, N or 1, M) float64.
        names: What each case is, for messages.
        sampled: Whether the M differences are a sample, whose mean is the credit.
    """

    joints: np.ndarray
    with_it: np.ndarray
    without: np.ndarray
    weights: np.ndarray
    names: tuple[str, ...]
    sampled: bool = False


def difference_cases(joints: np.ndarray, default: np.ndarray, agents: tuple[str, ...]) -> Cases:
    """Return: as it happened, against the same with one agent's default (difference rewards; Wolpert and Tumer 2002).

    Args:
        joints: (T, N) int, the actions.
        default: (N,) int, the default action of each agent.
        agents: Their names.
    """
    n = len(agents)
    table = _table(joints, default, _members(~np.eye(n, dtype=bool), joints, default))
    names = [f"with the default of {agent}" for agent in agents]
    first = np.zeros((n, 1), int)
    return Cases(table, first, 2 + np.arange(n)[:, None], np.ones((1, 1, 1)), _named(names))


def progress_cases(joints: np.ndarray, default: np.ndarray, agents: tuple[str, ...]) -> Cases:
    """Return: as it happened, against everybody's default, the same for all agents. Arguments as above."""
    first = np.zeros((len(agents), 1), int)
    return Cases(_table(joints, default, joints[:, None][:, :0]), first, first + 1, np.ones((1, 1, 1)), _named([]))


def average_cases(joints: np.ndarray, default: np.ndarray, agents: tuple[str, ...], chances: np.ndarray) -> Cases:
    """Return: as it happened, against each of one agent's actions (COMA's baseline; Foerster et al. 2018).

    Args:
        joints: (T, N) int, the actions.
        default: (N,) int, the default action of each agent.
        agents: Their names.
        chances: (T, N, A) float, the probability of each agent's actions.
    """
    _, n, count = chances.shape
    each = np.repeat(joints[:, None], n * count, axis=1)
    for i in range(n):
        for action in range(count):
            each[chances[:, i, action] > 0, i * count + action, i] = action  # others are not asked for
    names = [f"with action {action} of {agent}" for agent in agents for action in range(count)]
    without = 2 + np.arange(n * count).reshape(n, count)
    return Cases(_table(joints, default, each), np.zeros_like(without), without, chances, _named(names))


def shapley_cases(joints: np.ndarray, default: np.ndarray, agents: tuple[str, ...], budget: int, seed: int) -> Cases:
    """Return coalitions with an agent, against the same without it; who is outside acts by default (Shapley 1953).

    Args:
        joints: (T, N) int, the actions.
        default: (N,) int, the default action of each agent.
        agents: Their names.
        budget: Orders of the agents that are sampled where there are more than `EXACT_AGENTS`.
        seed: Of the sample.
    """
    n = len(agents)
    sampled = n > EXACT_AGENTS
    if sampled:
        rng = np.random.default_rng(seed)
        rank = np.array([rng.permutation(n) for _ in range(budget)])  # (M, N), place of each agent in each order
        begun = rank[:, None, :] < np.arange(n + 1)[:, None]  # (M, N + 1, N)
        coalitions, found = np.unique(begun.reshape(-1, n), axis=0, return_inverse=True)
        places = found.reshape(budget, n + 1)
        without = np.take_along_axis(places, rank, axis=1).T
        with_it = np.take_along_axis(places, rank + 1, axis=1).T
        weights = np.full((1, 1, budget), 1 / budget)
    else:
        coalitions = np.array(list(product((False, True), repeat=n)))  # number k has the bits of k
        without = np.array([np.flatnonzero(~coalitions[:, i]) for i in range(n)])
        with_it = without + (1 << (n - 1 - np.arange(n)))[:, None]
        size = coalitions[without].sum(axis=2)  # (N, M)
        share = np.array([factorial(k) * factorial(n - 1 - k) / factorial(n) for k in range(n)])
        weights = share[size][None]
    names = [f"the coalition {', '.join(np.array(agents)[c]) or 'of nobody'}" for c in coalitions]
    table = _table(joints, default, _members(coalitions, joints, default))
    return Cases(table, 2 + with_it, 2 + without, weights, _named(names), sampled)


def _members(coalitions: np.ndarray, joints: np.ndarray, default: np.ndarray) -> np.ndarray:
    """Return the joint actions, (T, C, N), in which the members act as they did and the others by default."""
    return np.where(coalitions, joints[:, None], default)


def _table(joints: np.ndarray, default: np.ndarray, others: np.ndarray) -> np.ndarray:
    ends = np.stack([joints, np.broadcast_to(default, joints.shape)], axis=1)
    return np.concatenate([ends, others], axis=1)


def _named(others: list[str]) -> tuple[str, ...]:
    return ("as it happened", "with all defaults", *others)
