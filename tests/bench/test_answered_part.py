"""Questions that are answered by files: what is answered counts, what waits is said, other answers are not mixed in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from credit_wrappers import FolderClient, ScriptedClient
from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic
from credit_wrappers.bench.benchmark import BenchSettings, PreparedSuite, bench_row
from credit_wrappers.bench.evaluation import BenchRow
from credit_wrappers.bench.suite import load_suite


@pytest.fixture(scope="module")
def prepared():
    return PreparedSuite.of(load_suite("corridor"))


def row(prepared, folder, form="curve", size=4, **settings):
    make = bench_critic(f"folder:{folder}", CriticOptions({"answer_format": form, **settings}))
    return bench_row(prepared, "folder", make, BenchSettings(draws=0, episodes_per_query=size))


def answer(folder, count):
    """Answer some of the open questions by the scripted rules."""
    questions = FolderClient(folder).questions
    for key, request in questions.open_questions()[:count]:
        questions.answer_file(key).write_text(ScriptedClient().complete(request).text, encoding="utf-8")


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_is_answered_is_scored_and_what_waits_is_said(prepared, tmp_path):
    nothing = row(prepared, tmp_path)
    assert (nothing.usable, nothing.figures) == (0, {})
    assert nothing.note.startswith("nothing usable: model-by-files: 3 questions wait for their answers")
    answer(tmp_path, 2)
    part = row(prepared, tmp_path)
    assert (part.usable, part.episodes) == (8, 12) and part.figures
    assert part.note.startswith("model-by-files: 1 question waits for its answer")
    assert part.written == part.usage.output_tokens / 8  # of the episodes that were answered
    assert BenchRow.from_json(part.as_json()).as_json() == part.as_json()
    answer(tmp_path, 1)
    whole = row(prepared, tmp_path)
    assert (whole.usable, whole.note) == (12, "")
    damaged = sorted(tmp_path.glob("*.answer.txt"))[0]
    damaged.write_text(damaged.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    part = row(prepared, tmp_path)
    assert part.usable == 8 and f"{damaged.name} ends in the middle of its JSON" in part.note


@pytest.mark.parametrize("change", [{"form": "events"}, {"explain": False}, {"size": 5}])
def test_a_folder_with_answers_to_other_questions_about_the_same_episodes_is_left_as_it_is(prepared, tmp_path, change):
    row(prepared, tmp_path)
    answer(tmp_path, 1)
    before = files(tmp_path)
    other = row(prepared, tmp_path, **change)
    assert other.usable == 0 and files(tmp_path) == before
    assert f"{tmp_path} has 1 answer about these episodes, but to other questions" in other.note
    assert "--form" in other.note and "Nothing was written" in other.note


def test_a_folder_takes_further_episodes_and_forms_while_nothing_is_answered(prepared, tmp_path):
    row(prepared, tmp_path)
    assert "3 questions wait" in row(prepared, tmp_path, form="events").note  # nobody has answered anything yet
    answer(tmp_path, 6)
    other = load_suite("lbf-5x5")
    make = bench_critic(f"folder:{tmp_path}", CriticOptions({"answer_format": "curve"}))
    said = bench_row(PreparedSuite.of(other), "folder", make, BenchSettings(draws=0, limit=2)).note
    assert "1 question waits" in said


def test_a_folder_that_is_only_read_says_that_an_answer_in_it_does_not_fit(prepared, tmp_path):
    row(prepared, tmp_path, size=12)
    questions = FolderClient(tmp_path).questions
    ((key, _),) = questions.open_questions()
    questions.answer_file(key).write_text('{"episodes": []}', encoding="utf-8")
    make = bench_critic(f"answered:{tmp_path}", CriticOptions({"answer_format": "curve"}))
    said = bench_row(prepared, "folder", make, BenchSettings(draws=0, episodes_per_query=12)).note
    assert "the answer on record does not fit (" in said and "there is none to the corrective question" in said


def test_answers_about_an_earlier_edition_count_when_a_suite_has_grown(prepared, tmp_path):
    row(prepared, tmp_path)
    answer(tmp_path, 3)
    first = load_suite("corridor")
    longer = replace(first.episodes[0], seed=first.episodes[1].seed, edition=2)
    grown = PreparedSuite.of(replace(first, episodes=(*first.episodes, longer), digest="", truth_digests={}))
    whole = row(grown, tmp_path / "..", size=5)  # what a folder without answers is asked
    assert whole.note.count("questions wait") == 1 and "4 questions" in whole.note  # 5, 5 and 2 episodes, and 1
    make = bench_critic(f"answered:{tmp_path}", CriticOptions({"answer_format": "curve"}))
    found = bench_row(grown, "answered", make, BenchSettings(draws=0, episodes_per_query=4))
    assert (found.usable, found.episodes) == (12, 13)
    before = row(prepared, tmp_path)
    assert {k: credit.values.tolist() for k, credit in found.credits.items()} == {
        k: credit.values.tolist() for k, credit in before.credits.items()
    }
    scored = row(PreparedSuite.of(grown.suite, edition=1), tmp_path)
    assert (scored.usable, scored.episodes, scored.note) == (12, 12, before.note or scored.note)
