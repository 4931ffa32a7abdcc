"""A trained team is loaded by a function that the user or an installed package names; errors name the way out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spaceworld.app.command import main
from spaceworld.app.teams import team_of
from spaceworld.env import SpaceworldEnv

LOADER = """
from pathlib import Path

def load(folder: Path):
    if not (folder / "fake.txt").exists():
        raise ValueError(f"{folder} is not a fake run")
    def policy(env):
        return lambda observations, infos: dict.fromkeys(observations, 3)
    return {"scenario": "duet", "action_mask": "safe"}, policy
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a package that is importable, but registers nothing."""
    (tmp_path / "fake_trainer.py").write_text(LOADER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "fake_trainer", raising=False)
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "fake.txt").touch()
    return folder


def register(folder: Path, name: str, value: str) -> None:
    """Installs a distribution, `fake-distribution-<name>`, that registers one loader."""
    info = folder.parent / f"fake_distribution_{name}-1.0.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: fake-distribution-{name}\nVersion: 1.0\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[spaceworld.policies]\n{name} = {value}\n", encoding="utf-8")


@pytest.mark.parametrize("loader", [None, "fake_trainer:load"])
def test_a_run_brings_its_world_and_its_policy(run: Path, loader: str | None) -> None:
    if loader is None:
        register(run, "aaa", "fake_trainer:load")
    team = team_of(str(run), loader)
    assert (team.name, team.world) == ("my run", {"scenario": "duet", "action_mask": "safe"})
    env = SpaceworldEnv(**team.world)
    assert team.policy(env, env.possible_agents)(*env.reset(seed=0)) == {"robot_0": 3, "robot_1": 3}


def test_watch_and_record_take_a_policy(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "a.gif"
    size = ["--steps", "2", "--smooth", "1", "--height", "120", "--policy", "fake_trainer:load"]
    assert main(["watch", str(run), "--record", str(film), *size]) == 0
    first = film.stat().st_size
    assert first > 1000
    film.unlink()
    assert main(["record", str(film), "duet", "--team", str(run), *size]) == 0
    assert film.stat().st_size > 1000
    assert main(["record", str(film), "solo", "--team", str(run), *size]) == 2
    assert "my run was trained on duet; leave solo out" in capsys.readouterr().err


def test_the_first_entry_point_that_knows_the_folder_loads_it(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other_trainer.py").write_text(LOADER.replace("fake", "other"), encoding="utf-8")
    register(run, "aaa", "other_trainer:load")
    register(run, "bbb", "fake_trainer:load")
    assert team_of(str(run)).world["scenario"] == "duet"
    (run / "fake.txt").unlink()
    with pytest.raises(ValueError, match=r"my run is not a other run; .*my run is not a fake run"):
        team_of(str(run))


def test_an_entry_point_that_cannot_be_imported_is_named_with_what_to_install(run: Path) -> None:
    register(run, "aaa", "trainer_of_a_missing_extra:load")
    expected = r"entry point 'aaa' \(trainer_of_a_missing_extra:load\) needs more: No module named .*"
    with pytest.raises(ValueError, match=expected + r'pip install "fake-distribution-aaa\[aaa\]"') as caught:
        team_of(str(run))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("team", "policy", "message"),
    [
        ("my run", "fake_trainer:nothing", r"--policy fake_trainer:nothing is not a module:function"),
        ("my run", "no_such_module:load", r"--policy no_such_module:load is not .*No module named 'no_such_module'"),
        ("planner", "fake_trainer:load", r"loads the folder of a training run; the team is 'planner'"),
        ("no run", "fake_trainer:load", r"unknown team .*valid are planner, random, or the folder"),
    ],
)
def test_a_bad_policy_is_named(run: Path, team: str, policy: str, message: str) -> None:
    name = str(run.parent / team) if team.endswith("run") else team
    with pytest.raises(ValueError, match=message):
        team_of(name, policy)


def test_without_a_registered_loader_the_option_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spaceworld.app.teams.entry_points", lambda group: ())
    with pytest.raises(ValueError, match=r"no installed package loads .*--policy module:function"):
        team_of(str(run))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("json", "--policy json is no function; name one, module:function"),
        ("own_trainer:NUMBER", "--policy own_trainer:NUMBER is no function"),
        ("own_trainer:nothing", "--policy own_trainer:nothing returned a NoneType"),
    ],
)
def test_what_is_no_loader_is_refused_in_one_line(
    run: Path, function: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "NUMBER = 3\n\ndef nothing(folder):\n    pass\n"
    (run.parent / "own_trainer.py").write_text(text, encoding="utf-8")
    assert main(["watch", str(run), "--record", str(run / "a.gif"), "--policy", function]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


def test_a_module_beside_which_the_command_runs_is_found(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "trainer_beside.py").write_text(LOADER, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.chdir(tmp_path / "here")
    assert team_of(str(run), "trainer_beside:load").world["scenario"] == "duet"


def test_a_scenario_that_stands_for_a_team_leads_to_the_option() -> None:
    with pytest.raises(ValueError, match="crew is a scenario, no team; to watch it: spaceworld watch --scenario crew"):
        team_of("crew")
