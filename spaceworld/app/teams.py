"""Who steers the robots: the planner, chance, or networks that were trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from spaceworld.env import SpaceworldEnv

Policy = Callable[[dict[str, np.ndarray], dict[str, dict[str, Any]]], dict[str, int]]
# Loads runs; by name, since this package needs neither the examples nor what they are made of.
TRAINED = "tianshou_examples.experiment.play"


@dataclass(frozen=True)
class Team:
    """A way to steer all robots.

    Attributes:
        name: what a person calls it.
        policy: makes the policy that acts in an environment for some of its agents; called anew for each episode.
        world: arguments of `SpaceworldEnv` that this team was made for.
    """

    name: str
    policy: Callable[[SpaceworldEnv, Sequence[str]], Policy]
    world: dict[str, Any] = field(default_factory=dict)


def team_of(name: str) -> Team:
    """The team of that name: `planner`, `random`, or the folder of a training run.

    Raises:
        ValueError: for anything else; the message names what is valid.
    """
    if name == "planner":
        return Team(name, _planner)
    if name == "random":
        return Team(name, _random)
    folder = Path(name)
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"unknown team {name!r}; valid are planner, random, or the folder of a training run (with its config.json)"
        )
    try:
        trained = import_module(TRAINED)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{name} is a training run, and {error.name} is needed to load it: run this in the repository, after "
            "pip install -e '.[tianshou]'"
        ) from None
    return Team(folder.name, lambda env, agents: trained.policy_of(folder, env), trained.world_of(folder))


def _planner(env: SpaceworldEnv, agents: Sequence[str]) -> Policy:
    make = import_module("spaceworld.planner").policy
    policy: Policy = make(env) if len(agents) == len(env.possible_agents) else make(env, agents=agents)
    return policy


def _random(env: SpaceworldEnv, agents: Sequence[str]) -> Policy:
    generator = np.random.default_rng(0)

    def act(observations: dict[str, np.ndarray], infos: dict[str, dict[str, Any]]) -> dict[str, int]:
        return {a: int(generator.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in agents}

    return act
