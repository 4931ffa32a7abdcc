"""The labels of a task student: what the agents observed in each step, and which task each should have had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.input_checks import check_finite
from credit_wrappers.student.step_arrays import observations_of
from credit_wrappers.student.team_spec import TeamSpec


@dataclass(frozen=True, eq=False)
class TaskSteps:
    """M steps of several episodes; agents in a team's order."""

    states: np.ndarray  # (M, N, F) float32, what is observed before each step; zeros for an agent that is not there
    there: np.ndarray  # (M, N) bool, who acts in it
    tasks: np.ndarray  # (M, N) int64, the number of the task that each agent should have had
    episode: np.ndarray  # (M,) int64, the number of the episode that a step belongs to


def usable_labels(labels: Iterable[tuple[Episode, Credit]]) -> list[tuple[Episode, Credit]]:
    """Return the labels that name tasks."""
    return [label for label in labels if label[1].tasks and label[1].source != "fallback"]


def rows_seen(episode: Episode) -> list[np.ndarray]:
    """Return the flattened observations of each agent, (T+1, F) float32; zeros where it is not there.

    Raises:
        CreditError: They were not recorded, or one agent was never there.
        TypeError: They are not arrays of numbers.
    """
    seen = episode.observations
    if seen is None or seen.dtype != object or all(row is not None for row in seen.flat):
        return observations_of(episode)
    filled = seen.copy()
    for i, agent in enumerate(episode.agents):
        first = next((row for row in seen[:, i] if row is not None), None)
        if first is None:
            raise CreditError(f"episode {episode.id}: agent {agent!r} was never there, so what it observes is unknown")
        for t in range(len(seen)):
            if seen[t, i] is None:
                filled[t, i] = np.zeros_like(first)
    return observations_of(replace(episode, observations=filled))


def task_steps(team: TeamSpec, tasks: Sequence[str], labels: Sequence[tuple[Episode, Credit]]) -> TaskSteps:
    """Return the steps of at least one label, each of which names tasks.

    Raises:
        CreditError: An episode does not fit the team or has a number that is not finite; a task is not among `tasks`.
        TypeError: See `rows_seen`.
    """
    number = {task: k for k, task in enumerate(tasks)}
    states, there, numbers = [], [], []
    for episode, credit in labels:
        what = f"episode {episode.id}"
        order = team.order(episode.agents, what)
        seen = rows_seen(episode)
        team.check(episode.agents, [rows.shape[1] for rows in seen], None, what)
        table = np.zeros((episode.length, len(order), max(team.sizes)), np.float32)
        for column, i in enumerate(order):
            table[:, column, : seen[i].shape[1]] = seen[i][:-1]
        check_finite(team, table, what, "state", range(len(table)))
        named = credit.tasks_by_step(team.agents)
        unknown = sorted(set(named.flat) - set(number))
        if unknown:
            raise CreditError(f"{what} has the task {unknown[0]!r}; the student assigns {', '.join(tasks)}")
        states.append(table)
        there.append(episode.present[:, order])
        numbers.append(np.vectorize(number.__getitem__, otypes=[np.int64])(named))
    return TaskSteps(
        np.concatenate(states),
        np.concatenate(there),
        np.concatenate(numbers),
        np.repeat(np.arange(len(labels)), [episode.length for episode, _ in labels]),
    )
