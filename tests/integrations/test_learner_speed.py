"""The benchmark of the bridge runs."""

from __future__ import annotations

import pytest

from tests.benchmarks import learner_speed


def test_the_benchmark_runs_at_a_tiny_size_and_prints_the_ratio(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = ["--envs", "2", "--rollout", "61", "--rounds", "1", "--updates", "1"]
    monkeypatch.setattr("sys.argv", ["learner_speed", *sizes])
    learner_speed.main()
    out = capsys.readouterr().out
    assert "Tianshou PPO over slots" in out and "of it" in out
