"""All cells of a study, from the first to the last: which one begins when, what it reports, and Ctrl-C."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tianshou_examples.comparison.cell_runners import CellRunner
from tianshou_examples.comparison.study_file import Cell
from tianshou_examples.comparison.study_folder import StudyFolder
from tianshou_examples.experiment.evaluation import PLAY


@dataclass
class Outcome:
    """How a session of a study ended: one text for each cell that failed, and whether Ctrl-C was pressed."""

    errors: list[str] = field(default_factory=list)
    interrupted: bool = False


class Schedule:
    """Runs cells, as many at a time as the runner has room for.

    A cell that fails does not stop the others; the next session tries it again.

    Args:
        cells: Those that are not finished, in their order.
        folder: Of the study.
        runner: Where the learners run.
        console: What a person reads.
    """

    def __init__(self, cells: Sequence[Cell], folder: StudyFolder, runner: CellRunner, console: Console) -> None:
        self.cells = {cell.name: cell for cell in cells}
        self.folder, self.runner, self.console = folder, runner, console
        self.outcome = Outcome()
        self._running: dict[str, TaskID] = {}
        self._steps = dict.fromkeys(self.cells, 0)

    def run(self) -> Outcome:
        """Run all cells; return when they are done, or have saved themselves after Ctrl-C.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed twice; the learners are killed then.
        """
        waiting, stopped = list(self.cells), False
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
                   TextColumn("{task.fields[state]}"), TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
        previous = signal.signal(signal.SIGINT, self._interrupt)
        try:
            with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as bars:
                total = sum(cell.run.settings.steps for cell in self.cells.values())
                whole = bars.add_task("all", total=total, state=f"{len(waiting)} learners")
                while waiting or self._running:
                    if self.outcome.interrupted and not stopped:
                        self.runner.stop()
                        waiting, stopped = [], True
                        self.console.print("stopping: every learner saves itself; a further Ctrl-C kills them")
                    while waiting and len(self._running) < self.runner.jobs:
                        self._start(self.cells[waiting.pop(0)], bars)
                    if message := self.runner.receive(0.5):
                        self._handle(*message, bars)
                        bars.update(whole, completed=sum(self._steps.values()))
        finally:
            signal.signal(signal.SIGINT, previous)
            self.runner.close()
        return self.outcome

    def _interrupt(self, *_: Any) -> None:
        # no more than this: the interrupted code may hold the lock of the stop event
        if self.outcome.interrupted:
            raise KeyboardInterrupt
        self.outcome.interrupted = True

    def _start(self, cell: Cell, bars: Progress) -> None:
        self._running[cell.name] = bars.add_task(cell.name, total=cell.run.settings.steps, state="starting")
        self.runner.start(cell, self.folder.of(cell.run))

    def _handle(self, name: str, kind: str, value: Any, bars: Progress) -> None:
        """Handle a message of a learner."""
        cell = self.cells[name]
        if kind == "record":
            add_line(self.folder.of(cell.run) / "metrics.jsonl", json.dumps(value))
            if value["kind"] == "train":
                self._steps[name] = min(value["steps"], cell.run.settings.steps)
                bars.update(self._running[name], completed=self._steps[name], state=f"return {value['return']:+.2f}")
            return
        bars.remove_task(self._running.pop(name))
        if kind == "error":
            self._fail(name, value)
        elif value["in_vain"]:
            self._fail(name, f"no answer came from the model, asked {value['in_vain']} times")
        elif value["critic"]["fallbacks"] == value["critic"]["episodes"] > 0:
            self._fail(name, "no answer of the model could be used: all episodes got the fallback credit")
        elif value["complete"]:
            self.folder.keep(cell, value)
            self._steps[name] = cell.run.settings.steps
            done = sum(self._steps[other] >= each.run.settings.steps for other, each in self.cells.items())
            returns = ", ".join(f"{how} {value['absolute'][how]['team_return']:.3f}" for how in PLAY)
            seconds = sum(value["times"].values())
            self.console.print(f"[{done}/{len(self.cells)}] {name}: {returns} ({seconds:.0f} s)", markup=False)

    def _fail(self, name: str, why: str) -> None:
        self.outcome.errors.append(f"{name}: {why}")
        self.console.print(f"{name} failed: {why.strip().splitlines()[-1]}", markup=False)


def add_line(path: Path, line: str) -> None:
    """Add a line to a file; the one before it may have been cut off when the program was killed."""
    with path.open("a+b") as file:
        if file.seek(0, 2):
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(line.encode() + b"\n")
