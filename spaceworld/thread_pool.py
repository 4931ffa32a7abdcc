"""Threads that share the worlds of one call, in parts.

A sleeping thread takes tens of microseconds to wake up, in which the calling thread does much of the work. So each part
goes to the thread that claims it first, by an atomic operation inside the compiled loop, and the calling thread never
waits for a thread that wakes up late. Every thread begins with parts of its own, the same in each call, because their
memory is in its cache.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
from numba import config, types
from numba.extending import intrinsic

from spaceworld.rules.jit import lean_kernel, part

# words of a job: parts, parts per thread, failed, ended; from TAKEN on, a word per part
PARTS, EACH, FAILED, ENDED, TAKEN = range(5)
_EACH = 32

_Calls = SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]] | None]


@intrinsic
def _atomic_add(typing, job, word, amount):  # type: ignore[no-untyped-def]  # compiled
    def code(context, builder, signature, values):  # type: ignore[no-untyped-def]
        array = context.make_array(signature.args[0])(context, builder, values[0])
        return builder.atomic_rmw("add", builder.gep(array.data, [values[1]]), values[2], "seq_cst")

    return types.int64(types.int64[::1], types.int64, types.int64), code


def add(job, word, amount):  # type: ignore[no-untyped-def]  # compiled
    """Add `amount` to `job[word]` atomically; return the value before."""
    before = job[word]
    job[word] += amount
    return before


if not config.DISABLE_JIT:  # without compilation, one thread does everything
    add = _atomic_add


@part
def next_part(job, count, thread, turn):  # type: ignore[no-untyped-def]  # compiled
    """Claim a part of `count` worlds that no thread has claimed.

    Args:
        job: (TAKEN + parts,) int64.
        count: The number of worlds in all parts.
        thread: The thread's number; 0, the calling one, continues with the parts of the others, from their ends.
        turn: The number of parts that it has looked at.

    Returns:
        The part's first world, the world after its last (equal when no part is left), and `turn` for the next call.
    """
    parts, own = job[PARTS], job[EACH]
    while turn < (own if thread else parts):
        k = thread * own + turn if turn < own else parts - 1 + own - turn
        turn += 1
        if add(job, TAKEN + k, 1) == 0:
            return k * count // parts, (k + 1) * count // parts, turn
    return 0, 0, turn


@part
def end_part(job, well):  # type: ignore[no-untyped-def]  # compiled
    """Record that a part has ended, and whether it succeeded."""
    add(job, FAILED, 1 - int(well))
    add(job, ENDED, 1)


@lean_kernel
def wait(job):  # type: ignore[no-untyped-def]  # compiled
    """Wait until all parts have ended; by now each other thread is at most busy with one."""
    while add(job, ENDED, 0) < job[PARTS]:
        pass


class ThreadPool:
    """Threads that run kernels together; they start at the first use and end with the pool.

    Args:
        threads: The number of threads, including the calling one; a ValueError is raised for fewer than one.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}; at least 1 is needed")
        self._threads = 1 if config.DISABLE_JIT else threads
        self._calls: list[_Calls] = []  # one queue for each other thread

    def share(self, count: int, kernel: Callable[..., None], memory: np.ndarray, chosen: np.ndarray, *rest: Any) -> int:
        """Run `kernel(memory, chosen, job, thread, *rest)` over `count` worlds; return how many parts failed."""
        if not count:
            return 0
        threads = self._threads if count >= 2 * self._threads else 1
        each = min(_EACH, count // threads) if threads > 1 else 1  # no part is empty
        job = np.zeros(TAKEN + threads * each, np.int64)
        job[PARTS], job[EACH] = threads * each, each
        if threads > 1 and not self._calls:
            self._start()
        for k in range(1, threads):
            if self._calls[k - 1].empty():  # else it has not begun its last call, and calls would pile up
                self._calls[k - 1].put((kernel, (memory, chosen, job, k, *rest)))
        kernel(memory, chosen, job, 0, *rest)
        wait(job)
        return int(job[FAILED])

    def _start(self) -> None:
        for k in range(1, self._threads):
            calls: _Calls = SimpleQueue()  # costs two thirds of an executor's call
            Thread(target=_run_calls, args=(calls,), name=f"spaceworld-{k}", daemon=True).start()
            weakref.finalize(self, calls.put, None)
            self._calls.append(calls)

    def close(self) -> None:
        """End the threads."""
        for calls in self._calls:
            calls.put(None)
        self._calls = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_calls": []}


def _run_calls(calls: _Calls) -> None:
    """Run calls until the queue gives None."""
    while (call := calls.get()) is not None:
        kernel, arguments = call
        kernel(*arguments)
        del call, kernel, arguments  # or the arrays would be kept until the next call
