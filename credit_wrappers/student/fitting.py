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
from .network import Parameters, credits, credits_of, initial, normalised, one_hot, statistics
from .settings import StudentSettings
from .tables import Steps, chosen, observed, steps_of
from .team import Team

NEEDED = 2  # episodes: one to learn from, one to measure agreement on


def fit_student(
    labels: Sequence[tuple[Episode, Credit]],
    settings: StudentSettings,
    roles: Mapping[str, str] | None,
    n_actions: int | Mapping[str, int] | None,
) -> StudentCritic:
    """Return a student of some labels; see `StudentCritic.fit`."""
    torch = require("torch", "tianshou")
    usable = [(episode, credit) for episode, credit in labels if credit.source != "fallback"]
    _check_enough(usable, len(labels) - len(usable))
    episodes = [episode for episode, _ in usable]
    check_credits(episodes, [credit for _, credit in usable])
    team = _team_of(episodes, roles, n_actions)
    teacher = [
        credit.values[:, team.order(episode.agents, f"episode {episode.id}")].astype(np.float32)
        for episode, credit in usable
    ]
    scale = float(np.sqrt(np.mean(np.concatenate(teacher).astype(np.float64) ** 2)))

    rng = np.random.default_rng(settings.seed)
    order = rng.permutation(len(usable))
    apart = min(max(round(settings.held_out * len(order)), 1), len(order) - 1)
    held, taught = order[:apart], order[apart:]
    lesson, exam = (steps_of(team, [episodes[i] for i in part]) for part in (taught, held))
    with _one_thread(torch):
        parameters = _fitted(
            torch, team, settings, scale, rng,
            lesson, np.concatenate([teacher[i] for i in taught]),
            exam, np.concatenate([teacher[i] for i in held]),
        )  # fmt: skip
    own = credits_of(parameters, team, settings, scale, exam).mean(axis=0)
    agreement = Agreement.of([teacher[i] for i in held], [own[exam.episode == k] for k in range(apart)])
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
    episodes: Sequence[Episode], roles: Mapping[str, str] | None, n_actions: int | Mapping[str, int] | None
) -> Team:
    """Return the team; the first episode says how much each agent observes, the others are checked against it."""
    first = episodes[0]
    seen = dict.fromkeys(first.agents, 1)
    for episode in episodes:
        for i, agent in enumerate(episode.agents):
            seen[agent] = max(seen.get(agent, 1), int(chosen(episode)[:, i].max(initial=0)) + 1)
    sizes = [column.shape[1] for column in observed(first)]
    return Team.of(first.agents, sizes, [seen[agent] for agent in first.agents], roles, n_actions)


def _fitted(
    torch: Any, team: Team, settings: StudentSettings, scale: float, rng: np.random.Generator,
    lesson: Steps, target: np.ndarray, exam: Steps, exam_target: np.ndarray,
) -> Parameters:  # fmt: skip
    """Return the weights with the smallest squared error of the ensemble's mean on the held-out steps."""
    fixed = statistics(team, lesson.states)
    weights = initial(team, settings, rng)
    tensors = {name: torch.from_numpy(array).requires_grad_() for name, array in weights.items()}
    optimiser = torch.optim.AdamW(tensors.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    counts = _bootstraps(settings, rng, int(lesson.episode[-1]) + 1)[:, lesson.episode]
    states = torch.from_numpy(normalised(fixed, team, lesson.states))
    start, ended = torch.from_numpy(lesson.start), torch.from_numpy(lesson.terminated[:, None, None].astype(np.float32))
    reward, aims = torch.from_numpy(lesson.reward), torch.from_numpy(target)
    drawn = torch.from_numpy(counts.astype(np.float32))

    best, least, since = _copied(weights), np.inf, 0
    for _ in range(settings.epochs):
        for rows in np.array_split(rng.permutation(len(target)), -(-len(target) // settings.batch)):
            at = torch.from_numpy(rows)
            own = credits(
                torch, tensors, team, settings, scale,
                states[start[at]], states[start[at] + 1],
                torch.from_numpy(one_hot(team, lesson.actions[rows])), reward[at], ended[at],
            )  # fmt: skip
            errors = ((own - aims[at]) / scale) ** 2
            loss = (errors.mean(2) * drawn[:, at]).mean(1).sum()  # a sum: the networks learn apart
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        # The tensors share the memory of `weights`.
        error = float(np.mean((_exam(weights | fixed, team, settings, scale, exam) - exam_target) ** 2))
        if error < least:
            best, least, since = _copied(weights), error, 0
        elif (since := since + 1) >= settings.patience:
            break
    return best | fixed


def _exam(parameters: Parameters, team: Team, settings: StudentSettings, scale: float, exam: Steps) -> np.ndarray:
    return credits_of(parameters, team, settings, scale, exam).mean(axis=0)


def _bootstraps(settings: StudentSettings, rng: np.random.Generator, episodes: int) -> np.ndarray:
    """Return (K, episodes), how often each network drew each episode; a single network learns from all alike."""
    if settings.networks == 1:
        return np.ones((1, episodes))
    return rng.multinomial(episodes, np.full(episodes, 1.0 / episodes), size=settings.networks)


def _copied(weights: Parameters) -> Parameters:
    return {name: array.copy() for name, array in weights.items()}
