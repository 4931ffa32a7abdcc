"""Fitting a student with PyTorch: all networks of the ensemble at once, each on its own bootstrap of episodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..adapters.library import require
from ..credit import Credit
from ..episode import Episode
from ..errors import CreditError
from ..store import check_credits
from .agreement import Agreement
from .critic import StudentCritic
from .network import Parameters, credits, credits_of, initial, normalised, one_hot, statistics, worth_in
from .refitting import bootstraps, check_start, held_out, moved
from .settings import StudentSettings
from .tables import Steps, chosen, observed, steps_of
from .team import Team

NEAR = 0.2  # in sizes of the credits: a larger error counts in proportion, so that a few large ones do not hide many
LEAST_UPDATES = 8  # in a pass
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

    split, draws, first, order = np.random.default_rng(settings.seed).spawn(4)
    held = held_out(split, settings.held_out, len(usable))
    drawn = bootstraps(draws, settings.networks, len(usable))
    (lesson, target), (exam, exam_target) = (
        (steps_of(team, [episodes[i] for i in part]), np.concatenate([teacher[i] for i in part]))
        for part in (np.flatnonzero(~held), np.flatnonzero(held))
    )
    fixed = statistics(team, lesson.states)
    if start is None:
        weights = initial(team, settings, first, worth_in(target, lesson.reward))
    else:
        weights = moved(start, fixed, scale)
    with _one_thread(torch):
        parameters = _fitted(
            torch, team, settings, scale, order, weights, fixed,
            lesson, target, drawn[:, ~held], exam, exam_target, warm=start is not None,
        )  # fmt: skip
    own = credits_of(parameters, team, settings, scale, exam).mean(axis=0)
    agreement = Agreement.of(
        [teacher[i] for i in np.flatnonzero(held)], [own[exam.episode == k] for k in range(held.sum())]
    )
    return StudentCritic(settings, team, parameters, scale, agreement, len(usable))


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """Keep PyTorch on one thread for a while: networks so small lose more time by waiting for others than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
    weights: Parameters, fixed: Parameters, lesson: Steps, target: np.ndarray, counts: np.ndarray,
    exam: Steps, exam_target: np.ndarray, warm: bool,
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
        counts: (K, episodes), how often each network drew each of its episodes.
        exam: What to measure the error on.
        exam_target: The teacher's credits for it.
        warm: Whether the weights have learned before, and may be the best already.
    """
    tensors = {name: torch.from_numpy(array).requires_grad_() for name, array in weights.items()}
    optimiser = torch.optim.AdamW(tensors.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    states = normalised(fixed, team, lesson.states)
    acted, ended = one_hot(team, lesson.actions), lesson.terminated[:, None, None].astype(np.float32)
    drawn = counts[:, lesson.episode].astype(np.float32)

    def error() -> float:  # the tensors share the memory of `weights`
        own = credits_of(weights | fixed, team, settings, scale, exam).mean(axis=0)
        return float(_errors((own - exam_target) / scale).mean())

    best, least, since = _copied(weights), error() if warm else np.inf, 0
    for _ in range(settings.refit_epochs if warm else settings.epochs):
        for rows in _batches(rng, lesson.episode, settings.batch):
            seen, where = np.unique([lesson.start[rows], lesson.start[rows] + 1], return_inverse=True)
            before, after = where.reshape(2, -1)
            own = credits(
                torch, tensors, team, settings, scale,
                *map(torch.from_numpy, (states[seen], before, after, acted[rows], lesson.reward[rows], ended[rows])),
            )  # fmt: skip
            errors = _errors((own - torch.from_numpy(target[rows])) / scale)
            loss = (errors.mean(2) * torch.from_numpy(drawn[:, rows])).mean(1).sum()  # a sum: the networks learn apart
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if (now := error()) < least:
            best, least, since = _copied(weights), now, 0
        elif (since := since + 1) >= settings.patience:
            break
    return best | fixed


def _errors(difference: Any) -> Any:
    """Return pseudo-Huber errors: squares of small differences, in proportion to large ones."""
    return (1.0 + (difference / NEAR) ** 2) ** 0.5 - 1.0


def _batches(rng: np.random.Generator, episode: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the rows of about `size` steps at a time, whole episodes, so that each state is encoded once."""
    begins = np.searchsorted(episode, np.arange(episode[-1] + 2))
    count = max(round(len(episode) / size), LEAST_UPDATES)
    for some in np.array_split(rng.permutation(len(begins) - 1), min(count, len(begins) - 1)):
        yield np.concatenate([np.arange(begins[k], begins[k + 1]) for k in some])


def _copied(weights: Parameters) -> Parameters:
    return {name: array.copy() for name, array in weights.items()}
