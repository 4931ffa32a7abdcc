"""How threads share the worlds of one call: in parts, of which the calling thread takes what others have not begun.

A thread that sleeps needs tens of microseconds to wake up, in which the calling thread does a good part of the work. So
whoever comes to a part first has it, by an atomic operation inside the compiled loop, and the calling thread does not
wait for helpers that come too late. Each begins with parts of its own, the same in every call, which are in its cache.
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

PARTS, EACH, FAILED, ENDED, TAKEN = range(5)  # words of a job: parts in all, of each thread; how far they are; which
_EACH = 32

_Calls = SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]] | None]


@intrinsic
def _atomic_add(typing, job, word, amount):  # type: ignore[no-untyped-def]  # compiled
    def code(context, builder, signature, values):  # type: ignore[no-untyped-def]
        array = context.make_array(signature.args[0])(context, builder, values[0])
        return builder.atomic_rmw("add", builder.gep(array.data, [values[1]]), values[2], "seq_cst")

    return types.int64(types.int64[::1], types.int64, types.int64), code


def add(job, word, amount):  # type: ignore[no-untyped-def]  # compiled
    """`job[word] += amount`, which no other thread comes between; returns what was there before."""
    before = job[word]
    job[word] += amount
    return before


if not config.DISABLE_JIT:  # else one thread does everything
    add = _atomic_add


@part
def next_part(job, count, thread, turn):  # type: ignore[no-untyped-def]  # compiled
    """Takes a part of `count` worlds that nobody has begun.

    Args:
        job: (TAKEN + parts,) int64.
        count: how many worlds there are in all parts.
        thread: which it is; 0, the calling one, goes on with the parts of the others, from their ends.
        turn: how many parts it has looked at before.

    Returns:
        Its first world, the one behind its last (twice the same: there is none), and `turn` for the next call.
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
    """Says that a part is done, and whether well."""
    add(job, FAILED, 1 - int(well))
    add(job, ENDED, 1)


@lean_kernel
def wait(job):  # type: ignore[no-untyped-def]  # compiled
    """Returns when all parts are done, those of others included: at most one part of each helper is under way."""
    while add(job, ENDED, 0) < job[PARTS]:
        pass


class Crew:
    """Threads that run kernels together; they start when they are needed first, and end with the crew.

    Args:
        threads: how many, the calling one included.

    Raises:
        ValueError: for less than one.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}; at least 1 is needed")
        self._threads = 1 if config.DISABLE_JIT else threads
        self._calls: list[_Calls] = []  # of each helper

    def share(self, count: int, kernel: Callable[..., None], memory: np.ndarray, chosen: np.ndarray, *rest: Any) -> int:
        """Runs `kernel(memory, chosen, job, thread, *rest)` over `count` worlds; returns how many parts failed."""
        if not count:
            return 0
        threads = self._threads if count >= 2 * self._threads else 1
        each = min(_EACH, count // threads) if threads > 1 else 1  # no part is empty
        job = np.zeros(TAKEN + threads * each, np.int64)
        job[PARTS], job[EACH] = threads * each, each
        if threads > 1 and not self._calls:
            self._start()
        for k in range(1, threads):
            if self._calls[k - 1].empty():  # or it has not even begun with its last call, and calls would pile up
                self._calls[k - 1].put((kernel, (memory, chosen, job, k, *rest)))
        kernel(memory, chosen, job, 0, *rest)
        wait(job)
        return int(job[FAILED])

    def _start(self) -> None:
        for k in range(1, self._threads):
            calls: _Calls = SimpleQueue()  # a call costs two thirds of an executor's
            Thread(target=_help, args=(calls,), name=f"spaceworld-{k}", daemon=True).start()
            weakref.finalize(self, calls.put, None)
            self._calls.append(calls)

    def close(self) -> None:
        """Ends the threads."""
        for calls in self._calls:
            calls.put(None)
        self._calls = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_calls": []}


def _help(calls: _Calls) -> None:
    """Runs calls until None comes."""
    while (call := calls.get()) is not None:
        kernel, arguments = call
        kernel(*arguments)
        del call, kernel, arguments  # the arrays are not kept until the next one
