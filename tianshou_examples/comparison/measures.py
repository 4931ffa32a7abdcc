"""What a study measures besides learners: commands that print a table, each in a process of its own, kept when done."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

KEYS = ("about", "command")
COMMANDS = {"scale": "--out", "sight": None}  # of this package, and the option by which one is told its folder
FOLDER = "measures"  # in a study's folder


@dataclass(frozen=True)
class Measure:
    """A command of this package that prints a table.

    Attributes:
        name: Of its heading and its files.
        about: What it is for.
        command: Such as `scale --robots 2 4`, as it stands behind `python -m tianshou_examples.`.
    """

    name: str
    about: str
    command: str


def measures_of(tables: Mapping[str, Mapping[str, Any]]) -> tuple[Measure, ...]:
    """Return the measures of a study's file.

    Raises:
        ValueError: A table is not as it should be; the message says where, and what is valid.
    """
    found = []
    for name, table in tables.items():
        where = f"measures.{name}"
        if unknown := [key for key in table if key not in KEYS]:
            raise ValueError(f"{where}: unknown {unknown[0]!r}; valid: {', '.join(KEYS)}")
        command = str(table.get("command", ""))
        if command.partition(" ")[0] not in COMMANDS:
            raise ValueError(f"{where}: command is {command!r}, and must begin with one of {', '.join(COMMANDS)}")
        found.append(Measure(name, str(table.get("about", "")).strip(), command))
    return tuple(found)


def run_measures(measures: Sequence[Measure], folder: Path, jobs: int, console: Console) -> list[str]:
    """Run what is not kept yet, `jobs` at a time; return a text for each that failed.

    Args:
        measures: Of a study.
        folder: Of the study.
        jobs: Processes at the same time.
        console: What a person reads.
    """
    waiting = [measure for measure in measures if kept(measure, folder) is None]
    running: list[tuple[Measure, float, subprocess.Popen[bytes], Path]] = []
    errors = []
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                measure = waiting.pop(0)
                part = folder / FOLDER / f"{measure.name}.part"
                running.append((measure, time.perf_counter(), _started(measure, folder, part), part))
            done = [each for each in running if each[2].poll() is not None]
            if not done:
                time.sleep(0.2)
            for each in done:
                running.remove(each)
                measure, began, process, part = each
                seconds, printed = time.perf_counter() - began, part.read_text(encoding="utf-8")
                part.unlink()
                if process.returncode:
                    errors.append(f"{measure.name}: python -m tianshou_examples.{measure.command} ended with code "
                                  f"{process.returncode}")  # fmt: skip
                    continue
                record = {"command": measure.command, "seconds": seconds, "printed": printed}
                _file(measure, folder).write_text(json.dumps(record), encoding="utf-8")
                console.print(f"{measure.name}: measured ({seconds:.0f} s)", markup=False)
    finally:
        for _, _, process, part in running:
            process.kill()
            process.wait()
            part.unlink(missing_ok=True)
    return errors


def _started(measure: Measure, folder: Path, part: Path) -> subprocess.Popen[bytes]:
    word, *options = shlex.split(measure.command)
    if told := COMMANDS[word]:
        options += [told, str(folder / FOLDER / measure.name)]
    threads = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}  # the other cores run the other ones
    with part.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", f"tianshou_examples.{word}", *options], stdout=file, env={**os.environ, **threads}
        )


def kept(measure: Measure, folder: Path) -> dict[str, Any] | None:
    """Return `command`, `seconds` and `printed` of a measure that was done; None if not, or by another command."""
    try:
        record = dict(json.loads(_file(measure, folder).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    return record if record["command"] == measure.command else None


def measures_section(measures: Sequence[Measure], folder: Path) -> list[str]:
    """Return the lines of a study's page that tell what was measured."""
    lines: list[str] = []
    for measure in measures:
        record = kept(measure, folder)
        lines += [f"## {measure.name}", "", *([measure.about, ""] if measure.about else [])]
        lines += ["```bash", f"python -m tianshou_examples.{measure.command}", "```", ""]
        lines += [*tables_in(record["printed"]), "", f"{record['seconds']:.0f} s.", ""] if record else ["Not yet.", ""]
    return lines


def tables_in(printed: str) -> list[str]:
    """Return the lines that a command printed, without those about its files."""
    return [line for line in printed.strip().splitlines() if not line.startswith("In ")]


def _file(measure: Measure, folder: Path) -> Path:
    return folder / FOLDER / f"{measure.name}.json"
