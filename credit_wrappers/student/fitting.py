"""Fitting a student with PyTorch: all networks of the ensemble at once, each from its own first weights."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import check_credits
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.optional import require
from credit_wrappers.student.agreement import Agreement
from credit_wrappers.student.dataset import Steps, chosen, observed, steps_of
from credit_wrappers.student.network import (
    Parameters,
    credits,
    credits_for,
    credits_of,
    initial,
    normalised,
    one_hot,
    statistics,
    tables_of,
    worth_in,
)
from credit_wrappers.student.refitting import check_start, held_out, moved, recency
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import Team

NEAR = 0.2  # in sizes of the credits: a larger error counts in proportion, so that a few large ones do not hide many
# Of a potential, sums of errors over an episode so far are made small too: many steps in one direction tell a small
# slope from noise.
SUMS = 1.0  # how much they count beside the steps
WIDE = 3.0  # how many times as large they may be
LEAST_UPDATES = 8  # in a pass
LEAST_RATE = 0.02  # of the learning rate, at the end
NEEDED = 2  # episodes: one to learn from, one to measure agreement on


def fit_student(
    labels: Sequence[tuple[Episode, Credit]],
    settings: StudentSettings,
    roles: Mapping[str, str] | None,
    n_actions: int | Mapping[str, int] | None,
    start: StudentCritic | None,
) -> StudentCritic:
    """Return a student of some labels; see `StudentCritic.fit`."""
    torch = require("torch", "tianshou")
    usable = [(episode, credit) for episode, credit in labels if credit.source != "fallback"]
    _check_enough(usable, len(labels) - len(usable))
    episodes = [episode for episode, _ in usable]
    check_credits(episodes, [credit for _, credit in usable])
    team = _team_of(episodes, roles, n_actions, start)
    if start is not None:
        check_start(start, team, settings)
    teacher = [
        credit.values[:, team.order(episode.agents, f"episode {episode.id}")].astype(np.float32)
        for episode, credit in usable
    ]
    scale = float(np.sqrt(np.mean(np.concatenate(teacher).astype(np.float64) ** 2)))

    split, first, order = np.random.default_rng(settings.seed).spawn(3)
    held = held_out(split, settings.held_out, len(usable))
    (lesson, target), (exam, exam_target) = (
        (steps_of(team, [episodes[i] for i in part]), np.concatenate([teacher[i] for i in part]))
        for part in (np.flatnonzero(~held), np.flatnonzero(held))
    )
    fixed = statistics(team, lesson.states)
    if start is None:
        weights = initial(team, settings, first, worth_in(target, lesson.reward))
    else:
        weights = moved(start, fixed, scale)
    weight = recency(len(usable), 1.0 if start is None else settings.recency)
    with _one_thread(torch):
        parameters = _fitted(
            torch, team, settings, scale, order, weights, fixed,
            lesson, target, weight[~held], exam, exam_target, weight[held], warm=start is not None,
        )  # fmt: skip
    own = credits_of(parameters, team, settings, scale, exam).mean(axis=0)
    agreement = Agreement.of(
        [teacher[i] for i in np.flatnonzero(held)], [own[exam.episode == k] for k in range(held.sum())]
    )
    names = {episode.env_id for episode in episodes}
    return StudentCritic(
        settings, team, parameters, scale, agreement, len(usable), names.pop() if len(names) == 1 else ""
    )


_FITS = threading.Lock()
_fits: list[int] = []  # for each fit under way, PyTorch's number of threads before the first of them


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """Keep PyTorch on one thread for a while: networks so small lose more time by waiting for others than they gain."""
    with _FITS:
        _fits.append(_fits[0] if _fits else torch.get_num_threads())
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _FITS:
            before = _fits.pop()
            torch.set_num_threads(1 if _fits else before)


def _check_enough(usable: Sequence[tuple[Episode, Credit]], fallbacks: int) -> None:
    without = f" ({fallbacks} more with source 'fallback' do not count)" if fallbacks else ""
    if len(usable) < NEEDED:
        raise CreditError(f"a student needs at least {NEEDED} labelled episodes, got {len(usable)}{without}")
    if not any(np.any(credit.values) for _, credit in usable):
        raise CreditError(
            f"a student needs at least 1 labelled episode whose credit is not all zero, got 0 of {len(usable)}{without}"
        )


def _team_of(
    episodes: Sequence[Episode],
    roles: Mapping[str, str] | None,
    n_actions: int | Mapping[str, int] | None,
    start: StudentCritic | None,
) -> Team:
    """Return the team; the first episode says how much each agent observes, the others are checked against it.

    What is not given, roles or actions, is as it was for the student to start from.
    """
    first = episodes[0]
    if start is not None and set(start.team.agents) == set(first.agents):
        roles = roles or dict(zip(start.team.agents, start.team.roles, strict=True))
        n_actions = n_actions or dict(zip(start.team.agents, start.team.actions, strict=True))
    seen = dict.fromkeys(first.agents, 1)
    for episode in episodes:
        for i, agent in enumerate(episode.agents):
            seen[agent] = max(seen.get(agent, 1), int(chosen(episode)[:, i].max(initial=0)) + 1)
    sizes = [column.shape[1] for column in observed(first)]
    return Team.of(first.agents, sizes, [seen[agent] for agent in first.agents], roles, n_actions)


def _fitted(
    torch: Any, team: Team, settings: StudentSettings, scale: float, rng: np.random.Generator,
    weights: Parameters, fixed: Parameters, lesson: Steps, target: np.ndarray, lesson_weight: np.ndarray,
    exam: Steps, exam_target: np.ndarray, exam_weight: np.ndarray, warm: bool,
) -> Parameters:  # fmt: skip
    """Return the weights with the smallest error of the ensemble's mean on the held-out steps.

    Args:
        torch: The module.
        team: Whose they are.
        settings: Of the student.
        scale: Of the credits.
        rng: For the order of the updates.
        weights: To begin with; they are changed.
        fixed: Statistics of the observations.
        lesson: What to learn from.
        target: (M, N), the teacher's credits for it.
        lesson_weight: (episodes,), how much each of its episodes counts.
        exam: What to measure the error on.
        exam_target: The teacher's credits for it.
        exam_weight: (episodes,), how much each of its episodes counts.
        warm: Whether the weights have learned before, and may be the best already.
    """
    tensors = {name: torch.from_numpy(array).requires_grad_() for name, array in weights.items()}
    optimiser = torch.optim.AdamW(tensors.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    states = normalised(fixed, team, lesson.states)
    acted, ended = one_hot(team, lesson.actions), lesson.terminated[:, None, None].astype(np.float32)
    prepared = list(tables_of(fixed, team, exam))
    counts = torch.from_numpy(lesson_weight[lesson.episode].astype(np.float32))

    def error() -> float:  # the tensors share the memory of `weights`
        own = credits_for(weights, team, settings, scale, prepared).mean(axis=0)
        errors = _errors((own - exam_target) / scale).mean(axis=1)
        return float(np.average(errors, weights=exam_weight[exam.episode]))

    best, least = _copied(weights), error() if warm else np.inf
    epochs = settings.refit_epochs if warm else settings.epochs
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, epochs * _updates(lesson.episode, settings.batch), LEAST_RATE * settings.learning_rate
    )
    for _ in range(epochs):
        for rows in _batches(rng, lesson.episode, settings.batch):
            seen, where = np.unique([lesson.start[rows], lesson.start[rows] + 1], return_inverse=True)
            before, after = where.reshape(2, -1)
            own = credits(
                torch, tensors, team, settings, scale,
                *map(torch.from_numpy, (states[seen], before, after, acted[rows], lesson.reward[rows], ended[rows])),
            )  # fmt: skip
            difference = own - torch.from_numpy(target[rows])
            errors = _errors(difference / scale)
            if settings.form == "potential":
                errors = errors + SUMS * _errors(_running(torch, difference, lesson.episode[rows]) / (WIDE * scale))
            loss = (errors.mean(2) * counts[rows]).mean(1).sum()  # a sum: the networks learn apart
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            falling.step()
        if (now := error()) < least:
            best, least = _copied(weights), now
    return best | fixed


def _running(torch: Any, difference: Any, episode: np.ndarray) -> Any:
    """Return the sums of differences, (K, M, N), over each episode so far, less their mean over the episode."""
    _, number, count = np.unique(episode, return_inverse=True, return_counts=True)
    sums = difference.cumsum(1)  # over the episodes before, too: a constant of the episode, which the mean takes away
    mean = torch.zeros((len(sums), len(count), sums.shape[2])).index_add(1, torch.from_numpy(number), sums)
    mean = mean / torch.from_numpy(count)[:, None]
    return sums - mean[:, torch.from_numpy(number)]


def _errors(difference: Any) -> Any:
    """Return pseudo-Huber errors: squares of small differences, in proportion to large ones."""
    return (1.0 + (difference / NEAR) ** 2) ** 0.5 - 1.0


def _batches(rng: np.random.Generator, episode: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the rows of about `size` steps at a time, whole episodes, so that each state is encoded once."""
    begins = np.searchsorted(episode, np.arange(episode[-1] + 2))
    for some in np.array_split(rng.permutation(len(begins) - 1), _updates(episode, size)):
        yield np.concatenate([np.arange(begins[k], begins[k + 1]) for k in some])


def _updates(episode: np.ndarray, size: int) -> int:
    """Return how many updates a pass has."""
    return min(max(round(len(episode) / size), LEAST_UPDATES), int(episode[-1]) + 1)


def _copied(weights: Parameters) -> Parameters:
    return {name: array.copy() for name, array in weights.items()}
