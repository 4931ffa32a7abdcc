"""A page read back: whole, or refused in one line, and never a way for its texts into the new page as markup."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from credit_wrappers.cli.main import main
from credit_wrappers.report import ReportOptions, write_report
from credit_wrappers.report.page_values import checked_values
from credit_wrappers.report.report_file import report_page, report_values
from credit_wrappers.report.written_report import read_report
from tests.report.labelled import corridor, credited, data_of, duets

TAG = '</noscript><meta http-equiv="refresh" content="0">'


@pytest.fixture(scope="module")
def values():
    labels = [*duets(2), corridor()]
    others = [credited(label.episode, 0.5, "other", "scripted") for label in labels[1:]]
    return report_values(labels, ReportOptions(title="Duets", compare=others, indices=(6, 7, 8), total=9))


def changed(values, place, value):
    """Return a copy of values with another one in a place, such as `episodes.0.length`; None: without it."""
    values = json.loads(json.dumps(values))
    *way, last = [int(word) if word.isdigit() else word for word in place.split(".")]
    inner = values
    for word in way:
        inner = inner[word]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return values


def run_with(folder, values):
    """Return the folder of a run whose page has these values."""
    data = base64.b64encode(zlib.compress(json.dumps(values).encode())).decode()
    (folder / "config.json").write_text('{"env": "spaceworld:duet"}')
    page = f'<meta name="generator" content="llm-credit-wrappers"><script type="text/plain" id="data">{data}</script>'
    (folder / "report.html").write_text(page)
    return folder


FAULTS = [
    ("version", 2), ("title", 7), ("title", None), ("critics", None), ("critics", []), ("critics", ["one"]),
    ("total", "9"), ("total", 1), ("notes", 7), ("scales", []), ("scales.0", {}), ("texts", [1]), ("sources", ["one"]),
    ("episodes", {}), ("episodes", []), ("episodes", [1, 2]), ("episodes.0.length", TAG), ("episodes.0.length", 3),
    ("episodes.0.index", TAG), ("episodes.0.index", True), ("episodes.0.agents", []), ("episodes.0.reward.1", "1"),
    ("episodes.0.reward.1", float("nan")), ("episodes.0.reward.1", float("inf")), ("episodes.0.judged", []),
    ("episodes.0.judged.0", {}), ("episodes.0.judged.0.source", 1), ("episodes.0.judged.0.values.1", [0]),
    ("episodes.0.judged.0.events.0", [2, 0, 1, 1, "why"]), ("episodes.0.judged.0.events.0", [0, -5, 1, 1, "why"]),
    ("episodes.0.judged.0.events.0", [0, 0, 1, 1, 5]), ("episodes.0.judged.0.question", 99),
    ("episodes.0.scene.rows", 5.7), ("episodes.0.scene.still", [10**6]), ("episodes.0.scene.moments", []),
    ("episodes.0.deeds.0", ["one"]), ("episodes.1.exact.work difference.0", [1]), ("episodes.0.seed", "5"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), FAULTS)
def test_a_page_with_other_values_than_a_report_has_is_refused_in_one_line(place, value, values, tmp_path, capsys):
    run = run_with(tmp_path, changed(values, place, value))
    assert main(["report", str(run), "--out", str(tmp_path / "r.html")]) == 2
    said = capsys.readouterr().err
    assert f"{run / 'report.html'} is no report of this package, or damaged, or of another version: " in said
    assert said.count("\n") == 1 and not (tmp_path / "r.html").exists()


def test_what_a_report_holds_is_read_back_whole(values, tmp_path):
    run_with(tmp_path, values)
    assert read_report(tmp_path / "report.html") == json.loads(json.dumps(values)) == checked_values(values)


def test_a_page_from_before_total_and_index_is_read(values, tmp_path):
    early = changed(values, "total", None)
    for episode in early["episodes"]:
        del episode["index"]
    assert main(["report", str(run_with(tmp_path, early)), "--out", str(tmp_path / "r.html")]) == 0
    data = data_of(tmp_path / "r.html")
    assert data["total"] == 3 and [episode["index"] for episode in data["episodes"]] == [None] * 3


def test_a_world_with_a_shape_that_is_left_out_today_is_told_as_text(values):
    odd = changed(values, "episodes.0.scene.shapes.0.kind", "cloud")
    first, second, _ = checked_values(odd)["episodes"]
    assert first["scene"] is None and "its kind is 'cloud'" in first["undrawn"] and second["scene"]


def test_the_plain_list_takes_nothing_for_markup(values):
    for place in ("length", "index"):
        page = report_page(changed(values, f"episodes.0.{place}", TAG))
        assert 'http-equiv="refresh' not in page and page.count("<noscript>") == page.count("</noscript>") == 1


def test_a_report_that_was_written_is_read(tmp_path):
    path = write_report(duets(2), tmp_path / "r.html")
    assert read_report(path) == data_of(path)
