"""Before a study's learners begin: everything that would fail in an hour fails now, and students are fitted."""

from __future__ import annotations

import sys
from dataclasses import replace

from rich.console import Console

from tianshou_examples.comparison.study_file import Study
from tianshou_examples.comparison.study_folder import StudyFolder
from tianshou_examples.experiment.actors import kinds_in
from tianshou_examples.experiment.critics import check_critics
from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.fast_learner import check_fast
from tianshou_examples.experiment.recorded_answers import check_labels, data_sets, fit_run_student, fitting_note


def prepare(study: Study, folder: StudyFolder, console: Console) -> Study:
    """Check the runs of a study, write their folders, and fit the students that pay in them.

    Returns:
        The study, whose runs name the data sets that they learn from.

    Raises:
        ValueError, OSError, ImportError, CreditError: A run cannot begin; the message says why.
    """
    runs = []
    for run in study.runs:
        settings = folder.settings(run)
        check_critics(settings)
        if settings.benchmarl:
            _check_benchmarl(f"{run.task.name}/{run.method}")
        if settings.loop == "fast":
            check_fast(settings)
        if settings.network == "entities":
            kinds_in(environment_maker(settings.env)())
        if settings.answers_name:
            check_labels(settings)
            settings = replace(settings, data_sets=tuple(data_sets(settings)))
        runs.append(replace(run, settings=settings))
    study = replace(study, runs=tuple(runs))
    folder.open(study)
    for run in study.runs:
        if run.settings.answers_name:
            if note := fitting_note(run.settings, folder.of(run)):
                console.print(f"{run.task.name}/{run.method}: {note}", markup=False)
            fit_run_student(run.settings, folder.of(run), progress=sys.stderr.isatty())
    return study


def _check_benchmarl(name: str) -> None:
    try:
        import benchmarl  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ImportError(f'{name} needs BenchMARL: pip install "llm-credit-wrappers[benchmarl]"') from error


def warm_up(study: Study, console: Console) -> None:
    """Make each environment once, so that no learner has to compile it."""
    for env in dict.fromkeys(run.settings.env for run in study.runs):
        console.print(f"{env}: {family_of(env).starting}", markup=False)
        world = environment_maker(env)()
        world.reset(seed=0)
        world.step(dict.fromkeys(world.agents, 0))
        world.close()
