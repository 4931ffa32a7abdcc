"""Critics of anybody's own: found by their name, and a wrong one costs its own row only."""

from __future__ import annotations

import numpy as np
import pytest

from credit_wrappers.bench.benchmark import BenchSettings, run_bench
from credit_wrappers.bench.suite import load_suite
from credit_wrappers.cli.main import main
from credit_wrappers.core.credit import Credit
from credit_wrappers.critics.critic_registry import make_critic

MODULE = """
import numpy as np
from credit_wrappers import Credit

class Walkers:
    label = "walkers"

    def score(self, episodes):
        return [Credit((episode.actions == 2).astype(np.float32)) for episode in episodes]

class NoCritic:
    pass

def fails():
    raise RuntimeError("no licence")

number = 3
"""


class Faulty:
    """Returns what a function makes of the right credit of each episode."""

    label = "faulty"

    def __init__(self, fault):
        self.fault = fault

    def score(self, episodes):
        return self.fault([Credit(np.ones(episode.actions.shape, np.float32)) for episode in episodes])


def broken(credits):
    raise RuntimeError("out of memory")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda credits: [Credit(c.values * np.nan) for c in credits], "episode 1: credit contains NaN or infinity"),
        (lambda credits: [Credit(c.values[:2]) for c in credits], "episode 1: credit has shape (2, 2), expected ("),
        (lambda credits: [Credit(c.values[:, :1]) for c in credits], "episode 1: credit has shape ("),
        (lambda credits: credits[:1], "the critic returned 1 credits for 6 episodes"),
        (lambda credits: None, "Faulty failed at episodes 1 to 11: TypeError"),
        (lambda credits: [c.values for c in credits], "Faulty failed at episodes 1 to 11: AttributeError"),
        (broken, "Faulty failed at episodes 1 to 11: RuntimeError: out of memory"),
    ],
    ids=("NaN", "too short", "one column", "one credit", "None", "arrays", "raises"),
)
def test_a_wrong_critic_gets_a_row_that_says_so_and_the_next_is_judged(fault, said):
    critics = {"wrong": lambda _: Faulty(fault), "equal": lambda _: make_critic("equal")}
    wrong, equal = run_bench([load_suite("corridor")], critics, BenchSettings(half="report", draws=0))
    assert (wrong.usable, wrong.figures) == (0, {}) and said in wrong.note
    assert equal.usable == 6 and equal.figures


def test_a_critic_is_named_by_its_module_and_class(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_critics.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    words = ["bench", "--suite", "corridor", "--draws", "0", "--critic"]
    assert main([*words, "my_critics:Walkers"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[1:3] == ["my_critics:Walkers", "6/6"]
    assert main([*words, "my_critics:NoCritic", "my_critics:fails", "equal"]) == 1
    told = capsys.readouterr().out
    assert "my_critics:NoCritic: NoCritic is no critic; it needs a score method and a label" in told
    assert "my_critics:fails makes no critic: RuntimeError: no licence" in told
    assert [line.split()[1:3] for line in told.splitlines()[3:4]] == [["equal", "6/6"]]
    (tmp_path / "my_slip.py").write_text("label =", encoding="utf-8")
    assert main([*words, "my_slip:Critic"]) == 2
    assert "unknown critic 'my_slip:Critic' (invalid syntax" in capsys.readouterr().err
    assert main([*words, "my_critics:number"]) == 2
    assert "critic 'my_critics:number' is 3: name a class" in capsys.readouterr().err
