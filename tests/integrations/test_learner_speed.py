"""The benchmark of the bridge runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_benchmark_runs_at_a_tiny_size_and_prints_the_ratio() -> None:
    sizes = ["--envs", "2", "--rollout", "61", "--rounds", "1", "--updates", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.learner_speed", *sizes],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Tianshou PPO over slots" in done.stdout and "of it" in done.stdout
