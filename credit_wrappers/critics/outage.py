"""A pause after several failures in a row, so that not every query waits for a server that is gone."""

from __future__ import annotations

import logging
import threading
import time

from credit_wrappers.core.errors import ModelError

_LOG = logging.getLogger("credit_wrappers")


class Outage:
    """Counts transient failures in a row; after `limit` of them nothing is asked for `pause` seconds.

    After the pause a single query tries again. All others fail at once, until one has succeeded. The log has one
    warning when this begins and one when it is over.
    """

    def __init__(self, limit: int = 3, pause: float = 60.0) -> None:
        self.limit, self.pause = limit, pause
        self._failures = 0
        self._since: float | None = None  # when the pauses began
        self._until = 0.0
        self._lock = threading.Lock()

    def check(self, label: str) -> None:
        """Raise ModelError (kind "outage") during a pause."""
        with self._lock:
            now = time.monotonic()
            if self._since is None:
                return
            if now < self._until:
                raise ModelError(
                    f"{label} was not asked: its last {self._failures} queries failed, the next try is in "
                    f"{self._until - now:.0f} s",
                    "outage",
                )
            self._until = now + self.pause  # this caller tries; nobody else does until the result is known

    def failed(self, label: str, error: ModelError) -> None:
        """Note a query that failed although the client had retried."""
        with self._lock:
            self._failures += 1
            if self._failures < self.limit:
                return
            now = time.monotonic()
            self._until = now + self.pause
            if self._since is None:
                self._since = now
                _LOG.warning(
                    "critic %s: %d queries in a row failed (%s: %s). Until one succeeds a single query tries every "
                    "%.0f s, and the other episodes get the fallback credit at once.",
                    label, self._failures, error.kind, error, self.pause,
                )  # fmt: skip

    def succeeded(self, label: str) -> None:
        """Note an answer, or a refusal by the server: it can be reached."""
        with self._lock:
            self._failures = 0
            if self._since is not None:
                _LOG.warning("critic %s answers again, after %.0f s", label, time.monotonic() - self._since)
                self._since = None
