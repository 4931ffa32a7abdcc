"""Checks of an environment before it is wrapped; every error says what to do."""

from __future__ import annotations

import gymnasium
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from pettingzoo.utils.env import ParallelEnv


def require_parallel_class(env: object) -> None:
    """Raise TypeError unless `env` is a ParallelEnv; the message says how to make it one."""
    if isinstance(env, ParallelEnv):
        return
    if hasattr(env, "agent_iter"):
        advice = "it is an AEC environment: convert it with pettingzoo.utils.conversions.aec_to_parallel(env)"
    elif isinstance(env, gymnasium.Env) or (hasattr(env, "action_space") and not callable(env.action_space)):
        advice = (
            "it is a gymnasium Env, which has one agent: write it as a ParallelEnv, or use a vector env for single "
            "agents (Tianshou's DummyVectorEnv, Gymnasium's SyncVectorEnv)"
        )
    else:
        advice = "write it as, or adapt it to, a pettingzoo.ParallelEnv"
    raise TypeError(f"expected a PettingZoo ParallelEnv, got {type(env).__name__}; {advice}")


def require_parallel(env: object) -> None:
    """Raise TypeError unless `env` is a ParallelEnv that names its agents and whose actions can be credited."""
    require_parallel_class(env)
    assert isinstance(env, ParallelEnv)
    agents = getattr(env, "possible_agents", None)
    if not agents:
        raise TypeError(
            f"{type(env.unwrapped).__name__} has no possible_agents: credit needs the list of all agents that can ever "
            "appear, so that an episode has the same agents from start to end; let the environment name them"
        )
    for agent in agents:
        if not isinstance(agent, str) or not agent.strip():
            raise TypeError(
                f"{type(env.unwrapped).__name__}: agent {agent!r} in possible_agents is not a name, but a "
                f"{type(agent).__name__}: critics are told agents by name, so let the environment call them by texts, "
                "for instance 'agent_0'"
            )
        if list(agents).count(agent) > 1:
            raise TypeError(f"{type(env.unwrapped).__name__}: possible_agents names {agent!r} twice, {list(agents)}")
        space = env.action_space(agent)
        if not isinstance(space, Discrete | MultiDiscrete | MultiBinary | Box):
            raise TypeError(
                "credit needs actions that are a number or a vector (Discrete, MultiDiscrete, MultiBinary, Box); agent "
                f"{agent!r} has {space}: put a wrapper around the environment that flattens its actions "
                "(gymnasium.spaces.flatten_space, unflatten)"
            )
