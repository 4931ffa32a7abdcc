"""One run of `train.py`: its folder, its learner processes, and what a person sees meanwhile."""

from __future__ import annotations

import json
import multiprocessing
import queue as queues
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.settings import CONFIG, Settings, learner_name


def open_folder(settings: Settings, resume: str | None) -> tuple[Settings, Path]:
    """Return the settings and the folder of a new or an interrupted run.

    Raises:
        ValueError: The folder is not what it should be; the message says so in one line.
    """
    if resume is None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        folder = Path(settings.out or f"runs/{settings.env.replace(':', '-')}-{settings.algo}-{stamp}")
        if (folder / CONFIG).exists():
            raise ValueError(f"--out {folder}: there is a run already; use --resume {folder}, or another folder")
        return settings, folder
    folder = Path(resume)
    limits = {k: v for k in ("max_calls", "max_cost", "prices") if (v := getattr(settings, k)) is not None}
    settings = replace(Settings.read(folder), **limits)  # a run that its budget stopped goes on with a larger one
    if settings.max_cost is not None and settings.prices is None:
        raise ValueError(f"--resume {resume}: --max-cost needs --prices, which the run did not have")
    return settings, folder


class TrainingRun:
    """One run, which writes everything into its folder, and to the console what a person reads meanwhile."""

    def __init__(self, settings: Settings, folder: Path, console: Console) -> None:
        self.settings, self.folder, self.console = settings, folder, console
        self.results: dict[str, dict[str, Any]] = {}  # what each learner reported at its end, by name
        self.errors: list[str] = []  # one text for each learner that failed
        self.interrupted = False  # whether Ctrl-C was pressed
        self._running: dict[str, Any] = {}  # processes by the learner's name

    def prepare(self) -> None:
        """Print what will be trained, and make the environment once, so that no learner has to compile it."""
        s = self.settings
        self.console.print(f"{s.env}: {', '.join(s.method)} for at least {s.steps:,} environment steps each, "
                           f"{s.seeds} seed(s); {s.critic_note}")  # fmt: skip
        if s.reward != "own":
            self.console.print(f"the training pays {s.reward} rewards; evaluations count the environment's own")
        self.console.print(family_of(s.env).starting)
        env = environment_maker(s.env)()
        env.reset(seed=0)
        env.step(dict.fromkeys(env.agents, 0))

    def train(self) -> None:
        """Train all learners, `jobs` at a time, until they are done, one fails or Ctrl-C is pressed.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed twice; the learners are killed then.
        """
        context = multiprocessing.get_context("spawn")
        messages, stop = context.Queue(), context.Event()
        waiting = {learner_name(*learner): learner for learner in self.settings.learners}
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
                   TextColumn("{task.fields[state]}"), TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
        previous = signal.signal(signal.SIGINT, self._interrupt)
        try:
            with (
                (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as metrics,
                Progress(*columns, console=self.console) as bars,
            ):
                tasks = {name: bars.add_task(name, total=self.settings.steps, state="waiting") for name in waiting}
                while waiting or self._running:
                    if (self.interrupted or self.errors) and not stop.is_set():
                        stop.set()
                        waiting.clear()
                        self.console.print("stopping: every learner saves itself; a further Ctrl-C kills them")
                    while waiting and len(self._running) < self.settings.jobs:
                        name = next(iter(waiting))
                        arguments = (self.settings, *waiting.pop(name), self.folder, messages, stop)
                        self._running[name] = context.Process(target=_learn, args=arguments, daemon=True)
                        start_shielded(self._running[name])
                        bars.update(tasks[name], state="starting")
                    self._receive(messages, bars, tasks, metrics)
        finally:
            signal.signal(signal.SIGINT, previous)
            for process in self._running.values():
                process.kill()
                process.join()

    def _interrupt(self, *_: Any) -> None:
        # no more than this: the interrupted code may hold the lock of the stop event
        if self.interrupted or self.errors:
            raise KeyboardInterrupt
        self.interrupted = True

    def _receive(self, messages: Any, bars: Progress, tasks: dict[str, TaskID], metrics: TextIO) -> None:
        """Wait a moment for a message of a learner, and handle it."""
        ended = [name for name, process in self._running.items() if process.exitcode is not None]
        try:
            kind, name, value = messages.get(timeout=0.5)
        except queues.Empty:
            for name in ended:  # a result or an error would have been in the queue
                self.errors.append(f"{name}: the process ended with code {self._running.pop(name).exitcode}")
            return
        if kind == "record":
            metrics.write(json.dumps(value) + "\n")
            metrics.flush()
            if value["kind"] == "train":
                bars.update(tasks[name], completed=value["steps"], state=self._state(value))
            elif not self.console.is_terminal:
                greedy = value["greedy"]
                self.console.print(
                    f"{name}: {value['steps']:,} steps, greedy return {greedy['team_return']:.3f}"
                    f"{self._collisions(greedy)}"
                )
            return
        if kind == "result":
            self.results[name] = value
            if said := _without_model(value, self.folder):
                self.errors.append(f"{name}: {said}")
        else:
            self.errors.append(f"{name}: {value}")
        self._running.pop(name).join(timeout=30)

    def _collisions(self, value: dict[str, Any]) -> str:
        return f"  collisions {value['collisions']:.2f}" if family_of(self.settings.env).collisions else ""

    def _state(self, value: dict[str, Any]) -> str:
        """Return what a learner's bar shows: its return, and what the critic took so far."""
        text = f"return {value['return']:+.2f}{self._collisions(value)}  calls {value['calls']:,}"
        text += f"  tokens {value['tokens'] / 1e6:.1f}M"
        if value.get("cached_tokens"):
            text += f"  {value['cached_tokens'] / value['tokens']:.0%} cached"
        if self.settings.prices is not None:
            text += f"  cost {value['cost']:.2f}"
        if value.get("fallbacks"):
            text += f"  fallbacks {value['fallbacks']:,}"
        return text

    def report(self, seconds: float) -> None:
        """Write the report of the learners that ended, and print its table."""
        from tianshou_examples.experiment.report import write_report  # imports PyTorch, so not before the learners run

        names = [learner_name(*learner) for learner in self.settings.learners]
        if results := [self.results[name] for name in names if name in self.results]:
            write_report(self.settings, self.folder, results, seconds, self.console)


def _without_model(result: dict[str, Any], folder: Path) -> str:
    """Return what is wrong if a learner had no usable answer of a model; "" if it had one, or needed none."""
    critic = result["critic"]
    if result["in_vain"]:
        again = "train again" if result["complete"] else f"go on with --resume {folder}"
        return f"no answer came from the model, asked {result['in_vain']} times. What was trained is kept: {again}"
    if critic["fallbacks"] == critic["episodes"] > 0:
        return (
            f"no answer of the model could be used: all {critic['episodes']} episodes got the fallback credit. The "
            "answers are on record: python -m credit_wrappers ledger stats FILE"
        )
    return ""


def _learn(*arguments: Any) -> None:
    """Run a learner; the entry point of its process, which alone imports PyTorch."""
    from tianshou_examples.experiment.learner_process import run_learner

    run_learner(*arguments)


def start_shielded(process: Any) -> None:
    """Start a process that Ctrl-C in the terminal does not reach, from its first moment on.

    A queue or an event must have been made before: with the first one Python starts a process of its own, and
    unblocks signals.
    """
    if sys.platform == "win32":  # there, Ctrl-C ends a process that is still importing
        process.start()
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the process inherits this
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
