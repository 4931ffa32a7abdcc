"""Who steers the robots: the planner, random choices, or trained networks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

from spaceworld.env import SpaceworldEnv
from spaceworld.planner.scripted_policy import policy as scripted_policy
from spaceworld.presets import is_scenario

Policy = Callable[[dict[str, np.ndarray], dict[str, dict[str, Any]]], dict[str, int]]
# Loads the trained team in a folder: returns the arguments of `SpaceworldEnv` and a maker of the policy. Raises a
# ValueError of one line when the folder is not one of its runs.
Loader = Callable[[Path], tuple[dict[str, Any], Callable[[ParallelEnv], Policy]]]
GROUP = "spaceworld.policies"  # entry points to loaders, each named after the extra that installs what it imports


@dataclass(frozen=True)
class Team:
    """A way to steer all robots."""

    name: str
    policy: Callable[[SpaceworldEnv, Sequence[str]], Policy]  # makes the policy for some agents, for each episode
    world: dict[str, Any] = field(default_factory=dict)  # arguments of `SpaceworldEnv` that this team was made for


def team_of(name: str, loader: str | None = None) -> Team:
    """Return the team of that name: `planner`, `random`, or the folder of a training run.

    Args:
        name: The team.
        loader: The function that loads the folder, as "module:function"; None tries the registered entry points.

    Raises:
        ValueError: For an unknown team, or a folder that cannot be loaded; the message names the reason.
    """
    if name in ("planner", "random"):
        if loader is not None:
            raise ValueError(f"--policy {loader} loads the folder of a training run; the team is {name!r}")
        return Team(name, scripted_policy if name == "planner" else _random)
    folder = Path(name)
    if not folder.is_dir() and is_scenario(name):
        raise ValueError(f"{name} is a scenario, no team; to watch it: spaceworld watch --scenario {name}")
    if not folder.is_dir():
        raise ValueError(f"unknown team {name!r}; valid are planner, random, or the folder of a training run")
    world, make = _load_from_entry_points(folder) if loader is None else _load_by(loader, folder)
    return Team(folder.name, lambda env, agents: make(env), world)


def _load_by(loader: str, folder: Path) -> tuple[dict[str, Any], Callable[[ParallelEnv], Policy]]:
    """Return what the function of that name makes of the folder; it may be in a module of the current folder."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found: Any = resolve_name(loader)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"--policy {loader} is not a module:function that can be imported: {error}") from None
    if not callable(found):
        raise ValueError(f"--policy {loader} is no function; name one, module:function")
    loaded = found(folder)
    if not isinstance(loaded, tuple) or len(loaded) != 2 or not callable(loaded[1]):
        raise ValueError(
            f"--policy {loader} returned a {type(loaded).__name__}, not the arguments of SpaceworldEnv and a function "
            "from an environment to a policy"
        )
    return loaded


def _load_from_entry_points(folder: Path) -> tuple[dict[str, Any], Callable[[ParallelEnv], Policy]]:
    """Return what the first entry point that knows the folder makes of it."""
    reasons = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            loader: Loader = point.load()
        except ImportError as error:
            package = point.dist.name if point.dist else "the package that registered it"
            install = f'pip install "{package}[{point.name}]"'
            reasons.append(f"entry point {point.name!r} ({point.value}) needs more: {error}; {install}")
            continue
        try:
            return loader(folder)
        except ValueError as error:
            reasons.append(str(error))
    if not reasons:
        raise ValueError(f"no installed package loads {folder}: name a function that does, --policy module:function")
    raise ValueError("; ".join(reasons))


def _random(env: SpaceworldEnv, agents: Sequence[str]) -> Policy:
    generator = np.random.default_rng(0)

    def act(observations: dict[str, np.ndarray], infos: dict[str, dict[str, Any]]) -> dict[str, int]:
        return {a: int(generator.choice(np.flatnonzero(infos[a]["action_mask"]))) for a in agents}

    return act
