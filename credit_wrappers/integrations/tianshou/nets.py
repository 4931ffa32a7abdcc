"""Plain torch networks as Tianshou actors and critics, over the observations of `AgentVectorEnv`."""

from __future__ import annotations

from typing import Any

import torch
from tianshou.data import Batch
from torch import nn

# Finite, so that no 0 * inf turns an entropy or a gradient into NaN; exp(-1e9) is exactly 0 in float32.
_FORBIDDEN = -1e9


class ActionHead(nn.Module):
    """An actor, or a Q network: one number for each action.

    As the actor of a `DiscreteActorPolicy` it returns logits (never probabilities: the policy's default
    distribution expects logits, and a second softmax would stall learning), with forbidden actions
    at -1e9 when the observation carries a mask. As the model of a `DiscreteQLearningPolicy` it
    returns Q values; that policy unwraps the observation and applies the mask itself.

    Args:
        net: Maps (B, ...) float observations to (B, number of actions).
        n_agents: If given, the agent's number stands behind its observation, one-hot: a network that all agents share
            then knows which of them it plays ("agent indication"), and can let alike agents act differently. Needs
            envs with action masks, whose observations carry `agent_id`.

    Examples:
        >>> import numpy as np
        >>> head = ActionHead(nn.Linear(3, 2))
        >>> logits, _ = head(Batch(obs=np.zeros((1, 3)), mask=np.array([[True, False]])))
        >>> logits[0, 1].item()
        -1000000000.0
    """

    def __init__(self, net: nn.Module, n_agents: int = 0) -> None:
        super().__init__()
        self.net = net
        self.n_agents = n_agents

    def forward(self, obs: Any, state: Any = None, info: Any = None) -> tuple[torch.Tensor, Any]:
        """Return ((B, actions), state unchanged)."""
        values = self.net(_features(self, obs, self.n_agents))
        if isinstance(obs, Batch) and "mask" in obs:
            mask = torch.as_tensor(obs.mask, dtype=torch.bool, device=values.device)
            values = values.masked_fill(~mask, _FORBIDDEN)
        return values, state


class ValueHead(nn.Module):
    """A critic for actor-critic algorithms: the value of an observation.

    Args:
        net: Maps (B, ...) float observations to (B, 1).
        n_agents: See `ActionHead`.
    """

    def __init__(self, net: nn.Module, n_agents: int = 0) -> None:
        super().__init__()
        self.net = net
        self.n_agents = n_agents

    def forward(self, obs: Any, state: Any = None, info: Any = None) -> torch.Tensor:
        """Return (B, 1)."""
        return self.net(_features(self, obs, self.n_agents))


def _features(module: nn.Module, obs: Any, n_agents: int) -> torch.Tensor:
    """Return the observations, and the agents' numbers, as one float tensor where the module's parameters are."""
    array = obs.obs if isinstance(obs, Batch) else obs
    device = next(module.parameters()).device
    seen = torch.as_tensor(array, dtype=torch.float32, device=device)
    if not n_agents:
        return seen
    if not isinstance(obs, Batch) or obs.agent_id.dtype == object:
        raise ValueError(
            "n_agents= needs observations with the agents' numbers: envs with action masks, and learners='shared'"
        )
    numbers = nn.functional.one_hot(torch.as_tensor(obs.agent_id, device=device), n_agents)
    return torch.cat([seen, numbers.to(seen.dtype)], dim=-1)
