"""Where the learners of a study run: in processes of this machine, or as tasks of Ray on many."""

from __future__ import annotations

import multiprocessing
import os
import queue as queues
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tianshou_examples.comparison.study_file import Cell
from tianshou_examples.experiment.settings import Settings
from tianshou_examples.experiment.training_run import start_shielded

Message = tuple[str, str, Any]  # cell's name; "record", "result" or "error"; value


class CellRunner(Protocol):
    """Runs learners side by side. They save themselves in the folders of their runs, and begin with what is there."""

    jobs: int  # learners at the same time

    def start(self, cell: Cell, folder: Path) -> None:
        """Start a learner in the folder of its run."""

    def receive(self, seconds: float) -> Message | None:
        """Return the next message of a learner; None if none came in that time.

        A learner sends "result" or "error" last. One whose process has died is an "error".
        """

    def stop(self) -> None:
        """Ask all learners to save themselves and end; each sends a result that is not complete."""

    def close(self) -> None:
        """End what still runs."""


class _Outbox:
    """What a learner takes for its queue; it adds the cell's name."""

    def __init__(self, put: Callable[[Message], Any], name: str) -> None:
        self._put, self._name = put, name

    def put(self, message: tuple[str, str, Any]) -> None:
        kind, _, value = message
        self._put((self._name, kind, value))


def _learn(settings: Settings, cell: str, seed: int, folder: Path, messages: Any, stop: Any) -> None:
    """Run a learner; the entry point of its process, which alone imports PyTorch."""
    if settings.benchmarl:
        from tianshou_examples.experiment.benchmarl_learner import run_learner
    else:
        from tianshou_examples.experiment.learner_process import run_learner

    run_learner(settings, settings.method[0], seed, folder, _Outbox(messages.put, cell), stop)


class ProcessRunner:
    """Runs each learner in a process of this machine; arguments: `jobs`, learners at the same time."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        os.environ["TQDM_DISABLE"] = "1"  # learners inherit it: the schedule shows how far they are, not BenchMARL
        self._context = multiprocessing.get_context("spawn")
        self._messages, self._stop = self._context.Queue(), self._context.Event()
        self._running: dict[str, Any] = {}

    def start(self, cell: Cell, folder: Path) -> None:
        """Start a learner; Ctrl-C in the terminal does not reach it."""
        arguments = (cell.run.settings, cell.name, cell.seed, folder, self._messages, self._stop)
        self._running[cell.name] = self._context.Process(target=_learn, args=arguments, daemon=True)
        start_shielded(self._running[cell.name])

    def receive(self, seconds: float) -> Message | None:
        """See `CellRunner`."""
        dead = [name for name, process in self._running.items() if process.exitcode is not None]
        try:
            message: Message = self._messages.get(timeout=seconds)
        except queues.Empty:
            for name in dead:  # a result or an error would have been in the queue
                return name, "error", f"the process ended with code {self._running.pop(name).exitcode}"
            return None
        if message[1] != "record":
            self._running.pop(message[0]).join(timeout=30)
        return message

    def stop(self) -> None:
        """See `CellRunner`."""
        self._stop.set()

    def close(self) -> None:
        """Kill what still runs."""
        for process in self._running.values():
            process.kill()
            process.join()


class RayRunner:
    """Runs each learner as a task of Ray, on a core of one of its machines.

    All machines must see the study's folder under the same path, and have the package installed.

    Args:
        address: Of the cluster; None: Ray runs on this machine.
        jobs: Learners at the same time; None: as many as the cluster has cores.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: There is no cluster at the address.
    """

    def __init__(self, address: str | None, jobs: int | None) -> None:
        try:
            import ray
            from ray.util.queue import Queue
        except ImportError as error:
            raise ImportError('--ray needs Ray: pip install "llm-credit-wrappers[ray]"') from error
        self._ray = ray
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level="error")
        self.jobs = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._messages = Queue(actor_options={"num_cpus": 0})
        self._stop = Queue(actor_options={"num_cpus": 0})  # not empty: stop
        self._learn = ray.remote(num_cpus=1, max_retries=0)(_learn)
        self._running: dict[str, Any] = {}

    def start(self, cell: Cell, folder: Path) -> None:
        """Send a learner to the cluster."""
        arguments = (cell.run.settings, cell.name, cell.seed, folder.resolve(), self._messages, _RayStop(self._stop))
        self._running[cell.name] = self._learn.remote(*arguments)

    def receive(self, seconds: float) -> Message | None:
        """See `CellRunner`."""
        ended = self._ray.wait(list(self._running.values()), num_returns=len(self._running), timeout=0)[0]
        try:
            message: Message = self._messages.get(timeout=seconds)
        except self._empty():
            for name, task in self._running.items():
                if task in ended:
                    del self._running[name]
                    return name, "error", self._why(task)
            return None
        if message[1] != "record":
            self._running.pop(message[0], None)
        return message

    @staticmethod
    def _empty() -> type[Exception]:
        from ray.util.queue import Empty

        return Empty

    def _why(self, task: Any) -> str:
        try:
            self._ray.get(task)
        except Exception as error:  # whatever Ray calls it
            return f"the task of Ray ended: {str(error).strip().splitlines()[0]}"
        return "the task of Ray ended without a result"

    def stop(self) -> None:
        """See `CellRunner`."""
        self._stop.put(True)

    def close(self) -> None:
        """Cancel what still runs, and leave the cluster."""
        for task in self._running.values():
            self._ray.cancel(task, force=True)
        self._ray.shutdown()


class _RayStop:
    """What a learner on another machine takes for its event; the queue is asked at most once a second."""

    def __init__(self, queue: Any) -> None:
        self._queue, self._asked, self._set = queue, 0.0, False

    def is_set(self) -> bool:
        """Return whether the learners are to stop."""
        if not self._set and time.monotonic() - self._asked > 1.0:
            self._set, self._asked = not self._queue.empty(), time.monotonic()
        return self._set
