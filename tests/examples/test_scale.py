"""Team size, sight and roles: laws of growth are right, nothing is measured twice, and tables are told."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from credit_wrappers.exact.exact_credit import exact_credit
from credit_wrappers.exact.simulator import EnvSimulator
from credit_wrappers.exact.value_function import named_value
from credit_wrappers.recording.replay import replay
from spaceworld.env import SpaceworldEnv
from tianshou_examples import scale, sight
from tianshou_examples.experiment.power_law import PowerLaw
from tianshou_examples.experiment.scale_measures import (
    DISTURBED,
    FOLLOWED,
    WATCHED,
    culprit_measures,
    culprit_play,
    disturbed_play,
    truth_of_steps,
)
from tianshou_examples.experiment.scale_report import laws_of, scale_table
from tianshou_examples.experiment.settings import Settings

SMALL = ["--layouts", "1", "--episodes", "8", "--culprits", "2", "--truth-steps", "2"]


def pair(**arguments: int) -> SpaceworldEnv:
    return SpaceworldEnv("pair", **arguments)  # type: ignore[arg-type]


def test_a_law_that_is_exact_is_found_with_its_exponent() -> None:
    law = PowerLaw.of([2, 4, 8, 16], [3 * n**1.5 for n in (2, 4, 8, 16)])
    assert law.factor == pytest.approx(3) and law.exponent == pytest.approx(1.5)
    assert law.low == pytest.approx(1.5) == law.high
    assert law.at(100) == pytest.approx(3000) and law.reaches(3000) == pytest.approx(100)


def test_the_interval_of_an_exponent_is_that_of_least_squares() -> None:
    sizes, values = [2, 4, 8, 16], [2.0, 5.0, 7.0, 18.0]
    law = PowerLaw.of(sizes, values)
    design = np.column_stack([np.ones(4), np.log(sizes)])
    best, rest, *_ = np.linalg.lstsq(design, np.log(values), rcond=None)
    error = np.sqrt(rest[0] / 2 * np.linalg.inv(design.T @ design)[1, 1])
    assert law.exponent == pytest.approx(best[1])
    assert (law.low, law.high) == pytest.approx((best[1] - 4.30265 * error, best[1] + 4.30265 * error))


def test_two_points_give_no_interval_and_what_does_not_grow_reaches_nothing() -> None:
    law = PowerLaw.of([2, 4], [5, 5])
    assert law.exponent == 0 and law.low != law.low and law.reaches(6) == float("inf")


@pytest.mark.parametrize(("sizes", "values"), [([2], [1]), ([2, 2], [1, 1]), ([2, 4], [0, 1]), ([2, 4], [1, np.nan])])
def test_no_law_is_made_up(sizes: list[float], values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"law of growth|above 0"):
        PowerLaw.of(sizes, values)


def test_a_disturbed_team_waits_but_for_half_of_it_which_acts_by_chance() -> None:
    actions = disturbed_play(pair, 3)
    assert np.array_equal(actions, disturbed_play(pair, 3))
    first = actions[FOLLOWED : FOLLOWED + DISTURBED]
    assert (first == 0).all(axis=0).sum() >= 1
    replay(pair(), 3, actions)  # every action is possible, and none comes after the end


def test_the_critic_gives_least_to_the_robot_that_acts_by_chance() -> None:
    played = [(seed, *culprit_play(pair, seed)) for seed in range(6)]
    assert {culprit for _, _, culprit in played} == {0, 1}
    assert all(len(actions) <= WATCHED for _, actions, _ in played)
    right = culprit_measures(pair, played)
    wrong = culprit_measures(pair, [(seed, actions, 1 - culprit) for seed, actions, culprit in played])
    assert right["others above"] > 0.7 and right["others above"] + wrong["others above"] == pytest.approx(1)


def test_the_truth_of_single_steps_is_that_of_the_whole_episode_in_every_mirror() -> None:
    duet = partial(SpaceworldEnv, "duet")
    actions = disturbed_play(duet, 4)
    episode, worth = replay(duet(), 4, actions, snapshots=True), named_value(duet(), "work")
    whole = exact_credit(episode, EnvSimulator(duet), worth, "difference").values
    steps = [0, 3, len(actions) - 1]
    for mirror in (0, 5):  # exact values are the same in a mirror; only plans differ
        assert np.array_equal(truth_of_steps(duet, 4, actions, steps, mirror), whole[steps])


def test_a_study_measures_everything_once_and_tells_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--robots", "2", *SMALL, "--out", str(tmp_path), "--parts", "team", "text", "culprit", "truth"]
    assert scale.main(arguments) == 0
    told = capsys.readouterr().out
    assert "share completed | 1.00 |" in told and (tmp_path / "table.md").read_text(encoding="utf-8") in told
    file = tmp_path / "fleet-2.json"
    before = json.loads(file.read_text(encoding="utf-8"))
    assert before["measures"]["text"]["tokens read"] > 0
    changed = {**before, "truths": [[[1.0, 2.0], [1.0, 2.0]], [[3.0, 4.0], [3.0, 4.0]]]}
    file.write_text(json.dumps(changed), encoding="utf-8")
    assert scale.main(arguments) == 0
    assert "planner in a mirror | 1.00" in capsys.readouterr().out, "the values in the file are used, not made again"
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_that_is_out_of_time_says_so_and_goes_on_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--robots", "2", *SMALL, "--out", str(tmp_path), "--parts", "team", "culprit"]
    assert scale.main([*arguments, "--minutes", "1e-9"]) == 1
    assert "the same command goes on" in capsys.readouterr().err
    assert "culprit" not in json.loads((tmp_path / "fleet-2.json").read_text(encoding="utf-8"))["measures"]


def test_a_training_says_how_soon_it_docked_half_whatever_its_collisions_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    Settings(env="spaceworld:fleet-2", method=("mca", "shared"), seeds=2).write(run)
    points = [
        ("mca", 0, 100, 0.4, 1.0),
        ("mca", 0, 200, 0.3, 4.0),
        ("mca", 0, 300, 0.9, 0.0),
        ("mca", 1, 400, 0.5, 0.0),
    ]
    points += [("shared", 0, 900, 0.1, 2.0)]
    names = ("method", "seed", "steps", "return", "collisions")
    lines = [json.dumps({"kind": "train", **dict(zip(names, point, strict=True))}) for point in points]
    (run / "metrics.jsonl").write_text("\n".join(lines), encoding="utf-8")
    arguments = ["--robots", "2", "--parts", "team", "--layouts", "1", "--out", str(tmp_path / "study")]
    assert scale.main([*arguments, "--runs", str(run)]) == 0
    told = capsys.readouterr().out
    assert "to 50 % docked, mca | 300 |" in told and "docked, shared reward | - |" in told
    assert scale.main([*arguments, "--runs", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_the_table_has_exponents_an_outlook_and_what_breaks() -> None:
    results = {n: {"text": {"tokens written": 100.0 * n, "steps": 50.0}} for n in (2, 4, 8)}
    text = scale_table(results, laws_of(results), 1000)
    assert "| tokens written, of an episode | 200 | 400 | 800 | 1.00 (1.00 to 1.00) | 100,000 |" in text
    assert "| an answer about one episode is longer than the critic allows (16,000 tokens) | 160 |" in text


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (scale.main, ["--robots", "1"], "at least 2"),
        (scale.main, ["--robots", "25"], "at most 24"),
        (sight.main, ["--scenario", "moon"], "unknown scenario 'moon'"),
        (sight.main, ["--sight", "far"], "must be a number of cells, or whole"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    main: object, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)  # type: ignore[operator]
    assert message in capsys.readouterr().err


def test_sight_and_roles_each_have_a_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sight, "student_measures", lambda *_: {"rank": 0.5, "sign": 0.6, "error": 0.7})
    arguments = ["--scenario", "pair", "--sight", "1", "whole", "--roles", "all", "nobody", "--episodes", "8"]
    assert sight.main([*arguments, "--culprits", "2", "--truth-steps", "3"]) == 0
    rows = [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines() if "0.50 (0.50 to 0.50)" in line]
    assert rows == [["| 1", "all"], ["| whole", "all"], ["| 1", "nobody"], ["| whole", "nobody"]]
