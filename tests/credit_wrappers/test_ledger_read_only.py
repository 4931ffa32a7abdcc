"""A published ledger is read without a trace, also where nothing may be written."""

import hashlib
import shutil
from dataclasses import replace

import pytest
from credit_fakes import completion

from credit_wrappers import Ledger, LedgerError, Request

REQUEST = Request("base", "the episodes", None, "fake", 100)


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "published run #1?"
    folder.mkdir()
    with Ledger(folder / "l.sqlite") as ledger:
        ledger.record(REQUEST, completion("yes"), source="model")
    (folder / "l.sqlite").chmod(0o444)
    folder.chmod(0o555)
    yield folder / "l.sqlite"
    folder.chmod(0o755)


def test_reading_leaves_file_and_folder_as_they_are(published):
    before = hashlib.sha256(published.read_bytes()).digest()
    with Ledger(published, read_only=True) as ledger:
        assert ledger.find(REQUEST.key()) == completion("yes")
        assert ledger.find_failure(REQUEST.key()) is None
        assert ledger.clients() == ["fake"]
        assert ledger.open_batches("fake") == []
        assert [entry.request for entry in ledger.entries()] == [REQUEST]
        assert len(ledger) == ledger.usage().calls == 1
        ledger.flush()
        assert [file.name for file in published.parent.iterdir()] == ["l.sqlite"]
    assert [file.name for file in published.parent.iterdir()] == ["l.sqlite"]
    assert hashlib.sha256(published.read_bytes()).digest() == before


def test_everything_that_writes_is_refused(published):
    with Ledger(published, read_only=True) as ledger:
        for change in (
            lambda: ledger.record(REQUEST, completion("no"), source="scripted"),
            lambda: ledger.open_batch("fake", "b", []),
            lambda: ledger.close_batch("b"),
        ):
            with pytest.raises(LedgerError, match="reading only"):
                change()


def test_missing_or_empty_file_is_not_made_a_ledger(tmp_path):
    with pytest.raises(LedgerError, match=r"there is no ledger .*l\.sqlite"):
        Ledger(tmp_path / "l.sqlite", read_only=True)
    (tmp_path / "empty").touch()
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger(tmp_path / "empty", read_only=True)
    assert [file.name for file in tmp_path.iterdir()] == ["empty"]


def test_what_others_write_meanwhile_is_seen(tmp_path):
    path = tmp_path / "l.sqlite"
    Ledger(path).close()
    other = replace(REQUEST, prompt="other")
    with Ledger(path, read_only=True) as reader:
        assert reader.find(REQUEST.key()) is None
        with Ledger(path) as writer:
            writer.record(REQUEST, completion("one"), source="model")
        assert reader.find(REQUEST.key()).text == "one"
    with Ledger(path) as writer, Ledger(path, read_only=True) as reader:
        writer.record(other, completion("two"), source="model")
        assert reader.find(other.key()).text == "two"


def test_what_a_crash_left_beside_the_file_is_read(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.record(REQUEST, completion("yes"), source="model")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for ending in ("", "-wal"):
        shutil.copy(tmp_path / f"l.sqlite{ending}", crashed)
    ledger.close()
    with Ledger(crashed / "l.sqlite", read_only=True) as ledger:
        assert ledger.find(REQUEST.key()).text == "yes"
