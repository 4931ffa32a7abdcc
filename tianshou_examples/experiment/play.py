"""A finished run as a team that plays: what `python -m spaceworld watch runs/<name>` loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

from tianshou_examples.experiment.settings import Settings

Policy = Callable[[dict[str, np.ndarray], dict[str, dict[str, Any]]], dict[str, int]]


def settings_of(run: Path) -> Settings:
    """The settings of the run in a folder.

    Raises:
        ValueError: when there is no run in it; the message says so in one line.
    """
    try:
        return Settings.from_dict(json.loads((run / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{run} holds no run: there is no config.json of one in it") from None


def world_of(run: Path) -> dict[str, Any]:
    """The arguments of `spaceworld_v0.parallel_env` with which the run made its environments.

    Raises:
        ValueError: when there is no run, or it is not one of Spaceworld.
    """
    settings = settings_of(run)
    family, _, scenario = settings.env.partition(":")
    if family != "spaceworld":
        raise ValueError(f"{run} was trained on {settings.env}, and only Spaceworld can be watched; see its team.gif")
    return {"scenario": scenario, "action_mask": settings.action_mask}


def policy_of(run: Path, env: ParallelEnv) -> Policy:
    """The greedy team of the run's first learner that left a checkpoint.

    Raises:
        ValueError: when there is no checkpoint yet.
    """
    import torch

    from tianshou_examples.experiment.learner_process import arm_name
    from tianshou_examples.experiment.learners import actors_of

    settings = settings_of(run)
    paths = [run / "checkpoints" / f"{arm_name(*arm)}.pt" for arm in settings.arms]
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        raise ValueError(f"{run} holds no trained team: there is no {paths[0]}")
    actors, generator = actors_of(settings, env, found), torch.Generator()

    def act(observations: dict[str, np.ndarray], infos: dict[str, dict[str, Any]]) -> dict[str, int]:
        seen = np.stack(list(observations.values()))[None]
        masks = np.stack([infos[agent]["action_mask"] for agent in observations])[None]
        return dict(zip(observations, actors.choose(seen, masks, True, generator)[0].tolist(), strict=True))

    return act
