from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tianshou_examples.comparison import cell_runners
from tianshou_examples.experiment import training_run


@pytest.fixture(autouse=True)
def keyboard() -> Iterator[None]:
    """Give pytest its Ctrl-C back, which a learner in this process ignores."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True, scope="session")
def learners() -> Iterator[None]:
    """Fork the learners of runs in this process from one that imported PyTorch, which else takes each some seconds.

    Tests that start the script itself have it start learners as it does for a user.
    """
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["tianshou_examples.experiment.learner_process", "torch._dynamo"])
    with pytest.MonkeyPatch.context() as patch:
        for module in (training_run, cell_runners):
            patch.setattr(module, "multiprocessing", SimpleNamespace(get_context=lambda _: server))
        yield
