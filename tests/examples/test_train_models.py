"""Training from a model's credits: over the wire, within a budget, and again from what was recorded."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from credit_wrappers import EqualSplitCritic, Ledger, LLMCritic, Request, ScriptedClient
from credit_wrappers.testing import MessagesServer, Reply, question, scripted_answer
from credit_wrappers.testing.replies import schema_asked
from tests.benchmarks.credit_scale import played
from tests.examples.one_learner import play
from tests.examples.test_train import TINY, cells, refused, results
from tianshou_examples.experiment import critics
from tianshou_examples.experiment import settings as settings_module
from tianshou_examples.experiment.command_line import parse
from tianshou_examples.experiment.settings import Settings
from tianshou_examples.train import main

MODEL = ["--steps", "500", "--episodes-per-query", "2", "--method", "mca"]


class Model:
    """Answers by the scripted rules; every second query gets prose instead, and prose again when asked once more."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.queries = 0
        self.refused: list[str] = []

    def __call__(self, body: dict[str, Any]) -> str:
        system, prompt = question(body)
        schema = schema_asked(body)
        with self.lock:
            if any(query in prompt for query in self.refused):
                return "As I said, robot_0 did well."
            self.queries += 1
            if self.queries % 2 == 0:
                self.refused.append(prompt)
                return "Robot_0 did well, robot_1 less so."
        return ScriptedClient().complete(Request(system, prompt, schema, "m", 100, None)).text


def test_prose_now_and_then_is_fallen_back_from_and_counted_and_the_run_repeated_without_key_or_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ant-not-to-be-written-down")
    model, folder = Model(), tmp_path / "run"
    with MessagesServer(model) as server:
        code = main([*TINY, "--steps", "500", "--episodes-per-query", "2", "--method", "mca", "--critic", "openai",
                     "--model", "some-model", "--base-url", f"{server.url}/v1", "--out", str(folder)])  # fmt: skip
    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    found = results(folder)["mca"]["critic"]
    episodes = sum(len(re.findall(r"^## Episode \d+$", query, re.MULTILINE)) for query in model.refused)
    assert found["fallbacks"] == episodes > 0
    assert found["reasks"] == len(model.refused)
    assert found["calls"] == len(server.requests) == model.queries + len(model.refused)
    assert found["tokens"] > 0 and found["episodes"] > episodes
    assert {body["model"] for body in server.requests} == {"some-model"}
    assert ["fallbacks, episodes", str(episodes)] in cells(printed.out)
    assert ["critic calls", str(found["calls"])] in cells(printed.out)
    assert f"critic: some-model at {server.url}/v1" in " ".join(printed.out.split()) and "scripted" not in printed.out
    text = (folder / "credits.txt").read_text(encoding="utf-8")
    assert "(source: model)" in text and "scripted" not in text
    for path in folder.rglob("*"):
        assert path.is_dir() or b"not-to-be-written-down" not in path.read_bytes(), path
    assert "not-to-be-written-down" not in printed.out
    again = tmp_path / "again"
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main(["--critic", "recorded", "--replay", str(folder), "--out", str(again)]) == 0  # with its settings
    assert learned(again) == learned(folder)
    assert results(again)["mca"]["critic"]["tokens"] == 0
    assert not list(again.glob("ledger*"))
    assert f"critic: answers recorded in {folder}" in " ".join(capsys.readouterr().out.split())
    said = refused(["--critic", "recorded", "--replay", str(again), "--out", str(tmp_path / "x")], capsys)
    assert "there is no ledger" in said and "ledger-mca-0.sqlite" in said and "scripted" not in said


def learned(folder: Path) -> tuple[Any, ...]:
    """What came of a run, but for times and calls."""
    found = results(folder)["mca"]
    return found["greedy"], found["sampled"], found["steps"], found["critic"]["fallbacks"], found["critic"]["episodes"]


def test_a_budget_stops_the_run_and_a_larger_one_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "run"
    with MessagesServer() as server:
        arguments = ["--critic", "anthropic", "--base-url", server.url, "--prices", "3", "15", "0.3", "--jobs", "1"]
        assert main([*TINY, *MODEL, *arguments, "--max-calls", "2", "--out", str(folder)]) == 1
        assert "BudgetExceeded" in capsys.readouterr().err
        assert len(server.requests) == 2
        with Ledger(folder / "ledger-mca-0.sqlite", read_only=True) as ledger:
            paid = {entry.request.prompt for entry in ledger.entries()}
        assert main(["--resume", str(folder), "--max-calls", "100"]) == 0
        later = [body["messages"][0]["content"] for body in server.requests[2:]]
    assert paid.isdisjoint(later) and later
    out = capsys.readouterr().out
    (cost,) = [row[1] for row in cells(out) if row[:1] == ["cost"]]
    assert float(cost) > 0


@pytest.mark.parametrize(
    ("limits", "said"), [(["--max-cost", "5"], "--max-cost needs --prices"), (["--max-calls", "-1"], "max_calls")]
)
def test_a_limit_that_cannot_be_kept_is_refused_on_resume_too(
    limits: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    before = Settings(critic="anthropic", base_url="http://127.0.0.1:1")
    before.write(tmp_path)
    assert said in refused(["--resume", str(tmp_path), *limits], capsys)
    assert Settings.read(tmp_path) == before


def test_a_model_without_a_key_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    said = refused([*TINY, "--critic", "anthropic", "--out", str(tmp_path / "run")], capsys)
    assert "set ANTHROPIC_API_KEY in the environment" in said and "--critic scripted" in said and "--base-url" in said
    assert "client=" not in said and "ScriptedClient" not in said  # which is Python
    assert not (tmp_path / "run").exists()


def test_a_model_that_never_answers_ends_the_run_with_an_error_and_resume_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder, down = tmp_path / "run", [True]
    busy = Reply("busy", status=529, headers={"retry-after": "0.01"})
    with MessagesServer(lambda body: busy if down else scripted_answer(body)) as server:
        model = ["--critic", "anthropic", "--base-url", server.url, "--episodes-per-query", "1", "--method", "mca"]
        assert main([*TINY, "--steps", "2000", *model, "--out", str(folder)]) == 1
        printed = capsys.readouterr()
        assert "mca-0: no answer came from the model, asked" in printed.err
        assert f"What was trained is kept: go on with --resume {folder}" in printed.err
        half = results(folder)["mca"]
        assert not half["complete"] and 0 < half["steps"] < 2000 and (folder / "checkpoints" / "mca-0.pt").exists()
        down.clear()
        assert main(["--resume", str(folder)]) == 0
    whole = results(folder)["mca"]
    assert whole["complete"] and whole["critic"]["episodes"] > whole["critic"]["fallbacks"] > 0


def test_a_model_whose_answers_are_all_unusable_ends_the_run_with_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with MessagesServer(lambda body: "Well done, all of you.") as server:
        model = ["--critic", "anthropic", "--base-url", server.url, "--method", "mca"]
        assert main([*TINY, *model, "--out", str(tmp_path / "run")]) == 1
    found = results(tmp_path / "run")["mca"]
    assert found["complete"] and found["critic"]["fallbacks"] == found["critic"]["episodes"] > 0
    said = capsys.readouterr().err
    assert f"mca-0: no answer of the model could be used: all {found['critic']['episodes']} episodes" in said


@pytest.mark.parametrize("form", ["events", "curve"])
def test_a_run_that_is_repeated_or_goes_on_asks_in_the_form_of_its_ledger(tmp_path: Path, form: Any) -> None:
    path = tmp_path / "ledger-mca-0.sqlite"
    *_, empty = critics.make_critic(Settings(), "mca", path)
    assert empty is not None and empty.settings.answer_format == "curve"
    empty.close()
    episodes = played("duet", [0], perfect=False)
    with Ledger(path) as ledger:
        first = LLMCritic(ScriptedClient(), ledger=ledger, answer_format=form).score(episodes)
    for settings in (Settings(), Settings(critic="recorded", replay=str(tmp_path))):
        *_, inner = critics.make_critic(settings, "mca", path, "mca-0")
        assert inner is not None and inner.settings.answer_format == form
        [credit] = inner.score(episodes)
        assert (credit.source, credit.values.tolist()) == ("cache", first[0].values.tolist())
        inner.close()


# -- a replay takes the settings of its run -------------------------------------------------------------------------


def test_a_replay_takes_the_settings_of_its_run_but_for_those_that_cannot_change_a_question(tmp_path: Path) -> None:
    run = Settings(env="spaceworld:solo", method=("taca", "shared"), seeds=2, steps=700, envs=3, hidden=16, in_flight=3,
                   critic="openai", model="m", base_url="http://127.0.0.1:1", max_calls=9, out="x")  # fmt: skip
    run.write(tmp_path)
    replay = ["--critic", "recorded", "--replay", str(tmp_path)]
    settings, _ = parse(replay)
    own = {"critic": "recorded", "model": None, "base_url": None, "max_calls": None, "in_flight": 8, "out": ""}
    assert settings == replace(run, replay=str(tmp_path), **own)
    fewer, _ = parse([*replay, "--method", "taca", "equal", "--seeds", "1", "--eval-episodes", "3", "--jobs", "1"])
    assert fewer == replace(settings, method=("taca", "equal"), seeds=1, eval_episodes=3, jobs=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--steps", "800"], "that run had --steps 700, not 800; leave the option out"),
        (["--env", "spaceworld:duet"], "that run had --env spaceworld:solo, not spaceworld:duet"),
        (["--fallback", "shared"], "that run had --fallback equal, not shared"),
        (["--set", "hidden=32"], "that run had --set hidden=16, not 32"),
        (["--seeds", "3"], "that run had taca-0, taca-1, so there are no answers for taca-2; leave --method"),
        (["--method", "mca"], "so there are no answers for mca-0"),
        (["--replay", "nowhere"], "--replay nowhere holds no run: nowhere/config.json is missing or damaged"),
    ],
)
def test_a_replay_that_would_ask_something_else_is_refused_at_once(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    Settings(env="spaceworld:solo", method=("taca",), seeds=2, steps=700, hidden=16).write(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        parse(["--critic", "recorded", "--replay", str(tmp_path), *arguments])
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--steps", "9000"], "that run had --steps 700, not 9000; leave the option out"),
        (["--method", "student"], "that run had --method taca shared, not student"),
        (["--seeds", "1"], "that run had --seeds 2, not 1"),
        (["--jobs", "1"], "that run had --jobs 2, not 1"),
        (["--eval-episodes", "7"], "that run had --eval-episodes 100, not 7"),
        (["--critic", "equal"], "that run had --critic anthropic, not equal"),
        (["--critic", "recorded", "--replay", "x"], "that run had --critic anthropic, not recorded"),
        (["--delivery", "immediate"], "--delivery immediate pays by a student's credit"),
        (["--set", "hidden=32"], "that run had --set hidden=16, not 32"),
    ],
)
def test_a_run_that_goes_on_refuses_options_that_it_would_not_follow(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = Settings(env="spaceworld:solo", method=("taca", "shared"), critic="anthropic", seeds=2, steps=700, hidden=16,
                   max_cost=1.0, prices=(3.0, 15.0))  # fmt: skip
    run.write(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        parse(["--resume", str(tmp_path), *arguments])
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1
    same = ["--steps", "700", "--method", "taca", "shared", "--set", "hidden=16"]
    assert parse(["--resume", str(tmp_path), *same]) == (run, str(tmp_path))
    limits = ["--max-calls", "9", "--max-cost", "2", "--prices", "1", "2", "3"]
    settings, _ = parse(["--resume", str(tmp_path), *limits])
    assert settings == replace(run, max_calls=9, max_cost=2.0, prices=(1.0, 2.0, 3.0))


# -- critics and providers of other packages ------------------------------------------------------------------------


def registered(monkeypatch: pytest.MonkeyPatch, made: list[Any]) -> None:
    """Register a provider "mine" and a critic "rules", which note what they are made with."""

    def make_client(name: str, *, model: str | None = None, base_url: str | None = None) -> ScriptedClient:
        made.append((name, model, base_url))
        return ScriptedClient()

    monkeypatch.setattr(settings_module, "provider_names", lambda: ["anthropic", "mine", "openai"])
    monkeypatch.setattr(settings_module, "critic_names", lambda: ["rules"])
    monkeypatch.setattr(critics.model_providers, "make_client", make_client)
    monkeypatch.setattr(critics.other_critics, "make_critic", lambda name: made.append(name) or EqualSplitCritic())


def test_a_provider_of_another_package_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    registered(monkeypatch, made)
    settings, _ = parse([*TINY, "--critic", "mine", "--model", "m", "--max-calls", "9", "--method", "mca"])
    assert settings.critic_note == "critic: m"
    box = play(settings, "mca", tmp_path)
    (result,) = box.of("result")
    assert result["critic"]["calls"] > 0 and made == [("mine", "m", None)]


def test_a_critic_of_another_package_pays_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    made: list[Any] = []
    registered(monkeypatch, made)
    settings, _ = parse([*TINY, "--critic", "rules", "--method", "mca"])
    assert settings.critic_note == "critic: rules, not an LLM"
    critics.check_critics(settings)
    (result,) = play(settings, "mca", tmp_path).of("result")
    assert result["complete"] and result["label"] == "equal" and result["critic"]["calls"] == 0
    assert made == ["rules", "rules"] and not list(tmp_path.glob("ledger*"))
    for arguments, said in (
        (["--model", "m"], "for --critic anthropic or mine or openai; rules asks no model"),
        (["--max-calls", "1"], "the rules one is free"),
        (["--method", "taca"], "needs a critic that names tasks"),
    ):
        with pytest.raises(SystemExit, match="2"):
            parse(["--critic", "rules", *arguments])
        assert said in " ".join(capsys.readouterr().err.split())
