"""Files of other versions: an older one is brought up to date and loses nothing, a newer one is refused."""

import hashlib
import sqlite3
import zlib

import pytest

from credit_wrappers import Ledger, LedgerError, Request, Usage

# What version 1 of the file was made with, word for word.
VERSION_1 = """
PRAGMA application_id = 1279478855; PRAGMA user_version = 1;
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
REQUEST = Request("base", "the episodes", {"type": "object"}, "fake", 100, None)
# failure, stop_reason, answer -> the class of failure now
FAILURES = {
    ("", "end_turn", "good"): "",
    ("AnswerError", "end_turn", "bad"): "content",
    ("AnswerError", "max_tokens", "half"): "cut_off",
    ("ModelError", "refusal", "no"): "refusal",
    ("ModelError", "", None): "server_error",
    ("overloaded", "", None): "overloaded",  # the last files of version 1 had classes
}


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.sqlite"
    db = sqlite3.connect(path)
    db.executescript(VERSION_1)
    with db:
        db.executemany("INSERT INTO texts VALUES (?, ?)", [("s", "base"), ("j", '{"type": "object"}')])
        for failure, stop_reason, answer in FAILURES:
            text = None if answer is None else zlib.compress(answer.encode())
            prompt = zlib.compress(b"the episodes")
            row = (REQUEST.key(), 1.5, "model", "fake", "m", "s", "j", prompt, 100, None, text, stop_reason)
            row += (1, 2, 3, 0.5, failure, "text", '["a/1", "b/2"]')
            db.execute(f"INSERT INTO answers VALUES (NULL{', ?' * len(row)})", row)
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    return path


def everything(ledger):
    return [
        (
            *(entry.request, entry.completion, entry.time, entry.source, entry.failure, entry.message),
            *((episode.key, episode.agents, episode.values, episode.length) for episode in entry.episodes),
        )
        for entry in ledger.entries()
    ]


def test_older_file_is_brought_up_to_date_and_loses_nothing(old):
    with Ledger(old) as ledger:
        found = everything(ledger)
        assert ledger.find(REQUEST.key()).text == "no"
        assert ledger.usage() == Usage(4, 4, 8, 12, 2.0)
        ledger.record(REQUEST, None, source="model", failure="timeout")  # and can be written to
        ledger.open_batch("fake", "batch", [])
    assert [row[4] for row in found] == list(FAILURES.values())
    for (_, stop_reason, answer), (request, completion, time, source, _, message, *episodes) in zip(
        FAILURES, found, strict=True
    ):
        assert (request, time, source, message) == (REQUEST, 1.5, "model", "text")
        assert episodes == [("a/1", (), None, 0), ("b/2", (), None, 0)]
        assert (completion and (completion.text, completion.stop_reason, completion.usage)) == (
            answer and (answer, stop_reason, Usage(1, 1, 2, 3, 0.5))
        )
    with Ledger(old) as ledger:
        assert len(ledger) == len(FAILURES) + 1


def test_older_file_is_read_without_being_changed(old):
    before = hashlib.sha256(old.read_bytes()).digest()
    with Ledger(old, read_only=True) as ledger:
        read = everything(ledger)
    assert hashlib.sha256(old.read_bytes()).digest() == before
    assert [file.name for file in old.parent.iterdir()] == ["old.sqlite"]
    with Ledger(old) as ledger:
        assert repr(everything(ledger)) == repr(read)


def test_broken_off_upgrade_leaves_the_older_file(old):
    db = sqlite3.connect(old)
    with db:
        db.execute("CREATE TABLE batches (x)")  # in the way of the last step
    db.close()
    with pytest.raises(LedgerError, match="batches"):
        Ledger(old)
    db = sqlite3.connect(old)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert "credits" not in [row[1] for row in db.execute("PRAGMA table_info(answers)")]
    assert db.execute("SELECT count(*) FROM answers WHERE failure = 'AnswerError'").fetchone() == (2,)
    db.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_file_of_a_later_version_is_refused(tmp_path, read_only):
    path = tmp_path / "l.sqlite"
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LedgerError, match=r"l.sqlite is a ledger of version 99; this program reads 2"):
        Ledger(path, read_only=read_only)
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (99,)
    db.close()
