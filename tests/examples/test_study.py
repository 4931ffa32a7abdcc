"""Studies: estimates as rliable's, what a report says, and cells that fail, stop and go on."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.examples.made_study import finish_all, made_study, written
from tests.examples.one_learner import TINY, Queue, play
from tianshou_examples import study as script
from tianshou_examples.comparison import estimates
from tianshou_examples.comparison.cell_runners import Message
from tianshou_examples.comparison.schedule import Schedule
from tianshou_examples.comparison.scores import load_scores
from tianshou_examples.comparison.study_file import Cell
from tianshou_examples.comparison.study_folder import StudyFolder
from tianshou_examples.comparison.study_report import write_study_report
from tianshou_examples.experiment.actors import Actors
from tianshou_examples.experiment.best_team import BestTeams
from tianshou_examples.experiment.evaluation import UNSEEN
from tianshou_examples.experiment.evaluation import play as play_episodes
from tianshou_examples.experiment.learner_process import LearnerProcess

pytest.importorskip("rliable", reason="rliable, of the extra study, is not installed")
torch.set_num_threads(1)
SCORES = {name: np.random.default_rng(k).normal(0.5 + 0.1 * k, 0.2, (5, 3)) for k, name in enumerate("abc")}


# -- estimates ------------------------------------------------------------------------------------------------------


def test_estimates_are_those_of_rliable() -> None:
    from rliable import metrics

    tied = np.round(SCORES["a"], 1)
    for scores in (*SCORES.values(), tied, SCORES["a"][:3]):
        assert estimates.iqm(scores) == pytest.approx(metrics.aggregate_iqm(scores))
        assert estimates.optimality_gap(scores) == pytest.approx(metrics.aggregate_optimality_gap(scores))
        assert estimates.AGGREGATES["mean"](scores) == pytest.approx(metrics.aggregate_mean(scores))
        other = np.round(SCORES["b"], 1)
        assert estimates.probability_of_improvement(scores, other) == pytest.approx(
            metrics.probability_of_improvement(scores, other)
        )


def test_intervals_hold_the_estimate_and_are_the_same_each_time_whatever_was_drawn_before() -> None:
    np.random.seed(3)
    first = estimates.aggregate(SCORES, "IQM")
    drawn = np.random.random()
    second = estimates.aggregate(SCORES, "IQM")
    np.random.seed(3)
    assert np.random.random() == drawn  # numpy's own generator goes on where it was
    for name in SCORES:
        assert first[name] == second[name]
        assert first[name].low < first[name].value < first[name].high
    assert re.fullmatch(r"0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", str(first["a"]))


def test_a_single_seed_has_no_interval() -> None:
    found = estimates.aggregate({"a": SCORES["a"][:1]}, "IQM")["a"]
    assert found.low is None and str(found) == f"{SCORES['a'][0].mean():.3f}"


def test_curves_and_profiles_are_estimated_point_by_point() -> None:
    curves = np.stack([SCORES["a"], SCORES["b"]], axis=-1)
    found = estimates.aggregate({"x": curves}, "IQM")["x"]
    assert found.value.tolist() == [estimates.iqm(SCORES["a"]), estimates.iqm(SCORES["b"])]
    assert found.low is not None and found.low.shape == (2,)
    profile = estimates.profiles({"x": np.array([[0.1, 0.9], [0.5, 0.9]])}, np.array([0.0, 0.5, 0.95]))["x"]
    assert profile.value.tolist() == [1.0, 0.5, 0.0]


# -- the report -----------------------------------------------------------------------------------------------------


def test_a_report_has_tables_figures_and_what_each_part_took(tmp_path: Path) -> None:
    study, place = made_study(tmp_path)
    finish_all(study, place, {"mca": 0.8, "shared": 0.5, "equal": 0.2})
    written_files = write_study_report(load_scores(study, place), place.path)
    assert written_files == ["study.md", "marl-eval-greedy.json", "marl-eval-sampled.json", "figures/"]
    page = (place.path / "study.md").read_text(encoding="utf-8")
    assert "All 24 learners are finished." in page and "Made up." in page
    assert re.search(r"\| `mca` \| 0\.800 \[0\.\d{3}, 0\.\d{3}\] \| 0\.800 ", page)
    assert "| `shared` | 4 | 0.500 [" in page
    assert "| duet | `mca` | scripted | 376 | 10.0 | 12 | 25 | 62 | 25 |" not in page  # parts are shares of all
    assert re.search(
        r"\| duet \| `mca` \| scripted \| 376 \| 10\.0 \| 10 \| 20 \| 50 \| 20 \| 10 \| 20,000 \| 0\.0 \|", page
    )
    assert re.search(r"\| lbf \| `equal` \| none \|", page)
    for picture in re.findall(r"\]\((figures/[^)]+)\)", page):
        assert (place.path / picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(list((place.path / "figures").iterdir())) == 10


# -- the schedule ---------------------------------------------------------------------------------------------------


class Runner:
    """Finishes each cell at once, or lets it fail."""

    def __init__(self, place: StudyFolder, jobs: int = 2, fails: str = "") -> None:
        self.jobs, self.place, self.fails = jobs, place, fails
        self.started: list[str] = []
        self.running: list[Cell] = []
        self.most, self.stopped, self.closed = 0, False, False

    def start(self, cell: Cell, folder: Path) -> None:
        assert folder == self.place.of(cell.run)
        self.started.append(cell.name)
        self.running.append(cell)
        self.most = max(self.most, len(self.running))

    def receive(self, seconds: float) -> Message | None:
        if not self.stopped and len(self.running) < self.jobs and len(self.started) < 4:
            return None  # until there are as many as may be
        cell = self.running.pop(0)
        if cell.name == self.fails:
            return cell.name, "error", "Traceback\nValueError: broken"
        critic = {"fallbacks": 0, "episodes": 0}
        played = {"greedy": {"team_return": 1.0}, "sampled": {"team_return": 0.5}}
        result = {"complete": not self.stopped, "in_vain": 0, "critic": critic, "absolute": played, "times": {"a": 1.0}}
        return cell.name, "result", result

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        self.closed = True


def test_a_cell_that_fails_is_told_and_does_not_stop_the_others(tmp_path: Path) -> None:
    study, place = made_study(tmp_path)
    cells = [cell for cell in study.cells() if cell.seed == 0]
    runner, text = Runner(place, fails="lbf/mca/0"), StringIO()
    outcome = Schedule(cells, place, runner, Console(file=text, width=150)).run()
    assert outcome.errors == ["lbf/mca/0: Traceback\nValueError: broken"] and not outcome.interrupted
    assert runner.started == [cell.name for cell in cells] and runner.most == 2 and runner.closed
    assert [place.result(cell) is None for cell in cells] == [cell.name == "lbf/mca/0" for cell in cells]
    assert "lbf/mca/0 failed: ValueError: broken" in text.getvalue()
    assert "[1/6] duet/mca/0: greedy 1.000, sampled 0.500 (1 s)" in text.getvalue()


def test_after_ctrl_c_nothing_begins_and_what_is_not_complete_is_not_kept(tmp_path: Path) -> None:
    study, place = made_study(tmp_path)
    cells = [cell for cell in study.cells() if cell.seed == 0]
    runner = Runner(place)
    start = runner.start

    def interrupted(cell: Cell, folder: Path) -> None:
        start(cell, folder)
        if len(runner.started) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    receive = runner.receive
    runner.start = interrupted  # type: ignore[method-assign]
    runner.receive = lambda seconds: receive(seconds) if runner.stopped else None  # type: ignore[method-assign]
    outcome = Schedule(cells, place, runner, Console(file=StringIO())).run()
    assert outcome.interrupted and runner.stopped and len(runner.started) == 2
    assert all(place.result(cell) is None for cell in cells)


# -- learners -------------------------------------------------------------------------------------------------------


def test_the_best_team_of_all_evaluations_is_kept_as_it_was() -> None:
    network = torch.nn.Linear(1, 1)
    best = BestTeams(episodes=2)

    def offer(steps: int, *returns: float) -> None:
        with torch.no_grad():
            network.weight.fill_(steps)
        each = np.zeros((len(returns), 4))
        each[:, 0] = returns
        best.offer({"greedy": each, "sampled": -each}, Actors([network], "logits", steps=steps))

    offer(1, 0.5, 0.5)
    offer(2, 0.9, 0.3, 0.0, 0.0)  # as good on the episodes that count
    offer(3, 0.4, 0.5, 9.0, 9.0)
    assert (best.kept["greedy"].actors.steps, best.kept["greedy"].team_return) == (2, 0.6)
    assert best.kept["sampled"].actors.steps == 3
    assert best.kept["greedy"].actors.networks[0].weight.item() == 2.0


def test_a_learner_of_a_study_plays_its_best_teams_on_ten_times_the_layouts_none_of_which_it_was_chosen_on(
    tmp_path: Path,
) -> None:
    settings = replace(TINY, absolute=10)
    box = play(settings, "shared", tmp_path, stop_after=2)  # stopped, and gone on
    assert not box.of("result")[0]["complete"] and "absolute" not in box.of("result")[0]
    (result,) = play(settings, "shared", tmp_path).of("result")
    kept = LearnerProcess(settings, "shared", 0, tmp_path, Queue())
    for how in ("greedy", "sampled"):
        found = result["absolute"][how]
        actors = kept.best.kept[how].actors
        assert found["episodes"] == len(found["each"]["team_return"]) == 10 and found["trained"] == actors.steps
        again = play_episodes(kept.make_env, actors, 10, how == "greedy", UNSEEN + settings.eval_episodes)
        assert np.allclose(again[:, 0], found["each"]["team_return"], atol=1e-5)


def test_a_study_that_was_interrupted_goes_on_and_learns_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """
    seeds = 2
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
    command = [str(written(tmp_path, text)), "--out", str(tmp_path / "out"), "--jobs", "1"]
    keep = StudyFolder.keep

    def keep_and_interrupt(self: StudyFolder, cell: Cell, result: dict[str, Any]) -> None:
        keep(self, cell, result)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(StudyFolder, "keep", keep_and_interrupt)
        assert script.main(command) == 130
    folder = tmp_path / "out" / "made"
    first = folder / "lbf" / "shared" / "result-shared-0.json"
    assert list(folder.rglob("result-*.json")) == [first]
    before = first.stat().st_mtime_ns
    assert "1 of 4 learners are finished." in (folder / "study.md").read_text(encoding="utf-8")
    assert script.main(command) == 0
    assert first.stat().st_mtime_ns == before and len(list(folder.rglob("result-*.json"))) == 4
    printed = capsys.readouterr().out
    assert "made: 4 learners, 1 of them finished" in printed and "All 4 learners are finished." in printed
    data = json.loads((folder / "marl-eval-greedy.json").read_text(encoding="utf-8"))
    assert list(data["lbf"]["lbf"]["equal"]) == ["seed_0", "seed_1"]
    assert script.main([*command, "--report"]) == 0


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["nothing"], ["tiny", "--tasks", "moon"], ["tiny", "--jobs", "0"]):
        with pytest.raises(SystemExit, match="2"):
            script.main([*arguments, "--out", str(tmp_path)])
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert script.main(["tiny", "--report", "--out", str(tmp_path)]) == 1
    assert "nothing is finished" in capsys.readouterr().out
