"""The critic of `--critic answers:NAME`: a student of recorded labels, fitted once, before the learners begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gymnasium.spaces import Discrete
from pettingzoo import ParallelEnv

from credit_wrappers import StudentCritic, StudentSettings, dataset, fit_student, mirrored_labels
from credit_wrappers.core.errors import DatasetError
from credit_wrappers.dataset.published import ROUNDS
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.published_student import published_student
from tianshou_examples.experiment.settings import PUBLISHED, Settings

STUDENT = "student.npz"  # in the run's folder
# Of a fit with mirrored labels, chosen by agreement with exact credit on other play (docs/student.md): eight times as
# many steps need fewer passes, and bear a larger network.
MIRRORED = StudentSettings(epochs=30, hidden=64, weight_decay=0.1)


def load_student(folder: Path) -> StudentCritic:
    """Return the student of a run."""
    return StudentCritic.load(folder / STUDENT)


def data_sets(settings: Settings) -> list[str]:
    """Return the names of a run's data sets; "claude" stands for the published judgements of its environment.

    A run that recorded what it stood for has those, whatever was published later.

    Raises:
        DatasetError: There is a file or folder "claude", or with the name of one of those, too.
        FileNotFoundError: There are no published judgements of the environment.
    """
    if settings.answers_name != PUBLISHED:
        return settings.answers_name.split(",")
    names = list(settings.data_sets) or _published(settings)
    for name in (PUBLISHED, *names):
        if Path(name).exists():
            raise DatasetError(
                f"published judgements are asked for, and there is a {name} in this folder, too: work in another "
                f"folder, or write --critic answers:./{name} for that one"
            )
    return names


def _published(settings: Settings) -> list[str]:
    """Return the names of the published judgements of a run's environment, in the order in which they were asked.

    Which labels the student holds out depends on it. Where some were asked in today's wording (their card tells its
    digest), older ones are left out: their credit has another scale.
    """
    cards = {name: dataset.load_card(name) for name in dataset.published_names()}
    own = [name for name, card in cards.items() if card.world == settings.env]
    if not own:
        known = ", ".join(sorted({card.world for card in cards.values()}))
        raise FileNotFoundError(f"there are no published judgements of {settings.env}; there are of {known}")
    newest = [name for name in own if cards[name].wording.startswith("digest")] or own
    return sorted(newest, key=lambda name: ROUNDS.index(name) if name in ROUNDS else len(ROUNDS))


def check_labels(settings: Settings) -> None:
    """Check the data sets of a run, before anything else is done.

    Raises:
        DatasetError: A data set is damaged, or it is of another environment than the run.
        FileNotFoundError: There is no such data set; the message lists the published ones.
    """
    for name in data_sets(settings):
        card = dataset.load_card(name)
        if card.world != settings.env:
            raise DatasetError(f"the data set {name} is of {card.world}, and this run is of {settings.env}")


def check_no_student(folder: Path) -> None:
    """Check the folder of a run that begins.

    Raises:
        FileExistsError: There is a student, which the run would take for its own.
    """
    if (folder / STUDENT).exists():
        raise FileExistsError(
            f"--out {folder}: there is a {STUDENT} already, of something else: remove it, or give another folder"
        )


def with_data_sets(settings: Settings, folder: Path) -> Settings:
    """Return a run's settings with the names of its data sets.

    A run of an earlier version did not record them. Where its student is there, nobody knows what it was fitted to, and
    no names are added.
    """
    if not settings.data_sets and (folder / STUDENT).exists():
        return settings
    return replace(settings, data_sets=tuple(data_sets(settings)))


def fitting_note(settings: Settings, folder: Path) -> str:
    """Return what to say before a run's student is fitted; "" if it is there."""
    if (folder / STUDENT).exists() or _fitted_before(settings) is not None:
        return ""
    names = " and ".join(data_sets(settings))
    return f"fitting a student to the labels of {names}, which takes one to three minutes ..."


def fit_run_student(settings: Settings, folder: Path, progress: bool = False) -> str:
    """Save the student of a run in the run's folder, unless it is there; return a line about it.

    The one that comes with the package for these data sets is taken, unless the run asks for a new fit. A fit reads the
    labels of one data set or several. Their episodes are played again, for the observations, and in all mirrors of the
    world. `progress` shows a bar of the fit.

    Raises:
        DatasetError, FileNotFoundError: As `check_labels`.
    """
    names = data_sets(settings)
    check_labels(settings)
    cards = [dataset.load_card(name) for name in names]
    named = bool(settings.data_sets) or settings.answers_name != PUBLISHED or not (folder / STUDENT).exists()
    before = _fitted_before(settings)
    if not (folder / STUDENT).exists() and before is not None:
        before.save(folder / STUDENT)
    elif not (folder / STUDENT).exists():
        make_env = environment_maker(settings.env, **settings.world_options)
        labels, mirrored = [], []
        for name, card in zip(names, cards, strict=True):
            mine = [(label.episode, label.credit) for label in dataset.load(name)]
            labels += mine
            mirrored += mirrored_labels(mine, card.make_env)
        chosen = MIRRORED if any(mirrored) else None
        actions = _actions(make_env)
        student = fit_student(labels, chosen, mirrored=mirrored, n_actions=actions, progress=progress)
        student.save(folder / STUDENT)
    student = load_student(folder)
    agreement = student.agreement
    source = (
        f"{' and '.join(names)}, credited by {' and '.join(dict.fromkeys(card.credited_by for card in cards))}"
        if named
        else "published judgements, which of them the run did not record"
    )
    return (
        f"a student of {student.labels} labels from {source}; on "
        f"{agreement.episodes} of them, held out, rank correlation {agreement.steps.rank:.2f} of steps and "
        f"{agreement.sums.rank:.2f} of sums"
    )


def _fitted_before(settings: Settings) -> StudentCritic | None:
    """Return the student that comes with the package for a run's data sets, or None."""
    names = data_sets(settings)
    if settings.refit or any(Path(name).exists() for name in names):  # a path comes before a published name
        return None
    return published_student(names, MIRRORED)


def _actions(make_env: Callable[[], ParallelEnv]) -> dict[str, int]:
    env: Any = make_env()
    spaces = {agent: env.action_space(agent) for agent in env.possible_agents}
    env.close()
    return {agent: int(space.n) for agent, space in spaces.items() if isinstance(space, Discrete)}
