"""What a study compares: a TOML file becomes methods, tasks and seeds, with the settings of every run."""

from __future__ import annotations

import re
import tomllib
from argparse import ArgumentParser
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from tianshou_examples.comparison.measures import Measure, measures_of
from tianshou_examples.experiment.benchmarl_names import ALGORITHMS, SETTINGS
from tianshou_examples.experiment.command_line import LEARNER, parse
from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.methods import METHODS
from tianshou_examples.experiment.settings import Settings

STUDIES = Path(__file__).parent.parent / "studies"  # those that come with the package
STUDY_KEYS = ("about", "seeds", "settings", "tasks", "methods", "measures")
TASK_KEYS = ("env", "seeds", "low", "high")
METHOD_KEYS = ("method", "tasks", "benchmarl", "benchmarl_settings")
OWN = ("env", "method", "seeds", "jobs", "out", "replay")  # options of `train.py` that a study decides itself
OPTIONS = {f.name: f for f in fields(Settings) if f.metadata and f.name not in OWN}
ABSOLUTE = 10  # times the episodes of an evaluation
# options that hold for learners of BenchMARL, too; it has learner settings of its own
BENCHMARL_HEEDS = ("steps", "action_mask", "sight", "roles_told", "reward", "eval_episodes", "evaluations", "prices")
NAME = re.compile(r"[a-z0-9][a-z0-9_.+-]*")  # of folders; marl-eval makes names small and forbids commas
FALLBACK_COLOURS = ("#ea580c", "#4d7c0f", "#1d4ed8", "#a16207", "#9f1239", "#0e7490", "#365314", "#831843")


@dataclass(frozen=True)
class Task:
    """An environment in which methods are compared.

    Attributes:
        name: In tables and folders.
        env: `family:scenario`.
        low: Return that counts as 0.
        high: Return that counts as 1; None: the highest mean return in the study.
    """

    name: str
    env: str
    low: float
    high: float | None


@dataclass(frozen=True)
class Run:
    """One method in one task: a run of `train.py` with a learner for each seed."""

    task: Task
    method: str  # the name in the study
    settings: Settings  # whose `method` is the one of `METHODS`

    @property
    def kind(self) -> str:
        """The name among `METHODS`; of a learner that BenchMARL trains, that of its reward."""
        return self.settings.method[0]


@dataclass(frozen=True)
class Cell:
    """One learner: a run with a seed."""

    run: Run
    seed: int

    @property
    def name(self) -> str:
        """What tells it from the other cells."""
        return f"{self.run.task.name}/{self.run.method}/{self.seed}"


@dataclass(frozen=True)
class Study:
    """What is compared."""

    name: str
    about: str
    runs: tuple[Run, ...]
    text: str  # of the file
    measures: tuple[Measure, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, in the order of the file."""
        return tuple(dict.fromkeys(run.task for run in self.runs))

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of all methods, in the order of the file."""
        return tuple(dict.fromkeys(run.method for run in self.runs))

    def colours(self) -> dict[str, str]:
        """Return a colour for each method: that of its kind for the first of a kind, others for the next ones."""
        found: dict[str, str] = {}
        for run in self.runs:
            if run.method not in found:
                taken = {*found.values(), "" if not run.settings.benchmarl else METHODS[run.kind].colour}
                own = METHODS[run.kind].colour
                spare = (colour for colour in FALLBACK_COLOURS if colour not in taken)
                found[run.method] = own if own not in taken else next(spare, "#000000")
        return found

    def cells(self) -> Iterator[Cell]:
        """Yield all cells; a first seed of everything comes before a second seed of anything."""
        for seed in range(max((run.settings.seeds for run in self.runs), default=0)):
            yield from (Cell(run, seed) for run in self.runs if seed < run.settings.seeds)

    def only(self, tasks: Collection[str], methods: Collection[str], seeds: int | None) -> Study:
        """Return a part of the study; empty collections and None stand for all.

        Raises:
            ValueError: There is no such task or method.
        """
        _check_names("--tasks", tasks, [task.name for task in self.tasks])
        _check_names("--methods", methods, self.methods)
        kept = [
            replace(run, settings=replace(run.settings, seeds=min(run.settings.seeds, seeds or run.settings.seeds)))
            for run in self.runs
            if (not tasks or run.task.name in tasks) and (not methods or run.method in methods)
        ]
        if self.runs and not kept:
            raise ValueError(f"--methods {' '.join(methods)}: the study has none of these in --tasks {' '.join(tasks)}")
        return replace(self, runs=tuple(kept), measures=() if tasks or methods else self.measures)


def find_studies(name: str) -> list[tuple[str, Path]]:
    """Return names and files of the studies that are meant: one file, or all files of a folder.

    Args:
        name: The path of a file or a folder, or the name of a study, or of a folder of studies, of the package.

    Raises:
        ValueError: There is no such file.
    """
    files = {path.relative_to(STUDIES).with_suffix("").as_posix(): path for path in STUDIES.rglob("*.toml")}
    known = sorted({*files, *(path.parent.relative_to(STUDIES).as_posix() for path in STUDIES.glob("*/*.toml"))})
    if name in files:
        return [(name, files[name])]
    folder = STUDIES / name if name in known else Path(name)
    if folder.is_dir() and (inside := sorted(folder.glob("*.toml"))):
        return [(f"{folder.resolve().name}/{path.stem}", path) for path in inside]
    if not Path(name).is_file():
        raise ValueError(f"there is no file {name}; studies that come with the package: {', '.join(known)}")
    return [(Path(name).stem, Path(name))]


def read_study(path: Path, name: str | None = None) -> Study:
    """Read a study's file.

    Args:
        path: Of the file.
        name: Of the study, and of its folder; None: the file's.

    Raises:
        ValueError: It is not as it should be; the message says where, and what is valid.
        OSError, ImportError: It cannot be read; the library of an environment is missing.
    """
    text = path.read_text(encoding="utf-8")
    try:
        told = tomllib.loads(text)
        _check_names("", told, STUDY_KEYS)
        measures = measures_of(_tables(told, "measures") if "measures" in told else {})
        runs = _runs(told) if not measures or "tasks" in told or "methods" in told else []
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Study(name or path.stem, str(told.get("about", "")).strip(), tuple(runs), text, measures)


def _runs(told: Mapping[str, Any]) -> list[Run]:
    tasks, methods = _tables(told, "tasks"), _tables(told, "methods")
    common, seeds = _table(told, "settings"), _seeds("seeds", told.get("seeds", 1))
    _check_names("settings", common, OPTIONS)
    for method, own in methods.items():
        _check_names(f"methods.{method}", own, [*METHOD_KEYS, *OPTIONS])
        if not isinstance(chosen := own.get("tasks", list(tasks)), list) or not chosen:
            raise ValueError(f"methods.{method}: tasks is {chosen!r}, and must be a list of names")
        _check_names(f"methods.{method}.tasks", chosen, tasks, "task")
    runs = [
        _run(task, method, common, tasks[task], methods[method], seeds)
        for task in tasks for method in methods if task in methods[method].get("tasks", tasks)
    ]  # fmt: skip
    _check_evaluations(runs)
    return runs


def _run(
    name: str, method: str, common: Mapping[str, Any], task: Mapping[str, Any], own: Mapping[str, Any], seeds: int
) -> Run:
    where = f"tasks.{name}"
    _check_names(where, task, [*TASK_KEYS, *OPTIONS])
    if "env" not in task:
        raise ValueError(f"{where}: env is missing")
    benchmarl = _benchmarl(f"methods.{method}", own)
    kind = str(own.get("method", "shared" if benchmarl else method))
    _check_names(f"methods.{method}", [kind], METHODS, "method")
    env = str(task["env"])
    given = {k: v for table in (common, task, own) for k, v in table.items() if k in OPTIONS}
    if benchmarl:
        given = {k: v for k, v in given.items() if k in BENCHMARL_HEEDS}
    try:
        settings, _ = parse(_arguments({**given, "env": env, "method": kind}), _Parser)
    except ValueError as error:
        raise ValueError(f"{where} with methods.{method}: {error}") from None
    seeds = _seeds(f"{where}.seeds", task.get("seeds", seeds))
    low, high = _number(f"{where}.low", task.get("low", 0.0)), family_of(env).maximum
    high = _number(f"{where}.high", task["high"]) if "high" in task else high
    if high is not None and high <= low:
        raise ValueError(f"{where}: high is {high:g}, and must be more than low, {low:g}")
    settings = replace(settings, seeds=seeds, absolute=ABSOLUTE * settings.short_evaluation, benchmarl=benchmarl)
    return Run(Task(name, env, low, high), method, settings)


def _benchmarl(where: str, own: Mapping[str, Any]) -> str:
    """Return algorithm and settings of BenchMARL, "" where a method has none."""
    if "benchmarl" not in own:
        if "benchmarl_settings" in own:
            raise ValueError(f"{where}: benchmarl_settings belongs to benchmarl, an algorithm: {', '.join(ALGORITHMS)}")
        return ""
    if own.get("method", "shared") != "shared":
        raise ValueError(f"{where}: BenchMARL's algorithms learn from the team reward; leave method out")
    algorithm, settings = str(own["benchmarl"]), str(own.get("benchmarl_settings", SETTINGS[0]))
    _check_names(f"{where}.benchmarl", [algorithm], ALGORITHMS, "algorithm")
    _check_names(f"{where}.benchmarl_settings", [settings], SETTINGS)
    return f"{algorithm} {settings}"


def _check_evaluations(runs: Sequence[Run]) -> None:
    """Raise a ValueError where runs are evaluated unequally often: their curves could not be put together."""
    first = runs[0]
    for run in runs:
        if run.settings.evaluations != first.settings.evaluations:
            raise ValueError(
                f"tasks.{run.task.name} with methods.{run.method} has evaluations = {run.settings.evaluations}, and "
                f"tasks.{first.task.name} with methods.{first.method} {first.settings.evaluations}: give all the same "
                "number, in [settings]"
            )


class _Parser(ArgumentParser):
    """The parser of `train.py`, of which a wrong option is an error that a study's reader explains."""

    def error(self, message: str) -> NoReturn:
        """Raise a ValueError."""
        raise ValueError(message)


def _arguments(given: Mapping[str, Any]) -> list[str]:
    """Return options as they are written on the command line of `train.py`."""
    options: list[str] = []
    learner: list[str] = []
    for name, value in given.items():
        if isinstance(value, dict):
            raise ValueError(f"{name} is a table, and must be a value")
        if name in LEARNER:
            learner.append(f"{name}={value}")
            continue
        option = f"--{name.replace('_', '-')}"
        flag = OPTIONS[name].metadata.get("action") == "store_true" if name in OPTIONS else False
        if flag != isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}, and must be {'true or false' if flag else 'no truth value'}")
        if flag:
            options += [option] if value else []
        else:
            options += [option, *map(str, value if isinstance(value, list) else [value])]
    return options + (["--set", *learner] if learner else [])


def _tables(told: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """Return the tables below a key, at least one."""
    tables = _table(told, key)
    if not tables:
        raise ValueError(f"there are no {key}: write at least one table [{key}.NAME]")
    for name, table in tables.items():
        if not NAME.fullmatch(name):
            raise ValueError(f"{key}: {name!r} is no name of small letters, digits and _ . + -")
        if not isinstance(table, dict):
            raise ValueError(f"{key}.{name} is {table!r}, and must be a table [{key}.{name}]")
    return tables


def _table(told: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = told.get(key, {})
    if not isinstance(table, dict):
        raise ValueError(f"{key} is {table!r}, and must be a table")
    return table


def _seeds(where: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{where} is {value!r}, and must be a whole number above 0")
    return value


def _number(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise ValueError(f"{where} is {value!r}, and must be a number")
    return float(value)


def _check_names(where: str, given: Collection[str], valid: Collection[str], what: str = "") -> None:
    """Raise a ValueError for the first name that is not valid; it says which valid one is nearest."""
    for name in given:
        if name not in valid:
            near = get_close_matches(name, valid, n=1, cutoff=0.5)
            said = f"{where}: " if where else ""
            meant = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{said}unknown {f'{what} ' if what else ''}{name!r}; {meant}valid: {', '.join(valid)}")
