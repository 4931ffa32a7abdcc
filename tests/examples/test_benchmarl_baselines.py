"""BenchMARL's baselines are trained by one command, kept, and judged by this package's own evaluation."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from credit_wrappers import DelayedReward
from tests.examples.one_learner import TINY as ONE
from tianshou_examples import benchmarl_baselines
from tianshou_examples.experiment import command_line as train
from tianshou_examples.experiment.actors import chosen_actions

torch.set_num_threads(1)
TINY = ["--env", "spaceworld:solo", "--steps", "64", "--eval-episodes", "4", "--settings", "ours"]
TINY_STUDY = replace(ONE, env="spaceworld:solo", method=("shared",), eval_episodes=10, absolute=20)
SMALL = [
    "--set", "on_policy_collected_frames_per_batch=64", "on_policy_n_envs_per_worker=4", "on_policy_minibatch_size=32",
    "off_policy_collected_frames_per_batch=64", "off_policy_n_envs_per_worker=4", "off_policy_memory_size=200",
]  # fmt: skip


def error_of(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as raised:
        benchmarl_baselines.main(argv)
    assert raised.value.code == 2
    return capsys.readouterr().err


def test_an_unknown_environment_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean spaceworld:duet?" in error_of(["--env", "duet"], capsys)


def test_drawn_q_values_explore_and_keep_the_masks() -> None:
    scores, masks = torch.zeros(500, 1, 3), np.tile([True, False, True], (500, 1, 1))
    scores[..., 2] = 1.0
    generator = torch.Generator().manual_seed(0)
    assert (chosen_actions(scores, masks, True, generator, 0.5) == 2).all()
    share = (chosen_actions(scores, masks, False, generator, 0.5) == 0).mean()
    assert 0.15 < share < 0.35  # half of them are random, over two actions
    drawn = chosen_actions(scores, masks, False, generator, None)
    assert set(drawn.reshape(-1).tolist()) == {0, 2}


class TestWithBenchmarl:
    """What needs BenchMARL."""

    @pytest.fixture(autouse=True)
    def needed(self) -> None:
        pytest.importorskip("benchmarl", reason="BenchMARL is not installed")

    pytestmark = pytest.mark.filterwarnings("default")  # BenchMARL's own

    def test_finished_teams_are_kept_and_trained_no_more(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        argv = [*TINY, "--algo", "mappo", "vdn", *SMALL, "--out", str(tmp_path)]
        assert benchmarl_baselines.main(argv) == 0
        results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
        assert [(r["cell"]["algo"], r["steps"]) for r in results] == [("mappo", 64), ("vdn", 64)]
        for result in results:
            assert result["greedy"]["episodes"] == result["sampled"]["episodes"] == 4
            assert result["wall_seconds"] > 0
        table = (tmp_path / "table.txt").read_text(encoding="utf-8")
        assert table in capsys.readouterr().out
        assert "mappo" in table and "vdn" in table
        from tianshou_examples.experiment import benchmarl_runs

        monkeypatch.setattr(benchmarl_runs, "train_and_evaluate", None)  # nothing is missing
        assert benchmarl_baselines.main(argv) == 0

    def test_the_team_that_is_evaluated_plays_as_benchmarls_own_policy(self, tmp_path: Path) -> None:
        from tensordict import TensorDict
        from torchrl.envs.utils import ExplorationType, set_exploration_type

        from tianshou_examples.experiment.benchmarl_runs import BenchmarlRun, BenchmarlTeam, make_experiment

        rng = np.random.default_rng(0)
        seen = rng.uniform(-1, 1, (50, 2, 47)).astype(np.float32)
        masks = rng.random((50, 2, 6)) < 0.5
        masks[..., 0] = True
        for algo in ("mappo", "qmix"):
            run = BenchmarlRun("spaceworld:duet", algo, "published", 0, 6000)
            experiment = make_experiment(run, tmp_path)
            played = BenchmarlTeam(experiment).choose(seen, masks, True, torch.Generator())
            team = {"observation": torch.as_tensor(seen), "action_mask": torch.as_tensor(masks)}
            rows = TensorDict({"agents": TensorDict(team, (50, 2))}, (50,))
            with set_exploration_type(ExplorationType.DETERMINISTIC):
                own = experiment.policy(rows)["agents", "action"]
            np.testing.assert_array_equal(played, own.numpy())
            assert np.take_along_axis(masks, played[..., None], -1).all()

    def test_the_lists_of_the_command_line_are_those_of_the_trainings(self) -> None:
        from tianshou_examples.experiment.benchmarl_runs import ALGORITHMS, SETTINGS, names_of

        assert list(ALGORITHMS) == list(benchmarl_baselines.ALGORITHMS)
        assert list(SETTINGS) == list(benchmarl_baselines.SETTINGS)
        every = {name for algo in ALGORITHMS for name in names_of(algo)}
        assert set(SETTINGS["ours"]) <= every

    def test_settings_are_changed_by_name_and_wrong_ones_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        from tianshou_examples.experiment.benchmarl_runs import names_of

        names = names_of("mappo")
        given = ["lr=0.001", "clip_grad_norm=False", "on_policy_minibatch_size=9"]
        changed = benchmarl_baselines._changed(given, names)
        assert changed == (("lr", 0.001), ("clip_grad_norm", False), ("on_policy_minibatch_size", 9))
        assert "near are gamma" in error_of(["--algo", "mappo", "--set", "gama=1"], capsys)
        assert "lr is 5e-05" in error_of(["--algo", "mappo", "--set", "lr=high"], capsys)

    def test_a_learner_of_a_study_is_evaluated_as_planned_paid_the_harder_reward_and_ends_when_told(
        self, tmp_path: Path
    ) -> None:
        from tests.examples.one_learner import Queue
        from tianshou_examples.experiment import benchmarl_learner, benchmarl_runs

        own = dict(pair.split("=") for pair in SMALL[1:])
        tiny = {name: int(value) for name, value in own.items()} | {"on_policy_n_minibatch_iters": 1}
        settings = replace(TINY_STUDY, benchmarl="mappo ours", steps=256, reward="delayed:3")
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(benchmarl_runs.SETTINGS, "ours", tiny)
            box = Queue()
            benchmarl_learner.run_learner(settings, "shared", 1, tmp_path, box, threading.Event())
            stop, stopped = threading.Event(), Queue()
            stop.set()
            benchmarl_learner.run_learner(settings, "shared", 1, tmp_path, stopped, stop)
        (result,) = box.of("result")
        assert result["complete"] and result["steps"] == 256 and (result["method"], result["seed"]) == ("shared", 1)
        records = box.records("evaluation")
        assert [record["steps"] for record in records] == [128, 256]
        assert [len(record["each"]["greedy"]["team_return"]) for record in records] == [2, 10]
        assert result["absolute"]["sampled"]["episodes"] == 20 and result["greedy"]["episodes"] == 10
        assert result["absolute"]["greedy"]["trained"] in (128, 256)
        assert all(result["times"][part] > 0 for part in ("environment", "learning", "evaluation"))
        assert not stopped.of("result")[0]["complete"] and stopped.records("train")[0]["steps"] == 64
        assert isinstance(benchmarl_learner.task_of(settings)._made(), DelayedReward)

    def test_a_run_of_benchmarl_is_not_resumed_as_one_of_ours(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        replace(TINY_STUDY, benchmarl="mappo ours").write(tmp_path)
        with pytest.raises(SystemExit):
            train.parse(["--resume", str(tmp_path)])
        assert "BenchMARL trained that run" in capsys.readouterr().err
