"""Reports of what is rare: large teams, long episodes, unknown numbers. They open, and say nothing in the console."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from credit_wrappers import Credit, CreditEvent, Episode
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.report import write_report

expect = pytest.importorskip("playwright.sync_api", reason="playwright, of the extra dev, is not installed").expect


def label(steps: int, agents: int) -> LabelledEpisode:
    """Return an episode of nobody's environment, told as text, with credit of both signs."""
    names = tuple(f"agent_{i}" for i in range(agents))
    values = np.resize(np.array([0.5, -0.25, 0.0], np.float32), (steps, agents))
    episode = Episode(
        id=0, agents=names, actions=np.zeros((steps, agents), np.int64), team_reward=values.sum(axis=1),
        cost=(values < 0).astype(float), terminated=True, truncated=False,
    )  # fmt: skip
    return LabelledEpisode(episode, Credit(values, (CreditEvent(names[0], 0, 1, 0.5, "went"),)))


def test_a_team_of_forty_has_a_picture_of_its_totals(opened, tmp_path):
    page = opened(write_report([label(6, 40)], tmp_path / "r.html"))
    expect(page.locator(".totals rect")).to_have_count(40)
    assert all(float(bar.get_attribute("width")) > 0 for bar in page.locator(".totals rect").all())


def test_an_episode_of_very_many_steps_is_shown(opened, tmp_path):
    page = opened(write_report([label(130_000, 1)], tmp_path / "r.html"))
    expect(page.locator(".clock")).to_have_text("start")
    page.keyboard.press("End")
    expect(page.locator(".clock")).to_have_text(re.compile("129,?999 / 129,?999"))


def test_the_numbers_of_a_told_episode_stand_on_one_line(opened, tmp_path):
    page = opened(write_report([label(6, 1)], tmp_path / "r.html"))
    heights = [page.locator(".lines-list .steps").nth(k).bounding_box()["height"] for k in (0, 1)]
    assert heights[0] == heights[1], "start is as high as 0"


def test_an_unknown_number_is_an_empty_cell_of_the_table(opened, tmp_path):
    given = label(6, 2)
    given.credit.values[2, 0] = given.episode.team_reward[2] = given.episode.cost[2, 0] = np.nan
    page = opened(write_report([given], tmp_path / "r.html"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    download.value.save_as(tmp_path / "credit.csv")
    with (tmp_path / "credit.csv").open(encoding="utf-8-sig", newline="") as file:
        row = list(csv.DictReader(file))[4]
    assert (row["step"], row["team_reward"], row["cost"], row["credit baseline"]) == ("2", "", "", "")
