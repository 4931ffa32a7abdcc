"""What the command reads: ledgers, folders of runs, files of judgements; and what is none of these."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from credit_wrappers import (
    Completion,
    Credit,
    Ledger,
    LLMCritic,
    RecordEpisodes,
    ScriptedClient,
    Usage,
    annotate,
    dataset,
)
from credit_wrappers.adapters import lbf, rware
from credit_wrappers.bench.suite import load_suite
from credit_wrappers.cli.main import main
from credit_wrappers.cli.report_command import add_report
from credit_wrappers.cli.report_source import ledger_labels, read_source
from credit_wrappers.recording.replay import replay
from credit_wrappers.report import ReportOptions, write_report
from credit_wrappers.report.episode_values import told_steps
from credit_wrappers.report.report_file import report_values
from credit_wrappers.report.scene_table import scene_table
from spaceworld import spaceworld_v0
from spaceworld.planner import policy
from tests.report.labelled import PLAY, credited, data_of, duets, make_duet, played


def random_episode(env, seed, steps):
    """Return an episode of legal actions by chance, or, in Spaceworld's scenario pair, of the planner's."""
    rng = np.random.default_rng(seed)
    _, infos = env.reset(seed=seed)
    actions, act = [], policy(env) if "pair" in str(getattr(env, "scenario", "")) else None
    while env.agents and len(actions) < steps:
        joint = (
            {a: int(rng.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in env.agents} if act is None else act()
        )
        actions.append([joint[a] for a in env.possible_agents])
        *_, infos = env.step(joint)
    return replay(env, seed, np.array(actions))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """Return a ledger of four episodes of `duet`, scored by the scripted critic."""
    path = tmp_path_factory.mktemp("run") / "ledger-mca-0.sqlite"
    critic = LLMCritic(ScriptedClient(), ledger=path)
    annotate([played(seed) for seed in range(4)], critic, episodes_per_query=2, in_flight=1)
    critic.close()
    return path


WORLDS = {
    "spaceworld": (lambda: spaceworld_v0.parallel_env(scenario="hazard"), 40),
    "spaceworld, docking": (lambda: spaceworld_v0.parallel_env(scenario="pair"), 40),
    "lbf": (lambda: lbf.parallel_env("Foraging-5x5-2p-2f-v3"), 50),
    "rware": (lambda: rware.parallel_env("rware-tiny-2ag-v2"), 120),
}


@pytest.mark.parametrize("name", WORLDS)
def test_a_ledger_is_drawn_from_its_text_exactly_as_its_narrator_draws_the_states(name, tmp_path):
    make, steps = WORLDS[name]
    episodes = [random_episode(make(), seed, steps) for seed in (3, 4)]
    with Ledger(tmp_path / "a.sqlite") as ledger:
        credits = annotate(episodes, LLMCritic(ScriptedClient(), ledger=ledger), episodes_per_query=2)
        labels = ledger_labels(ledger, 5)
    for episode, credit, label in zip(episodes, credits, labels, strict=True):
        assert label.episode.key == episode.key and label.episode.agents == episode.agents
        (start, deeds, rest), (own_start, own_deeds, own_rest) = map(told_steps, (label.episode, episode))
        assert sorted(start.split("; ")) == sorted(own_start.split("; ")) and deeds == own_deeds and rest == own_rest
        np.testing.assert_allclose(label.credit.values, credit.values, atol=1e-5)
        assert label.credit.events == credit.events and label.credit.summary == credit.summary
        np.testing.assert_allclose(label.episode.team_reward, episode.team_reward, atol=1e-4)
        np.testing.assert_array_equal(label.episode.cost, episode.cost)
        (drawn, _), (told, why) = scene_table(episode), scene_table(label.episode)
        assert why == "" and (drawn["rows"], drawn["columns"], drawn["ground"]) == (
            told["rows"],
            told["columns"],
            told["ground"],
        )
        for t in range(episode.length + 1):
            assert _places(told, t) == _places(drawn, t), f"state {t}"


def _places(scene, t):
    """Return where each shape is and how it looks, by kind and label; what it is called in words may differ."""
    shapes = [scene["shapes"][place] for place in (*scene["still"], *scene["moments"][t])]
    named = [s for s in shapes if s["kind"] in ("agent", "box", "place", "link", "food", "rock")]
    keys = ("kind", "id", "at", "tone", "label", "note", "heading", "agent", "to")
    return sorted(json.dumps([s.get(key) or "" for key in keys]) for s in named if "home" not in s["id"])


def test_the_newest_judgement_of_the_newest_episodes_is_taken_with_question_and_answer(ledger):
    source = read_source(ledger, 3)
    assert len(source.labels) == 3 and source.make_env is None
    assert [label.episode.seed for label in source.labels] == [1, 2, 3]
    first = source.labels[-2]
    assert "Spaceworld, scenario duet" in first.question and "## Episode 1" in first.question
    assert json.loads(first.answer)["episodes"] and first.model and first.query == 2
    assert [bool(label.credit.usage.calls) for label in source.labels] == [False, True, False]
    assert {label.credit.source for label in source.labels} == {"scripted"}


class _SecondThoughts:
    """A client whose first answer is no answer."""

    name, source = "second-thoughts", "model"

    def __init__(self):
        self.calls, self.scripted = 0, ScriptedClient()

    def complete(self, request):
        self.calls += 1
        if self.calls == 1:
            return Completion("I would rather not say.", Usage(1, 900, 10), self.name)
        return self.scripted.complete(request)


def test_an_answer_to_the_corrective_question_counts_and_the_unusable_one_does_not(tmp_path):
    with Ledger(tmp_path / "a.sqlite") as ledger:
        LLMCritic(_SecondThoughts(), ledger=ledger).score([played(5)])
        [label] = ledger_labels(ledger, 5)
        assert len(ledger) == 2
    assert "## Your previous answer" in label.question and label.credit.source == "model"
    assert label.episode.narrator.scene(label.episode.moments[0]) is not None


def test_with_the_environment_a_ledger_is_replayed_and_compared(ledger, tmp_path):
    episodes = report_values(read_source(ledger, 9, "spaceworld:duet").labels, ReportOptions(make_env=make_duet))[
        "episodes"
    ]
    assert len(episodes) == 4 and all(len(e["reward"]) == len(PLAY) for e in episodes)
    out = tmp_path / "two.html"
    argv = ["report", str(ledger), "--compare", str(ledger), "--env", "spaceworld:duet", "--exact", "--out", str(out)]
    assert main([*argv, "--episodes", "2", "--prices", "3", "15"]) == 0
    data = data_of(out)
    assert len(data["episodes"]) == 2 and len(data["critics"]) == 2
    assert data["episodes"][0]["exact"].keys() == {
        f"{v} {k}" for v in ("time", "work") for k in ("difference", "shapley")
    }


@pytest.mark.parametrize("observations", [False, True])
def test_exact_credit_of_a_ledger_does_not_depend_on_whether_observations_were_recorded(observations, tmp_path, capsys):
    """The keys of a recording's episodes, and of those that a student pays, are made of their observations, too."""
    env = RecordEpisodes(make_duet(), tmp_path / "play")
    for seed in range(3):
        env.reset(seed=seed)
        for joint in PLAY * 20:
            if env.agents:
                env.step(dict(zip(env.agents, joint, strict=True)))
    env.close()
    episodes = list(dataset.recorded(tmp_path / "play", make_duet, observations=observations))
    assert len(episodes) == 3
    with Ledger(tmp_path / "a.sqlite") as ledger:
        annotate(episodes, LLMCritic(ScriptedClient(), ledger=ledger))
    out = tmp_path / "r.html"
    argv = ["report", str(tmp_path / "a.sqlite"), "--env", "spaceworld:duet", "--exact", "--out", str(out)]
    assert main(argv) == 0
    assert "missing" not in capsys.readouterr().out
    assert all("time difference" in episode["exact"] for episode in data_of(out)["episodes"])


def test_exact_credit_that_is_missing_is_counted(ledger, tmp_path, capsys):
    argv = ["report", str(ledger), "--env", "spaceworld:pair", "--exact", "--out", str(tmp_path / "r.html")]
    assert main(argv) == 0
    assert "exact credit is missing for 4 of 4 episodes: episode " in capsys.readouterr().out


def test_the_folder_of_a_run_says_which_environment_it_was(ledger, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"env": "spaceworld:duet"}))
    (folder / "ledger-mca-0.sqlite").write_bytes(ledger.read_bytes())
    assert main(["report", str(folder), "--out", str(tmp_path / "r.html")]) == 0
    assert "r.html" in capsys.readouterr().out
    assert data_of(tmp_path / "r.html")["title"] == "spaceworld:duet · run/ledger-mca-0.sqlite"
    assert read_source(folder / "ledger-mca-0.sqlite", 1).make_env is not None


def test_episodes_that_a_wrong_environment_cannot_replay_are_counted(ledger, tmp_path, capsys):
    out = ["--out", str(tmp_path / "r.html")]
    for argv in ([ledger], [ledger, "--env", "spaceworld:duet"]):
        assert main(["report", *map(str, argv), *out]) == 0
        assert "replayed" not in capsys.readouterr().out
    assert main(["report", str(ledger), "--env", "spaceworld:pair", *out]) == 0
    said = "4 of 4 episodes could not be replayed in spaceworld:pair and are drawn from their texts"
    assert capsys.readouterr().out.splitlines()[0] == said
    labels = [credited(episode) for episode in (played(1), replace(played(2), seed=None))]
    dataset.save(tmp_path / "mine", labels)
    assert main(["report", str(tmp_path / "mine"), "--env", "spaceworld:pair", *out]) == 0
    said = "2 of 2 episodes could not be replayed in spaceworld:pair (1 of them without a seed) and are shown as text"
    assert capsys.readouterr().out.splitlines()[0] == said
    assert [episode["scene"] for episode in data_of(tmp_path / "r.html")["episodes"]] == [None, None]


def test_a_run_with_several_ledgers_says_which_is_shown_and_names_the_others(ledger, tmp_path, capsys):
    for name in ("mca-0", "mca-1", "taca-0"):
        (tmp_path / f"ledger-{name}.sqlite").write_bytes(ledger.read_bytes())
    others = ", ".join(str(tmp_path / f"ledger-{name}.sqlite") for name in ("mca-1", "taca-0"))
    out = ["--out", str(tmp_path / "r.html")]
    assert main(["report", str(tmp_path), *out]) == 0
    said, wrote = capsys.readouterr().out.splitlines()
    assert said.startswith(f"of the 3 ledgers of {tmp_path}, ledger-mca-0.sqlite is shown;") and said.endswith(others)
    assert main(["report", str(ledger), "--compare", str(tmp_path), *out]) == 0
    assert capsys.readouterr().out.splitlines() == [said, wrote]
    assert main(["report", str(tmp_path / "ledger-mca-1.sqlite"), *out]) == 0
    assert "ledgers" not in capsys.readouterr().out


def test_a_run_without_a_ledger_has_its_page_written_again(tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps({"env": "spaceworld:duet"}))
    page, out = write_report(duets(3), tmp_path / "report.html", ReportOptions(title="Duets")), tmp_path / "again.html"
    assert main(["report", str(tmp_path), "--out", str(out)]) == 0
    assert ", 3 episodes)" in capsys.readouterr().out and out.read_bytes() == page.read_bytes()
    before = data_of(page)
    argv = ["report", str(tmp_path), "--episodes", "2", "--title", "Two", "--out"]
    assert main([*argv, str(out)]) == 0
    assert "2 of 3 episodes: the last; --episodes 3 for all)" in capsys.readouterr().out
    assert data_of(out) == before | {"title": "Two", "episodes": before["episodes"][1:]}
    assert main([*argv, str(page)]) == 2
    assert "--episodes 2 would cut" in capsys.readouterr().err and data_of(page) == before
    assert main(["report", str(tmp_path), "--title", "In place", "--out", str(page)]) == 0
    assert data_of(page) == before | {"title": "In place"}
    page.write_bytes(out.read_bytes())
    assert main(["report", str(tmp_path), "--episodes", "1", "--out", str(out)]) == 0
    assert "1 of 3 episodes: the last; --episodes 2 for all that the page holds)" in capsys.readouterr().out


def test_a_file_of_judgements_is_replayed(tmp_path, capsys):
    episode = load_suite("duet").episodes[0]
    line = {"world": "spaceworld:duet", "max_cycles": None, "seed": episode.seed, "actions": episode.actions.tolist(),
            "credit": np.ones(episode.actions.shape).tolist(), "summary": "so it went"}  # fmt: skip
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps(line) + "\n")
    assert main(["report", str(path), "--out", str(tmp_path / "r.html")]) == 0
    data = data_of(tmp_path / "r.html")
    assert data["episodes"][0]["scene"] and data["critics"] == ["answers:answers"]


def test_a_data_set_is_drawn_with_its_exact_credit_whether_published_or_saved(tmp_path, capsys):
    assert main(["report", "duet-claude", "--episodes", "2", "--out", str(tmp_path / "r.html")]) == 0
    published = data_of(tmp_path / "r.html")
    labels = dataset.load("duet-claude")[-2:]
    dataset.save(tmp_path / "mine", labels, card=dataset.load_card("duet-claude"))  # without moments
    assert main(["report", str(tmp_path / "mine"), "--out", str(tmp_path / "s.html")]) == 0
    saved = data_of(tmp_path / "s.html")
    assert published["total"] == len(dataset.load("duet-claude")) and saved["total"] == 2
    assert [e.pop("index") for e in published["episodes"]] == [published["total"] - 2, published["total"] - 1]
    assert [e.pop("index") for e in saved["episodes"]] == [0, 1]
    printed = capsys.readouterr().out.splitlines()
    assert f"2 of {published['total']} episodes: the last; --episodes {published['total']} for all)" in printed[0]
    assert ", 2 episodes)" in printed[1]
    assert published["episodes"] == saved["episodes"] and published["episodes"][1]["scene"]
    assert [episode["seed"] for episode in saved["episodes"]] == [label.episode.seed for label in labels]
    assert all("time difference" in episode["exact"] for episode in saved["episodes"])


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"world": "spaceworld:gone"}, "unknown scenario 'gone'"), ({"arguments": {"zap": 1}}, "argument 'zap'")],
)
def test_a_data_set_whose_environment_cannot_be_made_is_shown_as_text(changed, why, tmp_path, capsys):
    card = replace(dataset.load_card("duet-claude"), **changed)
    dataset.save(tmp_path / "mine", dataset.load("duet-claude")[:2], card)
    argv = ["report", str(tmp_path / "mine"), "--out", str(tmp_path / "r.html")]
    assert main(argv) == 0
    told = capsys.readouterr().out
    assert f"shown as text, because the world {card.world!r} of the card cannot be made" in told and why in told
    assert [e["scene"] for e in data_of(tmp_path / "r.html")["episodes"]] == [None, None]
    assert main([*argv, "--exact"]) == 2 and capsys.readouterr().err.count("\n") == 1
    if "world" in changed:
        assert main([*argv, "--env", "spaceworld:duet"]) == 0 and data_of(tmp_path / "r.html")["episodes"][0]["scene"]


def test_a_time_limit_counts_for_a_data_set_whose_card_has_none(tmp_path):
    longer = spaceworld_v0.parallel_env(scenario="duet", max_cycles=80)
    episode = replay(longer, 1, np.zeros((80, 2), np.int64))
    dataset.save(tmp_path / "mine", [(episode, Credit(np.zeros((80, 2), np.float32)))])
    argv = ["report", str(tmp_path / "mine"), "--env", "spaceworld:duet", "--out", str(tmp_path / "r.html")]
    assert main([*argv, "--max-cycles", "80"]) == 0
    assert data_of(tmp_path / "r.html")["episodes"][0]["scene"]


def test_two_critics_of_one_name_are_told_apart_by_their_sources(tmp_path):
    out = tmp_path / "r.html"
    argv = ["report", "duet-claude", "--compare", "duet-claude-curve", "--episodes", "2", "--out", str(out)]
    assert main(argv) == 0
    data = data_of(out)
    assert data["critics"] == data["sources"] == ["duet-claude", "duet-claude-curve"]
    assert all(said["model"] for said in data["episodes"][0]["judged"])
    indices = [episode["index"] for episode in data["episodes"]]
    seeds = [dataset.load("duet-claude")[k].episode.seed for k in indices]
    assert seeds == [episode["seed"] for episode in data["episodes"]]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["{text}"], "neither a ledger"),
        (["{folder}"], "neither a ledger"),
        (["{run}"], "has no report yet, because its run did not finish; go on with python -m tianshou_examples"),
        (["{bare}"], "report.html is no report of this package, or damaged"),
        (["{bare}", "--exact", "--env", "lbf:x"], "--exact, --env: {bare} has no ledger"),
        (["{ledger}", "--compare", "{run}"], "has no report yet, because its run did not finish"),
        (["{ledger}", "--compare", "{bare}"], "has no ledger, because no model was asked, so it cannot be"),
        (["{missing}"], "there is no"),
        (["{cut}"], "damaged"),
        (["{empty}"], "no episode with a usable answer"),
        (["{ledger}", "--compare", "{empty}"], "no episode with a usable answer"),
        (["{ledger}", "--exact"], "--exact replays the episodes, so it needs --env NAME"),
        (["{ledger}", "--episodes", "0"], "--episodes must be at least 1"),
        (["{ledger}", "--env", "spaceword:duet"], "did you mean spaceworld"),
        (["{ledger}", "--prices", "1"], "2 to 4 numbers"),
        (["{ledger}", "--out", "{folder}"], "directory"),
        (["{ledger}", "--out", "{missing}/r.html"], "there is no folder {missing}"),
        (["{play}"], "a recording, which has no credit; credit it first: python -m credit_wrappers dataset export"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_file(argv, message, ledger, tmp_path, capsys):
    (tmp_path / "text.sqlite").write_text("no ledger")
    (tmp_path / "cut.sqlite").write_bytes(ledger.read_bytes()[:-3000])
    (tmp_path / "folder").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "config.json").write_text('{"env": "spaceworld:duet"}')
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text('{"env": "spaceworld:duet"}')
    (tmp_path / "bare" / "report.html").write_text("<!doctype html> cut")
    Ledger(tmp_path / "empty.sqlite").close()
    env = RecordEpisodes(make_duet(), tmp_path / "play")
    env.reset(seed=1)
    while env.agents:
        env.step(dict.fromkeys(env.agents, 0))
    env.close()
    (tmp_path / "text.txt").write_text("text")
    names = {"text": "text.txt", "folder": "folder", "run": "shared", "missing": "gone", "cut": "cut.sqlite"}
    names |= {"bare": "bare", "empty": "empty.sqlite", "play": "play"}
    places = {name: tmp_path / file for name, file in names.items()} | {"ledger": ledger}
    out = tmp_path / "r.html"
    given = [word.format(**places) for word in argv]
    assert main(["report", *([] if "--out" in given else ["--out", str(out)]), *given]) == 2
    said = capsys.readouterr().err
    assert message.format(**places) in said and said.count("\n") == 1, said
    assert not out.exists() and not list(tmp_path.glob("*.part"))


def test_the_page_of_the_documentation_names_every_option():
    topics = argparse.ArgumentParser().add_subparsers()
    add_report(topics)
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    options = {name for action in topics.choices["report"]._actions for name in action.option_strings}
    missing = [name for name in sorted(options - {"-h", "--help"}) if f"`{name}" not in rows]
    assert len(options) > 8 and not missing


def test_an_environment_of_another_kind_does_not_lend_its_pictures_to_a_ledger(ledger):
    labels = read_source(ledger, 1, "spaceworld:pair").labels
    own, other = (
        report_values(labels, ReportOptions(make_env=make))["episodes"][0]
        for make in (None, lambda: spaceworld_v0.parallel_env("pair"))
    )
    assert own == other
