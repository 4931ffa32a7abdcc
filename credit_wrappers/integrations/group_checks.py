"""What a list of envs must satisfy before its agents can share arrays; every error says what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
from gymnasium.spaces import Discrete
from pettingzoo import ParallelEnv

from credit_wrappers.recording.env_checks import require_parallel_class


def make_envs(env_fns: Sequence[Callable[[], ParallelEnv]]) -> list[ParallelEnv]:
    """Return a new env of each factory.

    Raises:
        TypeError: As `check_factories`.
        ValueError: Two factories return one env.
    """
    check_factories(env_fns)
    envs = [make() for make in env_fns]
    first: dict[int, int] = {}
    for number, env in enumerate(envs):
        world = id(getattr(env, "unwrapped", env))
        if first.setdefault(world, number) != number:
            raise ValueError(
                f"env {first[world]} and env {number} are one object: each factory must make a new env when it is "
                "called, such as lambda: CreditWrapper(make_env(), Deferred(store))"
            )
    return envs


def check_factories(env_fns: Sequence[Callable[[], ParallelEnv]]) -> None:
    """Raise TypeError unless all of a list of factories can be called."""
    if isinstance(env_fns, ParallelEnv) or callable(env_fns):
        raise TypeError("env_fns is a list of factories, one for each env: [make_env] * 4")
    for number, make in enumerate(env_fns):
        if not callable(make):
            raise TypeError(
                f"env_fns[{number}] is {type(make).__name__}, and a factory is needed, a function that makes an env: "
                "[make_env] * 4 instead of [make_env()] * 4"
            )


def check_team(envs: Sequence[ParallelEnv]) -> list[str]:
    """Return the agents that all envs have in common, in `possible_agents` order.

    Raises:
        TypeError: An env is not a ParallelEnv.
        ValueError: No env; different agents; observations that do not fit one array.
    """
    if not envs:
        raise ValueError("no env: env_fns is empty")
    for env in envs:
        require_parallel_class(env)
    agents = list(envs[0].possible_agents)
    if not agents:
        raise ValueError("the first env has no possible_agents")
    for number, env in enumerate(envs):
        if list(env.possible_agents) != agents:
            raise ValueError(
                f"env 0 has agents {agents}, env {number} has {list(env.possible_agents)}: all envs of a "
                "vector env must have the same agents in the same order"
            )
        for agent in agents:
            _check_space(env, number, agent, envs[0].observation_space(agents[0]))
    return agents


def check_discrete(env: ParallelEnv, agents: Sequence[str]) -> int:
    """Return the number of actions, which must be Discrete and the same for all agents.

    Raises:
        ValueError: They are not.
    """
    spaces = [env.action_space(agent) for agent in agents]
    if not isinstance(spaces[0], Discrete) or any(space != spaces[0] for space in spaces):
        raise ValueError(f"one learner per agent needs the same Discrete actions for all, got {spaces}")
    return int(spaces[0].n)


def check_equal(envs: Sequence[ParallelEnv], agents: Sequence[str]) -> tuple[gymnasium.Space, gymnasium.Space]:
    """Return the observation space and the action space, which must be the same for all agents of all envs.

    Raises:
        ValueError: They are not.
    """
    spaces = []
    for kind, pad in (("observation", "pad_observations_v0"), ("action", "pad_action_space_v0")):
        first = getattr(envs[0], f"{kind}_space")(agents[0])
        for number, env in enumerate(envs):
            for agent in agents:
                space = getattr(env, f"{kind}_space")(agent)
                if space != first:
                    raise ValueError(
                        f"env {number}: the {kind} space of {agent!r} is {space}, that of the first agent {first}: "
                        f"all agent rows share one, so make them equal (supersuit.{pad})"
                    )
        spaces.append(first)
    return spaces[0], spaces[1]


def common_store(envs: Sequence[ParallelEnv]) -> Any | None:
    """Return the credit store that all envs share; None when no env has one.

    Raises:
        ValueError: Some envs have a store and some have none, or they have several; likewise with distillations.
    """
    distillations = [getattr(env, "distillation", None) for env in envs]
    if any(distillation is not distillations[0] for distillation in distillations):
        raise ValueError(
            "the envs have different distillations (or some have none), each of which would buy its own labels: make "
            "one Distillation and pass it to every wrapper, CreditWrapper(env, Distilled(distillation))"
        )
    stores = [getattr(env, "store", None) for env in envs]
    if any(store is not stores[0] for store in stores):
        raise ValueError(
            "the envs have different credit stores (or some have none): make one CreditStore and pass it to "
            "every wrapper, CreditWrapper(env, Deferred(store))"
        )
    return stores[0]


def _check_space(env: ParallelEnv, number: int, agent: str, first: gymnasium.Space) -> None:
    space = env.observation_space(agent)
    if space.shape is None:
        raise ValueError(
            f"env {number}: the observation space of {agent!r} is a {type(space).__name__}; the agent rows share "
            "one array, so flatten it first (gymnasium.spaces.flatten)"
        )
    if space.shape != first.shape or space.dtype != first.dtype:
        raise ValueError(
            f"env {number}: observations of {agent!r} have shape {space.shape} and dtype {space.dtype}, "
            f"those of the first agent {first.shape} and {first.dtype}: pad them to one shape "
            "(supersuit.pad_observations_v0)"
        )
