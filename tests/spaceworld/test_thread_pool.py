"""Threads share the worlds of a call: each world is done once, whoever comes late or never."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from numba import config

from spaceworld import thread_pool
from spaceworld.thread_pool import ThreadPool, end_part, next_part
from spaceworld.vector import SpaceworldVectorEnv

compiled = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="one thread does everything where nothing is compiled")


def done_by(crew: ThreadPool, count: int, before: Callable[[int, int], None] = lambda thread, part: None) -> np.ndarray:
    """Shares `count` worlds; returns which thread did each, and checks that none was done twice."""
    who = np.full(count, -1)

    def work(memory: Any, chosen: Any, job: np.ndarray, thread: int) -> None:
        turn = 0
        while True:
            before(thread, turn)
            first, last, turn = next_part(job, count, thread, turn)
            if first == last:
                return
            assert (who[first:last] == -1).all()
            who[first:last] = thread
            end_part(job, True)

    assert crew.share(count, work, np.zeros(1), np.zeros(1)) == 0
    crew.close()
    return who


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, 2, 5, 16, 17, 100])
def test_every_world_is_done_once(threads: int, count: int) -> None:
    assert (done_by(ThreadPool(threads), count) >= 0).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_no_worlds_are_done_at_once(threads: int) -> None:
    envs = SpaceworldVectorEnv(4, "solo", threads=threads)
    observations, masks = envs._batch.reset(np.arange(0))
    assert observations.shape == (0, *envs.observation_space.shape[1:]) and masks.shape == (0, 1, 6)
    assert envs._batch.step(np.arange(0), np.zeros((0, 1), int)).rewards.shape == (0,)


@compiled
def test_helpers_begin_with_parts_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_pool, "_EACH", 8)
    helped = Event()

    def before(thread: int, part: int) -> None:
        if thread == 0 and part == 0:
            assert helped.wait(10)  # until the helper has looked at all its parts
        elif thread == 1 and part == 8:
            helped.set()

    assert done_by(ThreadPool(2), 100, before).tolist() == [0] * 50 + [1] * 50


@compiled
def test_the_calling_thread_takes_what_a_late_helper_has_not_begun_from_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thread_pool, "_EACH", 8)
    begun, taken = Event(), Event()

    def before(thread: int, part: int) -> None:
        if thread == 1 and part == 1:  # its first part, worlds 50 to 56, it has done
            begun.set()
            assert taken.wait(10)
        elif thread == 0 and part == 8:
            assert begun.wait(10)
        elif thread == 0 and part == 10:  # it has taken two parts of the helper, the last two
            taken.set()
            time.sleep(0.2)

    who = done_by(ThreadPool(2), 100, before)
    assert who[:50].tolist() == [0] * 50 and who[50:56].tolist() == [1] * 6 and who[87:].tolist() == [0] * 13
    assert (who == 1).sum() > 6  # and the helper went on


class Idle(Thread):
    """A helper that never begins."""

    def start(self) -> None:
        pass


def played(threads: int) -> list[np.ndarray]:
    envs = SpaceworldVectorEnv(64, "crew", max_cycles=15, threads=threads)
    results, rng = [envs.reset(seed=5)[0]], np.random.default_rng(0)
    for _ in range(40):
        observations, rewards, *_, infos = envs.step(rng.integers(0, 6, (64, 4)))
        results += [observations, rewards, infos["action_mask"], infos["cost"], infos["events"]]
    envs.close()
    return results


@compiled
@pytest.mark.parametrize("helper", ["prompt", "absent", "late"])
def test_a_helper_changes_nothing(helper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = played(1)
    if helper == "absent":
        monkeypatch.setattr(thread_pool, "Thread", Idle)
    elif helper == "late":

        def slow(calls: Any) -> None:
            while (call := calls.get()) is not None:
                time.sleep(0.002)  # by now the call is over, and others have been made
                call[0](*call[1])

        monkeypatch.setattr(thread_pool, "_run_calls", slow)
    assert all(np.array_equal(a, b) for a, b in zip(expected, played(3), strict=True))


def all_parts(memory: Any, chosen: Any, job: np.ndarray, thread: int) -> None:
    turn, first, last = 0, 0, 1
    while first < last:
        first, last, turn = next_part(job, 8, thread, turn)
        if first < last:
            end_part(job, True)


@compiled
def test_calls_do_not_pile_up_for_a_helper_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_pool, "Thread", Idle)
    crew = ThreadPool(2)
    for _ in range(5):
        assert crew.share(8, all_parts, np.zeros(1), np.zeros(1)) == 0
    assert crew._calls[0].qsize() == 1


def test_failed_parts_are_counted() -> None:
    def fail(memory: Any, chosen: Any, job: np.ndarray, thread: int) -> None:
        assert next_part(job, 3, thread, 0) == (0, 3, 1)
        end_part(job, False)

    assert ThreadPool(1).share(3, fail, np.zeros(1), np.zeros(1)) == 1


@compiled
@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_threads_end_with_their_crew(how: str) -> None:
    others = set(threading.enumerate())
    crew = ThreadPool(3)
    crew.share(8, all_parts, np.zeros(1), np.zeros(1))
    helpers = set(threading.enumerate()) - others
    assert len(helpers) == 2
    if how == "closed":
        crew.close()
    del crew
    for helper in helpers:
        helper.join(10)
        assert not helper.is_alive()
