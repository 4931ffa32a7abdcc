"""The ledger: one SQLite file with every question to a model and every answer; nothing is paid for twice.

It serves resuming (a request that was answered is answered from here), replay, cost and audit. It holds no
key of any service.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import weakref
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from os import PathLike
from pathlib import Path
from types import TracebackType

from .credit import Usage
from .errors import LedgerError
from .ledger_file import Batch, open_file, write_and_close
from .protocols import Completion, Request

# Answers of a client that computes cost nothing to repeat: their transactions are batched.
_BATCH_ROWS = 64
_BATCH_SECONDS = 2.0
# Level 1 takes a third of the time of level 6 for a fifth more bytes.
_LEVEL = 1


@dataclass(frozen=True)
class LedgerEntry:
    """One question and its answer, as recorded.

    Attributes:
        request: The whole question.
        completion: The answer; None when the model gave none.
        time: When, in seconds since 1970.
        source: `model` or `scripted`.
        failure: Class of the error that made the answer unusable; "" for a good one.
        message: That error's text.
        episodes: `Episode.key` of each episode asked about.
    """

    request: Request
    completion: Completion | None
    time: float
    source: str
    failure: str
    message: str
    episodes: tuple[str, ...]


class Ledger:
    """Records questions and answers; finds the answer to a question that was asked before.

    Usable from several threads, and by several processes at once. Answers of a real model are written at
    once, others in batches; `close()` (or the end of the program) writes what is left.

    Args:
        path: The file; it is made when it does not exist.

    Raises:
        LedgerError: The file is damaged, is no ledger, or cannot be opened. It is left as it is.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._known_texts: set[str] = set()  # hashes of those that are in the file, or wait to be
        self._batch = Batch()
        self._written_at = time.monotonic()
        self._db = open_file(self.path)
        # Writes the rest when the program ends, or when the ledger is forgotten without close().
        self._finalizer = weakref.finalize(self, write_and_close, self._db, self._batch)

    def find(self, key: str) -> Completion | None:
        """Return the last recorded answer to the request with this key, or None.

        Its usage is what it cost when it was made.
        """
        with self._lock:
            waiting = self._batch.completions.get(key)
            if waiting is not None:
                return waiting
            row = self._run(
                "SELECT answer, model, stop_reason, input_tokens, output_tokens, cached_tokens, seconds "
                "FROM answers WHERE key = ? AND answer IS NOT NULL ORDER BY id DESC LIMIT 1",
                (key,),
            ).fetchone()
        if row is None:
            return None
        return _completion(*row)

    def record(
        self,
        request: Request,
        completion: Completion | None,
        *,
        source: str,
        failure: str = "",
        message: str = "",
        episodes: Sequence[str] = (),
        key: str | None = None,
    ) -> None:
        """Write down a question and its answer; None when the model gave none."""
        key = key or request.key()
        shared = [request.system, json.dumps(request.schema, sort_keys=True)]
        system, schema = (sha256(text.encode()).hexdigest() for text in shared)
        usage = Usage() if completion is None else completion.usage
        row = (
            key,
            time.time(),
            source,
            request.model,
            "" if completion is None else completion.model,
            system,
            schema,
            zlib.compress(request.prompt.encode(), _LEVEL),
            request.max_tokens,
            request.temperature,
            None if completion is None else zlib.compress(completion.text.encode(), _LEVEL),
            "" if completion is None else completion.stop_reason,
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_tokens,
            usage.seconds,
            failure,
            message,
            json.dumps(list(episodes)),
        )
        with self._lock:
            for name, text in zip((system, schema), shared, strict=True):
                if name not in self._known_texts:
                    self._known_texts.add(name)
                    self._batch.texts.append((name, text))
            self._batch.rows.append(row)
            if completion is not None:
                self._batch.completions[key] = completion
            late = time.monotonic() - self._written_at > _BATCH_SECONDS
            if source != "scripted" or late or len(self._batch.rows) >= _BATCH_ROWS:
                self._write()

    def entries(self) -> Iterator[LedgerEntry]:
        """Yield everything that was recorded, oldest first."""
        with self._lock:
            self._write()
            rows = self._run(
                "SELECT s.text, prompt, j.text, client, max_tokens, temperature, answers.time, source, "
                "failure, message, episodes, answer, model, stop_reason, input_tokens, output_tokens, "
                "cached_tokens, seconds FROM answers "
                "JOIN texts s ON s.hash = system JOIN texts j ON j.hash = schema ORDER BY id"
            ).fetchall()
        for system, prompt, schema, client, max_tokens, temperature, *rest in rows:
            when, source, failure, message, episodes, *answer = rest
            yield LedgerEntry(
                request=Request(
                    system,
                    zlib.decompress(prompt).decode(),
                    json.loads(schema),
                    client,
                    max_tokens,
                    temperature,
                ),
                completion=None if answer[0] is None else _completion(*answer),
                time=when,
                source=source,
                failure=failure,
                message=message,
                episodes=tuple(json.loads(episodes)),
            )

    def usage(self) -> Usage:
        """Return what all recorded answers cost together."""
        with self._lock:
            self._write()
            row = self._run(
                "SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), "
                "coalesce(sum(cached_tokens), 0), coalesce(sum(seconds), 0.0) "
                "FROM answers WHERE answer IS NOT NULL"
            ).fetchone()
        return Usage(*row)

    def __len__(self) -> int:
        with self._lock:
            self._write()
            return int(self._run("SELECT count(*) FROM answers").fetchone()[0])

    def flush(self) -> None:
        """Write what was recorded so far."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write what is left and close; the ledger cannot be used afterwards."""
        with self._lock:
            self._finalizer()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r})"

    def _write(self) -> None:
        try:
            self._batch.write(self._db)
        except sqlite3.Error as error:
            raise LedgerError(f"ledger {self.path}: {error}") from error
        self._written_at = time.monotonic()

    def _run(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise LedgerError(f"ledger {self.path}: {error}") from error


def _completion(
    answer: bytes, model: str, stop_reason: str, read: int, written: int, cached: int, seconds: float
) -> Completion:
    return Completion(zlib.decompress(answer).decode(), Usage(1, read, written, cached, seconds), model, stop_reason)
