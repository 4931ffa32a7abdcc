"""Files of other versions of the format are refused and left as they are."""

import hashlib
import sqlite3

import pytest

from credit_wrappers import Ledger, LedgerError


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("version", [1, 99])
def test_file_of_another_version_is_refused(tmp_path, version, read_only):
    path = tmp_path / "l.sqlite"
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(
        LedgerError, match=rf"l.sqlite is a ledger of format version {version}; this program reads version 2"
    ):
        Ledger(path, read_only=read_only)
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert [file.name for file in tmp_path.iterdir()] == ["l.sqlite"]
