"""`credit-wrappers bench`: rows, files and errors, on corridors and small files of judgements."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from credit_wrappers.bench.answers_file import AnswersCritic
from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic
from credit_wrappers.bench.bench_table import BEGIN, END, bench_table
from credit_wrappers.bench.benchmark import BenchSettings, PreparedSuite, bench_row, run_bench
from credit_wrappers.bench.evaluation import evaluate
from credit_wrappers.bench.suite import PlantedFault, Suite, SuiteEpisode, load_suite
from credit_wrappers.bench.truth import suite_truth
from credit_wrappers.cli import bench_command
from credit_wrappers.cli.main import main
from credit_wrappers.core.credit import Credit
from credit_wrappers.critics.critic_registry import make_critic
from credit_wrappers.llm.ledger.ledger import Ledger
from tests.report.labelled import data_of

FORWARD, BACK, STAY = 2, 1, 0


def judged(path, *lines):
    """Write a file of judgements: (seed, actions, credit, question) of each."""
    text = [
        json.dumps({"world": "corridor", "max_cycles": None, "seed": s, "actions": a, "credit": c, "question": q})
        for s, a, c, q in lines
    ]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def corridor():
    """The packaged corridors with their truth."""
    suite = load_suite("corridor")
    episodes = suite.replay(snapshots=True)
    return PreparedSuite(suite, episodes, suite_truth(suite, episodes))


def row_of(prepared, word, **settings):
    """Return the row of the critic that a word names."""
    return bench_row(prepared, word, bench_critic(word, CriticOptions({})), BenchSettings(draws=0, **settings))


def test_the_truth_itself_is_right_in_everything(corridor):
    row = row_of(corridor, "exact")
    figures = {name: figure.value for name, figure in row.figures.items()}
    assert figures["rank time difference"] == pytest.approx(1) and figures["sign time difference"] == 1
    assert figures["scale drift"] == pytest.approx(0, abs=1e-9) and figures["paid to idle"] == 0
    assert figures["rank work difference"] < 0.9
    work = row_of(corridor, "exact-work-shapley").figures
    assert work["sums work shapley"].value == work["shares work shapley"].value == pytest.approx(1)
    assert row.usable == row.episodes == 12 and row.note == ""


def test_credit_of_the_wrong_agent_or_a_step_too_late_is_much_less_right(corridor):
    truth = corridor.truth.credits["work", "difference"]
    chosen = range(len(truth))

    def rank(change):
        credits = [Credit(change(values).astype(np.float32)) for values in truth]
        row = evaluate(corridor.suite, corridor.episodes, corridor.truth, credits, chosen, critic="x", draws=0)
        return row.figures["rank work difference"].value

    assert rank(lambda v: 3 * v) == pytest.approx(1)
    assert rank(lambda v: v[:, ::-1]) < 0.5
    assert rank(lambda v: np.roll(v, 1, axis=0)) < 0.5
    assert rank(lambda v: -v) == pytest.approx(-1)


def test_random_credit_is_right_by_chance_and_equal_parts_conserve(corridor):
    assert abs(row_of(corridor, "random").figures["rank work difference"].value) < 0.25
    assert row_of(corridor, "equal").figures["conservation error"].value == pytest.approx(0, abs=1e-6)
    assert row_of(corridor, "shared", half="choose", limit=2).episodes == 2


def test_planted_faults_are_counted_for_the_culprit():
    actions = np.array([[FORWARD, FORWARD], [FORWARD, BACK], [STAY, FORWARD], [STAY, FORWARD]])
    fault = PlantedFault("walker_1", 1, 2, "wrong way", "walker_1 goes back")
    suite = Suite("s", "corridor", None, (SuiteEpisode(1, actions, "planted", "report", fault),))
    row = row_of(PreparedSuite.of(suite), "exact-work")
    assert [row.figures[f"right {what}"].value for what in ("agent", "step", "agent and step")] == [1, 1, 1]


def test_fallbacks_are_not_judged_and_nothing_usable_is_said(corridor):
    chosen = [0, 1]
    bad = [Credit(np.zeros_like(corridor.truth.idle[k], np.float32), source="fallback", summary="no") for k in chosen]
    row = evaluate(corridor.suite, corridor.episodes, corridor.truth, bad, chosen, critic="x")
    assert (row.usable, row.figures, row.note) == (0, {}, "nothing usable: no")
    good = Credit(corridor.truth.credits["time", "difference"][1].astype(np.float32))
    row = evaluate(corridor.suite, corridor.episodes, corridor.truth, [bad[0], good], chosen, critic="x", draws=0)
    assert row.usable == 1 and row.as_json()["fallbacks"] == 1
    assert row.figures["sign time difference"].value == 1
    assert "nothing usable: no" in bench_table([row, evaluate(corridor.suite, corridor.episodes, corridor.truth, bad,
                                                              chosen, critic="y")])[-1]  # fmt: skip


def test_a_file_of_judgements_is_a_suite_and_a_critic(tmp_path):
    walk, late = [[2, 2], [2, 2], [2, 2]], [[0, 2], [2, 2], [2, 2], [2, 0]]
    path = judged(
        tmp_path / "mine.jsonl",
        (1, walk, [[1, 1], [1, 1], [1, 1]], 0),
        (1, late, [[0, 2], [2, 2], [2, 2], [2, 0]], 1),
    )
    critic = AnswersCritic(path)
    [suite] = critic.suites
    [row] = run_bench([suite], {"a": lambda _: critic}, BenchSettings(draws=0))
    assert (suite.name, row.usable, row.figures["sign work difference"].value) == ("mine", 2, 1)
    assert row.figures["scale drift"].value == pytest.approx(np.std([1, 2], ddof=1) / 1.5)
    assert critic.queries(suite.replay()) == [0, 1]
    [other] = run_bench([load_suite("corridor")], {"a": lambda _: critic}, BenchSettings(draws=0))
    assert other.usable == 0 and "no credit for this suite's episodes" in other.note
    judged(path, (1, walk, [[1, 1]], 0))
    with pytest.raises(ValueError, match=r"line 1: credit must be numbers, \(3, 2\)"):
        AnswersCritic(path)
    path.write_bytes(b"\xa2\n")
    with pytest.raises(ValueError, match=f"{path.name} is no text in UTF-8"):
        AnswersCritic(path)
    path.write_text("{}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1 is no judgement: it has no 'actions'"):
        AnswersCritic(path)
    judged(path, (1, walk, [[1, 1], [1, 1], [1, 1]], "q"))
    with pytest.raises(ValueError, match="line 1 is no judgement: question must be a whole number, got 'q'"):
        AnswersCritic(path)
    judged(path, (1, [[0.5, 2]], [[1, 1]], 0))
    with pytest.raises(ValueError, match="line 1 is no judgement: actions must be whole numbers, got float64"):
        AnswersCritic(path)
    judged(path, (-1, [[1, 2]], [[1, 1]], 0))
    with pytest.raises(ValueError, match="line 1 is no judgement: seed must be a whole number from 0, got -1"):
        AnswersCritic(path)


def test_a_judgement_of_another_world_is_none_of_the_same_actions_here(tmp_path):
    walk, ones = [[2, 2], [2, 2], [2, 2]], [[1, 1], [1, 1], [1, 1]]
    path = judged(tmp_path / "here.jsonl", (1, walk, ones, 0))
    [suite] = AnswersCritic(path).suites
    elsewhere = {"world": "spaceworld:duet", "seed": 1, "actions": walk, "credit": [[9, 9], [9, 9], [9, 9]]}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(elsewhere) + "\n")
    [row] = run_bench([suite], {"a": bench_critic(f"answers:{path}", CriticOptions({}))}, BenchSettings(draws=0))
    assert row.usable == 1 and row.credits[0].values.tolist() == ones
    path.write_text(json.dumps(elsewhere) + "\n", encoding="utf-8")
    [row] = run_bench([suite], {"a": bench_critic(f"answers:{path}", CriticOptions({}))}, BenchSettings(draws=0))
    assert row.usable == 0 and "no credit for this suite's episodes" in row.note


def test_two_judgements_of_one_episode_that_differ_are_refused(tmp_path):
    walk, ones = [[2, 2], [2, 2], [2, 2]], [[1, 1], [1, 1], [1, 1]]
    AnswersCritic(judged(tmp_path / "a.jsonl", (1, walk, ones, 0), (1, walk, ones, 1)))
    path = judged(tmp_path / "a.jsonl", (1, walk, ones, 0), (2, walk, ones, 0), (1, walk, [[0, 1]] * 3, 1))
    with pytest.raises(ValueError, match=r"a.jsonl, line 3 judges an episode once more, and otherwise .*seed 1"):
        AnswersCritic(path)


def test_two_data_sets_of_the_same_name_in_two_folders_are_two_critics(tmp_path, monkeypatch, capsys):
    def write(dataset, out):
        judged(Path(out), (1, [[2, 2], [2, 2], [2, 2]], [[1 if "new" in dataset else -1] * 2] * 3, 0))

    monkeypatch.setattr(bench_command, "write_answers", write)
    places = [tmp_path / name / "labels" for name in ("new", "old")]
    for place in places:
        place.mkdir(parents=True)
    words = [f"answers:{place}" for place in places]
    out = tmp_path / "rows.json"
    assert main(["bench", "--suite", words[0], "--critic", *words, "--draws", "0", "--json", str(out)]) == 0
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert [row["figures"]["sign work difference"]["value"] for row in rows] == [1, 0]
    assert [row["suite"] for row in rows] == ["labels", "labels"] and "labels" in capsys.readouterr().out


def test_the_command_prints_a_table_and_writes_every_figure(tmp_path, capsys):
    out = tmp_path / "rows.json"
    words = ["bench", "--suite", "corridor", "--critic", "exact-work", "random", "--draws", "20", "--json", str(out)]
    assert main(words) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["suite", "critic", "episodes"] and first.split()[:3] == [
        "corridor",
        "exact-work",
        "6/6",
    ]
    written = json.loads(out.read_text(encoding="utf-8"))
    rows, versions = written["rows"], written["made"]["versions"]
    assert rows[0]["digest"] == load_suite("corridor").digest and versions["numpy"] == np.__version__
    assert len(written["made"]["date"]) == 10 and written["asked"]["suite"] == ["corridor"]
    assert [row["critic"] for row in rows] == ["exact-work", "random"] and second.split()[1] == "random"
    low, high = rows[1]["figures"]["sign work difference"]["interval"]
    assert low < rows[1]["figures"]["sign work difference"]["value"] < high
    assert main([*words[:-2], "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == (BEGIN, END) and " to " in lines[4]


def test_answers_are_recorded_and_replayed_without_asking(tmp_path, capsys):
    path = tmp_path / "ledger.sqlite"
    suite = load_suite("corridor")
    prepared = PreparedSuite.of(suite)
    critic = bench_critic("scripted", CriticOptions({}))(suite)
    critic.ledger = critic.asker.ledger = Ledger(path)
    asked = bench_row(prepared, "scripted", lambda _: critic, BenchSettings(draws=0, half="report"))
    critic.ledger.close()
    words = ["bench", "--suite", "corridor", "--critic", f"ledger:{path}", "--draws", "0"]
    assert main([*words, "--prices", "1", "2"]) == 0
    cells = capsys.readouterr().out.splitlines()[1].split()
    assert cells[2] == "6/6" and f"{asked.read:,.0f}" == cells[-3]
    assert main([*words, "--half", "choose"]) == 1
    assert "nothing usable" in capsys.readouterr().out
    assert main([*words, "--client", "nobody"]) == 2
    assert "has no client 'nobody'; it has 'scripted" in capsys.readouterr().err


def test_a_table_wider_than_the_terminal_goes_on_below_with_the_names_of_its_rows(corridor):
    row = bench_row(corridor, "equal", lambda _: make_critic("equal"), BenchSettings(draws=0))
    whole, narrow = bench_table([row]), bench_table([row], width=60)
    assert len(whole) == 2 and max(map(len, narrow)) <= 60 < len(whole[0])
    for k in (0, 1):  # the heading, the row
        parts = [line.split() for line in narrow[k::3]]
        assert len(parts) > 1 and {tuple(part[:2]) for part in parts} == {tuple(whole[k].split()[:2])}
        assert [cell for part in parts for cell in part[2:]] == whole[k].split()[2:]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "corridr", "--critic", "equal"], "unknown suite 'corridr'"),
        (["--suite", "corridor", "--critic", "equl"], "unknown critic 'equl'; valid: scripted, equal, random, shared"),
        (["--suite", "corridor", "--critic", "openai"], "needs the name of a model"),
        (["--critic", "equal"], "--suite is missing"),
        (["--suite", "corridor"], "--critic is missing; valid: scripted"),
        (["--suite", "nowhere.json", "--critic", "equal"], "there is no suite file nowhere.json; packaged suites are"),
        (["--suite", "corridor", "--critic", "answered:nowhere"], "there is no folder nowhere"),
        (["--suite", "corridor", "--critic", "equal", "--against", "random"], "--against random: no such critic here"),
        (
            ["--suite", "corridor", "--critic", "equal", "--name", "a", "b"],
            "--name: the critics need names of their own",
        ),
        (["--suite", "corridor", "--critic", "nowhere:Critic"], "unknown critic 'nowhere:Critic' (No module named"),
        (["--suite", "corridor", "--critic", "json:Critic"], "unknown critic 'json:Critic' (module 'json' has no"),
        (["--suite", "corridor", "--critic", "ledger:nowhere"], "there is no ledger nowhere"),
        (["--suite", "corridor", "--critic", "equal", f"ledger:{__file__}"], "test_bench_command.py"),
        (["--suite", "corridor", "--critic", "folder"], "the critic folder needs its folder: folder:DIR"),
        (["--suite", "corridor", "--critic", "folder:"], "the critic folder needs its folder: folder:DIR"),
        (
            ["--suite", "corridor", "--critic", "equal", "--json", "no/such/x.json"],
            "--json: there is no folder no/such",
        ),
        (["--suite", "corridor", "--critic", "equal", "--json", "."], "--json: . is a folder"),
        (["--suite", "corridor", "--critic", "equal", "--out-ledger", "no/x"], "--out-ledger: there is no folder no"),
        (["--suite", "corridor", "--critic", "equal", "--max-cost", "3"], "max_cost needs prices"),
        (["--suite", "corridor", "--critic", "equal", "--prices", "3"], "--prices takes 2 to 4 numbers"),
        (["--suite", "corridor", "--critic", "equal", "--limit", "0"], "limit must be at least 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_word_is_named_before_anything_is_asked(words, said, capsys):
    assert main(["bench", *words]) == 2
    told = capsys.readouterr().err
    assert said in told and "replaying" not in told


def test_an_estimate_asks_nothing(capsys):
    assert main(["bench", "--suite", "corridor", "--critic", "scripted", "equal", "--estimate"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("corridor, scripted: 6 episodes: 1 call")


def test_an_estimate_says_which_critic_cannot_be_made_and_goes_on(capsys):
    assert main(["bench", "--suite", "corridor", "--critic", "again", "scripted", "--estimate"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("corridor, again: nothing usable: the truth of this suite is exact")
    assert second.startswith("corridor, scripted: 6 episodes: 1 call")


def test_a_report_shows_two_critics_and_the_truth_for_each_suite(tmp_path, capsys):
    out = tmp_path / "report.html"
    command = ["bench", "--critic", "scripted", "equal", "--limit", "2", "--draws", "0", "--report", str(out)]
    assert main([*command, "--suite", "corridor"]) == 0
    assert f"report in {out}" in capsys.readouterr().err
    data = data_of(out)
    assert data["critics"][1] == "equal" and len(data["episodes"]) == 2
    assert {"time difference", "work shapley"} <= data["episodes"][0]["exact"].keys()
    assert data["episodes"][0]["judged"][0]["events"]
    again = judged(tmp_path / "a.jsonl", (0, [[FORWARD, STAY]], [[1.0, 0.0]], 0))
    assert main([*command, "--suite", "corridor", f"answers:{again}"]) == 0
    assert {path.name for path in tmp_path.glob("report-*.html")} == {"report-corridor.html", "report-a.html"}
    (tmp_path / "report-corridor.html").write_text("mine", encoding="utf-8")
    assert main([*command, "--suite", "corridor", f"answers:{again}"]) == 2
    assert "report-corridor.html exists and is no report, so it is not replaced" in capsys.readouterr().err
    assert (tmp_path / "report-corridor.html").read_text(encoding="utf-8") == "mine"


def test_a_published_data_set_is_a_suite_and_a_critic_by_its_name(capsys):
    words = ["bench", "--critic", "answers:lbf-claude", "--limit", "3", "--half", "all", "--draws", "0"]
    assert main(words) == 0
    cells = capsys.readouterr().out.splitlines()[1].split()
    assert cells[:3] == ["lbf-claude", "answers:lbf-claude", "3/3"] and float(cells[3]) > 0.2
    assert main(["bench", "--critic", "answers:lbf-clod"]) == 2
    assert "there is no lbf-clod; published data sets are duet-claude" in capsys.readouterr().err


def test_no_usable_answer_is_no_report(tmp_path, capsys):
    other = judged(tmp_path / "a.jsonl", (99, [[FORWARD, STAY]], [[1.0, 0.0]], 0))
    out = tmp_path / "report.html"
    command = ["bench", "--suite", "corridor", "--critic", f"answers:{other}", "--draws", "0"]
    assert main([*command, "--limit", "2", "--report", str(out)]) == 1
    assert "no report, because no critic has a usable answer" in capsys.readouterr().err and not out.exists()
