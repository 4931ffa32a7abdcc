"""Fitting a task student with PyTorch: which task goes with what the team observes, by cross-entropy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import check_labels
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.optional import require
from credit_wrappers.student.fitting import LEAST_RATE, NEEDED, batches, copied, held_out, moved, one_thread, updates
from credit_wrappers.student.network import Parameters, normalised, statistics
from credit_wrappers.student.task_labels import TaskSteps, rows_seen, task_steps, usable_labels
from credit_wrappers.student.task_student import (
    TaskNetwork,
    TaskStudent,
    TaskStudentSettings,
    agreement_of,
    first_weights,
)
from credit_wrappers.student.team_spec import TeamSpec


def fit_task_student(
    labels: Iterable[tuple[Episode, Credit]],
    tasks: Sequence[str],
    settings: TaskStudentSettings | None = None,
    *,
    roles: Mapping[str, str] | None = None,
    start: TaskStudent | None = None,
    **changes: Any,
) -> TaskStudent:
    """Fit a task student to labels; needs PyTorch (the extra `student`). The same arguments give the same student.

    Args:
        labels: Episodes with observations, each with its credit; those whose credit names no tasks are left out.
        tasks: All tasks, as `narrator.tasks()` lists them.
        settings: Size and fitting.
        roles: Role by agent; None: one role for all agents that observe equally many numbers.
        start: Student to continue from, when labels were appended to those that it was fitted to.
        changes: Single settings by name, instead of or on top of `settings`: `hidden=32`, ...

    Raises:
        CreditError: Labels are too few or do not fit each other; a number is not finite; a task is not among `tasks`;
            `start` has another team, size or other tasks.
        ImportError: PyTorch is missing.
        TypeError: Something in `labels` is no (episode, credit); observations are not arrays of numbers, or a setting
            is unknown.
        ValueError: A setting or a role is not possible.

    Examples:
        >>> from credit_wrappers import CreditWrapper, Deferred, LLMCritic, ScriptedClient, fit_task_student
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> critic = LLMCritic(ScriptedClient(), tasks=True)
        >>> env, labels = CreditWrapper(CorridorEnv(), Deferred(critic), record_observations=True), []
        >>> env.add_listener(lambda episode, credit: labels.append((episode, credit)))
        >>> for seed in range(4):
        ...     observations, infos = env.reset(seed=seed)
        ...     while env.agents:
        ...         *_, infos = env.step({agent: 2 for agent in env.agents})
        ...     settled = env.store.settle([infos["walker_0"]["episode_id"]])
        >>> student = fit_task_student(labels, env.narrator.tasks(), epochs=2)
        >>> student.labels, student.agreement.episodes, student.assign(np.zeros((1, 2, 2))).shape
        (4, 1, (1, 2))
    """
    known = [field.name for field in fields(TaskStudentSettings)]
    if unknown := sorted(set(changes) - set(known)):
        raise TypeError(f"unknown setting {', '.join(unknown)}; there are: {', '.join(known)}")
    settings = replace(settings or TaskStudentSettings(), **changes)
    torch = require("torch", "student")
    given = list(labels)
    check_labels(given, "fit_task_student")
    usable = usable_labels(given)
    if len(usable) < NEEDED:
        raise CreditError(
            f"a task student needs at least {NEEDED} episodes whose credit names tasks, got {len(usable)} of "
            f"{len(given)}; a critic that names some: LLMCritic(client, tasks=True)"
        )
    first = usable[0][0]
    if start is not None and roles is None and set(start.team.agents) == set(first.agents):
        roles = dict(zip(start.team.agents, start.team.roles, strict=True))
    sizes = [rows.shape[1] for rows in rows_seen(first)]
    team = TeamSpec.of(first.agents, sizes, [1] * first.n_agents, roles)
    if start is not None:
        _check_start(start, team, tasks, settings)
    split, drawn, order = np.random.default_rng(settings.seed).spawn(3)
    held = held_out(split, settings.held_out, len(usable))
    learned, measured = (task_steps(team, tasks, [usable[i] for i in np.flatnonzero(part)]) for part in (~held, held))
    fixed = statistics(team, learned.states)
    if start is None:
        weights = first_weights(team, settings, len(tasks), drawn)
    else:
        weights = moved(start.parameters, start.team, fixed)
    with one_thread(torch):
        parameters = _fitted(torch, team, settings, order, weights, fixed, learned, measured, start is not None)
    names = {episode.env_id for episode, _ in usable}
    student = TaskStudent(
        settings, team, tuple(tasks), parameters, agreement_of(measured, measured.tasks), len(usable),
        names.pop() if len(names) == 1 else "",
    )  # fmt: skip
    own = student._numbers(measured.states, measured.there)
    return replace(student, agreement=agreement_of(measured, own))


def _check_start(start: TaskStudent, team: TeamSpec, tasks: Sequence[str], settings: TaskStudentSettings) -> None:
    """Raise CreditError unless a fit of that team with those settings can continue from a student."""
    for name in ("networks", "hidden"):
        theirs, ours = getattr(start.settings, name), getattr(settings, name)
        if theirs != ours:
            raise CreditError(f"cannot start from a student with {name}={theirs!r} to fit one with {name}={ours!r}")
    if start.team != team:
        raise CreditError(f"cannot start from a student of {start.team} to fit one of {team}")
    if start.tasks != tuple(tasks):
        raise CreditError(f"cannot start from a student of the tasks {start.tasks} to fit one of {tuple(tasks)}")


def _fitted(
    torch: Any, team: TeamSpec, settings: TaskStudentSettings, rng: np.random.Generator, weights: Parameters,
    fixed: Parameters, learned: TaskSteps, measured: TaskSteps, warm: bool,
) -> Parameters:  # fmt: skip
    """Return the weights with which the ensemble's mean has the smallest error on the held-out labels, `measured`.

    `weights` is changed in place. With `warm` they come from another fit, and may be the best already.
    """
    network = TaskNetwork(team)
    tensors = {name: torch.from_numpy(array).requires_grad_() for name, array in weights.items()}
    optimiser = torch.optim.AdamW(tensors.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    ready, prepared = (
        (normalised(fixed, team, steps.states), steps.there[..., None].astype(np.float32))
        for steps in (learned, measured)
    )
    states, there = map(torch.from_numpy, ready)
    meant = torch.from_numpy(learned.tasks)

    def error() -> float:  # the tensors share the memory of `weights`
        scores = network.scores(np, weights, *prepared).mean(axis=0)
        scores = scores - scores.max(axis=-1, keepdims=True)
        chances = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
        told = np.take_along_axis(chances, measured.tasks[..., None], axis=-1)[..., 0]
        return -float(told[measured.there].mean())

    best, least = copied(weights), error() if warm else np.inf
    epochs = settings.refit_epochs if warm else settings.epochs
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, epochs * updates(learned.episode, settings.batch), LEAST_RATE * settings.learning_rate
    )
    for _ in range(epochs):
        for rows in batches(rng, learned.episode, settings.batch):
            where = torch.from_numpy(rows)
            present = there[where]
            chances = network.scores(torch, tensors, states[where], present).log_softmax(-1)
            index = meant[where][None, ..., None].expand(len(chances), -1, -1, 1)
            told = chances.gather(-1, index)[..., 0] * present[..., 0]
            loss = -told.sum() / present.sum().clip(min=1.0)  # a sum: each network learns by itself
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            falling.step()
        if (now := error()) < least:
            best, least = copied(weights), now
    return best | fixed
