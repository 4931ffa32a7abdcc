"""Text and truth are guarded: another narrator is said in the rows of models, another truth is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from credit_wrappers.adapters.rware import WarehouseParallelEnv
from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic
from credit_wrappers.bench.benchmark import BenchSettings, PreparedSuite, bench_row
from credit_wrappers.bench.suite import load_suite, suite_names, write_suite
from credit_wrappers.bench.suite_digests import text_digest, truth_digests
from credit_wrappers.bench.truth import suite_truth
from credit_wrappers.core.errors import CreditError
from credit_wrappers.critics.critic_registry import make_critic
from credit_wrappers.exact.value_function import Values
from credit_wrappers.testing import corridor


def note(prepared, word):
    return bench_row(prepared, word, bench_critic(word, CriticOptions({})), BenchSettings(draws=0, limit=2)).note


@pytest.mark.parametrize("name", suite_names())
def test_the_text_of_a_packaged_suite_is_the_one_it_was_made_with(name):
    suite = load_suite(name)
    assert suite.text_digest == text_digest(suite.replay())


# The other suites take minutes. An episode of the warehouse takes seconds: here the scripted team and chance, a mixture
# in test_bench_suites.py.
@pytest.mark.parametrize(("name", "edition", "step"), [("corridor", 1, 1), ("lbf-5x5", 2, 1), ("rware-tiny", 1, 8)])
def test_the_truth_of_a_packaged_suite_is_the_one_it_was_made_with(name, edition, step):
    suite = load_suite(name)
    chosen, episodes = suite.choose(edition=edition)[::step], suite.replay(snapshots=True)
    found = truth_digests(suite_truth(suite, [episodes[k] for k in chosen]))
    assert found == {name: tuple(each[k] for k in chosen) for name, each in suite.truth_digests.items()}
    assert found


def test_every_suite_with_a_truth_has_its_digests():
    suites = [load_suite(name) for name in suite_names()]
    assert [suite.name for suite in suites if len(suite.truth_digests) != 4] == ["rware-tiny"]  # requests never end
    assert [*load_suite("rware-tiny").truth_digests] == ["time difference", "time shapley"]
    unguarded = {suite.name for suite in suites for each in suite.truth_digests.values() if not all(each)}
    assert not unguarded  # a changed truth of their episodes would not be refused


def test_another_text_is_said_in_rows_of_critics_that_read_it_and_the_truth_stays(monkeypatch):
    suite = load_suite("corridor")
    assert note(PreparedSuite.of(suite), "scripted") == ""
    narrator = type(suite.replay()[0].narrator)
    frames = narrator.frames
    monkeypatch.setattr(narrator, "frames", lambda *arguments: [text + "!" for text in frames(*arguments)])
    prepared = PreparedSuite.of(suite)
    said = note(prepared, "scripted")
    assert said.startswith("the narrator's text is not that of the suite's version: rows of models are not comparable")
    assert suite.text_digest in said and "made with llm-credit-wrappers 0.1.0" in said
    assert note(prepared, "exact") == ""


def test_another_truth_is_refused_with_what_differs_and_what_made_the_suite(monkeypatch):
    values = corridor.CorridorValue.values

    def wrong(self, states):
        found = values(self, states)
        return Values(found.mean + np.arange(len(found.mean)) * (self.kind == "time"), found.error)

    monkeypatch.setattr(corridor.CorridorValue, "values", wrong)
    message = (
        r"suite 'corridor': the truth .* time difference \(.*time shapley \(.*made with llm-credit-wrappers 0\.1\.0"
    )
    with pytest.raises(CreditError, match=message) as error:
        PreparedSuite.of(load_suite("corridor"))
    assert "work" not in str(error.value)
    assert PreparedSuite.of(replace(load_suite("corridor"), truth_digests={})).truth.credits


def test_a_truth_that_is_new_is_no_other_truth():
    suite = load_suite("corridor")
    some = {"time difference": suite.truth_digests["time difference"]}
    assert len(PreparedSuite.of(replace(suite, truth_digests=some)).truth.credits) == 4
    with pytest.raises(CreditError, match=r"other value \(missing\)"):
        PreparedSuite.of(replace(suite, truth_digests={"other value": ("abc",) * len(suite.episodes)}))


def test_the_truth_of_chosen_episodes_is_checked_against_their_own_digests():
    suite = load_suite("corridor")
    [first, *_, last] = suite.choose("report")
    digests = list(suite.truth_digests["work shapley"])
    digests[last] = "0" * 8
    other = replace(suite, truth_digests=suite.truth_digests | {"work shapley": tuple(digests)})
    assert PreparedSuite.of(other, "report", 1).suite.episodes[0].seed == suite.episodes[first].seed
    with pytest.raises(CreditError, match=rf"work shapley \(episodes {last}\)"):
        PreparedSuite.of(other, "report")


def test_a_suite_without_a_digest_is_judged_and_its_rows_say_so(tmp_path):
    suite = replace(load_suite("corridor"), digest="")
    write_suite(suite, tmp_path / "mine.json")
    text = (tmp_path / "mine.json").read_text(encoding="utf-8").replace('"digest":"",', "")
    (tmp_path / "mine.json").write_text(text, encoding="utf-8")
    prepared = PreparedSuite.of(load_suite(str(tmp_path / "mine.json")))
    for word in ("exact", "scripted"):
        assert note(prepared, word).startswith("the suite has no digest")


def test_a_row_says_whether_the_truth_is_exact_or_an_estimate(monkeypatch):
    suite = load_suite("corridor")
    row = bench_row(PreparedSuite.of(suite), "x", lambda suite: make_critic("equal"), BenchSettings(draws=0))
    assert row.truth == row.as_json()["truth"] == "exact"
    values = corridor.CorridorValue.values
    for error in (np.nan, 0.1):
        monkeypatch.setattr(
            corridor.CorridorValue,
            "values",
            lambda self, states, error=error: Values(values(self, states).mean, np.full(len(states), error)),
        )
        row = bench_row(PreparedSuite.of(suite), "x", lambda suite: make_critic("equal"), BenchSettings(draws=0))
        assert row.truth == "estimate"
    suite = replace(load_suite("rware-tiny"), digest="", text_digest="")
    suite = replace(suite, episodes=suite.episodes[:1])
    monkeypatch.setattr(WarehouseParallelEnv, "value_function", None)
    row = bench_row(PreparedSuite.of(suite), "x", lambda suite: make_critic("equal"), BenchSettings(draws=0))
    assert row.truth == ""
