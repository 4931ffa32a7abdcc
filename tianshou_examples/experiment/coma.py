"""COMA's counterfactual baseline for PPO: a central critic that is learned from the team reward alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tianshou.algorithm import PPO
from tianshou.data import Batch
from torch import nn
from torch.nn.functional import one_hot

from tianshou_examples.experiment.networks import mlp


class CentralQ(nn.Module):
    """Q(state, joint action) of a team: for each action of one agent, the others' actions kept.

    It reads all agents' observations, the others' actions and which agent is asked about, which `ComaPPO` puts into
    the observations as `joint`; `taken` is the agent's own action.

    Args:
        inputs: Numbers in one agent's observation.
        actions: Of one agent.
        n_agents: In the team.
        hidden: Width of the layers.
    """

    def __init__(self, inputs: int, actions: int, n_agents: int, hidden: int) -> None:
        super().__init__()
        self.actions, self.n_agents = actions, n_agents
        self.net = mlp(n_agents * (inputs + actions + 1), actions, hidden, 1.0)

    def joint_of(self, seen: np.ndarray, acts: torch.Tensor) -> torch.Tensor:
        """Return what it reads for each agent, (M * N, J), given all observations (M, N, F) and actions (M, N)."""
        many, n = acts.shape
        own = torch.eye(n, dtype=torch.bool)
        others = one_hot(acts, self.actions).float()[:, None].expand(many, n, n, self.actions)
        others = others.masked_fill(own[None, :, :, None], 0.0)
        state = torch.as_tensor(seen, dtype=torch.float32).reshape(many, 1, -1).expand(many, n, -1)
        return torch.cat([state, others.reshape(many, n, -1), own.float().expand(many, n, n)], dim=-1).flatten(0, 1)

    def forward(self, obs: Any, state: Any = None, info: Any = None) -> torch.Tensor:
        """Return (B, 1): Q of the actions that were taken."""
        return self.net(obs.joint).gather(1, obs.taken[:, None])


class ComaPPO(PPO):
    """PPO whose advantage is COMA's: Q of what happened - its mean over the agent's own policy (Foerster et al. 2018).

    The critic is a `CentralQ`, fitted to TD(lambda) returns of the team reward. Rows are those of an `AgentVectorEnv`
    with one shared policy: each tells its episode, its step and its agent. All agents stay until the episode ends.
    """

    def _add_returns_and_advantages(self, batch: Any, buffer: Any, indices: np.ndarray) -> Any:
        critic: Any = self.critic
        team = teams_of(batch, critic.n_agents)  # (M, N), rows
        back = torch.as_tensor(np.argsort(team.reshape(-1)))
        acts = torch.as_tensor(batch.act.astype(np.int64))
        with torch.no_grad():
            next_acts = self._next_actions(batch, buffer, indices)
            joint = critic.joint_of(batch.obs.obs[team], acts[team])[back]
            later = critic.joint_of(batch.obs_next.obs[team], next_acts[team])[back]
            every = critic.net(joint)
            chances = self.policy(batch).dist.probs
            q = every.gather(1, acts[:, None])[:, 0]
            q_next = critic.net(later).gather(1, next_acts[:, None])[:, 0]
            scale = float(np.sqrt(self.ret_rms.var + self._eps)) if self.return_scaling else 1.0
            batch.adv = scale * (q - (chances * every).sum(1))
        returns, _ = self.compute_episodic_return(
            batch, buffer, indices, scale * q_next.numpy(), scale * q.numpy(),
            gamma=self.gamma, gae_lambda=self.gae_lambda,
        )  # fmt: skip
        if self.return_scaling:
            self.ret_rms.update(returns)
        batch.obs.joint, batch.obs.taken = joint, acts
        batch.v_s, batch.returns = q, torch.as_tensor(returns / scale, dtype=torch.float32)
        return batch

    def _next_actions(self, batch: Any, buffer: Any, indices: np.ndarray) -> torch.Tensor:
        """Return each row's next action, (B,): that of the next row, drawn where there is none."""
        following = buffer.next(indices)
        acts = torch.as_tensor(buffer.act[following].astype(np.int64))
        last = np.flatnonzero(following == indices)
        if len(last):
            acts[last] = self.policy(Batch(obs=batch.obs_next[last], info=Batch())).dist.sample()
        return acts


def teams_of(batch: Any, n_agents: int) -> np.ndarray:
    """Return which rows are of one step of one episode, (M, N) positions in the batch, agents in their order.

    Raises:
        ValueError: A step lacks an agent.
    """
    order = np.lexsort((batch.obs.agent_id, batch.info["episode_step"], batch.info["episode_id"]))
    whole = len(order) % n_agents == 0
    team = order.reshape(-1, n_agents) if whole else order[None]
    keys = np.stack([batch.info["episode_id"], batch.info["episode_step"]])[:, team]
    if not whole or (keys != keys[:, :, :1]).any() or (batch.obs.agent_id[team] != np.arange(n_agents)).any():
        raise ValueError("coma needs all agents in every step, until the episode ends")
    return team
