"""Exact credit of one episode: what each agent's action changed, according to a simulator and a value function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.exact.cases import (
    Cases,
    Kind,
    average_cases,
    difference_cases,
    progress_cases,
    shapley_cases,
)
from credit_wrappers.exact.rollout_value import possible
from credit_wrappers.exact.simulator import Outcomes, Simulator
from credit_wrappers.exact.value_function import ValueFunction, Values, state_key, values_fault

Policy = Callable[[Any], np.ndarray]  # state -> probabilities (N, A)


@dataclass(frozen=True, eq=False)
class ExactCredit:
    """What each agent's action was worth at each step, in the value function's unit.

    Attributes:
        values: (T, N) float64.
        error: (T, N) float64, standard errors; 0 where everything is exact, NaN where an error is not known.
        team: (T,) float64, what the joint action was worth against everybody's default: the team's gain.
    """

    values: np.ndarray
    error: np.ndarray
    team: np.ndarray


def exact_credit(
    episode: Episode,
    simulator: Simulator,
    value: ValueFunction,
    kind: Kind = "difference",
    *,
    default: np.ndarray | int | None = None,
    policy: Policy | None = None,
    penalty: float = 0.0,
    budget: int = 64,
    seed: int = 0,
) -> ExactCredit:
    """Return the exact credit of an episode that was recorded with snapshots.

    A joint action is worth the value of the state it leads to, or its reward + that value where the value function
    counts reward, less `penalty` for each cost. A terminated state is worth 0; one in which time ran out is not.

    Args:
        episode: Has `snapshots` and whole-number actions.
        simulator: Continues the snapshots.
        value: Values states.
        kind: "difference", "average", "shapley" or "progress", see `CounterfactualCritic`.
        default: Default action, one or (N,); default: the simulator's.
        policy: Returns the probabilities, (N, A), of a state's actions, for "average"; default: uniform over the
            possible actions.
        penalty: What one cost takes away, in the value's unit.
        budget: Sampled orders of the agents, from 2, for Shapley values of more than 5 agents.
        seed: Of this sample.

    Raises:
        ValueError: There is no such kind, or another argument is outside its range.
        CreditError: The episode has no snapshots, does not fit the simulator, or one of its states cannot be valued.
    """
    check_kind(kind, budget)
    _check_episode(episode)
    if default is None:
        default = getattr(simulator, "default", 0)
    default = np.broadcast_to(np.asarray(default, np.int64), episode.n_agents)
    absent = episode.actions < 0
    joints = np.where(absent, default, episode.actions)
    states = episode.snapshots[:-1]
    cases = _cases(kind, joints, default, episode.agents, simulator, states, policy, budget, seed)
    worth, error, after, samples = _worths(episode, simulator, value, cases, penalty)
    gains = worth[:, cases.with_it] - worth[:, cases.without]  # (T, N, M)
    credit = (cases.weights * gains).sum(axis=2)
    variance = _variance(cases, error, after) if samples is None else _paired_variance(cases, samples)
    if cases.sampled:
        variance += gains.var(axis=2, ddof=1) / gains.shape[2]
    return ExactCredit(
        np.where(absent, 0.0, credit), np.where(absent, 0.0, np.sqrt(variance)), worth[:, 0] - worth[:, 1]
    )


def check_kind(kind: object, budget: int) -> None:
    """Raise ValueError unless these are a kind of credit and a budget of orders."""
    if kind not in get_args(Kind):
        raise ValueError(f"unknown kind {kind!r}; valid: {', '.join(map(repr, get_args(Kind)))}")
    if budget < 2:
        raise ValueError(f"budget={budget}: needs at least 2 orders of the agents")


def _check_episode(episode: Episode) -> None:
    if len(episode.snapshots) != episode.length + 1:
        has = f"{len(episode.snapshots)} for {episode.length} steps" if episode.snapshots else "none"
        raise CreditError(
            f"episode {episode.id}: exact credit needs a snapshot of each state, and it has {has}: record it with "
            "record_snapshots=True, or get them from its seed and actions with replay(env, seed, actions, "
            "snapshots=True)"
        )
    if episode.actions.ndim != 2:
        raise CreditError(f"episode {episode.id}: exact credit needs Discrete actions, not vectors")


def _cases(
    kind: Kind,
    joints: np.ndarray,
    default: np.ndarray,
    agents: tuple[str, ...],
    simulator: Any,
    states: Sequence[Any],
    policy: Policy | None,
    budget: int,
    seed: int,
) -> Cases:
    if kind == "difference":
        return difference_cases(joints, default, agents)
    if kind == "progress":
        return progress_cases(joints, default, agents)
    if kind == "shapley":
        return shapley_cases(joints, default, agents, budget, seed)
    if policy is None:
        if not hasattr(simulator, "counts"):
            raise CreditError("kind='average' needs a simulator that knows the actions (EnvSimulator), or policy=...")
        masks = possible(simulator, states)
        chances = masks / np.maximum(masks.sum(axis=2, keepdims=True), 1)
    else:
        chances = np.array([policy(state) for state in states], float)
        if chances.shape[:2] != joints.shape or not np.allclose(chances.sum(axis=2), 1) or (chances < 0).any():
            raise ValueError(f"policy must return probabilities (N, A), N={len(agents)}, that sum to 1 for each agent")
    return average_cases(joints, default, agents, chances)


def _worths(
    episode: Episode, simulator: Simulator, value: ValueFunction, cases: Cases, penalty: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the worth of each case, its standard error and the number of the state it leads to, all (T, C).

    The last are the samples of the state's value, (T, C, R), discounted; None where there are none.
    """
    steps, count, n = cases.joints.shape
    rows = np.concatenate([np.repeat(np.arange(steps), count)[:, None], cases.joints.reshape(-1, n)], axis=1)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(steps, count)
    which = [f"step {k // count}, {cases.names[k % count]}" for k in first]

    found: Outcomes = _naming(
        episode, which, lambda: simulator.outcomes([episode.snapshots[k // count] for k in first], rows[first, 1:])
    )
    _check_ends(episode, found.terminated[inverse[:, 0]])

    live = np.flatnonzero(~found.terminated)
    numbers: dict[Any, int] = {}
    after = np.full(len(first), -1)
    after[live] = [numbers.setdefault(state_key(found.states[k]), len(numbers)) for k in live]
    _, one = np.unique(after[live], return_index=True)  # an outcome that leads to each state
    mean, error = np.zeros(len(first)), np.zeros(len(first))
    samples: np.ndarray | None = None
    if len(one):
        named = [which[k] for k in live[one]]
        values: Values = _naming(episode, named, lambda: value.values([found.states[k] for k in live[one]]))
        if fault := values_fault(values, len(one)):
            raise CreditError(
                f"episode {episode.id}: {type(value).__name__}.values must return Values(mean, error) of arrays (K,) "
                f"for K states, with samples (K, R) or None: {fault}"
            )
        bad = ~np.isfinite(values.mean)
        if bad.any():
            raise CreditError(
                f"episode {episode.id}, {named[int(bad.argmax())]}: the goal cannot be reached from the state that "
                "this leads to, so it has no value: give another value function, such as RolloutValue"
            )
        mean[live], error[live] = values.mean[after[live]], values.error[after[live]]
        if (drawn := getattr(values, "samples", None)) is not None:  # others' value functions may not have it
            samples = np.zeros((len(first), drawn.shape[1]))
            samples[live] = drawn[after[live]]
    if value.counts_reward:
        discount = getattr(value, "discount", 1.0)
        mean, error = found.reward + discount * mean, discount * error
        samples = None if samples is None else discount * samples
    mean = mean - penalty * found.cost.sum(axis=1)
    return mean[inverse], error[inverse], after[inverse], None if samples is None else samples[inverse]


def _naming(episode: Episode, which: Sequence[str], call: Callable[[], Any]) -> Any:
    """Return what a call returns; an error about one of its states names the episode, the step and the case."""
    try:
        return call()
    except (CreditError, ValueError) as error:
        index = getattr(error, "index", None)
        where = f", {which[index]}" if isinstance(index, int) and 0 <= index < len(which) else ""
        raise CreditError(f"episode {episode.id}{where}: {error}") from error


def _check_ends(episode: Episode, terminated: np.ndarray) -> None:
    """Raise CreditError unless the simulator ends the episode where it ended."""
    expected = np.zeros(episode.length, bool)
    if episode.length:
        expected[-1] = episode.terminated
    wrong = np.flatnonzero(terminated != expected)
    if len(wrong):
        ends = "ends" if terminated[wrong[0]] else "does not end"
        raise CreditError(
            f"episode {episode.id}, step {wrong[0]}: the simulator's world {ends} there, unlike the episode's: the "
            "simulator must be of the environment that was recorded, with the same arguments"
        )


def _variance(cases: Cases, error: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the variance of each agent's credit, (T, N): errors of different states are independent.

    Args:
        cases: What is compared.
        error: (T, C), the standard error of each case's worth.
        after: (T, C), the number of the state that each case leads to; cases of one state have one error.
    """
    steps, n = len(error), len(cases.with_it)
    variance = np.zeros((steps, n))
    if error.any():
        weights = np.broadcast_to(cases.weights, (steps, *cases.with_it.shape))
        rows = np.arange(n)[:, None]
        for t in range(steps):
            _, first, number = np.unique(after[t], return_index=True, return_inverse=True)
            sums = np.zeros((n, len(first)))
            np.add.at(sums, (rows, number[cases.with_it]), weights[t])
            np.add.at(sums, (rows, number[cases.without]), -weights[t])
            each = sums**2 * error[t, first] ** 2
            variance[t] = np.where(sums == 0, 0.0, each).sum(axis=1)  # also where an error is NaN
    return variance


def _paired_variance(cases: Cases, samples: np.ndarray) -> np.ndarray:
    """Return the variance of each agent's credit, (T, N), from the credits by each of R common samples, (T, C, R)."""
    gains = samples[:, cases.with_it] - samples[:, cases.without]  # (T, N, M, R)
    each = (cases.weights[..., None] * gains).sum(axis=2)
    return np.asarray(each.var(axis=2, ddof=1) / samples.shape[2])
