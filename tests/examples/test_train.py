"""`python -m tianshou_examples.train`, as a person runs it: files, table, Ctrl-C, --resume, a model, bad input."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from credit_wrappers import Ledger
from tianshou_examples.experiment.command_line import parse
from tianshou_examples.experiment.settings import Settings
from tianshou_examples.experiment.training_run import TrainingRun, start_shielded
from tianshou_examples.train import main

ROOT = Path(__file__).parents[2]
TINY = ["--env", "spaceworld:duet", "--envs", "2", "--steps", "300", "--eval-episodes", "2"]
NEVER = ["--env", "spaceworld:duet", "--envs", "2", "--steps", "100000000"]  # until somebody stops it
LIMIT = 240  # seconds until a test gives up


def start(*arguments: str) -> subprocess.Popen[str]:
    """Starts the script in a process group of its own, warnings being errors there too."""
    command = [sys.executable, "-W", "error", "-m", "tianshou_examples.train", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)  # fmt: skip


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def results(folder: Path) -> dict[str, dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    read = json.loads((folder / "results.json").read_text(encoding="utf-8"), parse_constant=refuse)
    return {result["method"]: result for result in read["results"]}


def cells(text: str) -> list[list[str]]:
    """The rows of the tables in a text."""
    rows = [line.replace("┃", "│").split("│") for line in text.splitlines()]
    return [[cell.strip() for cell in row[1:-1]] for row in rows if len(row) > 2]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def kinds_in_training(folder: Path) -> set[str]:
    with suppress(FileNotFoundError, json.JSONDecodeError):  # not there yet, or a line is being written
        return {r["method"] for r in records(folder) if r["kind"] == "train"}
    return set()


def stopped(process: subprocess.Popen[str], folder: Path, kinds: set[str]) -> dict[str, dict[str, Any]]:
    """The results of a run that was interrupted and ended as it should."""
    out, errors = process.communicate(timeout=LIMIT)
    assert (process.returncode, errors) == (130, "")
    assert f"--resume {folder}" in " ".join(out.split())
    assert nothing_is_left_of(process)
    half = results(folder)
    assert set(half) == kinds
    for kind, result in half.items():
        assert not result["complete"] and result["steps"] > 0
        assert (folder / "checkpoints" / f"{kind}-0.pt").exists()
    assert not list(folder.glob("*.sqlite-wal"))
    return half


def nothing_is_left_of(process: subprocess.Popen[str]) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:  # killed processes need a moment
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


# -- a run to the end ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run to the end, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    process = start(*TINY, "--method", "mca", "shared", "--out", str(folder))
    out, errors = process.communicate(timeout=LIMIT)
    assert (process.returncode, errors) == (0, "")
    assert nothing_is_left_of(process)
    return folder, out


def test_a_finished_run_is_played_on_the_layouts_of_its_table_and_on_others(
    finished: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    from tianshou_examples import evaluate

    folder, _ = finished
    episodes = json.loads((folder / "config.json").read_text())["eval_episodes"]
    evaluate.main([str(folder), "--skip", "0", "--episodes", str(episodes)])
    lines = capsys.readouterr().out.splitlines()
    found = results(folder)
    for kind, how, line in zip(("mca", "mca", "shared", "shared"), ("greedy", "sampled") * 2, lines[1:], strict=True):
        assert line.startswith(f"{kind}-0 after {found[kind]['steps']:,} steps, {how}")
        assert f"return {found[kind][how]['team_return']:.3f}" in line
        assert f"collisions {found[kind][how]['collisions']:.3f}" in line
    with pytest.raises(SystemExit, match="2"):
        evaluate.main([str(folder / "nothing")])
    assert "holds no run" in capsys.readouterr().err


def test_the_table_says_how_good_the_teams_are_and_what_they_cost(finished: tuple[Path, str]) -> None:
    folder, out = finished
    rows = {row[0] if row[0] else f"sampled {i}": row for i, row in enumerate(cells(out)) if row}
    found = results(folder)
    for kind in ("mca", "shared"):
        assert rows[kind][1:4] == ["greedy", *(f"{found[kind]['greedy'][k]:.3f}" for k in ("team_return", "success"))]
    heads = [row for row in cells(out) if row[0] == "method"]
    assert heads == [["method", "play", "return", "success", "collisions / episode", "length"],
                     ["method", "mca", "shared"]]  # fmt: skip
    assert rows["env steps"][1:] == [str(found[k]["steps"]) for k in ("mca", "shared")]
    assert rows["critic calls"][1:] == [str(found["mca"]["critic"]["calls"]), "0"]
    assert rows["tokens"][1:] == [f"{found['mca']['critic']['tokens']:,}", "0"]
    assert rows["fallbacks, episodes"][1:] == ["0", "0"]
    assert float(rows["wall time, s"][1]) > 0
    for column in (1, 2):
        shares = [int(rows[k][column].rstrip("%")) for k in ("environment", "critic", "learning", "evaluation")]
        assert min(shares) >= 0 and 98 <= sum(shares) <= 102
    assert "scripted stand-in" in out and "not an LLM" in out
    assert (folder / "table.txt").read_text(encoding="utf-8") in out
    assert rows["mca"] in cells((folder / "table.txt").read_text(encoding="utf-8"))


def test_the_run_folder_holds_what_it_should(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["steps"] == 300 and config["method"] == ["mca", "shared"] and config["lr"] == Settings().lr
    for record in records(folder):
        assert {"kind", "method", "seed", "steps"} <= set(record)
        if record["kind"] == "train":
            assert {"return", "collisions", "success", "wall", "calls", "tokens", "fallbacks"} <= set(record)
        else:
            for how in ("greedy", "sampled"):
                assert set(record[how]) == {"team_return", "success", "collisions", "steps", "episodes"}
    assert {r["method"] for r in records(folder) if r["kind"] == "evaluation"} == {"mca", "shared"}
    assert '<script type="module">' in (folder / "report.html").read_text(encoding="utf-8")
    picture, animation = (folder / "learning_curve.png").read_bytes(), (folder / "team.gif").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) > 10_000
    assert animation[:6] == b"GIF89a" and len(animation) > 10_000
    assert sorted(p.name for p in folder.glob("ledger*")) == ["ledger-mca-0.sqlite"]  # closed: no -wal beside it
    for kind in ("mca", "shared"):
        (events,) = (folder / "tensorboard" / f"{kind}-0").iterdir()
        assert events.name.startswith("events.out.tfevents") and events.stat().st_size > 500
        assert (folder / "checkpoints" / f"{kind}-0.pt").exists()
    assert not list(folder.rglob("*.part"))


def test_every_answer_is_in_the_ledger(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    found = results(folder)["mca"]["critic"]
    with Ledger(folder / "ledger-mca-0.sqlite") as ledger:
        entries = list(ledger.entries())
    assert len(entries) == found["calls"] > 0
    assert sum(len(entry.episodes) for entry in entries) == found["episodes"]
    assert {entry.source for entry in entries} == {"scripted"}


def test_credited_moments_are_explained_and_labelled_as_scripted(finished: tuple[Path, str]) -> None:
    text = (finished[0] / "credits.txt").read_text(encoding="utf-8")
    assert "scripted stand-in" in text and "not an LLM" in text
    lessons = re.findall(r"^(\d)\. ", text, re.MULTILINE)
    assert lessons == [str(k + 1) for k in range(len(lessons))] and 2 <= len(lessons) <= 5
    assert text.count("(source: scripted)") == text.count("why: ") == len(lessons)


def test_resuming_a_finished_run_trains_no_more_and_reports_the_same(finished: tuple[Path, str]) -> None:
    folder, out = finished
    before, metrics = results(folder), (folder / "metrics.jsonl").read_bytes()
    (folder / "team.gif").unlink()
    assert main(["--resume", str(folder)]) == 0
    assert results(folder) == before
    assert (folder / "metrics.jsonl").read_bytes() == metrics
    assert (folder / "team.gif").stat().st_size > 10_000
    assert (folder / "table.txt").read_text(encoding="utf-8") in out


# -- Ctrl-C ---------------------------------------------------------------------------------------------------------


def test_ctrl_c_in_the_terminal_stops_cleanly_and_resume_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(*NEVER, "--method", "mca", "--eval-episodes", "2", "--out", str(folder))
    wait_until(lambda: kinds_in_training(folder) == {"mca"}, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them; a learner heeds its parent alone
    half = stopped(process, folder, {"mca"})["mca"]
    # the rest of a shorter run than was asked for
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["steps"] = half["steps"] + 50
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    before = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    assert main(["--resume", str(folder)]) == 0
    after = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    assert after.startswith(before) and len(after) > len(before)
    whole, new = results(folder)["mca"], [json.loads(line) for line in after[len(before) :].splitlines()]
    assert whole["complete"]
    assert next(r["steps"] for r in new if r["kind"] == "train") > half["steps"]
    # the evaluation of an interrupted run comes after its checkpoint and is done again: its time is not kept
    parts = ("environment", "critic", "learning")
    assert all(whole["times"][part] >= half["times"][part] for part in parts)
    for name in ("calls", "tokens"):
        assert whole["critic"][name] > half["critic"][name]
    with Ledger(folder / "ledger-mca-0.sqlite") as ledger:
        assert len(ledger) == whole["critic"]["calls"]


def test_ctrl_c_does_not_reach_a_learner_from_its_first_moment_on() -> None:
    context = multiprocessing.get_context("spawn")
    context.Event()
    process = context.Process(target=os.getpid)
    start_shielded(process)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join(LIMIT)
    assert process.exitcode == 0
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())  # but it reaches us


def test_learners_whose_parent_was_killed_save_themselves_and_end(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(*NEVER, "--method", "shared", "--eval-episodes", "2", "--out", str(folder))
    wait_until(lambda: kinds_in_training(folder) == {"shared"}, process)
    process.kill()
    process.communicate(timeout=LIMIT)  # until the last one has closed its end
    assert nothing_is_left_of(process)
    assert (folder / "checkpoints" / "shared-0.pt").exists()


def test_a_second_ctrl_c_ends_everything_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    # evaluating so many episodes takes longer than anybody waits
    process = start(*NEVER, "--method", "shared", "--eval-episodes", "10000", "--out", str(folder))
    wait_until(lambda: kinds_in_training(folder) == {"shared"}, process)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: (folder / "checkpoints" / "shared-0.pt").exists(), process)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=LIMIT)
    assert (process.returncode, errors) == (130, "")
    assert "a further Ctrl-C" in out and "--resume" in out
    assert nothing_is_left_of(process)
    assert not (folder / "results.json").exists()


# -- learners that fail -----------------------------------------------------------------------------------------------


def test_a_learner_that_crashes_stops_the_other_and_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    Settings(method=("mca", "shared"), steps=100_000_000, envs=2, eval_episodes=2).write(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mca-0.pt").write_bytes(b"no checkpoint")
    assert main(["--resume", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("mca-0: Traceback") and "_restore" in printed.err
    found = results(tmp_path)
    assert set(found) == {"shared"} and not found["shared"]["complete"]
    assert (tmp_path / "checkpoints" / "shared-0.pt").exists()


class Process:
    def __init__(self, exitcode: int | None) -> None:
        self.exitcode = exitcode


@pytest.mark.parametrize("code", [-9, 0, 1])
def test_a_learner_that_ends_without_a_message_is_an_error(code: int, tmp_path: Path) -> None:
    run = TrainingRun(Settings(), tmp_path, Console(file=StringIO()))
    messages: queue.Queue[Any] = queue.Queue()
    run._running = {"mca-0": Process(code), "shared-0": Process(None)}
    train = {"kind": "train", "return": 0.0, "collisions": 0.0, "calls": 0, "tokens": 0, "steps": 7}
    messages.put(("record", "shared-0", train))
    with Progress(console=run.console) as bars:
        tasks = {name: bars.add_task(name) for name in run._running}
        metrics = StringIO()
        run._receive(messages, bars, tasks, metrics)  # what is in the queue comes first
        assert json.loads(metrics.getvalue())["steps"] == 7 and not run.errors
        run._receive(messages, bars, tasks, metrics)
    assert run.errors == [f"mca-0: the process ended with code {code}"]
    assert list(run._running) == ["shared-0"]


# -- bad input --------------------------------------------------------------------------------------------------------


def test_settings_of_the_learners_are_set_over_those_of_the_family() -> None:
    settings, _ = parse(["--set", "hidden=32", "gamma=0.9", "rollout=0", "--env", "lbf:Foraging-5x5-2p-1f-coop-v3"])
    assert (settings.hidden, settings.gamma, settings.rollout, settings.batch) == (32, 0.9, 0, 256)
    assert isinstance(settings.hidden, int) and parse([])[0].hidden == 128


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--env", "spaceworld:moon"], ["spaceworld:solo", "spaceworld:duet", "spaceworld:pair", "spaceworld:truss"]),
        (["--env", "duet"], ["did you mean spaceworld:duet?"]),
        (["--env", "spaceworld:duett"], ["did you mean spaceworld:duet?"]),
        (["--env", "Foraging-8x8-2p-2f-coop-v3"], ["did you mean lbf:Foraging-8x8-2p-2f-coop-v3?"]),
        (["--env", "mpe:x"], ["every other id of lbf and rware", "copy tianshou_examples/mca.py"]),
        (["--method", "mca", "fair"], ["'mca'", "'summed'", "'shared'", "'equal'"]),
        (["--critic", "oracle"], ["scripted", "anthropic", "openai", "recorded", "answers:DATASET"]),
        (["--algo", "sac"], ["'ppo'", "'ddqn'"]),
        (["--policy", "one"], ["'shared'", "'per-agent'"]),
        (["--fallback", "none"], ["'equal'", "'shared'", "'raise'"]),
        (["--reward", "rare"], ["--reward 'rare'", "delayed:STEPS", "noisy:SCALE"]),
        (["--reward", "delayed:-1"], ["--reward 'delayed:-1'"]),
        (["--reward", "noisy:nan"], ["--reward 'noisy:nan'"]),
        (["--envs", "0"], ["--envs: it is 0", "at least 1"]),
        (["--steps", "-1"], ["--steps: it is -1"]),
        (["--set", "gama=1"], ["--set gama=1", "gamma", "hidden"]),
        (["--set", "hidden=256", "gamma=1.5"], ["--set gamma=1.5", "at most 1"]),
        (["--set", "hidden=2.5"], ["--set hidden=2.5", "a whole number"]),
        (["--set", "lr=0"], ["--set lr=0", "more than 0"]),
        (["--set", "lr=nan"], ["--set lr=nan", "more than 0"]),
        (["--base-url", "http://127.0.0.1:1"], ["--critic anthropic or openai or folder"]),
        (["--critic", "openai"], ["--model"]),
        (["--critic", "recorded"], ["--replay FOLDER"]),
        (["--replay", "runs/x"], ["--critic recorded"]),
        (["--max-calls", "5"], ["scripted one is free"]),
        (["--critic", "anthropic", "--max-cost", "5"], ["--prices"]),
        (["--critic", "anthropic", "--prices", "5"], ["two or three numbers, got 1"]),
        (["--critic", "anthropic", "--in-flight", "0"], ["--in-flight: it is 0"]),
    ],
)
def test_arguments_that_make_no_sense_are_answered_with_the_valid_ones(
    arguments: list[str], said: list[str], capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    printed = capsys.readouterr()
    for text in said:
        assert text in printed.err
    assert printed.out == "" and printed.err.count("\n") == 1 and "--help lists all" in printed.err


def test_help_shows_defaults_where_there_are_some(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "(default: mca shared)" in text and "(default: spaceworld:duet)" in text and "(default: 8)" in text
    assert not re.search(r"\(default: *(None|\[\]|False|\()?\)", text)


def refused(arguments: list[str], capsys: pytest.CaptureFixture) -> str:
    """What is said, in one line, to arguments that cannot be followed."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    return printed.err


def test_a_folder_that_cannot_be_used_is_refused_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    said = refused([*TINY, "--out", str(tmp_path)], capsys)
    assert str(tmp_path) in said and "--resume" in said
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(SystemExit, match="2"):
            main(["--resume", str(folder)])
        assert f"--resume {folder} holds no run: {folder / 'config.json'} is missing" in capsys.readouterr().err
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert str(tmp_path / "file") in refused([*TINY, "--out", str(tmp_path / "file" / "run")], capsys)
