"""Programs print everything into any terminal, end quietly behind a closed pipe, and write UTF-8 in every locale."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from credit_fakes import FORWARD, STAY, FakeClient, answer, corridor_episode, event, events_critic
from rich.console import Console

from credit_wrappers import Ledger
from credit_wrappers.cli.output import printing
from tianshou_examples import train

WHY = "agent_A trägt die Kiste \u22122 Felder weit, 你好"
ESCAPED = r"tr\xe4gt die Kiste \u22122 Felder weit, \u4f60\u597d"
# Without the last two, Python itself takes UTF-8 in the plain locale "C".
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
TERMINALS = [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, PLAIN]


def ran(arguments: list[str], chosen: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONIO", "PYTHONUTF8", "LC_"))}
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, env=kept | chosen, check=False)


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    path = tmp_path / "bücher.sqlite"
    with Ledger(path) as ledger:
        given = answer([event("agent_A", 0, 4, 2.0, WHY), event("agent_B", 1, 2, 0.5)])
        events_critic(FakeClient(given), ledger=ledger).score([corridor_episode([[FORWARD, STAY]] * 4)])
    return str(path)


@pytest.mark.parametrize("terminal", TERMINALS)
def test_an_entry_is_shown_to_its_end_in_every_terminal(ledger: str, terminal: dict[str, str]) -> None:
    done = ran(["credit_wrappers", "ledger", "show", ledger, "--request"], terminal)
    text = done.stdout.decode("latin-1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert ESCAPED in text.replace("ä", r"\xe4")
    assert text.splitlines()[-1].split()[:3] == ["1", "walker_0", "+0.500"]


def test_commands_that_name_the_file_name_it_in_the_plainest_terminal(ledger: str, tmp_path: Path) -> None:
    out = tmp_path / "größe.jsonl"
    for arguments in (["stats", ledger], ["diff", ledger, ledger], ["export", ledger, "--out", str(out)]):
        done = ran(["credit_wrappers", "ledger", *arguments], PLAIN)
        assert (done.returncode, done.stderr) == (0, b""), arguments
    (written,) = tmp_path.glob("*.jsonl")
    assert WHY.split(" ", 1)[1] in json.loads(written.read_bytes().decode("utf-8"))["events"][0]["why"]
    done = ran(["credit_wrappers", "prompts", str(tmp_path / "für mich")], PLAIN)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_users_own_choice_of_replacements_stays(ledger: str) -> None:
    done = ran(["credit_wrappers", "ledger", "show", ledger], {"PYTHONIOENCODING": "ascii:replace"})
    assert done.returncode == 0 and b"tr?gt die Kiste ?2 Felder weit, ??" in done.stdout


def test_a_recording_with_a_name_that_cannot_be_printed_is_a_success(tmp_path: Path) -> None:
    arguments = ["--team", "random", "--steps", "2", "--smooth", "1", "--height", "120"]
    done = ran(["spaceworld", "record", str(tmp_path / "größe.gif"), *arguments], {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"gr\\xf6\\xdfe.gif\n")


def test_tables_with_signs_are_printed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    with printing():
        Console().print("0.5 ±0.1")
    assert written.getvalue() == b"0.5 \\xb10.1\n"


def test_outputs_of_other_kinds_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for output in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stdout", output)
        with printing():
            print("ä")


def test_every_script_prints_so() -> None:
    root = Path(train.__file__).parent
    scripts = [
        path.read_text(encoding="utf-8").partition('if __name__ == "__main__":')[2] for path in root.glob("*.py")
    ]
    bodies = [body for body in scripts if body]
    assert len(bodies) == 10 and all(body.startswith("\n    with printing():\n") for body in bodies)


@pytest.mark.parametrize(
    "arguments",
    [
        ["credit_wrappers", "ledger", "stats", "LEDGER"],
        ["credit_wrappers", "ledger", "--help"],
        ["spaceworld", "list", "solo"],
        ["spaceworld.planner", "solo", "--seeds", "1"],
        ["tianshou_examples.evaluate", "--help"],
        ["tianshou_examples.train", "--help"],
    ],
)
def test_nobody_reads_and_nothing_is_complained_about(ledger: str, arguments: list[str]) -> None:
    command = [sys.executable, "-m", *(ledger if word == "LEDGER" else word for word in arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
