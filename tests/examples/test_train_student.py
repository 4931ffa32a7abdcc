"""`--delivery immediate --labels N`: a student pays each step, and the critic scores no more than N episodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tianshou.data import VectorReplayBuffer

from credit_wrappers import Credit, CreditEvent, Episode, Ledger
from credit_wrappers.integrations.tianshou import CreditReplayBuffer
from tests.examples.one_learner import TINY, Queue, play
from tianshou_examples.experiment.command_line import parse
from tianshou_examples.experiment.critics import TimedDistillation
from tianshou_examples.experiment.curves import calls_at_end
from tianshou_examples.experiment.faults import DROPPED, MOVED, FaultyCritic, farmable, noisy
from tianshou_examples.experiment.learner_process import LearnerProcess
from tianshou_examples.experiment.settings import Settings

STUDENT = replace(TINY, steps=1000, envs=4, labels=8)


def test_a_student_pays_after_its_labels_and_the_metrics_say_so(tmp_path: Path) -> None:
    box = play(STUDENT, "student", tmp_path)
    (result,) = box.of("result")
    assert result["complete"] and result["label"].startswith("scripted")
    assert result["critic"]["episodes"] == 8 and result["critic"]["fallbacks"] == 0
    told = [r["student/version"] for r in box.records("train")]
    assert told == sorted(told) and told[0] == 0 and told[-1] >= 1
    last = box.records("train")[-1]
    assert last["student/labels"] == 8 and last["student/labels_left"] == 0 and -1 <= last["student/rank"] <= 1
    assert result["student"] == {k: v for k, v in last.items() if k.startswith("student/")}
    with Ledger(tmp_path / "ledger-student-0.sqlite", read_only=True) as ledger:
        assert len({e.key for entry in ledger.entries() for e in entry.episodes}) == 8


def test_a_result_tells_the_labels_that_were_not_used(tmp_path: Path) -> None:
    (result,) = play(replace(STUDENT, steps=300, labels=20), "student", tmp_path).of("result")
    found = result["student"]
    assert found["student/labels"] + found["student/labels_left"] == 20
    assert found["student/labels"] > 0 < found["student/labels_left"]


def test_a_stopped_learner_keeps_its_labels_and_its_student(tmp_path: Path) -> None:
    play(STUDENT, "student", tmp_path, stop_after=4)
    process = LearnerProcess(STUDENT, "student", 0, tmp_path, Queue())
    assert isinstance(process.store, TimedDistillation)
    kept = process.store.metrics
    process.store.close()
    (result,) = play(STUDENT, "student", tmp_path).of("result")
    assert kept["student/version"] >= 1 and kept["student/labels"] == 8
    assert result["critic"]["episodes"] == 8  # nothing was bought twice
    assert result["student"]["student/version"] == kept["student/version"]


def test_rewards_that_are_credits_go_into_tianshous_own_buffer(tmp_path: Path) -> None:
    paid, waits = (LearnerProcess(STUDENT, method, 0, tmp_path, Queue()) for method in ("student", "mca"))
    assert type(paid.learner.buffer) is VectorReplayBuffer and type(waits.learner.buffer) is CreditReplayBuffer
    paid.store.close()
    waits.store.close()


def test_immediate_delivery_trains_a_student_instead_of_mca(tmp_path: Path) -> None:
    settings, _ = parse(["--delivery", "immediate", "--labels", "30", "--method", "mca", "shared"])
    assert settings.method == ("student", "shared") and settings.labels == 30
    settings.write(tmp_path)
    assert Settings.read(tmp_path) == settings
    assert parse(["--method", "mca", "student-free"])[0].method == ("mca", "student-free")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--delivery", "immediate", "--method", "taca", "mca"], "taca cannot use"),
        (["--labels", "1"], "at least 2"),
    ],
)
def test_what_a_student_cannot_do_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
    assert said in capsys.readouterr().err


def test_calls_at_the_end_are_those_of_the_last_fifth() -> None:
    records = [
        {"kind": "train", "method": "student", "seed": 0, "steps": steps, "calls": calls}
        for steps, calls in ((200, 10), (400, 30), (600, 40), (800, 44), (1000, 45))
    ]
    assert calls_at_end(records, "student", 0) == pytest.approx(1e6 / 200)
    assert calls_at_end(records[:1], "student", 0) == calls_at_end([], "student", 0) == 0.0


# -- critics that are faulty on purpose ---------------------------------------------------------------------------


class Fixed:
    """Pays the same events for each episode."""

    label = "fixed"

    def __init__(self, *events: CreditEvent) -> None:
        self.events = events

    def score(self, episodes: list[Episode]) -> list[Credit]:
        return [Credit(np.zeros((e.length, e.n_agents), np.float32), self.events, source="scripted") for e in episodes]


def episode(number: int) -> Episode:
    actions = np.full((4, 3), number)
    return Episode(number, ("a", "b", "c"), actions, np.zeros(4), np.zeros((4, 3)), False, True)


def test_a_noisy_critic_drops_a_fifth_of_its_events_and_moves_a_fifth_and_says_the_same_each_time() -> None:
    critic = FaultyCritic(Fixed(*[CreditEvent("b", t, t + 1, 1.0, "came nearer") for t in range(4)]), noisy)
    episodes = [episode(k) for k in range(500)]
    credits = critic.score(episodes)
    totals = np.sum([credit.values.sum(axis=0) for credit in credits], axis=0) / 2000
    assert totals[1] == pytest.approx(1 - DROPPED - MOVED, abs=0.04)
    assert totals[0] == pytest.approx(MOVED / 2, abs=0.03) and totals[2] == pytest.approx(MOVED / 2, abs=0.03)
    again = critic.score(episodes[:20])
    assert all(np.array_equal(a.values, b.values) for a, b in zip(credits, again, strict=False))


def test_a_farmable_critic_pays_grips_and_takes_nothing_back_for_letting_go() -> None:
    grip = CreditEvent("a", 0, 1, 0.3, "took hold of A, of mass 1")
    release = CreditEvent("a", 1, 2, -0.3, "let go of its module before it was docked")
    away = CreditEvent("b", 0, 2, -0.2, "went away from the module that lacks thrust")
    (credit,) = FaultyCritic(Fixed(grip, release, away), farmable).score([episode(1)])
    assert credit.events == (grip, away)
    assert credit.values == pytest.approx(np.array([[0.3, -0.1, 0], [0, -0.1, 0], [0, 0, 0], [0, 0, 0]]))
