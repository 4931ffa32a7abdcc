"""A study whose learners run as tasks of Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.made_study import written
from tianshou_examples import study as script

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("rliable", reason="rliable, of the extra study, is not installed")

TEXT = """
seeds = 1
[settings]
evaluations = 1
eval_episodes = 2
envs = 2
hidden = 16
epochs = 1
[tasks.lbf]
env = "lbf:Foraging-5x5-2p-1f-coop-v3"
steps = 300
[methods.shared]
[methods.equal]
"""


@pytest.mark.filterwarnings("default")  # what Ray itself warns of
def test_ray_runs_the_learners_and_what_they_send_is_kept_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, TEXT)
    (checkpoint := tmp_path / "out" / "made" / "lbf" / "equal" / "checkpoints").mkdir(parents=True)
    (checkpoint / "equal-0.pt").write_bytes(b"no checkpoint")
    command = [str(path), "--out", str(tmp_path / "out"), "--ray", "--jobs", "2"]
    assert script.main(command) == 1
    assert "lbf/equal/0: Traceback" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "out").rglob("result-*.json")] == ["result-shared-0.json"]
    (checkpoint / "equal-0.pt").unlink()
    assert script.main(command) == 0
    assert "All 2 learners are finished." in capsys.readouterr().out
