"""The benchmark runs at a tiny size and prints what it promises; it asserts nothing about time."""

from __future__ import annotations

import pytest

from tests.benchmarks import spaceworld_speed


def test_the_benchmark_prints_its_ratios(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["spaceworld_speed", "--rounds", "1", "--scale", "0.02"])
    spaceworld_speed.main()
    out = capsys.readouterr().out
    for words in ("pair, dict API", "pair, 1024 worlds, 2 threads", "station, 256 worlds", "clone and restore",
                  "agent-steps/s of station against pair", "two threads against one", "import spaceworld"):  # fmt: skip
        assert words in out
