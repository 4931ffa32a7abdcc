"""The report that a run leaves: whose credits, how many, and with which texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from credit_wrappers import Credit, CreditEvent, Ledger, LLMCritic, ScriptedClient
from tests.report.labelled import data_of, played
from tianshou_examples.experiment.instructive_moments import KEPT, MonitoredCritic
from tianshou_examples.experiment.report import write_credits
from tianshou_examples.experiment.run_page import MOST_ACTIONS, write_page
from tianshou_examples.experiment.settings import Settings


def test_the_newest_credits_are_shown_with_question_and_answer(tmp_path: Path) -> None:
    with Ledger(tmp_path / "a.sqlite") as ledger:
        critic = MonitoredCritic(LLMCritic(ScriptedClient(), ledger=ledger))
        for seed in range(0, KEPT + 4, 2):
            critic.score([played(seed), played(seed + 1)])
        write_page(Settings(prices=(1.0, 2.0)), "mca-0", critic.labels, ledger, tmp_path / "report.html")
    data = data_of(tmp_path / "report.html")
    assert data["title"] == "spaceworld:duet \u00b7 mca-0"
    assert [episode["seed"] for episode in data["episodes"]] == list(range(4, KEPT + 4))
    for episode in data["episodes"]:
        [said] = episode["judged"]
        assert said["source"] == "scripted" and episode["scene"] is not None
        assert "## Episode 2" in data["texts"][said["question"]] and data["texts"][said["answer"]]
    assert data["episodes"][0]["judged"][0]["usage"]["cost"] > 0


def test_without_a_ledger_the_credits_are_shown_alone_and_large_teams_have_fewer_episodes(
    tmp_path: Path, monkeypatch
) -> None:
    critic = MonitoredCritic(LLMCritic(ScriptedClient()))
    critic.score([played(seed) for seed in range(6)])
    for most, count in ((MOST_ACTIONS, 6), (60, 3), (1, 1)):  # an episode has ten steps of two agents
        monkeypatch.setattr("tianshou_examples.experiment.run_page.MOST_ACTIONS", most)
        write_page(Settings(), "mca-0", critic.labels, None, tmp_path / "report.html")
        data = data_of(tmp_path / "report.html")
        assert [episode["seed"] for episode in data["episodes"]] == list(range(6 - count, 6))
        assert data["texts"] == []


def test_the_learner_that_a_critic_explains_to_is_shown() -> None:
    assert Settings(method=("shared", "mca"), seeds=2).shown_learner == ("mca", 0)
    assert Settings(method=("shared", "exact")).shown_learner == ("exact", 0)
    assert Settings(method=("shared", "equal")).shown_learner == ("shared", 0)


def test_credit_that_cannot_be_shown_is_left_out_with_a_warning(tmp_path: Path) -> None:
    good, odd = played(0), played(1)
    credits = [Credit(np.zeros((episode.length, 2), np.float32)) for episode in (good, odd)]
    credits[1] = Credit(credits[1].values, (CreditEvent("nobody", 0, 1, 1.0, "why"),))
    pairs = list(zip((good, odd), credits, strict=True))
    with pytest.warns(UserWarning, match=r"an episode is missing in .*report\.html: .*nobody"):
        write_page(Settings(), "mca-0", pairs, None, tmp_path / "report.html")
    assert [episode["seed"] for episode in data_of(tmp_path / "report.html")["episodes"]] == [0]
    with pytest.warns(UserWarning, match="nobody"):
        write_page(Settings(), "mca-0", pairs[1:], None, tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()


@pytest.mark.parametrize(
    ("names", "told"), [(("pair-claude",), "pair-claude"), (("a", "b", "c"), "NAME, where NAME is a, b or c")]
)
def test_a_page_of_a_students_credit_says_why_it_has_no_reasons_and_where_they_are(tmp_path: Path, names, told) -> None:
    settings = Settings(critic="answers:claude", data_sets=names)
    episode = played(0)
    for source in ("student", "exact"):
        credit = Credit(np.zeros((episode.length, 2), np.float32), source=source)
        write_page(settings, "mca-0", [(episode, credit)], None, tmp_path / f"{source}.html")
    said = (
        "The student that gave this credit gives no reasons; those of its critic are in the recorded judgements: "
        f"python -m credit_wrappers report {told}"
    )
    assert data_of(tmp_path / "student.html")["notes"] == [said]
    assert data_of(tmp_path / "exact.html")["notes"] == []
    write_credits(settings, [{"moments": {}}], tmp_path / "credits.txt")
    assert said in (tmp_path / "credits.txt").read_text(encoding="utf-8")
