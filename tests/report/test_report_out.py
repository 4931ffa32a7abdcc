"""Where the command writes: never over what it reads, nor over a file that is no report."""

from __future__ import annotations

import json

import pytest

from credit_wrappers import LLMCritic, ScriptedClient, annotate, dataset
from credit_wrappers.cli.main import main
from credit_wrappers.report import ReportOptions, write_report
from tests.report.labelled import credited, data_of, duets, played


@pytest.fixture
def kept(tmp_path):
    """Return a folder with a ledger, a copy of it, a data set, a text and the page of a run."""
    critic = LLMCritic(ScriptedClient(), ledger=tmp_path / "a.sqlite")
    annotate([played()], critic)
    critic.close()
    (tmp_path / "b.sqlite").write_bytes((tmp_path / "a.sqlite").read_bytes())
    dataset.save(tmp_path / "mine", [credited(played())])
    (tmp_path / "text.html").write_text("<p>mine</p>")
    (tmp_path / "empty").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps({"env": "spaceworld:duet"}))
    write_report(duets(3), tmp_path / "run" / "report.html", ReportOptions(title="Duets"))
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "out", "message"),
    [
        (["a.sqlite"], "a.sqlite", "is what the report is made of"),
        (["a.sqlite", "--compare", "b.sqlite"], "b.sqlite", "is what the report is made of"),
        (["a.sqlite"], "b.sqlite", "exists and is no report"),
        (["mine"], "mine/*", "exists and is no report"),
        (["run"], "run/config.json", "exists and is no report"),
        (["a.sqlite"], "text.html", "exists and is no report"),
        (["a.sqlite"], "mine", "is a directory"),
    ],
)
def test_no_file_but_a_report_is_replaced(argv, out, message, kept, capsys):
    target = next(kept.glob(out))
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    words = [word if word.startswith("--") else str(kept / word) for word in argv]
    assert main(["report", *words, "--out", str(target)]) == 2
    said = capsys.readouterr().err
    assert f"--out {target}" in said and message in said and said.count("\n") == 1
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before


def test_a_report_is_replaced(kept):
    for argv in (["a.sqlite"], ["run"]):
        path = write_report(duets(2), kept / "old.html", ReportOptions(title="old"))
        assert main(["report", str(kept / argv[0]), "--out", str(path)]) == 0
        assert data_of(path)["title"] != "old"
