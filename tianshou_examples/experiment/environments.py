"""Environments by name, `family:scenario`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv

from tianshou_examples.experiment.env_families import FAMILIES


def check_world(name: str) -> tuple[str, str]:
    """The family and the scenario of an environment's name.

    Raises:
        ValueError: for an unknown one, which the message answers with valid ones, or for observations or actions that
            the networks here are not made for.
        ImportError: when the family's library is not installed; the message says how to get it.
    """
    family, _, scenario = name.partition(":")
    if family not in FAMILIES:
        raise ValueError(f"unknown env {name!r}; valid are {', '.join(examples())}")
    if family == "spaceworld":
        from spaceworld import PRESETS

        if scenario not in PRESETS:
            valid = ", ".join(f"spaceworld:{s}" for s in PRESETS)
            raise ValueError(f"unknown env {name!r}; valid are {valid}")
        return family, scenario
    env = _adapter(family)(scenario)
    agent = env.possible_agents[0]
    seen, acts = env.observation_space(agent), env.action_space(agent)
    env.close()
    if not isinstance(seen, Box) or len(seen.shape) != 1 or not isinstance(acts, Discrete):
        kinds = f"{type(seen).__name__}{seen.shape or ''}, {type(acts).__name__}"
        raise ValueError(f"{name}: the learners here need flat observations and Discrete actions, not {kinds}")
    return family, scenario


def examples() -> list[str]:
    """Names that are valid: all of Spaceworld, some of the others."""
    from spaceworld import PRESETS

    others = [f"{name}:{scenario}" for name, family in FAMILIES.items() for scenario in family.steps]
    return [f"spaceworld:{s}" for s in PRESETS] + [name for name in others if not name.startswith("spaceworld:")]


def world_factory(
    name: str, render_mode: str | None = None, action_mask: Any = "possible"
) -> Callable[[], ParallelEnv]:
    """A factory of the named environment; `action_mask` is for Spaceworld, which alone has a choice."""
    family, scenario = check_world(name)

    def make() -> ParallelEnv:
        if family != "spaceworld":
            return _adapter(family)(scenario, render_mode=render_mode)
        from spaceworld import spaceworld_v0

        return spaceworld_v0.parallel_env(scenario=scenario, render_mode=render_mode, action_mask=action_mask)

    return make


def longest_episode(env: ParallelEnv) -> int:
    """Steps after which time runs out."""
    world = env.unwrapped
    if hasattr(world, "max_cycles"):
        return int(world.max_cycles)
    library = getattr(world, "library", None)  # each library calls it something else
    return int(getattr(library, "_max_episode_steps", 0) or getattr(library, "max_steps", 0) or 500)


def _adapter(family: str) -> Callable[..., ParallelEnv]:
    from credit_wrappers.adapters import lbf, rware

    return {"lbf": lbf, "rware": rware}[family].parallel_env
