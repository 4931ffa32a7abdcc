"""Environments by name, `family:scenario`."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import Any

from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv

from credit_wrappers import DelayedReward, NoisyReward, SparseReward
from credit_wrappers.adapters import lbf, rware
from spaceworld import PRESETS
from spaceworld.presets import is_scenario
from tianshou_examples.experiment.env_families import FAMILIES
from tianshou_examples.experiment.shared_coins import SharedCoins

_ADAPTERS = {"lbf": lbf.parallel_env, "rware": rware.parallel_env}


def check_environment(name: str) -> str:
    """Return the scenario of an environment's name.

    Raises:
        ValueError: The name is unknown, and the message lists valid ones; or the networks here do not fit the
            environment's observations or actions.
        ImportError: The family's library is not installed; the message says how to get it.
    """
    family, _, scenario = name.partition(":")
    if family not in FAMILIES or (family == "spaceworld" and not is_scenario(scenario)):
        meant = next((valid for valid in examples() if valid.endswith(f":{name}")), "")
        meant = meant or next(iter(get_close_matches(name, examples(), n=1, cutoff=0.75)), "")
        others = " and ".join(_ADAPTERS)
        raise ValueError(
            f"unknown env {name!r}; {f'did you mean {meant}? ' if meant else ''}valid are {', '.join(examples())}, "
            f"spaceworld:fleet-N, and every other id of {others}. For an environment of your own copy "
            "tianshou_examples/mca.py (docs/training.md)"
        )
    if family == "spaceworld":
        return scenario
    env = _ADAPTERS[family](scenario)
    agent = env.possible_agents[0]
    seen, acts = env.observation_space(agent), env.action_space(agent)
    env.close()
    if not isinstance(seen, Box) or len(seen.shape) != 1 or not isinstance(acts, Discrete):
        kinds = f"{type(seen).__name__}{seen.shape or ''}, {type(acts).__name__}"
        raise ValueError(f"{name}: the learners here need flat observations and Discrete actions, not {kinds}")
    return scenario


def examples() -> list[str]:
    """Return valid names: all of Spaceworld, some of the other families."""
    others = [f"{name}:{scenario}" for name in _ADAPTERS for scenario in FAMILIES[name].steps]
    return [f"spaceworld:{scenario}" for scenario in PRESETS] + others


def environment_maker(
    name: str, render_mode: str | None = None, coins: int = 0, **options: Any
) -> Callable[[], ParallelEnv]:
    """Return a maker of the named environment; the options are for Spaceworld, which alone has a choice.

    Args:
        name: `family:scenario`.
        render_mode: Of the environment.
        coins: That all agents see behind their observations, in other families than Spaceworld.
        options: Of Spaceworld.

    Raises:
        ValueError, ImportError: As `check_environment`.
    """
    scenario = check_environment(name)
    adapter = _ADAPTERS.get(name.partition(":")[0])
    if adapter is not None:
        if not coins:
            return lambda: adapter(scenario, render_mode=render_mode)

        def tossing() -> ParallelEnv:
            env = adapter(scenario, render_mode=render_mode)
            return SharedCoins(env, coins, longest_episode(env))

        return tossing
    from spaceworld import spaceworld_v0  # imports numba, which --help does not need

    return lambda: spaceworld_v0.parallel_env(scenario=scenario, render_mode=render_mode, **options)


def reward_wrapper(told: str) -> Callable[[ParallelEnv], ParallelEnv] | None:
    """Return the wrapper that `--reward` names; None for the environment's own reward.

    Args:
        told: "own", "sparse", "delayed:STEPS" or "noisy:SCALE".

    Raises:
        ValueError: It is none of these.
    """
    kind, _, number = told.partition(":")
    if told == "own":
        return None
    if told == "sparse":
        return SparseReward
    try:
        if kind == "delayed" and int(number) >= 0:
            return partial(DelayedReward, delay=int(number))
        if kind == "noisy" and 0 <= float(number) < float("inf"):
            return partial(NoisyReward, scale=float(number))
    except ValueError:
        pass
    raise ValueError(
        f"--reward {told!r} must be own, sparse, delayed:STEPS (such as delayed:20) or noisy:SCALE (such as noisy:0.1)"
    )


def longest_episode(env: ParallelEnv) -> int:
    """Return the number of steps after which time runs out."""
    bare = env.unwrapped
    if hasattr(bare, "max_cycles"):
        return int(bare.max_cycles)
    library = getattr(bare, "library", None)  # each library calls it something else
    return int(getattr(library, "_max_episode_steps", 0) or getattr(library, "max_steps", 0) or 500)
