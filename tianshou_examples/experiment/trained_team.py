"""A finished run as a team that plays; `python -m spaceworld watch runs/<name>` loads it by an entry point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

from tianshou_examples.experiment.actors import load_actors
from tianshou_examples.experiment.settings import Settings, checkpoint_of

Policy = Callable[[dict[str, np.ndarray], dict[str, dict[str, Any]]], dict[str, int]]


def load(folder: Path) -> tuple[dict[str, Any], Callable[[ParallelEnv], Policy]]:
    """Return the environment and the team of a run on Spaceworld.

    Returns:
        The arguments of `spaceworld_v0.parallel_env` with which the run made its environments, and a maker of the
        greedy policy in such an environment, of the first learner that left a checkpoint.

    Raises:
        ValueError: The folder holds no run, or none on Spaceworld, or no checkpoint yet.
    """
    settings = Settings.read(folder)
    family, _, scenario = settings.env.partition(":")
    if family != "spaceworld":
        raise ValueError(
            f"{folder} was trained on {settings.env}, and only Spaceworld can be watched; see its team.gif"
        )
    paths = [checkpoint_of(folder, *learner) for learner in settings.learners]
    checkpoint = next((path for path in paths if path.exists()), None)
    if checkpoint is None:
        raise ValueError(f"{folder} holds no trained team: there is no {paths[0]}")
    arguments = {"scenario": scenario, **settings.world_options}
    return arguments, lambda env: load_actors(settings, env, checkpoint).best_actions
