"""The ledger records questions and answers and finds them again, so that nothing is paid for twice."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.errors import LedgerError
from credit_wrappers.llm.client import Completion, Request
from credit_wrappers.llm.ledger.entry import JudgedEpisode, LedgerEntry, pack_row, unpack_text
from credit_wrappers.llm.ledger.sqlite_file import open_file, open_read_only, stamp
from credit_wrappers.llm.ledger.tables import Waiting, write_and_close

_BATCH_ROWS, _BATCH_SECONDS = 64, 2.0  # answers that cost nothing to repeat are written in batches
_PAGE = 64  # entries read at a time; no query stays open in between, and memory is bounded

_USAGE = "input_tokens, output_tokens, cached_tokens, seconds, cache_write_tokens"
_UNANSWERED = "(answer IS NULL OR failure = 'truncated')"
_ENTRY = (
    f"SELECT id, key, answers.time, source, client, model, stop_reason, {_USAGE}, failure, message, s.text, "
    "j.text, prompt, max_tokens, temperature, answer, episodes, credits FROM answers "
    "JOIN texts s ON s.hash = system JOIN texts j ON j.hash = schema"
)


class Ledger:
    """A file of questions and answers, which finds the answer to a question that was asked before.

    Several threads can use it, and several processes at once if each opens it for itself. Answers of a real model are
    written at once, others in batches; `close()` (or the end of the program) writes the rest.

    Args:
        path: The file; it is made if it does not exist.
        read_only: Change nothing, neither the file nor its folder; for published ledgers.

    Raises:
        LedgerError: The file is damaged, is no ledger or one of another version, or cannot be opened. It is left as
            it is. Methods raise it when the file cannot be written.
    """

    def __init__(self, path: str | PathLike[str], *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._known_texts: set[str] = set()  # hashes of those that are in the file or wait for it
        self._waiting = Waiting()
        self._written_at = time.monotonic()
        self._open()

    def _open(self) -> None:
        self._stamp = stamp(self.path)
        self._db = open_read_only(self.path) if self.read_only else open_file(self.path)
        # Writes the rest when the program ends, or when the ledger is forgotten without close().
        self._finalizer = weakref.finalize(self, write_and_close, self._db, self._waiting, self._process)

    def find(self, key: str) -> Completion | None:
        """Return the last recorded answer to the request with this key, with its cost at the time, or None.

        An answer to a truncated question is none: the same question can be asked again once the server reads it all.
        """
        with self._lock:
            waiting = self._waiting.completions.get(key)
            if waiting is not None:
                return waiting
            row = self._run(
                f"SELECT answer, model, stop_reason, {_USAGE} "
                f"FROM answers WHERE key = ? AND NOT {_UNANSWERED} ORDER BY id DESC LIMIT 1",
                (key,),
            ).fetchone()
        if row is None:
            return None
        answer, model, stop_reason, *usage = row
        return Completion(unpack_text(answer), Usage(1, *usage), model, stop_reason)

    def find_failure(self, key: str) -> tuple[str, str] | None:
        """Return (class, message) of the failure if the last attempt at this request got no answer."""
        query = f"SELECT {_UNANSWERED}, failure, message FROM answers WHERE key = ? ORDER BY id DESC LIMIT 1"
        for unanswered, failure, message in self._fetch(query, (key,)):
            return (failure, message) if unanswered else None
        return None

    def record(
        self,
        request: Request,
        completion: Completion | None,
        *,
        source: str,
        failure: str = "",
        message: str = "",
        episodes: Sequence[JudgedEpisode] = (),
        key: str | None = None,
    ) -> None:
        """Record a question and its answer.

        Args:
            request: The question.
            completion: The answer; None if the model gave none.
            source: Where it comes from: `model`, `scripted` or `cache`.
            failure: Why the answer is unusable; "" for a good one.
            message: The error's text.
            episodes: The episodes of the question, and the credit that was read from the answer.
            key: `request.key()`, if the caller has it.
        """
        if self.read_only:
            raise LedgerError(f"ledger {self.path} was opened for reading only")
        key = key or request.key()
        row, texts = pack_row(request, completion, key, source, failure, message, episodes)
        with self._lock:
            for name, text in texts.items():
                if name not in self._known_texts:
                    self._known_texts.add(name)
                    self._waiting.texts.append((name, text))
            self._waiting.rows.append(row)
            if completion is not None and failure != "truncated":
                self._waiting.completions[key] = completion
            late = time.monotonic() - self._written_at > _BATCH_SECONDS
            if source == "model" or late or len(self._waiting.rows) >= _BATCH_ROWS:
                self._write()

    def entries(
        self, *, number: int | None = None, key: str = "", episode: str = "", newest_first: bool = False
    ) -> Iterator[LedgerEntry]:
        """Yield what was recorded, oldest first.

        Args:
            number: Only this entry, counted from 1.
            key: Only questions whose key begins with this.
            episode: Only questions about the episode with this `Episode.key`.
            newest_first: Newest first instead.
        """
        wanted = (number, number, key, key, json.dumps(episode) if episode else "")
        order, sign = ("DESC", "<") if newest_first else ("ASC", ">")
        last = float("inf") if newest_first else 0
        while True:
            rows = self._fetch(
                f"{_ENTRY} WHERE id {sign} ? AND (? IS NULL OR id = ?) AND substr(key, 1, length(?)) = ? "
                f"AND instr(episodes, ?) ORDER BY id {order} LIMIT {_PAGE}",
                (last, *wanted),
            )
            for row in rows:
                calls = int(row[19] is not None)  # no answer, nothing to pay
                values: tuple[Any, ...] = (*row[:7], Usage(calls, *row[7:12]), *row[12:])
                yield LedgerEntry(*values)
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def usage(self) -> Usage:
        """Return what all recorded answers cost together."""
        [row] = self._fetch(
            "SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), "
            "coalesce(sum(cached_tokens), 0), coalesce(sum(seconds), 0.0), coalesce(sum(cache_write_tokens), 0) "
            "FROM answers WHERE answer IS NOT NULL"
        )
        return Usage(*row)

    def unanswered(self) -> int:
        """Return how many calls got no answer, without questions that were never sent."""
        query = "SELECT count(*) FROM answers WHERE answer IS NULL AND failure NOT IN ('outage', 'budget')"
        return int(self._fetch(query)[0][0])

    def clients(self) -> list[str]:
        """Return the name of every client that was asked (`Request.model`), sorted."""
        return [row[0] for row in self._fetch("SELECT DISTINCT client FROM answers ORDER BY client")]

    def open_batch(self, client: str, batch_id: str, keys: Sequence[str]) -> None:
        """Record at once that a batch of requests was sent; its answers are fetched later."""
        row = (batch_id, client, time.time(), json.dumps(list(keys)))
        self._change("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", row)

    def open_batches(self, client: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return (batch id, keys of its requests) of each open batch of this client, oldest first."""
        rows = self._fetch("SELECT id, keys FROM batches WHERE client = ? ORDER BY time, rowid", (client,))
        return [(batch_id, tuple(json.loads(keys))) for batch_id, keys in rows]

    def close_batch(self, batch_id: str) -> None:
        """Record that the batch's answers were fetched."""
        self._change("DELETE FROM batches WHERE id = ?", (batch_id,))

    def __len__(self) -> int:
        return int(self._fetch("SELECT count(*) FROM answers")[0][0])

    def flush(self) -> None:
        """Write what was recorded so far."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write the rest and close; the ledger cannot be used afterwards."""
        with self._lock:
            self._finalizer()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r}{', read_only=True' if self.read_only else ''})"

    def _change(self, sql: str, values: Sequence[object]) -> None:
        if self.read_only:
            raise LedgerError(f"ledger {self.path} was opened for reading only")
        with self._lock:
            self._write()  # the answers of a batch come before its end
            with self._db:
                self._run(sql, values)

    def _fetch(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """Return the rows of a query; what waits is written first, so that the query sees it."""
        with self._lock:
            self._write()
            return self._run(sql, values).fetchall()

    def _write(self) -> None:
        self._check_process()
        try:
            self._waiting.write(self._db)
        except sqlite3.Error as error:
            raise LedgerError(f"ledger {self.path}: {error}") from error
        self._written_at = time.monotonic()

    def _run(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        self._check_process()
        if self.read_only and self._finalizer.alive and stamp(self.path) != self._stamp:
            self._finalizer()  # somebody writes to it after all
            self._open()
        try:
            return self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise LedgerError(f"ledger {self.path}: {error}") from error

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise LedgerError(f"ledger {self.path} was opened by another process; open it again in this one")
