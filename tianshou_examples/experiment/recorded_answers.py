"""The critic of `--critic answers:NAME`: a student of recorded labels, fitted once, before the learners begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gymnasium.spaces import Discrete

from credit_wrappers import StudentCritic, dataset, fit_student
from credit_wrappers.core.errors import DatasetError
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.settings import Settings

STUDENT = "student.npz"  # in the run's folder


def load_student(folder: Path) -> StudentCritic:
    """Return the student of a run."""
    return StudentCritic.load(folder / STUDENT)


def fit_run_student(settings: Settings, folder: Path) -> str:
    """Fit the student of a run and save it in the run's folder, unless it is there; return a line about it.

    The labels are read from a data set, the observations of their episodes are played again, with the action mask of
    the run.

    Raises:
        DatasetError: The data set is damaged, or it is of another environment than the run.
        FileNotFoundError: There is no such data set; the message lists the published ones.
    """
    name = settings.answers_name
    if not (folder / STUDENT).exists():
        card = dataset.load_card(name)
        if card.world != settings.env:
            raise DatasetError(f"the data set {name} is of {card.world}, and this run is of {settings.env}")
        labels = dataset.load(name)
        fit_student([(label.episode, label.credit) for label in labels], n_actions=_actions(settings)).save(
            folder / STUDENT
        )
    student = load_student(folder)
    agreement = student.agreement
    return (
        f"a student of {student.labels} labels from {name}, credited by {dataset.load_card(name).credited_by}; on "
        f"{agreement.episodes} of them, held out, rank correlation {agreement.steps.rank:.2f} of steps and "
        f"{agreement.sums.rank:.2f} of sums"
    )


def _actions(settings: Settings) -> dict[str, int]:
    env: Any = environment_maker(settings.env)()
    spaces = {agent: env.action_space(agent) for agent in env.possible_agents}
    env.close()
    return {agent: int(space.n) for agent, space in spaces.items() if isinstance(space, Discrete)}
