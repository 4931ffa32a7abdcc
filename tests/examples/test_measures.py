"""What a study measures besides learners is run once, kept, and told on its page."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.examples.made_study import TEXT, written
from tianshou_examples import study as script
from tianshou_examples.comparison import measures
from tianshou_examples.comparison.measures import Measure, kept, measures_section, run_measures
from tianshou_examples.comparison.study_file import read_study

MEASURED = """
about = "Only measured."
[measures.growth]
about = "What grows."
command = "scale --robots 2 4"
[measures.roles]
command = "sight --scenario crew"
"""
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |\n\nIn runs/x: table.md"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were begun; each prints a table, and that of `sight` fails while the list is short."""
    commands: list[list[str]] = []
    popen = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        if command[1] != "-m":  # of other libraries
            return popen(command, **options)
        commands.append(command[2:])
        code = int("sight" in command[2] and len(commands) < 3)
        return popen([sys.executable, "-c", f"import sys; print({TABLE!r}); sys.exit({code})"], **options)

    monkeypatch.setattr(measures.subprocess, "Popen", start)
    return commands


def test_what_failed_is_told_and_measured_again_and_the_rest_is_kept(tmp_path: Path, begun: list[list[str]]) -> None:
    study = read_study(written(tmp_path, MEASURED))
    console = Console(file=StringIO())
    errors = run_measures(study.measures, tmp_path, 2, console)
    assert errors == ["roles: python -m tianshou_examples.sight --scenario crew ended with code 1"]
    assert begun[0] == ["tianshou_examples.scale", "--robots", "2", "4", "--out", str(tmp_path / "measures" / "growth")]
    assert run_measures(study.measures, tmp_path, 2, console) == []
    assert [command[0] for command in begun] == [f"tianshou_examples.{word}" for word in ("scale", "sight", "sight")]
    other = Measure("growth", "", "scale --robots 2")
    assert kept(study.measures[0], tmp_path) and kept(other, tmp_path) is None  # another command is another measure
    page = "\n".join(measures_section(study.measures, tmp_path))
    assert "## growth\n\nWhat grows.\n\n```bash\npython -m tianshou_examples.scale --robots 2 4\n```" in page
    assert page.count("| 1 | 2 |") == 2 and "In runs" not in page and "Not yet." not in page
    assert "Not yet." in measures_section([other], tmp_path)
    assert not list((tmp_path / "measures").glob("*.part"))


def test_a_study_may_measure_only(tmp_path: Path, begun: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(written(tmp_path, MEASURED)), "--out", str(tmp_path / "out")]
    assert script.main([*command, "--report"]) == 1 and "nothing is finished" in capsys.readouterr().out
    assert script.main([*command, "--jobs", "1"]) == 1
    assert "roles: python -m tianshou_examples.sight" in capsys.readouterr().err
    assert script.main(command) == 0
    page = (tmp_path / "out" / "made" / "study.md").read_text(encoding="utf-8")
    assert page.startswith("# made\n\nOnly measured.\n\n## growth") and "| 1 | 2 |" in page
    assert "## What it took" not in page


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("scale --robots 2 4", "rm --robots 2 4", "measures.growth: command is 'rm --robots 2 4', and must begin with"),
        ("command = ", "comand = ", "measures.growth: unknown 'comand'; valid: about, command"),
        ("[measures.growth]", "[measures.Growth]", "measures: 'Growth' is no name"),
    ],
)
def test_a_wrong_measure_is_refused_with_the_place(old: str, new: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        read_study(written(tmp_path, MEASURED.replace(old, new, 1)))


def test_a_part_of_the_learners_measures_nothing(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, TEXT + MEASURED.partition("\n[")[1] + MEASURED.partition("\n[")[2]))
    assert [measure.name for measure in study.measures] == ["growth", "roles"] and len(study.runs) == 6
    assert study.only([], [], 1).measures == study.measures and study.only(["lbf"], [], None).measures == ()
