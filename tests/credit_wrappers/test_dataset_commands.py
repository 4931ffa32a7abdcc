"""`credit-wrappers dataset`: exports, info, cards, and the large data set."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from credit_wrappers import (
    CreditWrapper,
    Deferred,
    Ledger,
    LLMCritic,
    RecordEpisodes,
    ScriptedClient,
    annotate,
    dataset,
)
from credit_wrappers.cli.main import main
from credit_wrappers.dataset.large_set import SetPlan, make_large_set, make_set, plans
from credit_wrappers.dataset.team_play import GROUP, played, scripted_team
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld import spaceworld_v0
from tests.credit_wrappers.dataset_labels import played_labels

LIMIT = 12
TEAMS = {point.name for point in entry_points(group=GROUP)}


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Path:
    """Return a folder with a recording of `duet` and the ledger of its judgement, tasks among it."""
    folder = tmp_path_factory.mktemp("judged")
    env = RecordEpisodes(
        spaceworld_v0.parallel_env(scenario="duet", max_cycles=LIMIT), folder / "play", world="spaceworld:duet",
        arguments={"max_cycles": LIMIT},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for seed in range(5):
        env.reset(seed=seed)
        while env.agents:
            env.step({agent: int(rng.integers(5)) for agent in env.agents})
    env.close()
    critic = LLMCritic(ScriptedClient(), ledger=folder / "ledger.sqlite")
    annotate(dataset.recorded(folder / "play"), critic, episodes_per_query=2, in_flight=1)
    assert isinstance(critic.ledger, Ledger)
    critic.ledger.close()
    return folder


def run(capsys, *arguments: object) -> str:
    assert main(["dataset", *map(str, arguments)]) == 0
    return str(capsys.readouterr().out)


def refused(capsys, *arguments: object) -> str:
    assert main(["dataset", *map(str, arguments)]) == 2
    return str(capsys.readouterr().err)


@pytest.mark.parametrize("way", ["recording", "world"])
def test_a_ledger_becomes_a_data_set_with_all_that_it_holds(judged, tmp_path, capsys, way):
    given = ["--episodes", judged / "play"]
    if way == "world":
        given = ["--world", "spaceworld:duet", "--max-cycles", LIMIT]
    said = run(capsys, "export", judged / "ledger.sqlite", "--out", tmp_path / "d-v0", *given)
    assert said == f"wrote {tmp_path / 'd-v0'}\n"
    labels = dataset.load(tmp_path / "d-v0")
    episodes = list(dataset.recorded(judged / "play"))
    credits = annotate(episodes, LLMCritic(ScriptedClient()), episodes_per_query=2, in_flight=1)
    assert [label.episode.key for label in labels] == [episode.key for episode in episodes]
    for label, credit in zip(labels, credits, strict=True):
        assert np.allclose(label.credit.values, credit.values, atol=1e-6)
        assert (label.credit.events, label.credit.summary) == (credit.events, credit.summary)
        assert (label.credit.source, label.model) == ("scripted", ScriptedClient.name)
        assert label.question.count("## Episode") >= 1 and json.loads(label.answer)["episodes"]
        assert label.action_masks is not None and label.episode.frames
    assert labels[0].query == labels[1].query != labels[2].query
    assert sum(label.credit.usage.calls for label in labels) == 3


def test_judgements_of_other_play_are_counted(judged, tmp_path, capsys):
    env = RecordEpisodes(
        spaceworld_v0.parallel_env(scenario="duet", max_cycles=LIMIT), tmp_path / "play", world="spaceworld:duet",
        arguments={"max_cycles": LIMIT},
    )  # fmt: skip
    [first, *_] = dataset.recorded(judged / "play")
    env.reset(seed=first.seed)
    for joint in first.actions:
        env.step(dict(zip(first.agents, map(int, joint), strict=True)))
    env.close()
    given = ["--episodes", tmp_path / "play", "--out", tmp_path / "d-v0"]
    said = run(capsys, "export", judged / "ledger.sqlite", *given)
    assert "4 judged episodes were not found there, and left out" in said


@pytest.mark.parametrize("observations", [False, True])
def test_a_ledger_made_during_play_finds_its_episodes_in_the_recording(tmp_path, capsys, observations):
    recording = RecordEpisodes(
        spaceworld_v0.parallel_env(scenario="duet", max_cycles=LIMIT), tmp_path / "play", world="spaceworld:duet",
        arguments={"max_cycles": LIMIT},
    )  # fmt: skip
    critic = LLMCritic(ScriptedClient(), ledger=tmp_path / "ledger.sqlite")
    env = CreditWrapper(recording, Deferred(critic), record_observations=observations)
    keys: list[str] = []
    env.add_listener(lambda episode, credit: keys.append(episode.key))
    for seed in range(2):
        env.reset(seed=seed)
        while env.agents:
            env.step({agent: (seed + 1) % 5 for agent in env.agents})
    env.store.settle([0, 1])
    env.close()
    assert isinstance(critic.ledger, Ledger)
    critic.ledger.close()
    given = tmp_path / "ledger.sqlite", "--episodes", tmp_path / "play"
    assert "were not found" not in run(capsys, "export", *given, "--out", tmp_path / "d-v0")
    labels = dataset.load(tmp_path / "d-v0")
    assert [label.episode.key for label in labels] == keys
    assert all(label.episode.observations is not None for label in labels)


def test_a_recording_of_other_episodes_than_the_ledgers_is_refused(judged, tmp_path, capsys):
    env = RecordEpisodes(
        spaceworld_v0.parallel_env(scenario="duet", max_cycles=3),
        tmp_path / "other",
        world="spaceworld:duet",
        arguments={"max_cycles": 3},
    )
    env.reset(seed=1)
    while env.agents:
        env.step(dict.fromkeys(env.agents, 1))
    env.close()
    given = judged / "ledger.sqlite", "--episodes", tmp_path / "other", "--out", tmp_path / "d-v0"
    assert "5 judged, 0 found in the recording" in refused(capsys, "export", *given)


def test_a_ledger_alone_is_not_enough(judged, tmp_path, capsys):
    said = refused(capsys, "export", judged / "ledger.sqlite", "--out", tmp_path / "d-v0")
    assert "say --episodes RECORDING" in said and "--world WORLD" in said


def test_a_recording_becomes_a_data_set_with_a_critics_credit(judged, tmp_path, capsys):
    run(
        capsys,
        "export",
        judged / "play",
        "--out",
        tmp_path / "d",
        "--critic",
        "scripted",
        "--form",
        "parquet",
        "--exact",
    )
    labels = dataset.load(tmp_path / "d")
    assert {label.credit.source for label in labels} == {"scripted"} and len(labels) == 5
    assert {label.model for label in labels} == {ScriptedClient.name} and {label.query for label in labels} == {1}
    assert all(label.question.count("## Episode") >= 5 and json.loads(label.answer) for label in labels)
    assert set(labels[0].exact) == {"time difference", "time shapley", "work difference", "work shapley"}
    said = run(capsys, "info", tmp_path / "d")
    assert "environment" in said and "spaceworld:duet, max_cycles=12" in said and "sign time difference" in said
    card = run(capsys, "card", tmp_path / "d")
    assert card == (tmp_path / "d" / "README.md").read_text(encoding="utf-8")
    assert "dataset export" not in refused(capsys, "export", judged / "play", "--out", tmp_path / "d")


def test_exact_credit_that_is_an_estimate_is_called_one(judged, tmp_path, capsys):
    line = {"world": "rware:rware-tiny-2ag-v2", "max_cycles": 2, "seed": 1}
    line |= {"actions": [[1, 0], [2, 0]], "credit": [[0, 0], [0, 0]]}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n")
    said = run(capsys, "export", tmp_path / "a.jsonl", "--out", tmp_path / "d.jsonl.gz", "--form", "compact", "--exact")
    assert "no exact credit in work: " in said
    assert "exact credit in time is an estimate, by plans or rollouts: docs/exact.md" in said
    assert "Agreement with credit that a simulator estimated" in run(capsys, "card", tmp_path / "d.jsonl.gz")
    said = run(capsys, "export", judged / "play", "--out", tmp_path / "e", "--critic", "shared", "--exact")
    assert "estimate" not in said
    assert "Agreement with exact credit" in run(capsys, "card", tmp_path / "e")
    assert "Agreement with credit that a simulator estimated" in run(capsys, "card", "truss-claude")


def test_a_recording_needs_the_name_of_a_critic(judged, tmp_path, capsys):
    said = refused(capsys, "export", judged / "play", "--out", tmp_path / "d")
    assert "--critic CRITIC" in said and "scripted" in said and said.count("\n") == 1
    assert not (tmp_path / "d").exists()
    run(capsys, "export", judged / "play", "--out", tmp_path / "d", "--critic", "shared")
    assert dataset.load_card(tmp_path / "d").credited_by == "shared"


@pytest.mark.parametrize(("source", "what", "anew"), [
    ("ledger.sqlite", "a ledger", "export the recording of its episodes with --critic"),
    ("judged.jsonl", "a file of judgements", "docs/dataset.md"),
    ("duet-claude", "a data set", "docs/dataset.md"),
])  # fmt: skip
def test_a_critic_for_what_holds_credit_already_is_refused(judged, tmp_path, capsys, source, what, anew):
    (judged / "judged.jsonl").touch()
    path = source if source == "duet-claude" else judged / source
    said = refused(capsys, "export", path, "--out", tmp_path / "d", "--critic", "shared", "--world", "spaceworld:duet")
    assert f"{path} is {what}, which holds credit already: leave --critic out" in said and anew in said
    assert said.count("\n") == 1 and not (tmp_path / "d").exists()


@pytest.mark.parametrize(("source", "given", "said"), [
    ("play", ("--critic", "scripted", "--model", "m"), "is a recording: leave --model out, which is for a file of"),
    ("play", ("--critic", "scripted", "--episodes", "x"), "is a recording: leave --episodes out, which is for"),
    ("play", ("--critic", "scripted", "--max-cycles", 3), "leave --max-cycles out, or give --world WORLD as well"),
    ("ledger.sqlite", ("--world", "spaceworld:duet", "--model", "m"), "is a ledger: leave --model out"),
    ("judged.jsonl", ("--episodes", "x"), "is a file of judgements: leave --episodes out"),
    ("judged.jsonl", ("--world", "corridor"), "leave --world out, which is for a ledger, a recording or a data set"),
    ("judged.jsonl", ("--max-cycles", 3), "leave --max-cycles out"),
    ("duet-claude", ("--episodes", "x"), "is a data set: leave --episodes out, which is for a ledger"),
    ("duet-claude", ("--model", "m"), "is a data set: leave --model out, which is for a file of judgements"),
])  # fmt: skip
def test_an_option_that_the_source_has_no_use_for_is_refused(judged, tmp_path, capsys, source, given, said):
    (judged / "judged.jsonl").touch()
    path = source if source == "duet-claude" else judged / source
    error = refused(capsys, "export", path, "--out", tmp_path / "d", *given)
    assert said in error and str(path) in error and error.count("\n") == 1 and not (tmp_path / "d").exists()


def test_a_ledger_of_another_world_is_refused(judged, tmp_path, capsys):
    said = refused(capsys, "export", judged / "ledger.sqlite", "--out", tmp_path / "d", "--world", "spaceworld:pair")
    assert "5 judged, 0 found in spaceworld:pair" in said and said.count("\n") == 1


def test_files_of_one_recording_with_other_arguments_are_both_named(tmp_path, capsys):
    files = []
    for limit in (5, 5, 7):
        env = RecordEpisodes(
            spaceworld_v0.parallel_env(scenario="duet", max_cycles=limit), tmp_path / "play", world="spaceworld:duet",
            arguments={"max_cycles": limit},
        )  # fmt: skip
        env.reset(seed=limit)
        while env.agents:
            env.step(dict.fromkeys(env.agents, 0))
        env.close()
        files.append(set((tmp_path / "play").iterdir()).difference(*files))
        if limit == 5:
            assert dataset.recorded(tmp_path / "play").world() == ("spaceworld:duet", {"max_cycles": 5})
    said = refused(capsys, "export", tmp_path / "play", "--out", tmp_path / "d", "--critic", "shared")
    assert "{'max_cycles': 5}" in said and "{'max_cycles': 7}" in said and said.count("\n") == 1
    assert next(iter(files[2])).name in said and any(next(iter(one)).name in said for one in files[:2])
    assert [episode.length for episode in dataset.recorded(tmp_path / "play")] in ([5, 5, 7], [5, 7, 5], [7, 5, 5])


@pytest.mark.parametrize("option", ["--transitions", "--jobs"])
@pytest.mark.parametrize("value", ["0", "-3", "x", "1.5"])
def test_a_number_that_is_none_is_one_line(tmp_path, capsys, option, value):
    with pytest.raises(SystemExit) as ended:
        main(["dataset", "make", str(tmp_path / "large"), f"{option}={value}"])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1 and not (tmp_path / "large").exists()
    assert f"argument {option}: it is {value}, and must be a whole number, at least 1" in said


@pytest.mark.parametrize("source", ["play", "ledger.sqlite", "nothing"])
def test_a_path_that_is_taken_is_refused_before_any_work(judged, tmp_path, capsys, monkeypatch, source):
    monkeypatch.setattr("credit_wrappers.cli.dataset_command._labels", None)  # would fail
    (tmp_path / "d").write_text("mine", encoding="utf-8")
    said = refused(capsys, "export", judged / source, "--out", tmp_path / "d", "--exact")
    assert f"{tmp_path / 'd'} is there already; it was left as it is" in said
    assert (tmp_path / "d").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("name", "form", "message"),
    [
        ("d.jsonl", "minari", "a data set of the form 'minari' is a folder"),
        ("d.jsonl.gz", "parquet", "the form 'compact' alone is a file"),
        ("d", "compact", "ends with .jsonl.gz"),
    ],
)
def test_a_name_of_another_form_is_refused_before_any_work(tmp_path, capsys, monkeypatch, name, form, message):
    monkeypatch.setattr("credit_wrappers.cli.dataset_command._labels", None)  # would fail
    assert message in refused(capsys, "export", "duet-claude", "--out", tmp_path / name, "--form", form)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_one_line_that_names_the_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "flashbax", None)
    monkeypatch.setattr("credit_wrappers.cli.dataset_command._labels", None)  # would fail
    said = refused(capsys, "export", "duet-claude", "--out", tmp_path / "d", "--form", "vault")
    assert said.startswith("error: flashbax cannot be imported") and "llm-credit-wrappers[vault]" in said
    assert said.count("\n") == 1


def test_judgements_in_lines_become_a_data_set_and_another_form(tmp_path, capsys):
    env, walk = CorridorEnv(), []
    env.reset(seed=1)
    while env.agents:
        walk.append([2 * (cell < env.length - 1) for cell in env.position])
        env.step(dict(zip(env.agents, walk[-1], strict=True)))
    paid = [0.0] * (len(walk) - 1) + [1.0]
    line = {"world": "corridor", "seed": 1, "actions": walk, "credit": [[0.5, -0.25]] * len(walk), "question": 4}
    line |= {"agents": ["walker_0", "walker_1"], "asked_as": ["agent_A", "agent_B"], "order": [1, 0]}
    line |= {"events": [["walker_0", 0, 1, 1.0, "went"]], "summary": "both went", "team_reward": paid}
    (tmp_path / "judged.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    options = ("--model", "somebody", "--licence", "CC0-1.0", "--title", "walks")
    run(capsys, "export", tmp_path / "judged.jsonl", "--out", tmp_path / "a.jsonl.gz", "--form", "compact", *options)
    [label] = dataset.load(tmp_path / "a.jsonl.gz")
    assert (label.model, label.query, label.credit.source) == ("somebody", 4, "model")
    assert label.note == "Asked with neutral names: agent_A was walker_1, agent_B was walker_0."
    run(capsys, "export", tmp_path / "a.jsonl.gz", "--out", tmp_path / "b-v0")
    assert dataset.load(tmp_path / "b-v0")[0].credit.events == label.credit.events
    assert dataset.load_card(tmp_path / "b-v0").title == "walks"
    line["team_reward"] = paid[::-1]
    (tmp_path / "judged.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    said = refused(capsys, "export", tmp_path / "judged.jsonl", "--out", tmp_path / "c-v0")
    assert "pays other rewards in the episode of seed 1" in said


def test_unknown_sources_and_names_are_refused(tmp_path, capsys):
    assert (
        "duet-claude, duet-claude-curve, duet-claude-stuck, duet-claude-teams, duet-claude-trained, lbf-claude"
        in refused(capsys, "export", "nothing", "--out", tmp_path / "d")
    )
    assert (
        "duet-claude, duet-claude-curve, duet-claude-stuck, duet-claude-teams, duet-claude-trained, lbf-claude"
        in refused(capsys, "info", "nothing")
    )
    assert "unknown world 'x'" in refused(capsys, "make", tmp_path, "--worlds", "x")


def test_the_published_sets_are_described(capsys):
    said = run(capsys, "info", "truss-claude")
    assert "Claude, asked through files, November 2026" in said and "18, of" in said
    said = run(capsys, "info", "duet-claude-curve")
    facts = dict(re.split(" {2,}", line.strip(), maxsplit=1) for line in said.splitlines()[:-1])
    assert facts["events"] == "4,674; 1,084 with a reason"
    assert facts["questions and answers"] == "of 96 episodes"
    figures = [line.split("  ")[1] for line in said.splitlines() if line.startswith("  ")]
    assert figures[:2] == ["rank time difference", "sums time shapley"] and len(figures) == len(set(figures)) == 21
    assert said.splitlines()[-1] == "what the figures mean: docs/bench.md"


def test_without_exact_credit_no_figures_are_explained(tmp_path, capsys):
    dataset.save(tmp_path / "d", [replace(label, exact={}) for label in played_labels(2)])
    said = run(capsys, "info", tmp_path / "d")
    assert "events                 1; 1 with a reason\n" in said and "docs/bench.md" not in said
    assert "Events: 1; 1 with a reason." in run(capsys, "card", tmp_path / "d")


@pytest.mark.skipif("spaceworld" not in TEAMS, reason="the package's entry points are older than its source")
def test_the_large_set_has_three_qualities_of_play_and_goes_on_where_it_stopped(tmp_path):
    said = list(make_large_set(tmp_path, 150, ["spaceworld:duet"], jobs=1, progress=False))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "SHA256SUMS", "duet-chance-v0", "duet-mixture-v0", "duet-scripted-v0",
    ]  # fmt: skip
    assert len(said) == 4
    returns = []
    for quality in ("chance", "scripted"):
        labels = dataset.load(tmp_path / f"duet-{quality}-v0")
        assert {label.credit.source for label in labels} == {"scripted"}
        assert sum(label.episode.length for label in labels) >= 50
        returns.append(np.mean([label.episode.team_reward.sum() for label in labels]))
    assert returns[0] < returns[1] == 1.0
    before = (tmp_path / "SHA256SUMS").read_bytes()
    again = list(make_large_set(tmp_path, 150, ["spaceworld:duet"], jobs=1, progress=False))
    assert again[0] == "3 of 3 data sets are there already" and (tmp_path / "SHA256SUMS").read_bytes() == before


def test_the_plans_of_the_large_set_hold_a_million_transitions_with_seeds_of_their_own():
    made = plans()
    assert sum(plan.transitions for plan in made) >= 1_000_000
    assert {plan.world.partition(":")[0] for plan in made} == {"spaceworld", "lbf", "rware"}
    assert len({plan.name for plan in made}) == len({plan.first_seed for plan in made}) == len(made)
    ends = sorted(
        (plan.first_seed, plan.first_seed + plan.transitions) for plan in made
    )  # an episode has a step or more
    assert all(end <= first for (_, end), (first, _) in pairwise(ends)) and ends[-1][1] < 10_000_000
    assert plans(worlds=["rware:rware-tiny-2ag-v2"])[0].first_seed == made[-3].first_seed


@pytest.mark.skipif("corridor" not in TEAMS, reason="the package's entry points are older than its source")
def test_play_is_the_same_for_a_seed_and_other_for_another_quality(tmp_path):
    env = CorridorEnv(length=6, horizon=9)
    qualities = {quality: played(env, "corridor", quality, 4).tolist() for quality in ("scripted", "mixture", "chance")}
    assert qualities["mixture"] == played(env, "corridor", "mixture", 4).tolist()
    assert len({str(actions) for actions in qualities.values()}) == 3
    assert len(qualities["scripted"]) < env.length
    with pytest.raises(ValueError, match="unknown quality 'best'"):
        played(env, "corridor", "best", 3)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="no team plays 'chess' by rules; there are teams for corridor, lbf"):
        scripted_team("chess:8x8", env)


@pytest.mark.skipif("rware" not in TEAMS, reason="the package's entry points are older than its source")
@pytest.mark.parametrize("world", ["lbf:Foraging-8x8-2p-2f-coop-v3", "rware:rware-tiny-2ag-v2"])
def test_the_teams_of_other_libraries_do_what_pays(tmp_path, world):
    pytest.importorskip({"lbf": "lbforaging", "rware": "rware"}[world.partition(":")[0]])
    make_set(tmp_path, SetPlan(world, 60, "scripted", 60, 5))
    [path] = tmp_path.iterdir()
    labels = dataset.load(path)
    assert max(label.episode.team_reward.sum() for label in labels) > 0
