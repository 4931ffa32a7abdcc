"""The ledger's tables: how they are made, and how rows are written to them."""

from __future__ import annotations

import os
import sqlite3

from credit_wrappers.core.errors import LedgerError
from credit_wrappers.llm.client import Completion

APPLICATION_ID = 0x4C434C47  # "LCLG"; at byte 68 of the file's header
VERSION = 2

_TABLES = (
    "CREATE TABLE texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,          -- Request.key()
    time REAL NOT NULL,         -- seconds since 1970
    source TEXT NOT NULL,       -- model | scripted | cache
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
    failure TEXT NOT NULL,      -- errors.ModelFailure | errors.AnswerFailure | '' when the answer was good
    message TEXT NOT NULL,
    episodes TEXT NOT NULL,     -- Episode.key of each, as a JSON list
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    credits BLOB                -- entry.pack_episodes; NULL: of no episodes
)""",
    "CREATE INDEX answers_by_key ON answers (key)",
    """CREATE TABLE batches (
    id TEXT PRIMARY KEY,        -- as the provider names it
    client TEXT NOT NULL,       -- Request.model
    time REAL NOT NULL,         -- when it was opened, in seconds since 1970
    keys TEXT NOT NULL          -- Request.key() of each, as a JSON list
)""",
)

_INSERT = f"INSERT INTO answers VALUES (NULL{', ?' * 21})"  # the file gives the number of the row, the id


def make_tables(db: sqlite3.Connection, name: str) -> None:
    """Make the tables of an empty file, in one transaction."""
    if has_tables(db, name):
        return
    # For a new file. A row is a few kB long and fills its last page by half on average: up to a fifth of the file.
    db.execute("PRAGMA page_size = 1024")
    db.execute("BEGIN IMMEDIATE")
    try:
        if not has_tables(db, name):  # another process may have been faster
            for statement in _TABLES:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.commit()
    except BaseException:
        db.rollback()
        raise


def has_tables(db: sqlite3.Connection, name: str) -> bool:
    """Return whether the file has tables; raise LedgerError for those of another version of the format."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version not in (0, VERSION):
        raise LedgerError(f"{name} is a ledger of format version {version}; this program reads version {VERSION}")
    return version == VERSION


class Waiting:
    """Rows that wait to be written in one transaction, so that none stays open in between."""

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
            db.executemany(_INSERT, self.rows)
        self.texts.clear()
        self.rows.clear()
        self.completions.clear()


def write_and_close(db: sqlite3.Connection, waiting: Waiting, process: int) -> None:
    """Write the waiting rows and close the connection, but not in a fork of the process that opened it."""
    if os.getpid() != process:
        return
    try:
        waiting.write(db)
    finally:
        db.close()
