"""Frozen suites: what is packaged replays, another version is found out, faults are where they are said to be."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from credit_wrappers.adapters.rware import WarehouseParallelEnv
from credit_wrappers.bench import truth as truth_module
from credit_wrappers.bench.environments import make_environment
from credit_wrappers.bench.evaluation import evaluate
from credit_wrappers.bench.suite import (
    Suite,
    SuiteEpisode,
    digest_of,
    edition_digests_of,
    load_suite,
    parse_suite,
    suite_names,
    write_suite,
)
from credit_wrappers.bench.suite_digests import check_truth
from credit_wrappers.bench.truth import agent_loops, suite_truth
from credit_wrappers.core.credit import Credit
from credit_wrappers.core.errors import CreditError
from credit_wrappers.exact.exact_credit import exact_credit
from credit_wrappers.recording.replay import replay
from tests.bench.make_suites import RECIPES, make_suite


def test_every_recipe_has_its_suite():
    assert suite_names() == sorted(RECIPES)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_packaged_suite_replays_and_has_all_that_its_recipe_asks_for(name):
    suite, recipe = load_suite(name), RECIPES[name]
    episodes = suite.replay()
    assert suite.digest == digest_of(episodes)
    assert (suite.name, suite.world, suite.max_cycles) == (name, recipe.world, recipe.max_cycles)
    assert all(episode.terminated or episode.truncated for episode in episodes)
    plays = [episode.play for episode in suite.episodes]
    assert {play: plays.count(play) for play in recipe.counts} == recipe.counts
    faults = [(e.half, e.planted.fault) for e in suite.episodes if e.planted and e.edition == 2]
    assert [e.planted.fault for e in suite.episodes if e.planted and e.edition == 1] == list(recipe.planted)
    assert faults == [(half, kind) for half, kinds in recipe.second.items() for kind in kinds]
    first = [e.half for e in suite.episodes if e.edition == 1 and e.play != "half-trained"]  # those only report
    assert abs(first.count("choose") - first.count("report")) <= 1
    assert len({(e.seed, e.actions.tobytes()) for e in suite.episodes}) == len(suite.episodes)
    for told, episode in zip(suite.episodes, episodes, strict=True):
        if told.planted is not None:  # costs outside of the fault, or another agent's, would be another fault
            fault, innocent = told.planted, np.ones_like(episode.cost, bool)
            assert 0 <= fault.start < fault.stop <= episode.length
            innocent[fault.start : fault.stop + 1, episode.agents.index(fault.agent)] = False  # debris may come late
            assert not episode.cost[innocent].any() and fault.text.startswith(fault.agent)
            if fault.fault in ("crash", "helper too many"):
                assert episode.cost.sum() == 1


# Those of the suites before they had editions: recorded answers, and rows of earlier tables, are about these.
FIRST = {
    "crew": "a055d12386823750", "duet": "01b12215c237126d", "hazard": "6bc7e07f12de43e2",
    "lbf-5x5": "5db9608ec4402bd0", "lbf-8x8": "781813fe975a42a8", "pair": "09cf54143f78be32",
    "rware-tiny": "8ca80c1d46c509e0", "truss": "d7d3274163cb3f43",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FIRST))
def test_the_first_edition_of_a_suite_is_what_it_was_and_comes_first(name):
    suite = load_suite(name)
    episodes = suite.replay()
    assert suite.edition_digests == edition_digests_of(suite, episodes) and suite.edition_digests[0] == FIRST[name]
    assert [e.edition for e in suite.episodes] == sorted(e.edition for e in suite.episodes)
    assert digest_of(episodes[k] for k in suite.choose(edition=1)) == FIRST[name]


def test_every_suite_but_the_corridor_has_planted_faults_in_both_halves():
    for name in FIRST:
        halves = [episode.half for episode in load_suite(name).episodes if episode.planted is not None]
        assert min(halves.count("choose"), halves.count("report")) >= 6, name


def test_who_grips_again_lets_go_and_grips_twice():
    for name in ("duet", "pair", "truss", "hazard", "crew"):
        suite = load_suite(name)
        for episode in suite.episodes:
            fault = episode.planted
            if fault is not None and fault.fault == "grips again":
                env = suite.make_env()
                env.reset(seed=episode.seed)
                did = []
                for joint in episode.actions[: fault.stop]:
                    infos = env.step(dict(zip(env.possible_agents, joint.tolist(), strict=True)))[4]
                    did.append(infos[fault.agent]["events"])
                words = [" ".join(events).split()[0] for events in did[fault.start :]]
                assert words == ["released", "gripped"] * 2, (name, episode.seed, did[fault.start :])


def test_a_suite_is_made_as_it_was():
    made, packaged = make_suite("corridor"), load_suite("corridor")
    assert made.digest == packaged.digest
    assert [e.actions.tolist() for e in made.episodes] == [e.actions.tolist() for e in packaged.episodes]


def test_a_suite_of_another_version_is_refused_with_the_way_out():
    suite = load_suite("corridor")
    first = suite.episodes[0]
    other = replace(first, actions=np.where(first.actions == 2, 0, first.actions))
    changed = replace(suite, episodes=(other, *suite.episodes[1:]))
    with pytest.raises(CreditError, match=r"suite 'corridor': corridor does not replay as it did .*the digest is"):
        changed.replay()
    longer = replace(first, actions=np.full((40, 2), 2))
    with pytest.raises(CreditError, match=r"python -m tests\.bench\.make_suites corridor"):
        replace(suite, episodes=(longer,)).replay()


def test_a_suite_is_written_and_read_again(tmp_path):
    suite = load_suite("duet")
    write_suite(suite, tmp_path / "mine.json")
    again = load_suite(str(tmp_path / "mine.json"))
    assert replace(again, episodes=()).__dict__ == replace(suite, episodes=()).__dict__
    assert [e.planted for e in again.episodes] == [e.planted for e in suite.episodes]
    with pytest.raises(ValueError, match="here is no suite of this version: KeyError"):
        parse_suite("{}", "here")
    with pytest.raises(ValueError, match="unknown suite 'duo'; valid: corridor, crew, duet"):
        load_suite("duo")


def test_halves_are_chosen_and_limited():
    actions = np.zeros((1, 2), np.int64)
    halves = ("choose", "report", "choose", "report")
    suite = Suite(
        "s", "corridor", None, tuple(SuiteEpisode(k, actions, "chance", half) for k, half in enumerate(halves))
    )
    assert (suite.choose("report"), suite.choose("choose", 1), suite.choose()) == ([1, 3], [0], [0, 1, 2, 3])
    with pytest.raises(ValueError, match="unknown half 'both'; valid: choose, report, all"):
        suite.choose("both")
    with pytest.raises(ValueError, match="limit must be at least 1"):
        suite.choose(limit=0)
    later = replace(suite, episodes=(*suite.episodes[:2], *(replace(e, edition=2) for e in suite.episodes[2:])))
    assert (later.choose("report", edition=1), later.choose("report")) == ([1], [1, 3])
    assert later.choose(edition=2) == [0, 1, 2, 3]
    assert later.parts([0, 2, 3]) == [[0], [2, 3]]
    with pytest.raises(ValueError, match="edition must be at least 1"):
        suite.choose(edition=0)
    with pytest.raises(ValueError, match="edition must be a whole number from 1, got 0"):
        replace(suite.episodes[0], edition=0)


def test_the_truth_of_a_corridor_by_hand():
    # length 4: the first walks forward twice while the second stays at its start, walks forward once and back
    suite = Suite("s", "corridor", None, ())
    episode = replay(make_environment("corridor"), 1, np.array([[2, 0], [2, 2], [0, 1]]), snapshots=True)
    truth = suite_truth(suite, [episode])
    work = truth.credits["work", "difference"][0]
    assert work.tolist() == [[1, 0], [1, 1], [0, -1]]
    assert truth.credits["work", "shapley"][0].tolist() == work.tolist()
    assert truth.idle[0].tolist() == [[False, True], [False, False], [True, False]]
    assert truth.missing == {} and truth.error["time", "shapley"] == 0
    assert agent_loops(episode).tolist() == [[False, False], [False, True], [False, True]]


def test_an_episode_that_cannot_be_valued_is_left_out_and_the_others_are_judged(monkeypatch):
    suite = load_suite("corridor")
    episodes = suite.replay(snapshots=True)
    whole = suite_truth(suite, episodes)

    def fails_for_one(episode, *arguments):
        if episode is episodes[1]:
            raise CreditError("state 3: no way")
        return exact_credit(episode, *arguments)

    monkeypatch.setattr(truth_module, "exact_credit", fails_for_one)
    part = suite_truth(suite, episodes)
    assert part.missing["time"] == f"1 of {len(episodes)} episodes cannot be valued; state 3: no way"
    for which, arrays in part.credits.items():
        assert np.isnan(arrays[1]).all()
        assert all(
            np.array_equal(a, b) for k, (a, b) in enumerate(zip(arrays, whole.credits[which], strict=True)) if k != 1
        )
    credits = [Credit(values.astype(np.float32)) for values in whole.credits["work", "difference"]]
    credits[1] = Credit(-5 * np.ones_like(credits[1].values))  # must not count
    row = evaluate(suite, episodes, part, credits, range(len(episodes)), critic="x", draws=0)
    for figure in ("rank work difference", "sign work difference"):
        assert row.figures[figure].value == pytest.approx(1.0)
    assert 0 < row.figures["sums work difference"].value <= 1.0
    assert row.note.startswith("1 of ")


def test_an_environment_without_values_has_no_truth_and_says_why(monkeypatch):
    suite = load_suite("rware-tiny")
    suite = replace(suite, episodes=suite.episodes[:1], digest="")
    monkeypatch.setattr(WarehouseParallelEnv, "value_function", None)
    truth = suite_truth(suite, suite.replay(snapshots=True))
    assert truth.credits == {} and "has no value function 'time'" in truth.missing["time"]
    assert truth.idle[0].shape == suite.episodes[0].actions.shape


def test_the_truth_of_the_warehouse_is_an_estimate_with_its_error_in_time_only():
    suite = load_suite("rware-tiny")
    episodes = replace(suite, episodes=suite.episodes[2:3], digest="").replay(snapshots=True)
    truth = suite_truth(suite, episodes)
    assert sorted(truth.credits) == [("time", "difference"), ("time", "shapley")]
    assert truth.quality == "estimate" and "requests never end" in truth.missing["work"]
    assert all(0 < error < 0.005 for error in truth.error.values())
    idle = truth.idle[0]
    assert idle.any() and not truth.credits["time", "difference"][0][idle].any()
    check_truth(suite, truth, [2])  # the digests with which the suite was made


@pytest.mark.parametrize(
    ("of", "change", "why"),
    [
        ("suite", {"max_cycles": "a"}, "max_cycles must be a whole number from 1, or null, got 'a'"),
        ("suite", {"world": 5}, "world must be a text such as spaceworld:duet, got 5"),
        ("suite", {"suite": None}, "name must be a text such as spaceworld:duet, got None"),
        ("suite", {"truth_digests": {"time shapley": ["00"]}}, "a digest for each of the 12 episodes"),
        ("episode", {"seed": "a"}, "seed must be a whole number from 0, got 'a'"),
        ("episode", {"seed": -1}, "seed must be a whole number from 0, got -1"),
        ("episode", {"half": "both"}, "unknown half 'both'; valid: choose, report"),
        ("episode", {"play": "well"}, "unknown play 'well'; valid: chance, scripted"),
        ("episode", {"actions": [[1.5, 2]]}, "actions must be whole numbers, got float64"),
        ("episode", {"actions": []}, "actions must be"),
        ("episode", {"actions": [[0, 9], [2, 2]]}, "step 0: 9 is no action of agent 'walker_1', of Discrete"),
        ("fault", {"start": 50, "stop": 60}, "the planted fault is in steps 50 to 60 - 1, and there are "),
        ("fault", {"start": 1, "stop": 1}, "the planted fault is in steps 1 to 1 - 1"),
        ("fault", {"agent": "nobody"}, "the fault is planted in 'nobody', and the agents are walker_0, walker_1"),
    ],
)
def test_a_suite_of_ones_own_is_refused_with_what_is_wrong_in_it(of, change, why):
    data = json.loads((files("credit_wrappers.bench") / "suites" / "corridor.json").read_text(encoding="utf-8"))
    fault = {"agent": "walker_0", "start": 0, "stop": 1, "fault": "idle", "text": "idles"}
    if of == "fault":
        change = {"planted": fault | change}
    (data if of == "suite" else data["episodes"][0]).update(change)
    with pytest.raises((ValueError, CreditError), match=re.escape(why)):
        parse_suite(json.dumps(data | {"digest": ""}), "mine.json").replay()
