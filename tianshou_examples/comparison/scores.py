"""What finished cells scored: as matrices for rliable, and as the JSON that marl-eval reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tianshou_examples.comparison.study_file import Cell, Study, Task
from tianshou_examples.comparison.study_folder import StudyFolder, at_planned_steps, planned_steps

METRICS = {"return": "team_return", "success": "success", "collisions": "collisions", "length": "steps"}


@dataclass(frozen=True)
class CellScores:
    """A finished cell."""

    cell: Cell
    result: dict[str, Any]
    evaluations: list[dict[str, Any]]  # one for each planned one

    def each(self, how: str, measure: str, k: int | None) -> list[float]:
        """Return the episodes of a planned evaluation, as many of each; None: those of the absolute metric."""
        if k is None:
            return list(self.result["absolute"][how]["each"][measure])
        return list(self.evaluations[k]["each"][how][measure][: self.cell.run.settings.short_evaluation])


@dataclass(frozen=True)
class StudyScores:
    """All finished cells of a study.

    Attributes:
        study: What is compared.
        cells: Finished cells by task and method, in the order of their seeds.
    """

    study: Study
    cells: Mapping[tuple[str, str], Sequence[CellScores]]

    @property
    def methods(self) -> list[str]:
        """The methods with a finished cell in each task, which alone can be compared over all tasks."""
        return [m for m in self.study.methods if all(self.cells[t.name, m] for t in self.study.tasks)]

    @property
    def seeds(self) -> int:
        """The number of seeds that each of these methods has in each task."""
        counts = [len(self.cells[t.name, m]) for m in self.methods for t in self.study.tasks]
        return min(counts, default=0)

    def compared(self, task: Task, method: str) -> Sequence[CellScores]:
        """Return the cells that count where tasks are put together: equally many of each."""
        return self.cells[task.name, method][: self.seeds]

    def of_task(self, task: Task, how: str, measure: str = "team_return") -> dict[str, np.ndarray]:
        """Return the absolute metric of all finished cells of a task, (seeds, 1) for each method."""
        found = {}
        for method in self.study.methods:
            if cells := self.cells[task.name, method]:
                found[method] = np.array([[c.result["absolute"][how][measure]] for c in cells])
        return found

    def normalised(self, task: Task, values: np.ndarray, how: str) -> np.ndarray:
        """Return returns of a task as scores: its `low` is 0, its `high`, or the best mean of any cell, is 1."""
        high = task.high
        if high is None:
            high = max(float(values.max()) for values in self.of_task(task, how).values())
        return (values - task.low) / max(high - task.low, 1e-9)

    def absolute(self, how: str) -> dict[str, np.ndarray]:
        """Return the scores of the best teams, (seeds, tasks) for each method."""
        return self._matrices(how, lambda cell: cell.result["absolute"][how]["team_return"])

    def curves(self, how: str) -> dict[str, np.ndarray]:
        """Return the scores at the planned evaluations, (seeds, tasks, evaluations) for each method."""
        return self._matrices(how, lambda cell: task_curve(cell, how))

    def _matrices(self, how: str, value: Any) -> dict[str, np.ndarray]:
        return {
            method: np.stack(
                [
                    self.normalised(task, np.array([value(cell) for cell in self.compared(task, method)]), how)
                    for task in self.study.tasks
                ],
                axis=1,
            )
            for method in self.methods
        }


def task_curve(cell: CellScores, how: str) -> list[float]:
    """Return the mean returns of a cell at the planned evaluations."""
    return [float(np.mean(cell.each(how, "team_return", k))) for k in range(len(cell.evaluations))]


def load_scores(study: Study, folder: StudyFolder) -> StudyScores:
    """Return what the finished cells of a study scored.

    Raises:
        ValueError: The records of a finished cell are not whole.
    """
    cells: dict[tuple[str, str], list[CellScores]] = {(t.name, m): [] for t in study.tasks for m in study.methods}
    for cell in study.cells():
        result = folder.result(cell)
        if result is not None:
            try:
                found = at_planned_steps(cell.run.settings, folder.evaluations(cell))
            except ValueError as error:
                raise ValueError(f"{folder.of(cell.run)}, seed {cell.seed}: {error}") from None
            cells[cell.run.task.name, cell.run.method].append(CellScores(cell, result, found))
    return StudyScores(study, cells)


def marl_eval_data(scores: StudyScores, how: str) -> dict[str, Any]:
    """Return the JSON value that marl-eval reads: environment, task, algorithm, run, step or absolute metrics.

    It has the methods that are finished in all tasks, with equally many runs, since marl-eval can read no other data.
    Returns are the environments' own: marl-eval normalises them itself.
    """
    data: dict[str, Any] = {}
    for task in scores.study.tasks:
        algorithms = {
            method: {f"seed_{c.cell.seed}": _run_data(c, how) for c in scores.compared(task, method)}
            for method in scores.methods
        }
        data.setdefault(task.env.partition(":")[0], {})[task.name] = algorithms
    return data


def _run_data(cell: CellScores, how: str) -> dict[str, Any]:
    def metrics(k: int | None) -> dict[str, list[float]]:
        return {name: cell.each(how, measure, k) for name, measure in METRICS.items()}

    steps = {
        f"step_{k + 1}": {"step_count": due, **metrics(k)}
        for k, due in enumerate(planned_steps(cell.cell.run.settings))
    }
    return {**steps, "absolute_metrics": metrics(None)}
