"""Which joint actions each kind of credit compares, and with which weights: credit = weights times their values."""

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

    Attributes:
        joints: (T, C, N) int64.
        weights: (T or 1, N, C) float64; an agent's credit is the sum of weights times the outcomes' values.
        names: What each case is, for messages.
        orders: (M, N) int, sampled orders of the agents, and `places`, (M, N + 1), the case of each beginning of
            each order; None where nothing is sampled.
    """

    joints: np.ndarray
    weights: np.ndarray
    names: tuple[str, ...]
    orders: np.ndarray | None = None
    places: np.ndarray | None = None


def difference_cases(joints: np.ndarray, default: np.ndarray, agents: tuple[str, ...]) -> Cases:
    """Return: as it happened, less the same with one agent's default (difference rewards; Wolpert and Tumer 2002).

    Args:
        joints: (T, N) int, the actions.
        default: (N,) int, the default action of each agent.
        agents: Their names.
    """
    n = len(agents)
    without = _members(~np.eye(n, dtype=bool), joints, default)
    weights = np.zeros((1, n, n + 2))
    weights[0, :, 0] = 1.0
    weights[0, np.arange(n), 2 + np.arange(n)] = -1.0
    return _with_ends(joints, default, without, weights, [f"with the default of {agent}" for agent in agents])


def progress_cases(joints: np.ndarray, default: np.ndarray, agents: tuple[str, ...]) -> Cases:
    """Return: as it happened, less everybody's default, the same for all agents. Arguments as above."""
    weights = np.tile([1.0, -1.0], (1, len(agents), 1))
    return _with_ends(joints, default, joints[:, :0, None], weights, [])


def average_cases(joints: np.ndarray, default: np.ndarray, agents: tuple[str, ...], chances: np.ndarray) -> Cases:
    """Return: as it happened, less its mean over one agent's actions (COMA's baseline; Foerster et al. 2018).

    Args:
        joints: (T, N) int, the actions.
        default: (N,) int, the default action of each agent.
        agents: Their names.
        chances: (T, N, A) float, the probability of each agent's actions.
    """
    steps, n, count = chances.shape
    each = np.repeat(joints[:, None], n * count, axis=1)
    names = []
    weights = np.zeros((steps, n, 2 + n * count))
    weights[:, :, 0] = 1.0
    for i, agent in enumerate(agents):
        for action in range(count):
            case = i * count + action
            chance = chances[:, i, action]
            each[chance > 0, case, i] = action  # the others are not asked for
            weights[:, i, 2 + case] = -chance
            names.append(f"with action {action} of {agent}")
    return _with_ends(joints, default, each, weights, names)


def shapley_cases(joints: np.ndarray, default: np.ndarray, agents: tuple[str, ...], budget: int, seed: int) -> Cases:
    """Return the coalitions of the agents; who is outside takes its default (Shapley 1953).

    Args:
        joints: (T, N) int, the actions.
        default: (N,) int, the default action of each agent.
        agents: Their names.
        budget: Orders of the agents that are sampled where there are more than `EXACT_AGENTS`.
        seed: Of the sample.
    """
    n = len(agents)
    orders = places = None
    if n <= EXACT_AGENTS:
        coalitions = np.array(list(product((False, True), repeat=n)))
        weights = _shapley_weights(coalitions)
    else:
        rng = np.random.default_rng(seed)
        orders = np.array([rng.permutation(n) for _ in range(budget)])
        rank = orders.argsort(axis=1)  # place of each agent in each order
        begun = rank[:, None, :] < np.arange(n + 1)[:, None]  # (M, N + 1, N)
        coalitions, inverse = np.unique(begun.reshape(-1, n), axis=0, return_inverse=True)
        places = inverse.reshape(budget, n + 1)
        weights = np.zeros((n, len(coalitions)))
        np.add.at(weights, (orders, places[:, 1:]), 1 / budget)
        np.add.at(weights, (orders, places[:, :-1]), -1 / budget)
        places = places + 2
    names = [f"the coalition {', '.join(np.array(agents)[c]) or 'of nobody'}" for c in coalitions]
    padded = np.concatenate([np.zeros((n, 2)), weights], axis=1)[None]
    cases = _with_ends(joints, default, _members(coalitions, joints, default), padded, names)
    return Cases(cases.joints, cases.weights, cases.names, orders, places)


def _shapley_weights(coalitions: np.ndarray) -> np.ndarray:
    """Return the weight of each coalition's value in each agent's Shapley value, (N, C)."""
    n = coalitions.shape[1]
    size = coalitions.sum(axis=1)
    factorials = np.array([factorial(k) for k in range(n + 1)], float)
    joined = factorials[np.maximum(size - 1, 0)] * factorials[n - size] / factorials[n]
    apart = factorials[size] * factorials[np.maximum(n - size - 1, 0)] / factorials[n]
    return np.where(coalitions, joined[:, None], -apart[:, None]).T


def _members(coalitions: np.ndarray, joints: np.ndarray, default: np.ndarray) -> np.ndarray:
    """Return the joint actions, (T, C, N), in which the members act as they did and the others by default."""
    return np.where(coalitions, joints[:, None], default)


def _with_ends(
    joints: np.ndarray, default: np.ndarray, others: np.ndarray, weights: np.ndarray, names: list[str]
) -> Cases:
    ends = np.stack([joints, np.broadcast_to(default, joints.shape)], axis=1)
    others = others.reshape(len(joints), -1, joints.shape[1])
    return Cases(np.concatenate([ends, others], axis=1), weights, ("as it happened", "with all defaults", *names))
