"""Where finished episodes wait for their credit: many episodes in a query, many queries at a time."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
import warnings
import weakref
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType

from credit_wrappers.core.credit import Credit, Usage
from credit_wrappers.core.critic import Critic, check_credits, check_critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.process_registry import reference, share
from credit_wrappers.critics.progress import CreditProgress
from credit_wrappers.delivery.intake import EpisodeIntake, Listener

_LOG = logging.getLogger("credit_wrappers")
# Scored queries after which a store that nobody has ever asked for credits warns.
_UNDRAINED_QUERIES = 8
# Credits such a store keeps, so that a forgotten store does not fill the memory.
_UNDRAINED_KEPT = 4096
# Queries in flight per worker before `submit` waits: a slow critic slows the collection down, and the backlog
# stays bounded.
_QUERIES_PER_WORKER = 8
# Episodes that may wait behind an error that nobody has asked for, before `submit` raises it.
_UNSEEN_KEPT = 1024
_POOLS: weakref.WeakSet[ThreadPoolExecutor] = weakref.WeakSet()


def _cancel_queued() -> None:
    """At the program's end: let running queries finish (they are paid for), but begin no more."""
    for pool in list(_POOLS):
        pool.shutdown(wait=False, cancel_futures=True)


# Python itself would first work through everything that is queued; `atexit` comes after that.
getattr(threading, "_register_atexit", lambda _: None)(_cancel_queued)
if hasattr(os, "register_at_fork"):  # a forked process has none of the threads, and may find their locks taken
    os.register_at_fork(after_in_child=_POOLS.clear)


class CreditStore(EpisodeIntake):
    """Takes finished episodes, has them scored by a critic, hands the credits out once.

    Several environments may share one store; every method may be called from any thread. When the critic
    fails, its exception is raised by the next `ready()` or `settle()` (or by `submit()`, when nobody calls these
    and episodes pile up); the episodes of that query stay in the store and are sent again by the next
    dispatch, and credits already there are not lost. A program that ends waits for queries that run, whose
    answers reach the ledger, and begins no more.

    Whoever consumes the credits calls `ready()` or `settle()`. A store that was never asked warns once, after
    the first scored episodes: a learner that never collects its credits learns from the placeholder. A
    consumer that wants to make itself known before the first episode ends calls `ready()` once.

    A copy of an environment goes on with the same store: a pickle holds a reference, which is good in the
    process that made it, leads to a stand-in in the worker processes of `AgentVectorEnv`, and raises
    CreditError in any other.

    Args:
        critic: Assigns the credit.
        episodes_per_query: Episodes the critic gets, and compares, in one call.
        workers: Threads that call the critic. 0: no threads; full queries are scored in the caller's thread,
            which is right for a critic that computes instead of waiting for a server.
        progress: Show a bar with scored episodes, calls, tokens, cost and cache share.

    Examples:
        >>> from credit_wrappers import CreditStore, SharedCritic
        >>> with CreditStore(SharedCritic(), workers=0) as store:
        ...     store.ready()
        []
    """

    def __init__(
        self, critic: Critic, *, episodes_per_query: int = 8, workers: int = 4, progress: bool = False
    ) -> None:
        check_critic(critic, "CreditStore takes a critic")
        if episodes_per_query < 1:
            raise ValueError(f"episodes_per_query must be at least 1, got {episodes_per_query}")
        if workers < 0:
            raise ValueError(f"workers must be 0 or more, got {workers}")
        super().__init__(itertools.count(), partial(reference, share(self)))
        self.critic = critic
        self.episodes_per_query = episodes_per_query
        self.workers = workers
        self.seconds = 0.0  # spent inside the critic, added over the workers
        self.usage = Usage()
        self.counts: Counter[str] = Counter()  # scored episodes by Credit.source
        self.discarded = 0  # credits thrown away because nobody ever asked for any
        self._changed = threading.Condition()
        self._waiting: list[Episode] = []  # submitted, in no query yet
        self._in_flight: set[int] = set()  # in a query that has not come back
        self._scored: dict[int, Credit] = {}  # scored, not handed out
        self._errors: list[BaseException] = []
        self._drained = False
        self._warned = False
        self._closed = False
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="critic") if workers else None
        if self._pool is not None:
            _POOLS.add(self._pool)
        self._bar = CreditProgress(critic) if progress else None

    @property
    def pending(self) -> int:
        """Number of episodes that were submitted and whose credit was not handed out yet."""
        with self._changed:
            return len(self._waiting) + len(self._in_flight) + len(self._scored)

    def submit(self, episode: Episode, scored: Listener | None = None) -> None:
        """Take a finished episode. Waits only when the critic is many queries behind.

        Args:
            episode: What happened.
            scored: Called with the episode and its credit as soon as it is there, in the thread that scored it. It must
                be quick, and must not call the store. The credit can be collected afterwards as usual.
        """
        with self._changed:
            if self._closed:
                raise CreditError("the credit store is closed: it takes no more episodes")
            taken = episode.id in self._in_flight or episode.id in self._scored or self._waits(episode.id)
            self._take_listener(episode, taken, scored)
            self._waiting.append(episode)
        self._dispatch(flush=False)
        if len(self._waiting) > max(_UNSEEN_KEPT, self.episodes_per_query):
            with self._changed:
                self._raise_error()
        if self._pool is not None:
            limit = _QUERIES_PER_WORKER * self.workers * self.episodes_per_query
            with self._changed:
                self._changed.wait_for(lambda: len(self._in_flight) <= limit or bool(self._errors))
        if not self._drained:
            self._warn_if_forgotten()

    def ready(self) -> list[tuple[int, Credit]]:
        """Return the credits that are there, each once, without waiting."""
        self._drained = True
        with self._changed:
            self._raise_error()
            return self._drain()

    def settle(self, ids: Collection[int], timeout: float | None = None) -> list[tuple[int, Credit]]:
        """Wait until every submitted episode of `ids` is scored; return all credits that are there.

        Queries that are not full are sent at once. Ids that were never submitted (unfinished episodes), and
        those already handed out, are not waited for.

        Args:
            ids: Episode ids.
            timeout: Seconds to wait at most; then what is there is returned, and the rest stays in the store.
        """
        self._drained = True
        wanted = set(ids)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if any(episode.id in wanted for episode in list(self._waiting)):
                self._dispatch(flush=True)
            with self._changed:
                self._raise_error()
                if wanted.isdisjoint(self._in_flight) and not any(e.id in wanted for e in self._waiting):
                    return self._drain()
                remaining = None if deadline is None else deadline - time.monotonic()
                if remaining is not None and remaining <= 0:
                    return self._drain()
                if not wanted.isdisjoint(self._in_flight):
                    self._changed.wait(remaining)

    def close(self) -> None:
        """Stop the workers. Queries that run are waited for; episodes not yet in a call are given up."""
        with self._changed:
            self._closed = True
            given_up = len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        try:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)
        finally:  # a second Ctrl-C leaves nobody waiting
            with self._changed:
                given_up += len(self._in_flight)
                if given_up:
                    _LOG.info("credit store closed: %d finished episodes were not scored", given_up)
                self._listeners.clear()
                self._in_flight.clear()
                self._changed.notify_all()
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> CreditStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CreditStore({self.critic.label!r}, pending={self.pending}, counts={dict(self.counts)})"

    def _waits(self, episode_id: int) -> bool:
        return any(episode.id == episode_id for episode in self._waiting)

    def _dispatch(self, *, flush: bool) -> None:
        """Send every full query, and with `flush` the incomplete one too."""
        while query := self._take(flush):
            if self._pool is None:
                self._score(query)
            else:
                self._pool.submit(self._score, query)

    def _take(self, flush: bool) -> list[Episode]:
        with self._changed:
            full = len(self._waiting) >= self.episodes_per_query
            # After a failure nothing is sent until the caller has seen it, or a dead server (or a wrong key)
            # would be asked over and over behind the caller's back.
            if self._errors or self._closed or not (full or flush):
                return []
            query = self._waiting[: self.episodes_per_query]
            del self._waiting[: self.episodes_per_query]
            self._in_flight.update(episode.id for episode in query)
            return query

    def _score(self, query: list[Episode]) -> None:
        started = time.perf_counter()
        try:
            credits = self.critic.score(query)
            check_credits(query, credits)
        except BaseException as error:
            with self._changed:
                self._in_flight.difference_update(episode.id for episode in query)
                if not self._closed:
                    self._waiting[:0] = query
                self.seconds += time.perf_counter() - started
                if self._pool is None and not isinstance(error, Exception):
                    raise  # Ctrl-C in the caller's own thread
                self._errors.append(error)
                self._changed.notify_all()
            return
        with self._changed:
            self.seconds += time.perf_counter() - started
            for episode, credit in zip(query, credits, strict=True):
                self._scored[episode.id] = credit
                self._in_flight.discard(episode.id)
            while not self._drained and len(self._scored) > _UNDRAINED_KEPT:
                del self._scored[next(iter(self._scored))]
                self.discarded += 1
            self._changed.notify_all()
            try:
                self._count(query, credits)
            except Exception as error:  # of a listener, or of the bar: the credits are there all the same
                self._errors.append(error)

    def _count(self, query: Sequence[Episode], credits: Sequence[Credit]) -> None:
        """Count what was scored, and tell the listeners."""
        for credit in credits:
            self.counts[credit.source] += 1
            self.usage += credit.usage
        if self._bar is not None:
            self._bar.add(len(query))
        error: Exception | None = None
        for episode, credit in zip(query, credits, strict=True):
            try:
                self._tell(episode, credit)
            except Exception as raised:  # the other listeners are told all the same
                error = error or raised
        if error is not None:
            raise error

    def _drain(self) -> list[tuple[int, Credit]]:
        credits, self._scored = list(self._scored.items()), {}
        return credits

    def _raise_error(self) -> None:
        if self._errors:
            first, *others = self._errors
            self._errors.clear()
            if others:
                first.add_note(f"({len(others)} more queries failed; all their episodes are kept)")
            raise first

    def _warn_if_forgotten(self) -> None:
        limit = _UNDRAINED_QUERIES * self.episodes_per_query
        if self._warned or sum(self.counts.values()) < limit:
            return
        self._warned = True
        warnings.warn(
            f"{sum(self.counts.values())} episodes were scored by critic {self.critic.label!r} and nobody "
            "collected a credit: the learner trains on the placeholder (the team reward). Collect them with "
            "store.ready() or store.settle(ids), or use an integration that does "
            f"(credit_wrappers.integrations). Only the last {_UNDRAINED_KEPT} are kept. If you mean to "
            "collect them later, call store.ready() once at the start.",
            RuntimeWarning,
            stacklevel=4,
        )
