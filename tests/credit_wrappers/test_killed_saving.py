"""A program that is killed while it saves leaves nothing that looks whole, and the next one removes what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from credit_wrappers import dataset
from credit_wrappers.dataset.large_set import make_large_set
from credit_wrappers.dataset.saving import remove_unfinished, whole
from tests.credit_wrappers.dataset_labels import CORRIDOR, played_labels

SLOW = """
import sys, time
from credit_wrappers import dataset
from tests.credit_wrappers.dataset_labels import CORRIDOR, played_labels

def labels():
    for label in played_labels(2):
        yield label
        print("one", flush=True)
    time.sleep(60)

dataset.save(sys.argv[1], labels(), CORRIDOR, form=sys.argv[2])
"""


@pytest.mark.parametrize("form", ["minari", "compact"])
def test_a_killed_export_leaves_nothing_under_its_name_and_the_next_one_removes_the_rest(tmp_path, form):
    path = tmp_path / ("d.jsonl.gz" if form == "compact" else "d-v0")
    program = subprocess.Popen([sys.executable, "-c", SLOW, str(path), form], stdout=subprocess.PIPE)
    assert program.stdout is not None and program.stdout.readline() == b"one\n"
    time.sleep(0.05)
    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()
    assert [one.name[0] for one in tmp_path.iterdir()] == ["."]
    with pytest.raises(FileNotFoundError):
        dataset.load(path)
    assert len(dataset.load(dataset.save(path, played_labels(), CORRIDOR, form=form))) == 4
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_running_program_has_not_finished_stays(tmp_path):
    mine, others = (_unfinished(tmp_path / "d-v0", pid) for pid in (os.getpid(), os.getppid()))
    other_name, longer_name = _unfinished(tmp_path / "e-v0", _gone()), _unfinished(tmp_path / "d-v0.b", os.getpid())
    remove_unfinished(tmp_path / "d-v0")
    assert not mine.exists()
    assert set(tmp_path.iterdir()) == {others, other_name, longer_name}


def test_what_another_machine_has_not_finished_on_a_shared_disk_stays(tmp_path, monkeypatch):
    path, pid = tmp_path / "d-v0", _gone()
    mine = _unfinished(path, pid)
    monkeypatch.setattr("platform.node", lambda: "the.other")
    theirs = _unfinished(path, pid)
    remove_unfinished(path)
    assert list(tmp_path.iterdir()) == [mine] != [theirs]


@pytest.mark.parametrize("form", ["minari", "compact"])
def test_the_first_of_two_programs_that_save_to_one_path_wins_and_the_other_says_so(tmp_path, form):
    path = tmp_path / ("d.jsonl.gz" if form == "compact" else "d-v0")

    def labels():
        yield from played_labels(2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("platform.node", lambda: "the.other")
            dataset.save(path, played_labels(1), CORRIDOR, form=form)

    with pytest.raises(FileExistsError, match="is there already"):
        dataset.save(path, labels(), CORRIDOR, form=form)
    assert len(dataset.load(path)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_the_large_set_goes_on_without_the_leftovers_of_killed_runs(tmp_path):
    (tmp_path / "duet-chance-v0").mkdir()  # another run finished it
    for name in ("duet-chance-v0", "duet-mixture-v0"):
        (_unfinished(tmp_path / name, _gone()) / "data").mkdir()
    said = make_large_set(tmp_path, 150, ["spaceworld:duet"], jobs=1, progress=False)
    next(said)
    said.close()
    assert not list(tmp_path.glob(".*.unfinished"))


LARGE = """
import signal, sys
from pathlib import Path
from credit_wrappers.dataset.large_set import make_large_set

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    list(make_large_set(Path(sys.argv[1]), 1_000_000, ["spaceworld:duet"], jobs=2, progress=False))
"""


@pytest.fixture
def making(tmp_path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Yield a program that makes a large set, and the ids of its two processes that write."""
    (tmp_path / "make.py").write_text(LARGE, encoding="utf-8")
    program = subprocess.Popen(
        [sys.executable, str(tmp_path / "make.py"), str(tmp_path / "large")], start_new_session=True, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}, stderr=subprocess.PIPE,
    )  # fmt: skip
    pids: list[int] = []
    for _ in range(1200):
        pids = [int(path.name.split(".")[-2].partition("@")[0]) for path in tmp_path.glob("large/.*.unfinished")]
        if len(pids) == 2:
            break
        time.sleep(0.05)
    yield program, pids
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.communicate()
    assert len(pids) == 2


def test_the_processes_of_a_killed_large_set_end_too(making):
    program, pids = making
    program.kill()
    program.wait()
    for _ in range(200):
        if not any(_runs(pid) for pid in pids):
            break
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


def test_ctrl_c_ends_a_large_set_at_once_and_leaves_nothing_half_done(making, tmp_path):
    program, _ = making
    os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to all of them
    assert "KeyboardInterrupt" in program.communicate(timeout=20)[1]
    assert list((tmp_path / "large").iterdir()) == []


def test_a_large_set_one_of_whose_processes_was_killed_says_so(making):
    program, pids = making
    os.kill(pids[0], signal.SIGKILL)
    said = program.communicate(timeout=20)[1]
    assert "CreditError: a process that made a data set was killed" in said and program.returncode == 1


def _unfinished(path: Path, pid: int) -> Path:
    """Return the folder, made, of what a process of this machine has not finished."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.getpid", lambda: pid)
        with suppress(KeyboardInterrupt), whole(path.with_name(f"x{path.name}")) as unfinished:
            raise KeyboardInterrupt
    folder = unfinished.with_name(unfinished.name.replace(".x", ".", 1))
    folder.mkdir()
    return folder


def _gone() -> int:
    """Return the id of a process that has ended."""
    program = subprocess.Popen([sys.executable, "-c", ""])
    program.wait()
    return program.pid


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
