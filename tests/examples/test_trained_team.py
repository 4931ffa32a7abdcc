"""A trained run as a team that a person watches, through the name of its folder."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch

from spaceworld.app.command import main
from spaceworld.app.teams import team_of
from spaceworld.env import SpaceworldEnv
from tianshou_examples.experiment.networks import mlp
from tianshou_examples.experiment.settings import Settings
from tianshou_examples.experiment.trained_team import load

LOADER = "tianshou_examples.experiment.trained_team:load"  # as it is registered


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with one checkpoint, whose shared network likes `east` best and then `interact`."""
    settings = Settings(env="spaceworld:pair", action_mask="safe", sight=3, method=("mca", "shared"), hidden=8)
    folder = tmp_path / "my run"
    (folder / "checkpoints").mkdir(parents=True)
    settings.write(folder)
    env = SpaceworldEnv("pair")
    network = mlp(env.observation_space("robot_0").shape[0], 6, 8, 0.0)
    with torch.no_grad():
        network[4].bias.copy_(torch.tensor([0.0, 0.1, 0.2, 0.3, 5.0, 4.0]))
    weights = {f"policy.actor.net.{k}": v for k, v in network.state_dict().items()}
    torch.save(
        {"learner": {"members": [weights], "tails": [{"n_averaged": 0}], "steps": 77}},
        folder / "checkpoints" / "shared-0.pt",
    )
    return folder


@pytest.mark.parametrize("loaded", ["directly", "by Spaceworld"])
def test_a_run_brings_its_environment_and_its_greedy_team(loaded: str, run: Path) -> None:
    if loaded == "directly":
        arguments, make = load(run)
    else:
        team = team_of(str(run), LOADER)
        arguments, make = team.world, lambda env: team.policy(env, env.possible_agents)
    assert arguments == {"scenario": "pair", "action_mask": "safe", "sight": 3, "roles_told": "all"}
    env = SpaceworldEnv(**arguments)
    observations, infos = env.reset(seed=4)
    act = make(env)
    while env.agents:
        actions = act(observations, infos)
        for agent, action in actions.items():
            allowed = np.flatnonzero(infos[agent]["action_mask"]).tolist()
            assert action == next(a for a in (4, 5, 3, 2, 1, 0) if a in allowed)
        observations, _, _, _, infos = env.step(actions)


def test_the_command_line_records_a_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "a.gif"
    watch = ["watch", str(run), "--policy", LOADER, "--record", str(film)]
    assert main([*watch, "--steps", "2", "--smooth", "1", "--height", "120"]) == 0
    assert film.stat().st_size > 1000
    assert main([*watch, "--scenario", "solo"]) == 2
    assert "was trained on pair" in capsys.readouterr().err


def test_a_folder_without_a_run_or_without_a_checkpoint_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no run: .*config\.json"):
        load(tmp_path)
    (run / "checkpoints" / "shared-0.pt").unlink()
    with pytest.raises(ValueError, match=r"holds no trained team: there is no .*mca-0\.pt"):
        load(run)
    (run / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no run"):
        load(run)


def test_without_the_examples_the_error_tells_how_to_get_them(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import spaceworld.app.teams as teams

    point = EntryPoint("tianshou", LOADER.replace("trained_team", "not_there"), teams.GROUP)
    monkeypatch.setattr(teams, "entry_points", lambda group: [point])
    with pytest.raises(ValueError, match=r"not_there.*pip install .*\[tianshou\]"):
        team_of(str(run))


def test_watching_imports_torch_only_for_a_run() -> None:
    code = (
        "import sys, spaceworld.app.command, spaceworld.app.teams as teams;"
        "teams.team_of('random'); print({'torch', 'tianshou_examples', 'pygame'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
