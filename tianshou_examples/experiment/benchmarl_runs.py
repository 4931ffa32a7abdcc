"""Trainings by BenchMARL, on the team reward: settings, one training, and the team that it leaves."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarl.algorithms import IppoConfig, IqlConfig, MappoConfig, QmixConfig, VdnConfig
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from tensordict import TensorDict

from credit_wrappers.integrations.benchmarl import TeamTask
from tianshou_examples.experiment.actors import chosen_actions
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.evaluation import UNSEEN, evaluate

ALGORITHMS = {"mappo": MappoConfig, "ippo": IppoConfig, "qmix": QmixConfig, "vdn": VdnConfig, "iql": IqlConfig}

# "published" are BenchMARL's own, unchanged. "ours" and "fast" differ from them towards the learners of `settings.py`.
SETTINGS: dict[str, dict[str, Any]] = {
    "published": {},
    "ours": {
        "gamma": 0.97,
        "lr": 1e-3,
        # MAPPO, IPPO
        "lmbda": 0.95,
        "entropy_coef": 0.01,
        "on_policy_n_envs_per_worker": 64,
        "on_policy_collected_frames_per_batch": 3840,
        "on_policy_n_minibatch_iters": 8,
        "on_policy_minibatch_size": 256,
        # QMIX, VDN, IQL
        "off_policy_n_envs_per_worker": 64,
        "off_policy_collected_frames_per_batch": 512,
        "off_policy_n_optimizer_steps": 16,
        "off_policy_train_batch_size": 256,
        "off_policy_memory_size": 200_000,
        "exploration_eps_init": 1.0,
        "exploration_eps_end": 0.02,
        "soft_target_update": False,
        "hard_target_update_frequency": 200,
    },
    # those of `--loop fast` on duet: as many worlds, steps between updates, rows of a gradient step and passes; few
    # gradient steps, so that a training takes a minute or two
    "fast": {
        "gamma": 0.97,
        "lr": 2e-3,
        "lmbda": 0.95,
        "entropy_coef": 0.02,
        "on_policy_n_envs_per_worker": 64,
        "on_policy_collected_frames_per_batch": 4096,
        "on_policy_n_minibatch_iters": 4,
        "on_policy_minibatch_size": 1024,
        "off_policy_n_envs_per_worker": 64,
        "off_policy_collected_frames_per_batch": 1024,
        "off_policy_n_optimizer_steps": 16,
        "off_policy_train_batch_size": 512,
        "off_policy_memory_size": 200_000,
        "exploration_eps_init": 1.0,
        "exploration_eps_end": 0.02,
        "soft_target_update": False,
        "hard_target_update_frequency": 200,
    },
}


@dataclass(frozen=True)
class BenchmarlRun:
    """One training.

    Attributes:
        env: `family:scenario`.
        algo: Of `ALGORITHMS`.
        settings: Of `SETTINGS`.
        seed: Of the training.
        steps: Environment steps, at least: the last iteration is finished.
        changed: Further settings, by name, of BenchMARL's experiment or of the algorithm.
        action_mask: Of Spaceworld.
        eval_episodes: Unseen layouts on which the team is judged.
        skip: Unseen layouts before these.
    """

    env: str
    algo: str
    settings: str
    seed: int
    steps: int
    changed: tuple[tuple[str, Any], ...] = ()
    action_mask: str = "possible"
    eval_episodes: int = 900
    skip: int = 100

    def cell(self) -> dict[str, Any]:
        """Return what says all of it, as JSON values."""
        return {**asdict(self), "changed": {name: value for name, value in self.changed}}


class BenchmarlTeam:
    """A team that BenchMARL trained, as evaluations need it."""

    def __init__(self, experiment: Experiment) -> None:
        self.steps = experiment.total_frames  # environment steps of its training so far
        (self._group,) = experiment.group_map
        self._policy = experiment.algorithm.get_policy_for_loss(self._group)
        self._epsilon = None if experiment.on_policy else 0.05  # as of the other Q learners here
        self._scores = (self._group, "logits" if experiment.on_policy else "action_value")

    @torch.no_grad()
    def choose(
        self, observations: np.ndarray, masks: np.ndarray, greedy: bool, generator: torch.Generator
    ) -> np.ndarray:
        """Return actions (E, N) int64 for observations (E, N, F) and masks (E, N, A)."""
        seen = torch.as_tensor(observations, dtype=torch.float32)
        team = {"observation": seen, "action_mask": torch.as_tensor(masks, dtype=torch.bool)}
        rows = TensorDict({self._group: TensorDict(team, seen.shape[:2])}, seen.shape[:1])
        scores = self._policy(rows).get(self._scores)
        return chosen_actions(scores, masks, greedy, generator, self._epsilon)


def names_of(algo: str) -> dict[str, Any]:
    """Return the names of the settings that an algorithm's trainings have, with BenchMARL's own values."""
    own = (ExperimentConfig.get_from_yaml(), ALGORITHMS[algo].get_from_yaml())
    return {f.name: getattr(config, f.name) for config in own for f in fields(config)}


def make_experiment(
    run: BenchmarlRun, folder: Path, task: TeamTask | None = None, callbacks: Sequence[Callback] = ()
) -> Experiment:
    """Return BenchMARL's experiment, which logs nothing and does not evaluate.

    Args:
        run: What is trained.
        folder: Into which BenchMARL writes.
        task: Of that environment; None: with the run's action mask alone.
        callbacks: Told how the training goes on.
    """
    config, algorithm = ExperimentConfig.get_from_yaml(), ALGORITHMS[run.algo].get_from_yaml()
    _change(config, SETTINGS[run.settings] | dict(run.changed))
    _change(algorithm, SETTINGS[run.settings] | dict(run.changed))
    _change(config, {
        "max_n_frames": run.steps, "loggers": [], "create_json": False, "evaluation": False,
        "save_folder": str(folder), "checkpoint_at_end": True, "exclude_buffer_from_checkpoint": True,
    })  # fmt: skip
    masks: dict[str, Any] = {"action_mask": run.action_mask} if run.env.startswith("spaceworld:") else {}
    task = TeamTask(run.env, **masks) if task is None else task
    return Experiment(
        task, algorithm, MlpConfig.get_from_yaml(), seed=run.seed, config=config, callbacks=list(callbacks)
    )


def _change(config: Any, values: Mapping[str, Any]) -> None:
    for name in values.keys() & {f.name for f in fields(config)}:
        setattr(config, name, values[name])


def train_and_evaluate(run: BenchmarlRun, folder: Path | None = None) -> dict[str, Any]:
    """Train a team and judge it on unseen layouts by the environment's own reward.

    Args:
        run: What is trained.
        folder: Into which BenchMARL writes its checkpoint; None: nothing is kept.

    Returns:
        `cell`, `steps`, `wall_seconds` and `cpu_seconds` of the training, and the evaluations `greedy` and `sampled`.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as passing, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TorchRL and BenchMARL, of what they do themselves
        experiment = make_experiment(run, folder or Path(passing))
        wall, cpu = time.perf_counter(), time.process_time()
        experiment.run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        team, make_env = BenchmarlTeam(experiment), environment_maker(run.env, action_mask=run.action_mask)
        played = {
            how: asdict(evaluate(make_env, team, run.eval_episodes, how == "greedy", UNSEEN + run.skip))
            for how in ("greedy", "sampled")
        }
    return {"cell": run.cell(), "steps": experiment.total_frames, "wall_seconds": wall, "cpu_seconds": cpu, **played}
