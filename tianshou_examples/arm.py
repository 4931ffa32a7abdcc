"""One learner from its first step to its last, in a process of its own: kind of credit times seed."""

from __future__ import annotations

import signal
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tianshou_examples.settings import Settings

CHECKPOINT_SECONDS = 60.0


def arm_name(credit: str, seed: int) -> str:
    """The name of an arm in files and tables."""
    return f"{credit}-{seed}"


def run_arm(settings: Settings, credit: str, seed: int, folder: Path, queue: Any, stop: Any) -> None:
    """Trains one arm; the entry point of its process.

    Sends `(kind, arm, value)` to `queue`: "record" for metrics.jsonl, "result" at the end or after a stop, "error".

    Args:
        settings: the run.
        credit: kind of credit.
        seed: seed.
        folder: the run's folder; a checkpoint found there is continued.
        queue: where messages go.
        stop: an event; when it is set the arm saves itself and ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    try:
        _Arm(settings, credit, seed, folder, queue).run(stop)
    except Exception:
        queue.put(("error", arm_name(credit, seed), traceback.format_exc()))


class _Arm:
    def __init__(self, settings: Settings, credit: str, seed: int, folder: Path, queue: Any) -> None:
        import torch

        torch.set_num_threads(1)
        from credit_wrappers import CreditWrapper
        from credit_wrappers.integrations.tianshou import AgentSlotVectorEnv
        from tianshou_examples.critics import MODEL_WORKERS, TimedStore, make_critic
        from tianshou_examples.learners import Learner
        from tianshou_examples.watch import WatchingCritic
        from tianshou_examples.worlds import world_factory

        self.settings, self.credit, self.seed, self.queue = settings, credit, seed, queue
        self.name = arm_name(credit, seed)
        self.folder = folder
        self.checkpoint = folder / "checkpoints" / f"{self.name}.pt"
        self.make_env = world_factory(settings.env)
        critic, self.inner = make_critic(settings, credit, folder / f"ledger-{self.name}.sqlite")
        self.watch = WatchingCritic(critic)
        self.store = TimedStore(
            self.watch,
            episodes_per_query=settings.episodes_per_query,
            workers=MODEL_WORKERS if self.inner is not None and settings.critic != "scripted" else 0,
        )
        venv = AgentSlotVectorEnv(
            [lambda: CreditWrapper(self.make_env(), store=self.store) for _ in range(settings.envs)],
            learners="shared" if settings.policy == "shared" else "per-agent",
        )
        self.learner = Learner(settings, venv, seed)
        self.times = {"environment": 0.0, "critic": 0.0, "learning": 0.0, "evaluation": 0.0}
        self.before: dict[str, Any] = {}  # critic numbers of the sessions before this one
        self.evaluated = 0  # intermediate evaluations done
        self._restore()
        start = np.random.SeedSequence([seed, self.learner.steps]).generate_state(1)[0]
        venv.seed(int(start % 9_000_000))  # below the evaluation's layouts

    def run(self, stop: Any) -> None:
        from torch.utils.tensorboard import SummaryWriter

        saved = time.monotonic()
        with SummaryWriter(str(self.folder / "tensorboard" / self.name)) as board:
            while self.learner.steps < self.settings.steps and not stop.is_set():
                self._train()
                self._report(board)
                due = (self.evaluated + 1) * self.settings.steps / (self.settings.evaluations + 1)
                if due <= self.learner.steps < self.settings.steps:
                    self.evaluated += 1
                    self._evaluate(max(1, self.settings.eval_episodes // 5), board)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self._save()
                    saved = time.monotonic()
            self._save()  # before the evaluation, which can be done again
            final = self._evaluate(self.settings.eval_episodes, board)
        self.store.close()
        if self.inner is not None and self.inner.ledger is not None:
            self.inner.ledger.close()
        self.queue.put(("result", self.name, self._result(final)))

    def _train(self) -> None:
        store = self.store
        began = time.perf_counter()
        submit, settle = store.in_submit, store.in_settle
        update = self.learner.train()
        total = time.perf_counter() - began
        submit, settle = store.in_submit - submit, store.in_settle - settle
        self.times["environment"] += total - update - submit
        self.times["critic"] += submit + settle
        self.times["learning"] += update - settle

    def _report(self, board: Any) -> None:
        returns, collisions, success = self.watch.means()
        numbers = self._critic_numbers()
        record = {
            "kind": "train",
            "credit": self.credit,
            "seed": self.seed,
            "steps": self.learner.steps,
            "return": returns,
            "collisions": collisions,
            "success": success,
            "wall": sum(self.times.values()),
            "calls": numbers["calls"],
            "tokens": numbers["tokens"],
            "fallbacks": numbers["fallbacks"],
        }
        for key in ("return", "collisions", "success"):
            board.add_scalar(f"train/{key}", record[key], self.learner.steps)
        board.add_scalar("critic/tokens", numbers["tokens"], self.learner.steps)
        self.queue.put(("record", self.name, record))

    def _evaluate(self, episodes: int, board: Any) -> dict[str, dict[str, float]]:
        from tianshou_examples.evaluation import evaluate

        began = time.perf_counter()
        played = {
            how: evaluate(self.make_env, self.learner.actors, episodes, how == "greedy").as_dict()
            for how in ("greedy", "sampled")
        }
        self.times["evaluation"] += time.perf_counter() - began
        for how, means in played.items():
            for key, value in means.items():
                board.add_scalar(f"{how}/{key}", value, self.learner.steps)
        record = {"kind": "evaluation", "credit": self.credit, "seed": self.seed, "steps": self.learner.steps}
        self.queue.put(("record", self.name, {**record, **played}))
        return played

    def _critic_numbers(self) -> dict[str, Any]:
        from tianshou_examples.critics import critic_numbers

        return _added(critic_numbers(self.inner), self.before)

    def _result(self, final: dict[str, dict[str, float]]) -> dict[str, Any]:
        return {
            "credit": self.credit,
            "seed": self.seed,
            "steps": self.learner.steps,
            "complete": self.learner.steps >= self.settings.steps,
            "label": self.watch.label,
            **final,
            "times": self.times,
            "critic": self._critic_numbers(),
            "moments": self.watch.state()["best"],
        }

    def _save(self) -> None:
        import torch

        self.checkpoint.parent.mkdir(exist_ok=True)
        state = {
            "learner": self.learner.state(),
            "watch": self.watch.state(),
            "times": self.times,
            "critic": self._critic_numbers(),
            "evaluated": self.evaluated,
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint)  # a kill in between leaves the old one whole

    def _restore(self) -> None:
        import torch

        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=False)
        self.learner.restore(state["learner"])
        self.watch.restore(state["watch"])
        self.times, self.before, self.evaluated = state["times"], state["critic"], state["evaluated"]
        torch.set_rng_state(state["torch"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.random.set_state(state["numpy"])


def _added(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Sums of two nested dictionaries of numbers; `b` may be empty."""
    return {k: _added(v, b.get(k, {})) if isinstance(v, dict) else v + b.get(k, 0) for k, v in a.items()}
