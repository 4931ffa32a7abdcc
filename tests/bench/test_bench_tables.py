"""The tables of the benchmark: the page's columns, counts, gains over another critic, what a limit leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic
from credit_wrappers.bench.bench_table import BEGIN, END, bench_table, read_rows
from credit_wrappers.bench.benchmark import BenchSettings, PreparedSuite, bench_row
from credit_wrappers.bench.evaluation import BenchRow, Figure
from credit_wrappers.bench.paired import compared
from credit_wrappers.bench.suite import PlantedFault, Suite, SuiteEpisode, digest_of, load_suite, write_suite
from credit_wrappers.cli.main import main
from credit_wrappers.core.errors import CreditError

HEAD = (
    "| suite | critic | episodes | time rank | time sign | work rank | work sign | time sums | work shares "
    "| who | when | who+when | idle | loops | scale | written |"
)
WORDS = ["bench", "--suite", "corridor", "--critic", "exact-work", "random"]
FORWARD, BACK, STAY = 2, 1, 0


@pytest.fixture(scope="module")
def planted():
    """Corridors of four kinds of play; in two of them a fault was planted, and one of these is short."""
    wrong = np.array([[FORWARD, FORWARD], [FORWARD, BACK], [STAY, FORWARD], [STAY, FORWARD]])
    late = np.array([[FORWARD, STAY]] * 2 + [[STAY, STAY]] * 3 + [[STAY, FORWARD]] * 2)
    walk = np.array([[FORWARD, FORWARD]] * 2)
    faults = PlantedFault("walker_1", 1, 2, "wrong way", ""), PlantedFault("walker_1", 0, 5, "never comes", "")
    suite = Suite(
        "s", "corridor", None,
        (
            SuiteEpisode(1, walk, "scripted", "report"),
            SuiteEpisode(2, walk, "scripted", "report"),
            SuiteEpisode(3, walk, "chance", "report"),
            SuiteEpisode(4, wrong, "planted", "report", faults[0]),
            SuiteEpisode(5, late, "planted", "report", faults[1]),
        ),
    )  # fmt: skip
    return replace(suite, digest=digest_of(suite.replay()))


def row_of(prepared, word, **settings):
    return bench_row(prepared, word, bench_critic(word, CriticOptions({})), BenchSettings(**{"draws": 0} | settings))


def test_markdown_has_the_columns_of_the_page_whatever_the_rows_have(capsys):
    assert main([*WORDS, "--draws", "20", "--markdown", "--name", "the `truth`"]) == 0
    begin, head, _, first, *rest, end = capsys.readouterr().out.splitlines()
    assert (begin, head, end) == (BEGIN, HEAD, END)
    cells = first.strip("| ").split(" | ")
    assert cells[:3] == ["`corridor`", "the `truth`", "6/6"] and cells[5] == "1.00 (1.00 to 1.00)"
    assert cells[9:11] == ["-", "-"] and len(cells) == HEAD.count("|") - 1
    assert "random" in rest[0]


def test_who_and_when_say_how_many_faults_they_rest_on(planted):
    row = row_of(PreparedSuite.of(planted), "exact-work")
    assert (row.figures["right agent"].count, row.figures["right step"].count) == (2, 1)  # a long fault has no moment
    head, cells = (line.strip("| ").split(" | ") for line in bench_table([row], markdown=True)[1:4:2])
    assert cells[head.index("who")] == "1.00 (2)" and cells[head.index("when")].endswith(" (1)")


def test_a_limit_takes_each_kind_of_play_in_turn_and_says_what_it_leaves_out(planted):
    assert planted.choose("report", 3) == [0, 2, 3] and planted.choose("report", 4) == [0, 1, 2, 3]
    assert planted.choose() == [0, 1, 2, 3, 4]
    prepared = PreparedSuite.of(planted, "report", 2)
    row = row_of(prepared, "exact", half="report", limit=2)
    assert row.note == "no fault is planted in these 2 episodes: no who, no when; raise --limit"
    assert bench_table([row, replace(row, critic="b")])[-1] == f"s: {row.note}"  # of the suite, so once
    assert PreparedSuite.of(planted, "report", 1).note.startswith("no fault is planted in this episode: no who")
    assert row_of(PreparedSuite.of(planted, "report", 3), "exact", half="report", limit=3).note == ""


def test_only_chosen_episodes_are_valued(planted, monkeypatch):
    from credit_wrappers.bench import truth

    valued, real = [], truth.exact_credit

    def one(episode, *arguments):
        valued.append(episode.id)
        if episode.id == 4:
            raise CreditError("no way")
        return real(episode, *arguments)

    monkeypatch.setattr(truth, "exact_credit", one)
    prepared = PreparedSuite.of(planted, "report", 3)
    assert set(valued) == {0, 2, 3} and len(prepared.episodes) == 3
    assert row_of(prepared, "exact-work", half="report", limit=3).note == ""
    assert PreparedSuite.of(planted).truth.missing["work"].startswith("1 of 5 episodes cannot be valued")


def test_gains_are_over_the_same_draws_of_the_same_episodes(planted):
    prepared = PreparedSuite.of(load_suite("corridor"))
    rows = [row_of(prepared, word, draws=50) for word in ("exact-work", "equal")]
    twin = replace(rows[1], critic="twin")
    best, other, same = compared([*rows, twin], "equal", draws=50)
    assert other.gains == {} and other.against == ""
    alone = rows[0].figures["rank work difference"].value - rows[1].figures["rank work difference"].value
    gain = best.gains["rank work difference"]
    assert gain.value == pytest.approx(alone) and gain.count == 12 and gain.interval[0] < alone < gain.interval[1]
    assert all(figure.value == 0 and figure.interval == (0, 0) for figure in same.gains.values())
    lines = bench_table([best, other, same])
    assert lines[5].split()[:4] == ["suite", "critic", "against", "episodes"]
    assert lines[6].split()[:4] == ["corridor", "exact-work", "equal", "12"] and "+0.000 (+0.000 to +0.000)" in lines[7]


def test_rows_are_kept_and_shown_again_beside_those_of_another_run(tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("a.json", "b.json")]
    assert main([*WORDS, "--against", "random", "--draws", "9", "--json", files[0]]) == 0
    first = capsys.readouterr().out.splitlines()
    assert main(["bench", "--show", files[0]]) == 0
    assert capsys.readouterr().out.splitlines() == first[:3]
    assert main(["bench", "--show", files[0], "--against", "random"]) == 0
    assert capsys.readouterr().out.splitlines() == first[4:] and len(first) == 6
    assert main(["bench", "--show", files[0], "--against", "exact-work"]) == 2
    assert "none of these rows was measured beside that critic" in capsys.readouterr().err
    assert main([*WORDS[:4], "equal", "--half", "choose", "--draws", "0", "--json", files[1]]) == 0
    capsys.readouterr()
    assert main(["bench", "--show", *files, "--suite", "corridor"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in lines[:4]] == [
        ["suite", "critic", "half"], ["corridor", "exact-work", "report"], ["corridor", "random", "report"],
        ["corridor", "equal", "choose"],
    ]  # fmt: skip
    (tmp_path / "a.json").write_text('{"rows": [{}]}', encoding="utf-8")
    assert main(["bench", "--show", files[0]]) == 2
    assert "has no rows of this version: KeyError" in capsys.readouterr().err


def test_a_row_is_read_as_it_was_written(tmp_path):
    row = BenchRow("s", "c", "all", 2, 2, {"right agent": Figure(0.5, (0.1, 0.9), 2), "x": Figure(float("nan"))})
    from json import dumps

    (tmp_path / "rows.json").write_text(dumps({"rows": [row.as_json()]}), encoding="utf-8")
    [again] = read_rows(tmp_path / "rows.json")
    assert again.as_json() == row.as_json() and again.figures["right agent"] == row.figures["right agent"]


def test_a_table_says_how_sure_an_estimated_truth_is_and_files_keep_it(planted, tmp_path, capsys):
    row = replace(
        row_of(PreparedSuite.of(planted), "exact"),
        truth="estimate",
        truth_error={"time difference": 0.8123, "time shapley": 0.5, "work difference": 1.25},
    )
    said = "s (est.): mean standard error of the truth's credits: 0.81 in time, 1.2 in work"
    assert bench_table([row, replace(row, critic="b")])[-1] == said
    assert f"- {said}" in bench_table([row], markdown=True)
    assert BenchRow.from_json(row.as_json()).truth_error == row.truth_error
    older = {key: value for key, value in row.as_json().items() if key != "truth_error"}
    assert BenchRow.from_json(older).truth_error == {}
    assert "standard error" not in "".join(bench_table([row_of(PreparedSuite.of(planted), "exact")]))


def test_an_exact_truth_has_no_second_estimate_and_the_warehouse_has_one(capsys):
    assert main([*WORDS[:4], "again", "--draws", "0", "--limit", "1"]) == 1
    assert "the truth of this suite is exact, so there is no second estimate" in capsys.readouterr().out
    suite = load_suite("rware-tiny")
    critic = bench_critic("again", CriticOptions({}))(suite)
    part = replace(suite, episodes=suite.episodes[2:3], digest="", truth_digests={})
    prepared = PreparedSuite.of(replace(part, episodes=(replace(part.episodes[0], edition=1),)))
    row = bench_row(prepared, "again", lambda suite: critic, BenchSettings(draws=0))
    assert 0.9 < row.figures["rank time difference"].value < 1 and row.truth_error["time difference"] > 0


def test_the_command_counts_the_first_editions_alone(tmp_path, capsys):
    suite = load_suite("corridor")
    grown = replace(suite, episodes=(*suite.episodes[:8], *(replace(e, edition=2) for e in suite.episodes[8:])))
    write_suite(grown, tmp_path / "mine.json")
    words = ["bench", "--suite", str(tmp_path / "mine.json"), "--critic", "exact", "--draws", "0"]
    for more, count in (([], "6/6"), (["--edition", "1"], "4/4"), (["--edition", "2"], "6/6")):
        assert main([*words, *more]) == 0
        assert count in capsys.readouterr().out
    assert main([*words, "--edition", "0"]) == 2
    assert "edition must be at least 1, got 0" in capsys.readouterr().err
