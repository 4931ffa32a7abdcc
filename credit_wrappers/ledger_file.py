"""The ledger's file: its tables, how it is recognised, and how rows are written to it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .errors import LedgerError
from .protocols import Completion

_APPLICATION_ID = 0x4C434C47  # "LCLG"; at byte 68 of the file's header
_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,          -- Request.key()
    time REAL NOT NULL,         -- seconds since 1970
    source TEXT NOT NULL,       -- model | scripted
    client TEXT NOT NULL,       -- Request.model
    model TEXT NOT NULL,        -- as the provider names it
    system TEXT NOT NULL,       -- texts.hash
    schema TEXT NOT NULL,       -- texts.hash
    prompt BLOB NOT NULL,       -- zlib
    max_tokens INTEGER NOT NULL,
    temperature REAL,
    answer BLOB,                -- zlib; NULL: the model gave none
    stop_reason TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    failure TEXT NOT NULL,      -- class of the error, '' when the answer was good
    message TEXT NOT NULL,
    episodes TEXT NOT NULL      -- Episode.key of each, as a JSON list
);
CREATE INDEX IF NOT EXISTS answers_by_key ON answers (key);
"""


class Batch:
    """Rows that wait to be written in one transaction, so that no transaction stays open in between."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.rows: list[tuple[object, ...]] = []
        self.completions: dict[str, Completion] = {}  # of `rows`, by key

    def write(self, db: sqlite3.Connection) -> None:
        """Write and forget the rows; on an error they are kept."""
        if not self.rows:
            return
        with db:
            db.executemany("INSERT OR IGNORE INTO texts VALUES (?, ?)", self.texts)
            db.executemany(f"INSERT INTO answers VALUES (NULL{', ?' * len(self.rows[0])})", self.rows)
        self.texts.clear()
        self.rows.clear()
        self.completions.clear()


def write_and_close(db: sqlite3.Connection, batch: Batch) -> None:
    """Write the rows that wait and close the connection."""
    try:
        batch.write(db)
    finally:
        db.close()


def open_file(path: Path) -> sqlite3.Connection:
    """Return a connection to the ledger at `path`, which is made when it does not exist.

    Raises:
        LedgerError: It is damaged, is no ledger, or cannot be opened; it is left as it is.
    """
    fresh = _inspect(path)
    try:
        db = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
    except sqlite3.Error as error:
        raise LedgerError(f"cannot open ledger {path}: {error}") from error
    try:
        if fresh:
            # Before the switch to WAL, so that the main file is a complete, recognisable ledger from now on.
            db.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION_ID};"
                f"PRAGMA user_version = {_VERSION}; {_SCHEMA} COMMIT;"
            )
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != _VERSION:
            raise LedgerError(f"{path} is a ledger of version {version}; this program reads {_VERSION}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("SELECT key FROM answers LIMIT 1").fetchone()
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.Error):
            raise LedgerError(f"cannot use ledger {path}: {error}") from error
        raise
    return db


def _inspect(path: Path) -> bool:
    """Return whether the file is still to be made; raise LedgerError when it is not a sound ledger.

    Reads only: SQLite itself would write to a file, or beside it, on opening.
    """
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise LedgerError(f"cannot make ledger {path}: there is no folder {path.parent}") from None
        return True
    except OSError as error:
        raise LedgerError(f"cannot open ledger {path}: {error.strerror}") from error
    if not header:
        return True
    if not header.startswith(b"SQLite format 3\0"):
        raise LedgerError(f"{path} is not a ledger (not an SQLite file); it was left as it is")
    if len(header) < 100 or int.from_bytes(header[68:72], "big") != _APPLICATION_ID:
        raise LedgerError(f"{path} is an SQLite file, but not a ledger; it was left as it is")
    if not path.with_name(path.name + "-wal").exists():  # else it is in use, or a crash is to be recovered from
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            found = str(error)
        finally:
            db.close()
        if found != "ok":
            raise LedgerError(f"ledger {path} is damaged ({found}); it was left as it is")
    return False
