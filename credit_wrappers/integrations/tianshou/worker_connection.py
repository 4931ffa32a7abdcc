"""The line to one environment in a process of its own, and what to do when nobody answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import cloudpickle
from pettingzoo import ParallelEnv
from tianshou.env.worker import EnvWorker, RayEnvWorker, SubprocEnvWorker

from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.optional import require
from credit_wrappers.integrations.tianshou.env_worker import Command, WorkerAnswer, WorkerEnv

Worker = Literal["inline", "subprocess", "ray"]
WORKERS = ("inline", "subprocess", "ray")


class WorkerConnection:
    """One environment in a Tianshou worker. Send first and receive later: meanwhile the environment works.

    Args:
        worker: "subprocess" or "ray".
        number: The environment's number in the vector environment.
        make: Its factory; the environment itself is made by the command "make".

    Raises:
        ImportError: Ray is not installed.
        TypeError: The factory cannot be pickled.
    """

    def __init__(self, worker: str, number: int, make: Callable[[], ParallelEnv]) -> None:
        self.number = number
        self._owes = False  # whether an answer is due
        self._dead: Exception | None = None
        try:
            factory = cloudpickle.dumps(make)
        except Exception as error:
            raise TypeError(
                f"the factory of env {number} cannot be sent to a {worker} worker ({type(error).__name__}: {error}): "
                "make inside it what cannot be pickled, or use worker='inline'"
            ) from error
        if worker == "ray":
            ray = require("ray", "ray")
            if not ray.is_initialized():
                ray.init()
        start = RayEnvWorker if worker == "ray" else SubprocEnvWorker
        self._worker: EnvWorker = start(partial(WorkerEnv, factory, number))

    @property
    def dead(self) -> bool:
        """Whether nothing more is to be expected from the worker."""
        return self._dead is not None

    def send(self, command: Command) -> None:
        """Send a command; when that is not possible, `receive` tells why."""
        if self._owes and self._dead is None:
            self._dead = CreditError(
                f"env {self.number} was interrupted in its worker process, and what it did is lost: make a new "
                "vector environment"
            )
        if self._dead is None:
            self._owes = True
            try:
                self._worker.send(command)
            except Exception as error:
                self._hang_up(error)

    def receive(self) -> tuple[Any, bytes | None, Exception | None]:
        """Return what the environment answers to the last command: a value, messages, and what it raised."""
        if self._dead is None:
            try:
                answer = WorkerAnswer(*self._worker.recv())
            except Exception as error:
                self._hang_up(error)
            else:
                self._owes = False
                if answer.failure is None:
                    return answer.value, answer.messages, None
                return None, answer.messages, answer.failure.error(f"env {self.number}, in its worker process")
        return None, None, self._dead

    def close(self) -> None:
        """End the worker. The environment was told to close; one that was interrupted is not waited for."""
        process = getattr(self._worker, "process", None)
        if process is None:
            ray = require("ray", "ray")
            if ray.is_initialized():
                ray.kill(self._worker.env)
            return
        if self._owes or self._dead is not None:
            process.kill()
        with contextlib.suppress(OSError):  # of the pipe to a process that is gone
            self._worker.close()
        process.join()

    def _hang_up(self, error: Exception) -> None:
        """Note that the worker is gone."""
        process = getattr(self._worker, "process", None)
        code = ""
        if process is not None:
            process.join(1)
            code = f", exit code {process.exitcode}"
        self._dead = CreditError(
            f"the worker process of env {self.number} ended without an answer ({type(error).__name__}{code}): it was "
            "killed, or ran out of memory; make a new vector environment"
        )
        self._dead.__cause__ = error
