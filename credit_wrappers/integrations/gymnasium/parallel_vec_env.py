"""Simultaneous-move teams as a gymnasium vector env: every sub-environment is one agent of one ParallelEnv."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from pettingzoo import ParallelEnv

from credit_wrappers.integrations.batched_env_group import make_env_group
from credit_wrappers.integrations.group_checks import check_equal, check_team, common_store, make_envs
from credit_wrappers.integrations.gymnasium.relabelling import CreditStamp, PlayedEpisodes


class ParallelVecEnv(VectorEnv):
    """A gymnasium vector env over ParallelEnvs whose every row is one agent of one env.

    Row number env * n_agents + agent, called an agent row here, is what gymnasium calls a sub-environment.

    Each row holds one agent's own observation, reward and end, so single-agent learners such as CleanRL's
    train one policy shared by the team. Rewards are what the envs pay: under a `CreditWrapper` the team reward, a
    placeholder that `relabel_rewards` writes the credits over.

    An env whose agents have all ended begins again in the same step (`AutoresetMode.SAME_STEP`). An agent that leaves
    earlier has ended, terminated or truncated, in the step in which it left. As long as an agent is not there, its row
    has observations of zeros and rewards of 0, its actions are ignored, `infos["alive"]` is False. The row ends once
    more, as terminated, when its agent arrives or comes back, and with its env, so that no value leaks into it.

    Of infos, (S,) arrays for S agent rows:

    - `action_mask`: (S, A) bool, legal next actions; where the first env's infos have masks at its first reset. Of a
      mask that is missing or None later, every action is legal.
    - `alive`: (S,) bool, whether the agent is there to take the next action.
    - `final_obs` and `_final_obs`: (S, ...) the own last observation of rows that ended in this step, and (S,) bool,
      which did. The value of a truncated agent must be taken from it. Only in steps that end some.
    - `final_info`: of the same rows: `episode`, own return `r` and length `l` as the env paid it, where `_episode` says
      so (an agent that left earlier has none); `action_mask`.
    - `credit`: for `relabel_rewards`; where the envs have a credit store.

    Spaceworlds take their step together, in one call, when nothing but a `CreditWrapper` is around each.

    Args:
        env_fns: One factory for each env. All agents of all envs must have equal spaces.

    Attributes:
        agents: Names of the agents, in `possible_agents` order.
        n_agents: Number of agents in each env, N.
        num_envs: Agent rows, S.
        envs: The ParallelEnvs.
        store: The credit store that all envs share (`env.store` of a `CreditWrapper`), or None.

    Raises:
        TypeError: An env is not a ParallelEnv, or `env_fns` holds other things than factories.
        ValueError: Envs with different agents, agents with different spaces, different stores; two factories that
            return one env.

    Examples:
        >>> from credit_wrappers import CreditStore, CreditWrapper, Deferred, EqualSplitCritic
        >>> from credit_wrappers.integrations.gymnasium import ParallelVecEnv, relabel_rewards
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> store = CreditStore(EqualSplitCritic(), workers=0)
        >>> envs = ParallelVecEnv([lambda: CreditWrapper(CorridorEnv(length=2), Deferred(store))] * 2)
        >>> observations, infos = envs.reset(seed=1)
        >>> rewards = np.zeros((1, envs.num_envs))
        >>> observations, rewards[0], terminations, truncations, infos = envs.step(np.array([2, 2, 2, 0]))
        >>> known = relabel_rewards(rewards, 0, infos)
        >>> rewards, known
        (array([[0.5, 0.5, 0. , 0. ]]), array([[ True,  True, False, False]]))
    """

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, env_fns: Sequence[Callable[[], ParallelEnv]]) -> None:
        self.envs = make_envs(env_fns)
        self.agents = check_team(self.envs)
        self.single_observation_space, self.single_action_space = check_equal(self.envs, self.agents)
        self.store = common_store(self.envs)
        self.n_agents = len(self.agents)
        self.num_envs = len(self.envs) * self.n_agents
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.render_mode = getattr(self.envs[0], "render_mode", None)
        self._teams = make_env_group(self.envs, self.agents)
        self._played = None if self.store is None else PlayedEpisodes(self.store, len(self.envs), self.n_agents)
        shape = (len(self.envs), self.n_agents)
        self._alive = np.zeros(shape, dtype=bool)
        self._steps = np.zeros(shape, dtype=np.int64)  # that each agent acted in, in its episode
        self._returns = np.zeros(shape)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin new episodes in all envs.

        Args:
            seed: Env k gets `seed + k`, or its own of a sequence (one for each env); None: the envs go on as they were.
            options: Passed on to the envs.

        Returns:
            Observations (S, ...) and infos.
        """
        seeds = list(seed) if isinstance(seed, Sequence | np.ndarray) else self._from(seed)
        if len(seeds) != len(self.envs):
            raise ValueError(f"{len(seeds)} seeds for {len(self.envs)} envs")
        observations, masks = self._begin(np.arange(len(self.envs)), seeds, options)
        return observations, self._infos(masks)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one step in all envs; those that end begin again.

        Args:
            actions: One for each agent row, (S,) or (S, ...).

        Returns:
            Observations (S, ...); rewards (S,) float64; terminations and truncations (S,) bool; infos. All are fresh.

        Raises:
            RuntimeError: Before the first `reset`.
            ValueError: Actions of another shape.
        """
        given = np.asarray(actions)
        if given.shape != self.action_space.shape:
            raise ValueError(f"actions must have shape {self.action_space.shape}, got {given.shape}")
        acting = self._alive
        if not acting.any():
            raise RuntimeError("call reset() before step()")
        got = self._teams.step(np.arange(len(self.envs)), given, acting)
        # A row that is not there ends once more with its env, and when its agent arrives.
        terminated = got.terminated | (~acting & (got.over[:, None] | got.there))
        done = terminated | got.truncated
        observations, masks = got.observations, got.masks
        rewards = np.where(acting.reshape(-1), got.rewards, 0.0)
        self._alive = got.there.copy()
        self._steps += acting
        self._returns += rewards.reshape(acting.shape)
        final = self._final(observations, masks, done.reshape(-1), acting.reshape(-1)) if done.any() else {}
        observations[~got.there.reshape(-1)] = 0
        over = np.flatnonzero(got.over)
        if self._played is not None:
            self._played.advance(over, acting)
        arrived = got.there & ~acting
        self._steps[arrived], self._returns[arrived] = 0, 0.0
        if len(over):
            rows = (over[:, None] * self.n_agents + np.arange(self.n_agents)).reshape(-1)
            first, legal = self._begin(over, [None] * len(over), None)
            observations[rows] = first
            if masks is not None:
                masks[rows] = legal
        infos = self._infos(masks) | final
        return observations, rewards, terminated.reshape(-1), got.truncated.reshape(-1), infos

    def render(self) -> tuple[Any, ...] | None:
        """Return the picture of every env (not every agent row); None without a render mode."""
        return None if self.render_mode is None else tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        """Close every env; called by `close`."""
        for env in self.envs:
            env.close()

    def _from(self, seed: int | None) -> list[int | None]:
        return [None if seed is None else int(seed) + k for k in range(len(self.envs))]

    def _begin(
        self, chosen: np.ndarray, seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Reset some envs; return the first observations of their agents, and masks."""
        got, episodes = self._teams.reset(chosen, seeds, options)
        self._alive[chosen], self._steps[chosen], self._returns[chosen] = got.there, 0, 0.0
        if self._played is not None:
            self._played.begin(chosen, episodes)
        return got.observations, got.masks

    def _infos(self, masks: np.ndarray | None) -> dict[str, Any]:
        infos: dict[str, Any] = {"alive": self._alive.reshape(-1).copy()}
        if masks is not None:
            infos["action_mask"] = masks
        if self._played is not None:
            infos["credit"] = CreditStamp(self._played, self._played.time)
        return infos

    def _final(
        self, observations: np.ndarray, masks: np.ndarray | None, done: np.ndarray, acting: np.ndarray
    ) -> dict[str, Any]:
        """Return what infos tell of the agent rows that are done; of some of them the agent had left before."""
        ended = done & acting
        last = observations.copy()
        last[~ended] = 0
        lengths, returns = self._steps.reshape(-1), self._returns.reshape(-1)
        info: dict[str, Any] = {
            "episode": {"r": np.where(ended, returns, 0.0), "l": np.where(ended, lengths, 0)},
            "_episode": ended,
        }
        if masks is not None:
            info["action_mask"] = masks & ended[:, None]
        return {"final_obs": last, "_final_obs": done, "final_info": info, "_final_info": done}
