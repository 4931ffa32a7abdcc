"""A run that is killed with SIGKILL pays for nothing twice when it is resumed, and ends with the same credits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from credit_wrappers import Ledger
from credit_wrappers.testing import MessagesServer

PROGRAM = """
import sys
import numpy as np
from credit_wrappers import AnthropicClient, CreditStore, LLMCreditWrapper, LLMCritic, annotate
from credit_wrappers.testing.corridor import CorridorEnv

url, ledger, out, way = sys.argv[1:]
critic = LLMCritic(AnthropicClient("m", base_url=url), ledger=ledger)


class Keep(CreditStore):
    kept = []

    def submit(self, episode, scored=None):
        self.kept.append(episode)
        if way == "store":
            super().submit(episode, scored)


store = Keep(critic, episodes_per_query=2, workers=4)
env = LLMCreditWrapper(CorridorEnv(n_agents=3, length=6, horizon=10), store=store)
random = np.random.default_rng(0)
for _ in range(60):
    env.reset(seed=7)
    while env.agents:
        env.step({agent: int(random.integers(3)) for agent in env.agents})
if way == "store":
    credits = dict(store.settle(range(60)))
else:
    batch = way == "batch"
    credits = dict(enumerate(annotate(
        store.kept, critic, episodes_per_query=2, in_flight=4, batch=batch, poll_seconds=0.05
    )))
store.close()
critic.ledger.close()
np.savez(out, **{str(k): credit.values for k, credit in credits.items()})
"""


def start(server: MessagesServer, ledger: Path, out: Path, way: str) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", PROGRAM, server.url, str(ledger), str(out), way]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")}
    return subprocess.Popen(arguments, env=environment)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The credits of a run that nobody kills; they are the same in every way."""
    folder = tmp_path_factory.mktemp("whole")
    with MessagesServer() as server:
        assert start(server, folder / "whole.sqlite", folder / "whole.npz", "annotate").wait() == 0
    with np.load(folder / "whole.npz") as credits:
        return dict(credits)


def prompts(requests: list[dict[str, Any]]) -> list[str]:
    return [body["messages"][0]["content"] for body in requests]


@pytest.mark.parametrize("way", ["store", "annotate"])
def test_a_killed_run_is_resumed(way: str, tmp_path: Path, undisturbed: dict[str, np.ndarray]) -> None:
    broken = tmp_path / "broken.sqlite"
    with MessagesServer(latency=0.05) as server:
        run = start(server, broken, tmp_path / "never.npz", way)
        while server.answered < 11:
            assert run.poll() is None
            time.sleep(0.005)
        run.send_signal(signal.SIGKILL)
        run.wait()
        first = len(server.requests)
        with Ledger(broken) as ledger:
            answered = {entry.request.prompt for entry in ledger.entries() if entry.completion}
        assert 5 <= len(answered) < 30
        assert start(server, broken, tmp_path / "resumed.npz", way).wait() == 0
        again = prompts(server.requests[first:])
        assert answered.isdisjoint(again)
        assert len(again) == 30 - len(answered)
    assert not (tmp_path / "never.npz").exists()
    with np.load(tmp_path / "resumed.npz") as resumed:
        assert sorted(resumed) == sorted(undisturbed) == sorted(map(str, range(60)))
        for name in resumed:
            np.testing.assert_array_equal(resumed[name], undisturbed[name])
            assert np.isfinite(resumed[name]).all()
        assert any(resumed[name].any() for name in resumed)


def test_a_run_that_is_killed_while_its_message_batch_is_under_way_fetches_it(
    tmp_path: Path, undisturbed: dict[str, np.ndarray]
) -> None:
    ledger = tmp_path / "l.sqlite"
    with MessagesServer(batch_polls=1_000_000) as server:
        run = start(server, ledger, tmp_path / "never.npz", "batch")
        while not server.requests:
            assert run.poll() is None
            time.sleep(0.005)
        time.sleep(0.2)  # it looks every 50 ms
        assert run.poll() is None
        run.send_signal(signal.SIGKILL)
        run.wait()
        server.end_batches()
        assert start(server, ledger, tmp_path / "resumed.npz", "batch").wait() == 0
        assert len(server.requests) == 1  # the creation of one batch, and no question besides
    with np.load(tmp_path / "resumed.npz") as resumed:
        assert sorted(resumed) == sorted(undisturbed) == sorted(map(str, range(60)))
        for name in resumed:
            np.testing.assert_array_equal(resumed[name], undisturbed[name])
