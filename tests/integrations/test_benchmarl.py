"""BenchMARL's own algorithms over our environments: what they collect is what the environments did and paid."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("benchmarl", reason="BenchMARL is not installed")

from benchmarl.algorithms import IppoConfig, IqlConfig, MappoConfig, QmixConfig, VdnConfig
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from known_credit import KnownCreditEnv, KnownCritic, paid
from paid_rows import check_ends, check_paid
from torchrl.envs.utils import ExplorationType, set_exploration_type

from credit_wrappers import CreditWrapper, Online, SharedCritic
from credit_wrappers.integrations.benchmarl import TeamEvaluation, TeamTask
from spaceworld import spaceworld_v0
from spaceworld.env import SpaceworldEnv

pytestmark = pytest.mark.filterwarnings("default")  # BenchMARL's own
torch.set_num_threads(1)

ALGORITHMS = {"mappo": MappoConfig, "ippo": IppoConfig, "vdn": VdnConfig, "qmix": QmixConfig, "iql": IqlConfig}


class Kept(Callback):
    """Keeps what was collected and what was evaluated."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Any] = []
        self.rollouts: list[Any] = []

    def on_batch_collected(self, batch: Any) -> None:
        self.batches.append(batch.clone())

    def on_evaluation_end(self, rollouts: list[Any]) -> None:
        self.rollouts += rollouts


def experiment(task: TeamTask, algorithm: str, folder: Path, *callbacks: Callback, frames: int = 120) -> Experiment:
    config = ExperimentConfig.get_from_yaml()
    config.loggers, config.save_folder, config.max_n_frames = [], str(folder), frames
    config.on_policy_collected_frames_per_batch = config.off_policy_collected_frames_per_batch = frames
    config.on_policy_n_envs_per_worker = config.off_policy_n_envs_per_worker = 3
    config.on_policy_minibatch_size, config.on_policy_n_minibatch_iters = 60, 1
    config.off_policy_n_optimizer_steps, config.off_policy_train_batch_size = 2, 16
    config.off_policy_memory_size, config.evaluation_interval, config.evaluation_episodes = 200, frames, 2
    model = MlpConfig.get_from_yaml()
    return Experiment(task, ALGORITHMS[algorithm].get_from_yaml(), model, seed=0, config=config, callbacks=[*callbacks])


def short_duet() -> SpaceworldEnv:
    return spaceworld_v0.parallel_env(scenario="duet", max_cycles=8)


SHORT_DUET = TeamTask(spaceworld_v0.parallel_env, scenario="duet", max_cycles=8)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_learns_from_the_environments_own_steps_and_keeps_the_masks(
    algorithm: str, tmp_path: Path
) -> None:
    kept = Kept()
    run = experiment(SHORT_DUET, algorithm, tmp_path, kept)
    before = [p.detach().clone() for p in run.losses["agents"].parameters()]
    run.run()
    assert any(not torch.equal(a, b) for a, b in zip(before, run.losses["agents"].parameters(), strict=True))
    (batch,) = kept.batches
    assert batch.shape == (3, 40)
    masks, actions = batch["agents", "action_mask"], batch["agents", "action"]
    assert not masks.all() and masks.gather(-1, actions[..., None]).all()
    for rollout in kept.rollouts:
        played = rollout["agents", "action_mask"].gather(-1, rollout["agents", "action"][..., None])
        assert played.all()
    single = short_duet()
    for k, seed in enumerate(_seeds(run, 3)):
        single.reset(seed=seed)
        for row in batch[k]:
            joint = dict(zip(single.possible_agents, row["agents", "action"].tolist(), strict=True))
            observations, rewards, terminated, truncated, _ = single.step(joint)
            np.testing.assert_array_equal(row["next", "agents", "observation"], np.stack(list(observations.values())))
            assert row["next", "agents", "reward"].reshape(-1).tolist() == pytest.approx(list(rewards.values()))
            flags = any(terminated.values()), any(truncated.values())
            assert (row["next", "terminated"].item(), row["next", "truncated"].item()) == flags
            if any(flags):
                single.reset()


def _seeds(run: Experiment, count: int) -> list[int]:
    env = run.task.get_env_fun(num_envs=count, continuous_actions=False, seed=run.seed, device="cpu")()
    return list(env._seeds)


def test_a_team_that_is_paid_credit_collects_credit_and_is_evaluated_on_the_teams_reward(tmp_path: Path) -> None:
    logs: list[dict] = []

    def known() -> KnownCreditEnv:
        logs.append({})
        return KnownCreditEnv(0, 2, logs[-1], masked=True, lengths=(5,))

    kept = Kept()
    task = TeamTask(known, lambda env: paid(env, KnownCritic()), name="known", max_steps=5)
    task.__class__ = _Unpickled  # a function of a test cannot be pickled
    experiment(task, "ippo", tmp_path, kept, TeamEvaluation()).run()
    (batch,) = kept.batches
    made = iter(logs[2:5])  # after the two in which credit would have been evaluated
    for rows, log in zip(batch, made, strict=True):
        observations = rows["agents", "observation"].numpy().reshape(-1, 5)
        keys = check_paid(observations, rows["next", "agents", "reward"].numpy().reshape(-1), log, KnownCritic())
        check_ends(keys, log)
    assert {float(x) for rollout in kept.rollouts for x in rollout["next", "agents", "reward"].reshape(-1)} == {7777.0}


class _Unpickled(TeamTask):
    def __reduce__(self) -> tuple[Any, ...]:
        return TeamTask, ("spaceworld:duet",)


def test_a_task_that_was_pickled_is_the_same_without_its_critic() -> None:
    task = TeamTask(short_duet, lambda env: CreditWrapper(env, Online(SharedCritic())), name="mine", state=False)
    again = pickle.loads(pickle.dumps(task))
    assert (again.name, again.config, again.wrap) == ("mine", {"max_steps": None, "state": False}, None)
    assert again == task.bare()
    env = again.get_env_fun(2, False, 0, "cpu")()
    assert again.max_steps(env) == 8
    assert again.state_spec(env) is None


def test_an_environments_arguments_are_passed_on_and_kept() -> None:
    task = pickle.loads(pickle.dumps(TeamTask("spaceworld:duet", action_mask="safe", max_cycles=4)))
    env = task.get_env_fun(1, False, 0, "cpu")()
    assert task.max_steps(env) == 4
    assert env.envs[0].max_cycles == 4
    assert task.config["action_mask"] == "safe"


def test_the_name_of_an_environment_becomes_the_name_of_a_folder() -> None:
    assert TeamTask("lbf:Foraging-5x5-2p-1f-coop-v3").name == "lbf_Foraging_5x5_2p_1f_coop_v3"


def test_an_environment_without_a_known_time_limit_asks_for_one() -> None:
    task = TeamTask(lambda: KnownCreditEnv(0, 2, {}))
    with pytest.raises(ValueError, match="max_steps="):
        task.max_steps(task.get_env_fun(1, False, 0, "cpu")())


def test_a_task_of_something_else_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="a name or a function"):
        TeamTask(short_duet())


def test_a_restored_experiment_plays_as_the_saved_one_did(tmp_path: Path) -> None:
    kept = Kept()
    run = experiment(SHORT_DUET, "mappo", tmp_path, kept)
    run.config.checkpoint_at_end = True
    run.run()
    (saved,) = tmp_path.rglob("checkpoint_*.pt")
    again = Experiment.reload_from_file(str(saved))
    with set_exploration_type(ExplorationType.DETERMINISTIC):
        first = kept.batches[0][:, 0].select(("agents", "observation"), ("agents", "action_mask"))
        played, restored = (each.policy(first.clone())["agents", "action"] for each in (run, again))
        assert torch.equal(played, restored)
