"""The ledger's file: how it is recognised, opened for writing or for reading only, and when it is refused.

A file that is refused raises LedgerError and is left as it is.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from credit_wrappers.core.errors import LedgerError
from credit_wrappers.llm.ledger.tables import APPLICATION_ID, has_tables, make_tables

_PATIENCE = 30.0  # seconds to wait for another process that writes


def open_file(path: Path) -> sqlite3.Connection:
    """Return a connection to the ledger at `path`, which is made when it does not exist."""
    _inspect(path, may_be_made=True)
    db = _connect(path, str(path))
    with _closed_on_error(db, f"cannot use ledger {path}"):
        # Before the switch to WAL, so that the main file is a complete, recognisable ledger from now on.
        make_tables(db, str(path))
        _switch_to_wal(db)
        db.execute("PRAGMA synchronous = FULL")  # an answer that was paid for outlives a power failure, for 4 ms
        db.execute("SELECT key FROM answers LIMIT 1").fetchone()
    return db


def open_read_only(path: Path) -> sqlite3.Connection:
    """Return a connection that changes neither the ledger nor its folder."""
    _inspect(path, may_be_made=False)
    # SQLite would make files beside one that no process has open, unless it is told that nothing will change.
    in_use = _beside(path, "-wal").exists()
    db = _connect(path, f"{path.absolute().as_uri()}?mode=ro{'' if in_use else '&immutable=1'}", uri=True)
    hint = f"; its last entries are in {path.name}-wal, keep both files together" if in_use else ""
    with _closed_on_error(db, f"cannot read ledger {path}", hint):
        if not has_tables(db, str(path)):
            raise LedgerError(f"{path} is no ledger: it has no tables")
        db.execute("SELECT key FROM answers LIMIT 1").fetchone()
    return db


@contextmanager
def _closed_on_error(db: sqlite3.Connection, message: str, hint: str = "") -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.Error):
            raise LedgerError(f"{message}: {error}{hint}") from error
        raise


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when the file is written to; None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _connect(path: Path, target: str, *, uri: bool = False) -> sqlite3.Connection:
    try:
        return sqlite3.connect(target, timeout=_PATIENCE, check_same_thread=False, uri=uri)
    except sqlite3.Error as error:
        raise LedgerError(f"cannot open ledger {path}: {error}") from error


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Let readers and a writer work at the same time; wait for other processes, which SQLite does not do here."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _inspect(path: Path, *, may_be_made: bool) -> None:
    """Raise LedgerError unless the file is a sound ledger or, with `may_be_made`, missing or empty.

    This only reads, whereas SQLite itself would write to a file, or beside it, on opening.
    """
    before = stamp(path)
    if path.is_dir():
        there = ", ".join(sorted(str(file) for file in path.glob("*.sqlite"))) or "there is none (*.sqlite)"
        raise LedgerError(f"cannot open ledger {path}: it is a folder; name a ledger in it: {there}")
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        if not may_be_made:
            raise LedgerError(f"there is no ledger {path}") from None
        if not path.parent.is_dir():
            raise LedgerError(f"cannot make ledger {path}: there is no folder {path.parent}") from None
        return
    except OSError as error:
        raise LedgerError(f"cannot open ledger {path}: {error.strerror}") from error
    if not header and may_be_made:
        return
    if not header.startswith(b"SQLite format 3\0"):
        raise LedgerError(f"{path} is not a ledger (not an SQLite file); it was left as it is")
    if len(header) < 100 or int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise LedgerError(f"{path} is an SQLite file, but not a ledger; it was left as it is")
    if _in_use(path):
        return
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        try:
            found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            found = str(error)
    # A file that looks damaged may be one that another process was writing meanwhile.
    if found != "ok" and not _in_use(path) and stamp(path) == before:
        raise LedgerError(f"ledger {path} is damaged ({found}); it was left as it is")


def _in_use(path: Path) -> bool:
    """Return whether the file is open for writing, or was when a program crashed."""
    return _beside(path, "-wal").exists() or _beside(path, "-journal").exists()


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
