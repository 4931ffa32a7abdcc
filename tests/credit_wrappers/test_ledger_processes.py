"""Several processes write to one ledger, and processes that die leave a sound one."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from credit_fakes import completion

from credit_wrappers import Ledger, LedgerError, Request

WRITER = """
import sys
from credit_wrappers import Completion, Request, Usage
from credit_wrappers.llm.ledger.ledger import Ledger

path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
with Ledger(path) as ledger:
    for k in range(count):
        request = Request("base", f"{name} {k} " + 3000 * "long ", None, "c", 1)
        source = "scripted" if k % 3 == 0 else "model"
        ledger.record(request, Completion("x" * 2000, Usage(1), "m"), source=source)
        if source == "model":
            print(k, flush=True)
"""


def writer(path, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def recorded(path):
    """Return how many rows and how many different questions there are, with SQLite's own check before."""
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return db.execute("SELECT count(*), count(DISTINCT key) FROM answers").fetchone()
    finally:
        db.close()


def test_processes_that_make_and_write_one_file_at_once_lose_nothing_and_repeat_nothing(tmp_path):
    path = tmp_path / "l.sqlite"
    writers = [writer(path, name, 40) for name in "abc"]
    for process in writers:
        assert process.stdout.readline() == "ready\n"
    for process in writers:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    assert recorded(path) == (120, 120)


def test_killed_process_leaves_a_sound_file_with_all_that_was_paid_for(tmp_path):
    path = tmp_path / "l.sqlite"
    process = writer(path, "a", 100_000)
    process.stdin.write("go\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.strip() == "40":
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Ledger(path, read_only=True) as ledger:  # before anybody recovers it
        assert len(ledger) >= 41
    with Ledger(path) as ledger:
        assert [entry.request.prompt.split()[1] for entry in ledger.entries()][:41] == [str(k) for k in range(41)]
    rows, questions = recorded(path)
    assert rows == questions >= 41


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # of Python, when other threads run
def test_fork_of_a_process_is_told_to_open_the_ledger_anew(tmp_path):
    path = tmp_path / "l.sqlite"
    ledger = Ledger(path)
    request = Request("base", "episodes", None, "c", 1)
    ledger.record(request, completion("waits"), source="scripted")
    if (child := os.fork()) == 0:
        code = 1
        try:
            ledger.flush()
        except LedgerError as error:
            ledger.close()  # writes nothing
            code = 0 if "another process" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    ledger.close()
    assert recorded(path) == (1, 1)
