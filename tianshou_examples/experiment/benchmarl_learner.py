"""One learner of a study that BenchMARL trains, evaluated as `learner_process` evaluates its own."""

from __future__ import annotations

import signal
import time
import traceback
import warnings
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from benchmarl.experiment import Callback
from torchrl import logger

from credit_wrappers.integrations.benchmarl import TeamTask
from tianshou_examples.experiment.benchmarl_runs import BenchmarlRun, BenchmarlTeam, make_experiment
from tianshou_examples.experiment.best_team import BestTeams, listed
from tianshou_examples.experiment.critics import critic_numbers
from tianshou_examples.experiment.environments import environment_maker, reward_wrapper
from tianshou_examples.experiment.evaluation import PLAY, UNSEEN, Evaluation, play
from tianshou_examples.experiment.settings import Settings, learner_name


def run_learner(settings: Settings, method: str, seed: int, folder: Path, queue: Any, stop: Any) -> None:
    """Train one learner; arguments as of `learner_process.run_learner`.

    It has no checkpoint to go on with: after a stop it begins anew.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    logger.setLevel("WARNING")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchRL and BenchMARL, of what they do themselves
            watch = _Watch(settings, method, seed, queue, stop)
            own = folder / f"benchmarl-{seed}"  # BenchMARL's checkpoint at the end
            own.mkdir(parents=True, exist_ok=True)
            run = benchmarl_run(settings, seed)
            experiment = make_experiment(run, own, task_of(settings), [watch])
            watch.begin()
            with suppress(_StoppedError):
                experiment.run()
        queue.put(("result", watch.name, watch.result()))
    except Exception:
        queue.put(("error", learner_name(method, seed), traceback.format_exc()))


def benchmarl_run(settings: Settings, seed: int) -> BenchmarlRun:
    """Return what BenchMARL trains, given the settings of a study's run."""
    algo, _, chosen = settings.benchmarl.partition(" ")
    return BenchmarlRun(settings.env, algo, chosen, seed, settings.steps, action_mask=settings.action_mask)


def task_of(settings: Settings) -> TeamTask:
    """Return BenchMARL's task: the environment of the study's run, with the reward that its training pays."""
    options: dict[str, Any] = settings.world_options if settings.env.startswith("spaceworld:") else {}
    return TeamTask(settings.env, reward_wrapper(settings.reward), **options)


class _StoppedError(Exception):
    """The study was interrupted."""


class _Watch(Callback):
    """Evaluates a team while BenchMARL trains it, and tells the study."""

    def __init__(self, settings: Settings, method: str, seed: int, queue: Any, stop: Any) -> None:
        super().__init__()
        self.settings, self.method, self.seed, self.queue, self.stop = settings, method, seed, queue, stop
        self.name = learner_name(method, seed)
        self.make_env = environment_maker(settings.env, **settings.world_options)
        self.times = {"environment": 0.0, "critic": 0.0, "learning": 0.0, "evaluation": 0.0}
        self.best = BestTeams(settings.short_evaluation)
        self.evaluated, self.steps = 0, 0
        self.final: dict[str, Any] = {}
        self._mark = 0.0

    def __reduce__(self) -> Any:
        return Callback, ()  # BenchMARL pickles it beside its checkpoints, where there is no study

    def begin(self) -> None:
        """Count the time from now on."""
        self._mark = time.perf_counter()

    def on_batch_collected(self, batch: Any) -> None:
        """Count the time of the collection."""
        self._count("environment")

    def on_train_end(self, training_td: Any, group: str) -> None:
        """Count the time of the updates; evaluate where that is due.

        Raises:
            _StoppedError: The study was interrupted.
        """
        self._count("learning")
        self.steps = int(self.experiment.total_frames)
        returns = float(self.experiment.mean_return)
        self._send("train", {"return": returns if returns == returns else 0.0, "wall": sum(self.times.values())})
        if self.steps >= self.settings.steps:
            self.final = self._evaluate(self.settings.eval_episodes)
            behind = UNSEEN + self.settings.eval_episodes
            self.final["absolute"] = self.best.absolute(self.make_env, self.settings.absolute, behind)
            self._count("evaluation")
        elif self.stop.is_set():
            raise _StoppedError
        elif (due := self.steps * (self.settings.evaluations + 1) // self.settings.steps) > self.evaluated:
            self.evaluated = due
            self._evaluate(self.settings.short_evaluation)

    def _evaluate(self, episodes: int) -> dict[str, Any]:
        team = BenchmarlTeam(self.experiment)
        each = {how: play(self.make_env, team, episodes, how == "greedy") for how in PLAY}
        self.best.offer(each, team)
        means: dict[str, Any] = {how: asdict(Evaluation.of(values)) for how, values in each.items()}
        self._count("evaluation")
        self._send("evaluation", {**means, "each": {how: listed(values) for how, values in each.items()}})
        return means

    def _count(self, part: str) -> None:
        now = time.perf_counter()
        self.times[part] += now - self._mark
        self._mark = now

    def _send(self, kind: str, numbers: dict[str, Any]) -> None:
        record = {"kind": kind, "method": self.method, "seed": self.seed, "steps": self.steps, **numbers}
        self.queue.put(("record", self.name, record))

    def result(self) -> dict[str, Any]:
        """Return what `learner_process` sends as a result."""
        return {
            "method": self.method, "seed": self.seed, "steps": self.steps, "complete": bool(self.final),
            "label": f"BenchMARL {self.settings.benchmarl}", **self.final, "times": self.times,
            "critic": critic_numbers(None), "in_vain": 0, "student": None,
        }  # fmt: skip
