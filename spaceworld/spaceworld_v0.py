"""Spaceworld: PLACEHOLDER."""

from __future__ import annotations

from typing import Any

from pettingzoo.utils import AECEnv, parallel_to_aec, wrappers

from spaceworld.env import SpaceworldEnv

__all__ = ["env", "parallel_env", "raw_env"]


def parallel_env(scenario: Any = "pair", **kwargs: Any) -> SpaceworldEnv:
    """A Spaceworld ParallelEnv; arguments as `SpaceworldEnv`."""
    return SpaceworldEnv(scenario, **kwargs)


def raw_env(scenario: Any = "pair", **kwargs: Any) -> AECEnv:
    """The same game as an AEC environment, without PettingZoo's checking wrappers."""
    return parallel_to_aec(parallel_env(scenario, **kwargs))


def env(scenario: Any = "pair", **kwargs: Any) -> AECEnv:
    """The same game as an AEC environment: the robots choose one after another, then all move at once."""
    return wrappers.OrderEnforcingWrapper(raw_env(scenario, **kwargs))
