"""`python -m tianshou_examples.train` on Level-Based Foraging and the warehouse: what is the same, what is left out."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from credit_wrappers import LLMCreditWrapper
from credit_wrappers.testing.corridor import CorridorEnv
from tests.examples.one_learner import Queue
from tests.examples.test_train import cells, records, results
from tianshou_examples import evaluate, mca
from tianshou_examples.experiment.actors import load_actors
from tianshou_examples.experiment.command_line import parse
from tianshou_examples.experiment.env_families import FAMILIES
from tianshou_examples.experiment.environments import environment_maker, longest_episode
from tianshou_examples.experiment.learner_process import run_learner
from tianshou_examples.experiment.settings import Settings
from tianshou_examples.experiment.trained_team import load
from tianshou_examples.train import main

LBF, RWARE = "lbf:Foraging-5x5-2p-1f-coop-v3", "rware:rware-tiny-2ag-easy-v2"
Run = tuple[Path, str]


def run(folder: Path, *arguments: str) -> Run:
    printed = StringIO()
    with contextlib.redirect_stdout(printed):
        assert main([*arguments, "--method", "mca", "--out", str(folder)]) == 0
    return folder, printed.getvalue()


@pytest.fixture(scope="module")
def foraging(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("lbf") / "run"
    return run(folder, "--env", LBF, "--envs", "2", "--steps", "300", "--eval-episodes", "3")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("rware") / "run"
    return run(folder, "--env", RWARE, "--envs", "1", "--steps", "500", "--eval-episodes", "1")


# -- runs ---------------------------------------------------------------------------------------------------------


def test_foraging_is_told_without_collisions_and_with_the_way_to_its_maximum(foraging: Run) -> None:
    folder, out = foraging
    heads = [row for row in cells(out) if row[0] == "method"]
    assert heads == [["method", "play", "return", "success", "length"], ["method", "mca"]]
    rows = {row[0]: row[1:] for row in cells(out)}
    assert results(folder)["mca"]["steps_to_80"] is None and rows["steps to 80 % of the maximum"] == ["never"]
    assert "starting the environment" in out and "compil" not in out and "ollision" not in out
    train = [r for r in records(folder) if r["kind"] == "train"]
    assert [r["steps"] for r in train] == [100, 200, 300]  # 50 steps of 2 environments between updates
    assert results(folder)["mca"]["critic"]["episodes"] >= 4


def test_the_warehouse_is_told_without_success_collisions_or_a_maximum(warehouse: Run) -> None:
    folder, out = warehouse
    heads = [row for row in cells(out) if row[0] == "method"]
    assert heads == [["method", "play", "return", "length"], ["method", "mca"]]
    found = results(folder)["mca"]
    assert found["greedy"]["steps"] == 500 and "80 %" not in out and "steps_to_80" not in found
    assert [r["steps"] for r in records(folder) if r["kind"] == "train"] == [500]  # the library's time limit


def test_both_leave_the_files_of_every_run_and_an_animation_of_bounded_length(foraging: Run, warehouse: Run) -> None:
    for (folder, _), family in ((foraging, "lbf"), (warehouse, "rware")):
        assert (folder / "ledger-mca-0.sqlite").exists() and (folder / "checkpoints" / "mca-0.pt").exists()
        assert (folder / "learning_curve.png").stat().st_size > 10_000
        assert "not an LLM" in (folder / "credits.txt").read_text(encoding="utf-8")
        episodes, steps = FAMILIES[family].film
        with Image.open(folder / "team.gif") as film:
            assert 1 <= getattr(film, "n_frames", 1) <= episodes * (steps + 5)


def test_finished_runs_are_played_again_but_not_watched_in_spaceworlds_window(
    foraging: Run, warehouse: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.main([str(foraging[0]), "--skip", "0", "--episodes", "3"])
    line = capsys.readouterr().out.splitlines()[1]
    found = results(foraging[0])["mca"]["greedy"]
    assert f"greedy : return {found['team_return']:.3f}, success {found['success']:.3f}, length" in line
    evaluate.main([str(warehouse[0]), "--skip", "0", "--episodes", "1"])
    assert ": return 0.000, length 500.0" in capsys.readouterr().out.splitlines()[1]
    env = environment_maker(LBF)()
    observations, infos = env.reset(seed=3)
    actors = load_actors(Settings.read(foraging[0]), env, foraging[0] / "checkpoints" / "mca-0.pt")
    actions = actors.best_actions(observations, infos)
    assert all(infos[agent]["action_mask"][action] for agent, action in actions.items())
    with pytest.raises(ValueError, match=r"was trained on lbf:.*only Spaceworld can be watched"):
        load(foraging[0])


@pytest.mark.parametrize(("algo", "policy"), [("ddqn", "shared"), ("ppo", "per-agent")])
def test_foraging_is_learned_with_every_algorithm(algo: str, policy: str, tmp_path: Path) -> None:
    settings, _ = parse(["--env", LBF, "--envs", "2", "--steps", "200", "--algo", algo, "--policy", policy])
    box = Queue()
    run_learner(replace(settings, eval_episodes=1, evaluations=0), "summed", 0, tmp_path, box, threading.Event())
    (result,) = box.of("result")
    assert result["complete"] and result["critic"]["episodes"] > 0


@pytest.mark.parametrize(("env", "sizes"), [(LBF, (200, 2, 2)), (RWARE, (500, 1, 1)), ("spaceworld:duet", (300, 2, 2))])
def test_the_plain_script_prints_the_return_before_and_after(
    env: str, sizes: tuple[int, int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [x for k, v in zip(("steps", "envs", "episodes"), sizes, strict=True) for x in (f"--{k}", str(v))]
    mca.main(["--env", env, *given])
    before, after = capsys.readouterr().out.splitlines()
    assert before.startswith("greedy return before: ") and after.startswith(f"greedy return after {sizes[0]} steps: ")
    assert len(Path(mca.__file__).read_text(encoding="utf-8").splitlines()) < 110


def test_the_plain_script_takes_a_family_that_has_no_sizes_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mca, "SIZES", {"lbf": (150, 2, 64, 2)})
    mca.main(["--env", "spaceworld:duet"])
    assert "after 150 steps" in capsys.readouterr().out


# -- settings and bad input -----------------------------------------------------------------------------------------


def test_each_family_has_settings_of_its_own_and_spaceworlds_are_those_its_results_stand_on(tmp_path: Path) -> None:
    duet, _ = parse(["--env", "spaceworld:duet"])
    assert duet == Settings(steps=800_000)
    pinned = {"envs": 128, "lr": 2e-3, "gamma": 0.97, "batch": 512, "epochs": 8, "entropy": 0.02, "entropy_until": 0.35,
              "entropy_debit": 0.75, "rollout": 0, "recent": 256, "hidden": 128, "eval_episodes": 100}  # fmt: skip
    assert {name: getattr(duet, name) for name in pinned} == pinned
    assert parse(["--env", "spaceworld:swarm"])[0].steps == 8_000_000
    for env, family in ((LBF, FAMILIES["lbf"]), (RWARE, FAMILIES["rware"])):
        settings, _ = parse(["--env", env])
        assert settings.steps == family.steps[env.partition(":")[2]]
        assert {name: getattr(settings, name) for name in family.settings} == dict(family.settings)
        settings.write(tmp_path)
        assert Settings.read(tmp_path) == settings
        given, _ = parse(["--env", env, "--envs", "3", "--steps", "7", "--eval-episodes", "5"])
        assert given == replace(settings, envs=3, steps=7, eval_episodes=5)


def test_a_rollout_is_never_shorter_than_an_episode() -> None:  # or nothing may be over when the first update is due
    for name, family in FAMILIES.items():
        for scenario in family.steps:
            rollout = family.settings.get("rollout", 0)
            assert not rollout or rollout >= longest_episode(environment_maker(f"{name}:{scenario}")()), scenario
    assert [longest_episode(environment_maker(env)()) for env in ("spaceworld:duet", LBF, RWARE)] == [60, 50, 500]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--env", "moon:base"], ["spaceworld:duet", LBF, RWARE]),
        (["--env", "lbf:Foraging-5x5-2p-1f-cop-v3"], ["nearest valid ids", "Foraging-5x5-2p-1f-coop-v3"]),
        (["--env", "rware:rware-tiny-2ag-esay-v2"], ["nearest valid ids", "rware-tiny-2ag-easy-v2"]),
        (["--env", "lbf:Foraging-grid-5x5-2p-1f-v3"], ["flat observations"]),
        (["--env", LBF, "--action-mask", "safe"], ["--action-mask safe is for Spaceworld"]),
        (["--env", LBF, "--sight", "2"], ["--sight and --roles-told are for Spaceworld"]),
        (["--env", "spaceworld:fleet-99"], ["unknown env 'spaceworld:fleet-99'", "spaceworld:fleet-N"]),
        (["--env", RWARE, "--envs", "0"], ["--envs: it is 0"]),
        (["--set", "cost_growth=0.5"], ["give cost_price, too"]),
        (["--set", "cost_price=-1"], ["cost_price"]),
    ],
)
def test_what_a_family_does_not_have_is_refused_in_one_line(
    arguments: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    error = capsys.readouterr().err.split("error: ")[1]
    assert stopped.value.code == 2 and error.count("\n") == 1
    for text in said:
        assert text in error


def test_a_library_that_is_missing_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rware.warehouse", None)
    for script in (main, mca.main):
        with pytest.raises(SystemExit, match="2"):
            script(["--env", RWARE])
        assert 'pip install "llm-credit-wrappers[rware]"' in capsys.readouterr().err


def test_a_copy_of_mca_trains_in_an_environment_of_ones_own_as_the_page_says(capsys: pytest.CaptureFixture) -> None:
    class Ring(CorridorEnv):  # nothing but what PettingZoo asks for: neither masks nor a narrator
        def __init__(self) -> None:
            super().__init__()
            del self.narrator

    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    script = Path(mca.__file__).read_text(encoding="utf-8")
    changes = re.findall(r"^(\S.*?) +->  (.*)$", page, re.MULTILINE)
    assert len(changes) == 3
    for before, after in changes:
        assert script.count(before) == 1
        script = script.replace(before, after)
    copy: dict[str, Any] = {"__name__": "copy", "Ring": Ring, "LLMCreditWrapper": LLMCreditWrapper}
    exec(compile(script, "copy.py", "exec"), copy)
    copy["main"](["--steps", "200", "--envs", "2", "--episodes", "2"])
    assert "greedy return after 200 steps" in capsys.readouterr().out


def test_a_run_trains_in_the_world_that_sight_and_roles_make() -> None:
    settings, _ = parse(["--env", "spaceworld:fleet-3", "--sight", "2", "--roles-told", "critic"])
    env: Any = environment_maker(settings.env, **settings.world_options)().unwrapped
    assert {robot.sensor_range for robot in env.scenario.robots} == {2} and env.roles_told == "critic"
    assert len(env.possible_agents) == 3
