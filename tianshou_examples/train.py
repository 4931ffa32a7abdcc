"""Trains a team from a critic's credits beside the plain shared reward, and reports on both.

    python -m tianshou_examples.train --env spaceworld:duet
    python -m tianshou_examples.train --env spaceworld:pair --method mca summed shared --seeds 3
    python -m tianshou_examples.train --env lbf:Foraging-5x5-2p-1f-coop-v3 --method mca shared --seeds 5
    python -m tianshou_examples.train --critic anthropic --steps 20000     (needs ANTHROPIC_API_KEY)
    python -m tianshou_examples.train --resume runs/<name>

Each method and each seed is one learner in its own process. The folder of the run holds `config.json`,
`metrics.jsonl`, `tensorboard/`, `learning_curve.png`, `team.gif`, `ledger-*.sqlite`, `credits.txt`, `results.json` and
`checkpoints/`. Ctrl-C stops cleanly; `--resume` goes on.
"""

from __future__ import annotations

import json
import multiprocessing
import queue as queues
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from credit_wrappers import CreditError
from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.learner_process import arm_name, run_arm
from tianshou_examples.experiment.methods import METHODS
from tianshou_examples.experiment.settings import Settings, parse


class Run:
    """One run and its folder.

    Args:
        settings: what to train.
        folder: where everything is written.
        console: where a person reads.
    """

    def __init__(self, settings: Settings, folder: Path, console: Console) -> None:
        self.settings, self.folder, self.console = settings, folder, console
        self.results: dict[str, dict[str, Any]] = {}
        self.errors: list[str] = []
        self.interrupted = False

    def prepare(self) -> None:
        """Says what is to be done, and makes the environment once before learners time it."""
        from tianshou_examples.experiment.environments import world_factory
        from tianshou_examples.experiment.report import critic_note

        s = self.settings
        self.console.print(f"{s.env}: {', '.join(s.method)} for {s.steps:,} environment steps each, "
                           f"{s.seeds} seed(s); {critic_note(s)}")  # fmt: skip
        self.console.print(family_of(s.env).starting)
        env = world_factory(s.env)()
        env.reset(seed=0)
        env.step(dict.fromkeys(env.agents, 0))

    def train(self) -> None:
        """Trains all arms, `jobs` at a time, until they are done, one fails or Ctrl-C is pressed.

        Raises:
            KeyboardInterrupt: when Ctrl-C was pressed twice; the learners are killed then.
        """
        context = multiprocessing.get_context("spawn")
        messages, stop = context.Queue(), context.Event()
        waiting = list(self.settings.arms)
        running: dict[str, Any] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
                   TextColumn("{task.fields[state]}"), TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
        previous = signal.signal(signal.SIGINT, self._interrupt)
        try:
            with (
                (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as metrics,
                Progress(*columns, console=self.console) as bars,
            ):
                tasks = {
                    arm_name(*arm): bars.add_task(arm_name(*arm), total=self.settings.steps, state="waiting")
                    for arm in waiting
                }
                while waiting or running:
                    if (self.interrupted or self.errors) and not stop.is_set():
                        stop.set()
                        waiting.clear()
                        self.console.print("stopping: every learner saves itself; a further Ctrl-C kills them")
                    while waiting and len(running) < self.settings.jobs:
                        arm = waiting.pop(0)
                        process = context.Process(
                            target=run_arm,
                            args=(self.settings, *arm, self.folder, messages, stop),
                            daemon=True,
                        )
                        _start(process)
                        running[arm_name(*arm)] = process
                        bars.update(tasks[arm_name(*arm)], state="starting")
                    self._receive(messages, running, bars, tasks, metrics)
        finally:
            signal.signal(signal.SIGINT, previous)
            for process in running.values():
                process.kill()
                process.join()

    def _interrupt(self, *_: Any) -> None:
        # no more than this: the lock of the stop event may be held by the very code that the signal interrupted
        if self.interrupted or self.errors:
            raise KeyboardInterrupt
        self.interrupted = True

    def _receive(self, messages: Any, running: dict[str, Any], bars: Progress, tasks: dict[str, Any],
                 metrics: Any) -> None:  # fmt: skip
        ended = [arm for arm, process in running.items() if process.exitcode is not None]
        try:
            kind, arm, value = messages.get(timeout=0.5)
        except queues.Empty:
            for arm in ended:  # without a last word, which would be in the queue
                self.errors.append(f"{arm}: the process ended with code {running.pop(arm).exitcode}")
            return
        if kind == "record":
            metrics.write(json.dumps(value) + "\n")
            metrics.flush()
            if value["kind"] == "train":
                state = (f"return {value['return']:+.2f}{self._collisions(value)}  "
                         f"calls {value['calls']:,}  tokens {value['tokens'] / 1e6:.1f}M"
                         f"{_money(self.settings, value)}")  # fmt: skip
                bars.update(tasks[arm], completed=value["steps"], state=state)
            elif not self.console.is_terminal:
                greedy = value["greedy"]
                self.console.print(
                    f"{arm}: {value['steps']:,} steps, greedy return {greedy['team_return']:.3f}"
                    f"{self._collisions(greedy)}"
                )
            return
        if kind == "result":
            self.results[arm] = value
        else:
            self.errors.append(f"{arm}: {value}")
        running.pop(arm).join(timeout=30)

    def _collisions(self, value: dict[str, Any]) -> str:
        return f"  collisions {value['collisions']:.2f}" if family_of(self.settings.env).collisions else ""

    def report(self, seconds: float) -> None:
        """Writes curve, animation, moments and results, and prints the table."""
        from tianshou_examples.experiment import report
        from tianshou_examples.experiment.curves import calls_at_end, draw_curves, steps_to

        records = [json.loads(x) for x in (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        results = [self.results[arm_name(*arm)] for arm in self.settings.arms if arm_name(*arm) in self.results]
        if not results:
            return
        maximum = family_of(self.settings.env).maximum
        for result in results:
            learner = result["method"], result["seed"]
            result["calls_at_end"] = calls_at_end(records, *learner)
            if maximum is not None:
                result["steps_to_80"] = steps_to(records, *learner, maximum)
                result["steps_to_90"] = steps_to(records, *learner, maximum, 0.9)
        saved = {"wall_seconds": seconds, "results": results}
        (self.folder / "results.json").write_text(json.dumps(saved, indent=1), encoding="utf-8")
        draw_curves(self.settings, records, self.folder / "learning_curve.png")
        report.write_credits(self.settings, results, self.folder / "credits.txt")
        self._animate(results)
        report.print_table(self.settings, results, self.console)
        with (self.folder / "table.txt").open("w", encoding="utf-8") as file:
            report.print_table(self.settings, results, Console(file=file, width=150))
        ledgers = sum(f.stat().st_size for f in self.folder.glob("ledger-*.sqlite*"))
        self.console.print(
            f"{seconds:.0f} s in all, ledger {ledgers / 1e6:.1f} MB. In {self.folder}: learning_curve.png, team.gif, "
            "credits.txt, metrics.jsonl, tensorboard/"
        )

    def _animate(self, results: list[dict[str, Any]]) -> None:
        """The greedy team of the first arm, in some unseen layouts."""
        from spaceworld.render.record import save_gif
        from tianshou_examples.experiment.environments import world_factory
        from tianshou_examples.experiment.evaluation import UNSEEN, record
        from tianshou_examples.experiment.learners import actors_of

        best = results[0]
        path = self.folder / "checkpoints" / f"{arm_name(best['method'], best['seed'])}.pt"
        make_env = world_factory(self.settings.env, "rgb_array", self.settings.action_mask)
        actors = actors_of(self.settings, make_env(), path)
        episodes, steps = family_of(self.settings.env).film
        pictures = record(make_env, actors, range(UNSEEN, UNSEEN + episodes), most_steps=steps)
        save_gif(self.folder / "team.gif", pictures, fps=4)


def _money(settings: Settings, value: dict[str, Any]) -> str:
    """What the progress bar says about cache, cost and fallbacks, when there is something to say."""
    parts = ""
    if value.get("cached_tokens"):
        parts += f"  {value['cached_tokens'] / value['tokens']:.0%} cached"
    if settings.prices is not None:
        parts += f"  cost {value['cost']:.2f}"
    if value.get("fallbacks"):
        parts += f"  fallbacks {value['fallbacks']:,}"
    return parts


def _start(process: Any) -> None:
    """Starts a process that Ctrl-C in the terminal does not reach, from its first moment on.

    A queue or an event must have been made before: with the first one Python starts a helper, and unblocks signals.
    """
    if sys.platform == "win32":  # a Ctrl-C while the process still imports ends it there
        process.start()
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the process inherits this
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def prepare(settings: Settings, resume: str | None) -> tuple[Settings, Path]:
    """The settings and the folder of a new or an interrupted run.

    Raises:
        ValueError: when the folder is not what it should be; the message says so in one line.
    """
    if resume is not None:
        folder = Path(resume)
        config = folder / "config.json"
        if not config.exists():
            raise ValueError(f"--resume {resume}: there is no config.json; give the folder of a run")
        try:
            saved = Settings.from_dict(json.loads(config.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"--resume {resume}: {config} is not the configuration of a run") from None
        limits = {k: v for k in ("max_calls", "max_cost", "prices") if (v := getattr(settings, k)) is not None}
        settings = replace(saved, **limits)  # a run that its budget stopped goes on with a larger one
        if settings.max_cost is not None and settings.prices is None:
            raise ValueError(f"--resume {resume}: --max-cost needs --prices, which the run had not")
        return settings, folder
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = Path(settings.out or f"runs/{settings.env.replace(':', '-')}-{settings.algo}-{stamp}")
    if (folder / "config.json").exists():
        raise ValueError(f"--out {folder}: there is a run already; use --resume {folder}, or another folder")
    return settings, folder


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 done, 1 a learner failed, 2 bad input, 130 interrupted.

    Raises:
        SystemExit: with code 2, for arguments that make no sense.
    """
    began = time.monotonic()
    settings, resume = parse(argv)
    console = Console(width=None if sys.stdout.isatty() else 150)
    try:
        settings, folder = prepare(settings, resume)
        from tianshou_examples.experiment.critics import make_budget, make_client

        make_budget(settings)  # says now what is wrong with the limits
        for method, seed in settings.arms:
            if METHODS[method].asks:
                make_client(settings, arm_name(method, seed))  # says now, not in an hour, that there is no key
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(settings.as_dict(), indent=1), encoding="utf-8")
    except CreditError as error:
        print(f"--critic {settings.critic}: {error} (here: --critic scripted, or --base-url)", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    run = Run(settings, folder, console)
    try:
        run.prepare()
        run.train()
        run.report(time.monotonic() - began)
    except KeyboardInterrupt:
        run.interrupted = True
    for message in run.errors:
        print(message, file=sys.stderr)
    if run.interrupted:
        console.print(f"interrupted; go on with: python -m tianshou_examples.train --resume {folder}")
        return 130
    return 1 if run.errors else 0


if __name__ == "__main__":
    sys.exit(main())
