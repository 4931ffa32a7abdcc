"""`--critic answers:NAME`: a student of a data set's labels pays the team, and nobody is asked."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from credit_wrappers import StudentCritic, StudentSettings, dataset
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import DatasetError
from tests.examples.one_learner import TINY, Queue
from tianshou_examples.experiment.learner_process import LearnerProcess
from tianshou_examples.experiment.published_student import FOLDER, keep_student, published_student
from tianshou_examples.experiment.recorded_answers import (
    MIRRORED,
    STUDENT,
    check_labels,
    data_sets,
    fit_run_student,
    fitting_note,
)
from tianshou_examples.experiment.settings import Settings
from tianshou_examples.train import main


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    """Return a data set of six labels of the published one."""
    path = tmp_path_factory.mktemp("data") / "few"
    dataset.save(path, dataset.load("duet-claude-curve")[:6], card=dataset.load_card("duet-claude-curve"))
    return path


@pytest.fixture(scope="module")
def folder(few, tmp_path_factory) -> Path:
    """Return the folder of a run with its student."""
    path = tmp_path_factory.mktemp("run")
    said = fit_run_student(replace(TINY, critic=f"answers:{few}"), path)
    assert f"a student of 6 labels from {few}, credited by Claude, asked through files, November 2026" in said
    return path


def test_rows_of_the_learner_hold_what_the_runs_student_says_of_each_robot(few, folder):
    settings = replace(TINY, envs=1, critic=f"answers:{few}", method=("mca",))
    process = LearnerProcess(settings, "mca", 0, folder, Queue())
    episodes: list[Episode] = []
    score = process.store.critic.score
    process.store.critic.score = lambda query: (episodes.extend(query), score(query))[1]  # type: ignore[method-assign]
    process.learner.collector.collect(n_episode=2)
    batch, _ = process.learner.buffer.sample(0)
    assert len(batch) == 2 * sum(episode.length for episode in episodes)
    student = StudentCritic.load(folder / STUDENT)
    for episode in episodes:
        expected = student.score([episode])[0].values
        assert np.abs(expected).sum(axis=0).all() and not np.allclose(expected[:, 0], expected[:, 1])
        for i in range(2):
            own = (batch.info["episode_id"] == episode.id) & (batch.obs.agent_id == i)
            got = np.full(episode.length, np.nan)
            got[batch.info["episode_step"][own]] = batch.rew[own]
            assert got == pytest.approx(expected[:, i], abs=1e-6)
    process.store.close()


def test_a_student_is_fitted_once_for_a_run(few, folder, monkeypatch):
    before = (folder / STUDENT).read_bytes()
    monkeypatch.setattr("tianshou_examples.experiment.recorded_answers.fit_student", None)  # would fail
    settings = replace(TINY, critic=f"answers:{few}")
    fit_run_student(settings, folder)
    assert fitting_note(settings, folder) == ""
    assert (folder / STUDENT).read_bytes() == before


def test_claude_stands_for_the_published_judgements_of_the_environment_in_the_newest_wording(monkeypatch, tmp_path):
    def names(env: str) -> list[str]:
        return data_sets(replace(TINY, env=env, critic="answers:claude"))

    assert names("spaceworld:duet") == [
        "duet-claude-curve", "duet-claude-teams", "duet-claude-trained", "duet-claude-stuck",
    ]  # fmt: skip
    assert names("spaceworld:pair") == ["pair-claude"]
    assert replace(TINY, critic="answers:claude").critic_note == "critic: a student of Claude's published judgements"
    with pytest.raises(FileNotFoundError, match=r"no published judgements of spaceworld:crew; there are of lbf:.*duet"):
        names("spaceworld:crew")


@pytest.mark.parametrize("word", ["claude", "duet-claude-teams"])
def test_a_folder_is_not_taken_for_published_judgements(word, few, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(few, tmp_path / word)
    with pytest.raises(DatasetError, match=rf"there is a {word} in this folder, too.*answers:\./{word}"):
        check_labels(replace(TINY, critic="answers:claude"))
    check_labels(replace(TINY, critic=f"answers:./{word}"))


def test_a_run_records_its_data_sets_and_goes_on_with_them_when_more_are_published(few, tmp_path, monkeypatch):
    monkeypatch.setattr("tianshou_examples.train.TrainingRun", Nothing)
    fitted: list[list[str]] = []
    monkeypatch.setattr(
        "tianshou_examples.experiment.recorded_answers.fit_run_student",
        lambda settings, folder, progress: fitted.append(data_sets(settings)),
    )
    words = ["--env", "spaceworld:pair", "--critic", "answers:claude", "--method", "mca"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert Settings.read(tmp_path / "run").data_sets == ("pair-claude",)
    monkeypatch.setattr("tianshou_examples.experiment.recorded_answers._published", None)  # would fail
    assert main(["--resume", str(tmp_path / "run")]) == 0
    assert fitted == [["pair-claude"], ["pair-claude"]]


def test_a_run_that_did_not_record_its_data_sets_goes_on_without_them(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tianshou_examples.train.TrainingRun", Nothing)
    shutil.copy(folder / STUDENT, tmp_path / STUDENT)
    Settings(env="spaceworld:duet", critic="answers:claude", method=("mca",)).write(tmp_path)
    assert main(["--resume", str(tmp_path)]) == 0
    assert Settings.read(tmp_path).data_sets == ()
    said = " ".join(capsys.readouterr().out.split())
    assert "a student of 6 labels from published judgements, which of them the run did not record; on" in said
    (tmp_path / STUDENT).unlink()
    assert main(["--resume", str(tmp_path)]) == 0, "which has fitted nothing yet"
    assert list(Settings.read(tmp_path).data_sets) == ROUNDS


def test_the_student_of_something_else_is_not_taken_for_a_new_runs(folder, few, tmp_path, capsys):
    shutil.copy(folder / STUDENT, tmp_path / STUDENT)
    words = ["--env", "spaceworld:duet", "--critic", f"answers:{few}", "--method", "mca", "--out", str(tmp_path)]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"--out {tmp_path}: there is a student.npz already, of something else: remove it" in said
    assert list(tmp_path.iterdir()) == [tmp_path / STUDENT]


class Nothing:
    """A run in which nothing is trained."""

    errors: ClassVar[list[str]] = []
    interrupted = False

    def __init__(self, *arguments: object) -> None:
        self.prepare = self.train = lambda: None

    def report(self, seconds: float) -> None:
        pass


def test_the_command_trains_a_team_by_recorded_labels(few, tmp_path, capsys):
    out = tmp_path / "run"
    words = [
        "--env",
        "spaceworld:duet",
        "--critic",
        f"answers:{few}",
        "--method",
        "mca",
        "--envs",
        "2",
        "--steps",
        "200",
    ]
    assert main([*words, "--eval-episodes", "2", "--set", "gamma_growth=0.5", "--out", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        f"fitting a student to the labels of {few}, which takes one to three minutes" in said
        and "critic: a student of the recorded labels" in said
    )
    assert (out / STUDENT).exists() and (out / "results.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--critic", "answers:nothing"], "there is no data set nothing"),
        (["--critic", "answers:"], "unknown critic 'answers:'"),
        (
            ["--critic", "answers:lbf-claude"],
            "is of lbf:Foraging-8x8-2p-2f-coop-v3, and this run is of spaceworld:duet",
        ),
        (["--critic", "answers:duet-claude", "--method", "student"], "is a student already"),
        (["--critic", "answers:duet-claude", "--method", "taca"], "needs a critic that names tasks"),
        (["--critic", "answers:duet-claude", "--max-calls", "3"], "the answers:duet-claude one is free"),
    ],
)
def test_bad_input_is_one_line(words, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main(["--env", "spaceworld:duet", "--out", str(tmp_path / "run"), *words]))
    out, said = capsys.readouterr()
    assert ended.value.code == 2 and message in said and said.count("\n") == 1
    assert out == "" and not (tmp_path / "run").exists()  # nothing is announced, and nothing is left behind


def test_gamma_grows_with_the_share_of_the_training_and_holds_for_each_member(folder, few):
    settings = replace(TINY, critic=f"answers:{few}", method=("mca",), gamma=0.9, gamma_growth=0.5, policy="per-agent")
    learner = LearnerProcess(settings, "mca", 0, folder, Queue()).learner
    assert [member.gamma for member in learner._members] == [0.0, 0.0]
    for done, gamma in ((0.25, 0.45), (0.5, 0.9), (0.8, 0.9)):
        learner.set_progress(done)
        assert [member.gamma for member in learner._members] == pytest.approx([gamma] * 2)


def test_labels_of_several_data_sets_are_learned_together(few, tmp_path):
    said = fit_run_student(replace(TINY, critic=f"answers:{few},{few}"), tmp_path)
    assert "a student of 12 labels from" in said and said.count("credited by Claude, asked through files") == 1
    with pytest.raises(DatasetError, match="the data set lbf-claude is of lbf"):
        fit_run_student(replace(TINY, critic=f"answers:{few},lbf-claude"), tmp_path)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_fit_shows_its_passes_on_a_terminal(few, tmp_path, capsys, monkeypatch, terminal):
    monkeypatch.setattr("tianshou_examples.experiment.recorded_answers.MIRRORED", StudentSettings(epochs=2, hidden=8))
    monkeypatch.setattr(StudentCritic, "save", _full)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    words = ["--env", "spaceworld:duet", "--critic", f"answers:{few}", "--method", "mca", "--out", str(tmp_path / "r")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert ("student: 100%" in said and "2/2" in said) == terminal and said.endswith("the disk is full\n")


def _full(self, path):
    raise OSError("the disk is full")


ROUNDS = ["duet-claude-curve", "duet-claude-teams", "duet-claude-trained", "duet-claude-stuck"]


def test_the_package_has_the_student_of_the_published_judgements_of_duet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = replace(TINY, critic="answers:claude")
    assert data_sets(settings) == ROUNDS and fitting_note(settings, tmp_path) == ""
    said = fit_run_student(settings, tmp_path)
    assert "a student of 432 labels" in said
    student, packaged = StudentCritic.load(tmp_path / STUDENT), published_student(ROUNDS, MIRRORED)
    assert packaged is not None and student.labels == packaged.labels == 432
    assert all(np.array_equal(student.parameters[key], value) for key, value in packaged.parameters.items())


def test_another_fit_than_that_of_the_packages_student_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert published_student(ROUNDS[:3], MIRRORED) is None
    assert published_student(ROUNDS[::-1], MIRRORED) is None, "which labels are held out depends on the order"
    assert published_student(ROUNDS, replace(MIRRORED, epochs=29)) is None
    for settings in (replace(TINY, critic="answers:claude", refit=True), replace(TINY, critic="answers:" + ROUNDS[0])):
        assert "which takes one to three minutes" in fitting_note(settings, tmp_path)
    (tmp_path / ROUNDS[0]).mkdir()
    here = replace(TINY, critic="answers:" + ",".join(ROUNDS))
    assert "which takes" in fitting_note(here, tmp_path), "a folder comes before the published set of its name"


def test_a_changed_file_of_the_packages_student_is_not_taken(tmp_path, monkeypatch):
    kept = [path for path in FOLDER.iterdir() if path.suffix in (".npz", ".json")]
    for path in kept:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("tianshou_examples.experiment.published_student.FOLDER", tmp_path)
    assert published_student(ROUNDS, MIRRORED) is not None
    damaged = next(tmp_path.glob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert published_student(ROUNDS, MIRRORED) is None


def test_a_student_of_earlier_code_is_not_taken(monkeypatch):
    module = "tianshou_examples.experiment.published_student"
    for name, version in (("FIT_VERSION", 99), ("FORMATS", {"student": 99})):
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.{name}", version)
            assert published_student(ROUNDS, MIRRORED) is None
    assert published_student(ROUNDS, MIRRORED) is not None


def test_a_student_is_kept_with_what_it_was_fitted_to(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tianshou_examples.experiment.published_student.FOLDER", tmp_path / "students")
    path = keep_student(folder / STUDENT, "few", ROUNDS[:1], MIRRORED)
    assert path.read_bytes() == (folder / STUDENT).read_bytes()
    found = published_student(ROUNDS[:1], MIRRORED)
    assert found is not None and found.labels == 6


def test_refit_without_recorded_labels_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--refit", "--critic", "scripted"])
    assert "--refit is for --critic answers:NAME; scripted is no student" in capsys.readouterr().err
