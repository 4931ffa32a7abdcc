"""The bench asks with what narrators tell beside, and compares the answers in the same episodes."""

from __future__ import annotations

import pytest

from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic
from credit_wrappers.bench.benchmark import BenchSettings, PreparedSuite, bench_row
from credit_wrappers.bench.suite import load_suite
from credit_wrappers.cli.main import main
from tests.benchmarks.telling_gain import fill, gains


@pytest.fixture(scope="module")
def duet():
    return PreparedSuite.of(load_suite("duet"), "choose", limit=3)


def test_folders_of_questions_with_and_without_distances_are_compared(duet, tmp_path):
    folders = {name: tmp_path / name for name in ("today", "distances", "distances+map")}
    for name, folder in folders.items():
        told = () if name == "today" else tuple(name.split("+"))
        make = bench_critic(f"folder:{folder}", CriticOptions({}))
        assert "wait" in bench_row(duet, name, make, BenchSettings(draws=0, beside=told)).note
        (question,) = folder.glob("*.question.md")
        text = question.read_text(encoding="utf-8")
        assert ("Numbers in brackets" in text, "; map " in text) == ("distances" in name, "map" in name)
        fill(folder)
    lines = list(gains(duet, folders, draws=0))
    assert [line.split()[:3] for line in lines if line.startswith("duet ")] == [
        ["duet", "today", "3/3"], ["duet", "distances", "3/3"], ["duet", "distances+map", "3/3"],
        ["duet", "distances", "today"], ["duet", "distances+map", "today"],
    ]  # fmt: skip


def test_a_narrator_that_cannot_tell_it_is_named(tmp_path):
    make = bench_critic("scripted", CriticOptions({}))
    prepared = PreparedSuite.of(load_suite("corridor"), limit=2)
    said = bench_row(prepared, "scripted", make, BenchSettings(draws=0, beside=("map",))).note
    assert said == "nothing usable: CorridorNarrator cannot tell map beside: it has no method telling()"


def test_the_command_estimates_with_it(capsys):
    command = ["bench", "--suite", "duet", "--half", "choose", "--limit", "2", "--critic", "anthropic:m", "--estimate"]
    told = []
    for more in ([], ["--beside", "distances"]):
        assert main([*command, *more]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] != told[1]


@pytest.mark.parametrize(
    ("asked", "then"), [((), ("distances",)), (("map",), ()), (("distances",), ("distances", "map"))]
)
@pytest.mark.parametrize("word", ["folder", "answered"])
def test_a_folder_that_was_answered_with_other_things_told_beside_is_left_as_it_is(duet, tmp_path, word, asked, then):
    folder = tmp_path / "asked"
    bench_row(duet, "first", bench_critic(f"folder:{folder}", CriticOptions({})), BenchSettings(draws=0, beside=asked))
    fill(folder)
    before = sorted(folder.rglob("*"))
    make = bench_critic(f"{word}:{folder}", CriticOptions({}))
    other = bench_row(duet, "other", make, BenchSettings(draws=0, beside=then))
    assert other.usable == 0 and sorted(folder.rglob("*")) == before
    assert "has 1 answer about these episodes, but to other questions" in other.note and "--beside" in other.note


@pytest.mark.parametrize("more", [[], ["--estimate"]])
def test_the_command_refuses_what_nobody_can_tell_before_anything_is_asked(more, capsys):
    command = ["bench", "--suite", "duet", "--limit", "2", "--critic", "equal", "--beside", "distnaces", *more]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "--beside: Spaceworld's narrator cannot tell 'distnaces'; valid are distances, map" in said
    assert "replaying" not in said
