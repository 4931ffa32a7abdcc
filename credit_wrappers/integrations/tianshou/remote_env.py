"""What the main process holds of an environment that lives in a worker process."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import cloudpickle
import gymnasium
from pettingzoo import ParallelEnv

from credit_wrappers.integrations.tianshou.env_worker import EnvFacts, Itself, Method


class RemoteEnv(ParallelEnv):
    """An environment in a worker process, as `AgentVectorEnv.envs` holds it.

    Agents, spaces, `metadata`, `render_mode` and `store` are known here, as they were at the start. Every other
    public attribute is asked of the environment in its process (a copy of the value comes back), methods are called
    there, and an attribute that is set is set there. `unwrapped` is this object itself, and a method that returns its
    own environment, as `eval()` of a task wrapper does, returns this object. Only the vector environment steps and
    resets it.

    Args:
        facts: What is known.
        tell: Sends the environment a command and returns its answer.
    """

    def __init__(self, facts: EnvFacts, tell: Callable[..., Any]) -> None:
        self.__dict__.update(
            possible_agents=facts.possible_agents,
            metadata=facts.metadata,
            render_mode=facts.render_mode,
            store=facts.store,
            _observation_spaces=facts.observation_spaces,
            _action_spaces=facts.action_spaces,
            _tell=tell,
        )

    def observation_space(self, agent: str) -> gymnasium.Space:
        """Return the agent's observation space, the same object each time."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space:
        """Return the agent's action space, the same object each time."""
        return self._action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Raise NotImplementedError."""
        raise NotImplementedError("the environment is in a worker process: reset the vector environment's agent rows")

    def step(self, actions: dict[str, Any]) -> Any:
        """Raise NotImplementedError."""
        raise NotImplementedError("the environment is in a worker process: step the vector environment's agent rows")

    def render(self, **kwargs: Any) -> Any:
        """Return what the environment renders."""
        return self._call("render", **kwargs)

    def state(self) -> Any:
        """Return the environment's state."""
        return self._call("state")

    def close(self) -> None:
        """Close the environment; its process goes on until the vector environment is closed."""
        self._call("close")

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        value = pickle.loads(self._tell("call", name, cloudpickle.dumps((args, kwargs))))
        return self if isinstance(value, Itself) else value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = pickle.loads(self._tell("get", name))
        return partial(self._call, name) if isinstance(value, Method) else value

    def __setattr__(self, name: str, value: Any) -> None:
        self._tell("set", name, cloudpickle.dumps(value))

    def __repr__(self) -> str:
        return f"RemoteEnv({self.metadata.get('name', '?')!r}, agents={self.possible_agents})"
