"""What a study keeps on disk, so that a killed one goes on: a folder for each run, a file for each finished cell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tianshou_examples.comparison.study_file import Cell, Run, Study
from tianshou_examples.experiment.settings import CONFIG, Settings, learner_name

COPY = "study.toml"  # the study as it was last run
# Of a run's settings, those that may differ when it goes on: how many seeds, and the limits of its critic.
MAY_DIFFER = ("seeds", "jobs", "out", "data_sets", "max_calls", "max_cost", "prices", "in_flight")


class StudyFolder:
    """The folder of a study.

    Each run has a folder `<task>/<method>` in it, as `train.py` makes one: `evaluate`, `spaceworld watch` and
    `train --resume` work on it. Beside a run's files lies `result-<learner>.json` for each finished cell.

    Args:
        path: Made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, run: Run) -> Path:
        """Return the folder of a run."""
        return self.path / run.task.name / run.method

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other programs from running a study in the same folder meanwhile; Windows cannot.

        Raises:
            ValueError: One does already.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w", encoding="utf-8") as file:
            with suppress(ImportError):  # Windows
                import fcntl

                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise ValueError(f"another program runs a study in {self.path} right now") from None
            yield

    def settings(self, run: Run) -> Settings:
        """Return the settings of a run that begins or goes on.

        Raises:
            ValueError: It was begun with other settings; the message says which.
        """
        folder, settings = self.of(run), run.settings
        if not (folder / CONFIG).exists():
            return settings
        before = Settings.read(folder)
        for f in fields(Settings):
            was, now = getattr(before, f.name), getattr(settings, f.name)
            if was != now and f.name not in MAY_DIFFER:
                raise ValueError(
                    f"{folder} was begun with {f.name} = {was!r}, and the study says {now!r}: remove that folder, or "
                    "choose another one with --out"
                )
        return replace(settings, data_sets=before.data_sets)

    def open(self, study: Study) -> None:
        """Write the settings of all runs, so that their learners can begin or go on.

        Raises:
            OSError: The folder cannot be written to.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / COPY).write_text(study.text, encoding="utf-8")
        for run in study.runs:
            folder, seeds = self.of(run), run.settings.seeds
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / CONFIG).exists():  # a part of the study was asked for, or a longer one was begun before
                seeds = max(seeds, Settings.read(folder).seeds)
            replace(run.settings, seeds=seeds).write(folder)

    def keep(self, cell: Cell, result: dict[str, Any]) -> None:
        """Write down the result of a finished cell."""
        path = self._result(cell)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(result), encoding="utf-8")
        part.replace(path)  # if the program is killed in between, the cell is learnt again from its checkpoint

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """Return what was kept of a cell; None if it is not finished."""
        try:
            return dict(json.loads(self._result(cell).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def _result(self, cell: Cell) -> Path:
        return self.of(cell.run) / f"result-{learner_name(cell.run.kind, cell.seed)}.json"

    def evaluations(self, cell: Cell) -> list[dict[str, Any]]:
        """Return the evaluations of a cell in the order of its training."""
        found: list[dict[str, Any]] = []
        for record in _records(self.of(cell.run) / "metrics.jsonl"):
            if (record["kind"], record["method"], record["seed"]) == ("evaluation", cell.run.kind, cell.seed):
                while found and found[-1]["steps"] >= record["steps"]:  # a killed learner went on from before
                    found.pop()
                found.append(record)
        return found


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file; a line that was cut off is none."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:  # the program was killed while it wrote
                continue
            yield record


def planned_steps(settings: Settings) -> list[int]:
    """Return the steps at which evaluations are due, the last one at the end."""
    parts = settings.evaluations + 1
    return [round(settings.steps * k / parts) for k in range(1, parts + 1)]


def at_planned_steps(settings: Settings, evaluations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the evaluation that was done for each planned one: the first one at or after it.

    An update may take a learner past several planned evaluations at once; they all have the next one's values.

    Raises:
        ValueError: There is none after the last planned one.
    """
    parts, found = settings.evaluations + 1, []
    for k, due in enumerate(planned_steps(settings), 1):
        record = next((r for r in evaluations if r["steps"] * parts >= settings.steps * k), None)
        if record is None:
            raise ValueError(f"there is no evaluation after {due:,} steps; was metrics.jsonl cut off?")
        found.append(record)
    return found
