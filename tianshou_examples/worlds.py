"""Environments by name, `family:scenario`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pettingzoo import ParallelEnv

from tianshou_examples.settings import ENVS


def check_world(name: str) -> str:
    """The scenario of an environment's name.

    Raises:
        ValueError: for an unknown one; the message lists the valid ones.
    """
    from spaceworld import PRESETS

    family, _, scenario = name.partition(":")
    if family not in ENVS or scenario not in PRESETS:
        valid = ", ".join(f"spaceworld:{s}" for s in PRESETS)
        raise ValueError(f"unknown env {name!r}; valid are {valid}")
    return scenario


def world_factory(
    name: str, render_mode: str | None = None, action_mask: Any = "possible"
) -> Callable[[], ParallelEnv]:
    """A factory of the named environment."""
    scenario = check_world(name)

    def make() -> ParallelEnv:
        from spaceworld import spaceworld_v0

        return spaceworld_v0.parallel_env(scenario=scenario, render_mode=render_mode, action_mask=action_mask)

    return make
