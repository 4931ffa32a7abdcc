"""Fitting a student with PyTorch: all networks of the ensemble at once, each from its own first weights.

A student can be fitted again and again while labels are appended: the held-out labels stay the same, and the fit
continues from the last student's weights.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import check_credits, check_labels
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.optional import require
from credit_wrappers.student.agreement import Agreement
from credit_wrappers.student.mirrored import checked_copies
from credit_wrappers.student.network import (
    NetworkInputs,
    Parameters,
    StudentNetwork,
    initial,
    inputs_of,
    normalised,
    one_hot,
    statistics,
    worth_in,
)
from credit_wrappers.student.step_arrays import Steps, actions_of, observations_of, steps_of
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import TeamSpec

NEAR = 0.2  # in sizes of the credits: larger errors count in proportion, so that a few of them do not hide the others
# The potential-based form also keeps the running sums of errors in an episode small, because a small slope differs from
# noise only over many steps in one direction.
SUMS = 1.0  # weight of these sums beside the steps
WIDE = 3.0  # how many times as large as errors of steps they may be
LEAST_UPDATES = 8  # in a pass
LEAST_RATE = 0.02  # of the learning rate, at the end
# Of this code, with what it reads of labels and the form of the network. Raise it where the same labels and settings
# give another student than before: then students that were fitted earlier are known as such.
FIT_VERSION = 1
NEEDED = 2  # episodes: one to learn from, one to measure agreement on


@dataclass(frozen=True, eq=False)
class _Labels:
    """Labels to learn from, or to measure on."""

    steps: Steps
    credits: np.ndarray  # (M, N) float32, the critic's
    weight: np.ndarray  # (episodes,), how much each episode counts


def fit_student(
    labels: Iterable[tuple[Episode, Credit]],
    settings: StudentSettings | None = None,
    *,
    roles: Mapping[str, str] | None = None,
    n_actions: int | Mapping[str, int] | None = None,
    start: StudentCritic | None = None,
    mirrored: Sequence[Sequence[tuple[Episode, Credit]]] | None = None,
    progress: bool = False,
    **changes: Any,
) -> StudentCritic:
    """Fit a student to labels; needs PyTorch (the extra `student`). The same arguments give the same student.

    Args:
        labels: Episodes with observations, each with its credit; those whose source is "fallback" are left out.
        settings: Form, size and fitting.
        roles: Role by agent; None: one role for all agents that observe equally many numbers.
        n_actions: Number of actions, for all or by agent; None: as many as the labels show.
        start: Student to continue from, when labels were appended to those that it was fitted to. Roles and numbers of
            actions are its own unless given.
        mirrored: For each label the same play in other mirrors of its world, see `mirrored_labels`. The student learns
            from them where it learns from their label; they are neither measured nor counted. A pass takes longer by
            their number.
        progress: Show a bar of the passes that are done.
        changes: Single settings by name, instead of or on top of `settings`: `form="free"`, ...

    Raises:
        CreditError: Labels are too few or do not fit each other or their copies; a number is not finite; `start` has
            another team, form or size.
        ImportError: PyTorch or scipy is missing.
        TypeError: Something in `labels` or `mirrored` is no (episode, credit); actions are not whole numbers,
            observations are not arrays of numbers, or a setting is unknown.
        ValueError: A setting, a role or a number of actions is not possible; the lengths of `mirrored` and
            `labels` differ.

    Examples:
        >>> from credit_wrappers import CreditWrapper, Deferred, EqualSplitCritic, fit_student
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env, labels = CreditWrapper(CorridorEnv(), Deferred(EqualSplitCritic()), record_observations=True), []
        >>> env.add_listener(lambda episode, credit: labels.append((episode, credit)))
        >>> for seed in range(4):
        ...     observations, infos = env.reset(seed=seed)
        ...     while env.agents:
        ...         *_, infos = env.step({agent: 2 for agent in env.agents})
        ...     settled = env.store.settle([infos["walker_0"]["episode_id"]])
        >>> student = fit_student(labels, epochs=2)
        >>> student.labels, student.agreement.episodes, student.score([labels[0][0]])[0].source
        (4, 1, 'student')
    """
    known = [field.name for field in fields(StudentSettings)]
    if unknown := sorted(set(changes) - set(known)):
        raise TypeError(f"unknown setting {', '.join(unknown)}; there are: {', '.join(known)}")
    settings = replace(settings or StudentSettings(), **changes)
    torch = require("torch", "student")
    given = list(labels)
    check_labels(given, "fit_student")
    more = checked_copies(given, mirrored)
    copies = [some for (_, credit), some in zip(given, more, strict=True) if credit.source != "fallback"]
    usable = [(episode, credit) for episode, credit in given if credit.source != "fallback"]
    _check_enough(usable, len(given) - len(usable))
    episodes = [episode for episode, _ in usable]
    check_credits(episodes, [credit for _, credit in usable])
    team = _team_of(episodes, roles, n_actions, start)
    if start is not None:
        _check_start(start, team, settings)
    values = [
        credit.values[:, team.order(episode.agents, f"episode {episode.id}")].astype(np.float32)
        for episode, credit in usable
    ]
    scale = float(np.sqrt(np.mean(np.concatenate(values).astype(np.float64) ** 2)))

    split, first, order = np.random.default_rng(settings.seed).spawn(3)
    held = held_out(split, settings.held_out, len(usable))
    # The newest label weighs 1 or `recency` times as much as the oldest; the mean weight is 1.
    weight = (1.0 if start is None else settings.recency) ** np.linspace(0.0, 1.0, len(usable))
    weight = weight / weight.mean()
    # Each label with its copies: a copy counts as much as its label.
    families = [[episode, *some] for episode, some in zip(episodes, copies, strict=True)]
    mine, theirs = np.flatnonzero(~held), np.flatnonzero(held)
    learned, measured = (
        _Labels(
            steps_of(team, [episode for i in part for episode in families[i][:most]]),
            np.concatenate([np.tile(values[i], (len(families[i][:most]), 1)) for i in part]),
            np.concatenate([np.full(len(families[i][:most]), weight[i]) for i in part]),
        )
        for part, most in ((mine, None), (theirs, 1))
    )
    fixed = statistics(team, learned.steps.states)
    if start is None:
        weights = initial(team, settings, first, worth_in(learned.credits, learned.steps.reward))
    else:
        weights = _moved(start, fixed, scale)
    network = StudentNetwork(team, settings, scale)
    with one_thread(torch):
        parameters = _fitted(torch, network, order, weights, fixed, learned, measured, start is not None, progress)
    own = network.score(parameters, inputs_of(parameters, team, measured.steps)).mean(axis=0)
    agreement = Agreement.of(
        [values[i] for i in np.flatnonzero(held)], [own[measured.steps.episode == k] for k in range(held.sum())]
    )
    names = {episode.env_id for episode in episodes}
    return StudentCritic(
        settings, team, parameters, scale, agreement, len(usable), names.pop() if len(names) == 1 else ""
    )


def held_out(rng: np.random.Generator, share: float, count: int) -> np.ndarray:
    """Return which labels are held out, (count,) bool: the second, and one drawn of each further 1 / share.

    Labels that follow do not change it.
    """
    held = np.zeros(count, bool)
    held[1:2] = True
    parts = np.arange(1, int(np.ceil(count * share)) + 1)
    places = ((parts + rng.random(len(parts))) / share).astype(int)
    held[places[(places > 1) & (places < count)]] = True
    return held


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
) -> TeamSpec:
    """Return the team; sizes are those of the first episode, roles and actions by default those of `start`."""
    first = episodes[0]
    if start is not None and set(start.team.agents) == set(first.agents):
        roles = roles or dict(zip(start.team.agents, start.team.roles, strict=True))
        n_actions = n_actions or dict(zip(start.team.agents, start.team.actions, strict=True))
    seen = dict.fromkeys(first.agents, 1)
    for episode in episodes:
        for i, agent in enumerate(episode.agents):
            seen[agent] = max(seen.get(agent, 1), int(actions_of(episode)[:, i].max(initial=0)) + 1)
    sizes = [column.shape[1] for column in observations_of(first)]
    return TeamSpec.of(first.agents, sizes, [seen[agent] for agent in first.agents], roles, n_actions)


def _check_start(start: StudentCritic, team: TeamSpec, settings: StudentSettings) -> None:
    """Raise CreditError unless a fit of that team with those settings can continue from a student."""
    for name in ("form", "networks", "hidden"):
        theirs, ours = getattr(start.settings, name), getattr(settings, name)
        if theirs != ours:
            raise CreditError(f"cannot start from a student with {name}={theirs!r} to fit one with {name}={ours!r}")
    if start.team != team:
        raise CreditError(f"cannot start from a student of {start.team} to fit one of {team}")


def _moved(start: StudentCritic, fixed: Parameters, scale: float) -> Parameters:
    """Return the student's weights, changed to compute the same with new statistics and another scale of credits."""
    weights = moved(start.parameters, start.team, fixed)
    for name, array in weights.items():
        if name.endswith(tuple(f"/{head}.{part}" for head in ("potential", "credit") for part in ("out", "out_bias"))):
            array *= start.scale / scale
    return weights


def moved(old: Parameters, team: TeamSpec, fixed: Parameters) -> Parameters:
    """Return weights, changed to compute the same with new statistics, `fixed`.

    Only clipped observations are computed differently. A feature that did not vary before begins with weights of zero.
    """
    weights = {name: array.copy() for name, array in old.items() if name not in fixed}
    for number in range(len(team.groups)):
        mean, inverse, encoder = f"{number}/mean", f"{number}/inverse", f"{number}/encoder."
        varied = old[inverse][:, None] * old[f"{encoder}weight"].astype(np.float64)  # (K, F, H)
        deviation = np.divide(1.0, fixed[inverse], out=np.zeros_like(fixed[inverse]), where=fixed[inverse] > 0.0)
        weights[f"{encoder}weight"] = (deviation[:, None] * varied).astype(np.float32)
        weights[f"{encoder}bias"] += ((fixed[mean] - old[mean]) @ varied)[:, None].astype(np.float32)
    return weights


_FITS = threading.Lock()
_fits: list[int] = []  # for each running fit, PyTorch's number of threads before the first of them


@contextmanager
def one_thread(torch: Any) -> Iterator[None]:
    """Keep PyTorch on one thread: with networks this small, threads cost more time than they save."""
    with _FITS:
        _fits.append(_fits[0] if _fits else torch.get_num_threads())
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _FITS:
            before = _fits.pop()
            torch.set_num_threads(1 if _fits else before)


def _fitted(
    torch: Any, network: StudentNetwork, rng: np.random.Generator, weights: Parameters, fixed: Parameters,
    learned: _Labels, measured: _Labels, warm: bool, progress: bool,
) -> Parameters:  # fmt: skip
    """Return the weights with which the ensemble's mean has the smallest error on the held-out labels, `measured`.

    `weights` is changed in place. With `warm` they come from another fit, and may be the best already.
    """
    from tqdm import tqdm

    team, settings, scale = network.team, network.settings, network.scale
    tensors = {name: torch.from_numpy(array).requires_grad_() for name, array in weights.items()}
    optimiser = torch.optim.AdamW(tensors.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    steps = learned.steps
    states = normalised(fixed, team, steps.states)
    acted, ended = one_hot(team, steps.actions), steps.terminated[:, None, None].astype(np.float32)
    prepared = list(inputs_of(fixed, team, measured.steps))
    counts = torch.from_numpy(learned.weight[steps.episode].astype(np.float32))

    def error() -> float:  # the tensors share the memory of `weights`
        own = network.score(weights, prepared).mean(axis=0)
        errors = _errors((own - measured.credits) / scale).mean(axis=1)
        return float(np.average(errors, weights=measured.weight[measured.steps.episode]))

    best, least = copied(weights), error() if warm else np.inf
    epochs = settings.refit_epochs if warm else settings.epochs
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, epochs * updates(steps.episode, settings.batch), LEAST_RATE * settings.learning_rate
    )
    for _ in tqdm(range(epochs), desc="student", unit=" passes", dynamic_ncols=True, disable=not progress):
        for rows in batches(rng, steps.episode, settings.batch):
            seen, where = np.unique([steps.start[rows], steps.start[rows] + 1], return_inverse=True)
            before, after = where.reshape(2, -1)
            arrays = (states[seen], before, after, acted[rows], steps.reward[rows], ended[rows])
            inputs = NetworkInputs(*map(torch.from_numpy, arrays))
            difference = network.credits(torch, tensors, inputs) - torch.from_numpy(learned.credits[rows])
            errors = _errors(difference / scale)
            if settings.form == "potential":
                errors = errors + SUMS * _errors(_running(torch, difference, steps.episode[rows]) / (WIDE * scale))
            loss = (errors.mean(2) * counts[rows]).mean(1).sum()  # a sum: each network learns by itself
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            falling.step()
        if (now := error()) < least:
            best, least = copied(weights), now
    return best | fixed


def _running(torch: Any, difference: Any, episode: np.ndarray) -> Any:
    """Return the sums of differences, (K, M, N), over each episode so far, minus their mean over the episode."""
    _, number, count = np.unique(episode, return_inverse=True, return_counts=True)
    sums = difference.cumsum(1)  # includes earlier episodes: a constant in an episode, which the mean removes
    mean = torch.zeros((len(sums), len(count), sums.shape[2])).index_add(1, torch.from_numpy(number), sums)
    mean = mean / torch.from_numpy(count)[:, None]
    return sums - mean[:, torch.from_numpy(number)]


def _errors(difference: Any) -> Any:
    """Return pseudo-Huber errors: squares of small differences, in proportion to large ones."""
    return (1.0 + (difference / NEAR) ** 2) ** 0.5 - 1.0


def batches(rng: np.random.Generator, episode: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the rows of whole episodes, about `size` steps at a time: so each state is encoded once."""
    begins = np.searchsorted(episode, np.arange(episode[-1] + 2))
    for some in np.array_split(rng.permutation(len(begins) - 1), updates(episode, size)):
        yield np.concatenate([np.arange(begins[k], begins[k + 1]) for k in some])


def updates(episode: np.ndarray, size: int) -> int:
    """Return how many updates a pass has."""
    return min(max(round(len(episode) / size), LEAST_UPDATES), int(episode[-1]) + 1)


def copied(weights: Parameters) -> Parameters:
    """Return a copy of weights."""
    return {name: array.copy() for name, array in weights.items()}
