"""What an environment must be before it can be wrapped; every error says what to do."""

from __future__ import annotations

from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.recording.action_spaces import require_actions


def require_parallel(env: object) -> None:
    """Raise TypeError unless `env` is a parallel environment that names its agents and has usable actions."""
    if not isinstance(env, ParallelEnv):
        if hasattr(env, "agent_iter"):
            way = "it is an AEC environment: convert it with pettingzoo.utils.conversions.aec_to_parallel(env)"
        elif hasattr(env, "action_space") and not callable(env.action_space):
            way = "it looks like a single-agent Gymnasium environment: write it as a pettingzoo.ParallelEnv"
        else:
            way = "write it as, or adapt it to, a pettingzoo.ParallelEnv"
        raise TypeError(f"expected a PettingZoo ParallelEnv, got {type(env).__name__}; {way}")
    agents = getattr(env, "possible_agents", None)
    if not agents:
        raise TypeError(
            f"{type(env.unwrapped).__name__} has no possible_agents: credit needs the list of all agents that can ever "
            "appear, so that an episode has the same agents from start to end; let the environment name them"
        )
    for agent in agents:
        require_actions(agent, env.action_space(agent))
