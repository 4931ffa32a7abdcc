"""One learner of `tianshou_examples.train`, run in the test's own process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tianshou_examples.experiment.learner_process import run_learner
from tianshou_examples.experiment.settings import Settings

TINY = Settings(steps=400, envs=2, episodes_per_query=2, eval_episodes=2, evaluations=1, hidden=16, batch=32,
                epochs=1, buffer=1000)  # fmt: skip


class Queue:
    """What a learner sends, in place of the queue between processes."""

    def __init__(self, on_put: Callable[[str], Any] = lambda kind: None) -> None:
        self.messages: list[tuple[str, str, Any]] = []
        self.on_put = on_put

    def put(self, message: tuple[str, str, Any]) -> None:
        json.dumps(message, allow_nan=False)  # all of it goes into files
        self.messages.append(message)
        self.on_put(message[0])

    def of(self, kind: str) -> list[Any]:
        return [value for k, _, value in self.messages if k == kind]

    def records(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.of("record") if record["kind"] == kind]


def settings_of(algo: str, policy: str, **changes: Any) -> Settings:
    return replace(TINY, algo=algo, policy=policy, **changes)


def play(settings: Settings, method: str, folder: Path, stop_after: int = 10**9) -> Queue:
    """Runs a learner; it is stopped after so many records."""
    stop = threading.Event()
    box = Queue(lambda _: stop.set() if len(box.of("record")) >= stop_after else None)
    run_learner(settings, method, 0, folder, box, stop)
    return box
