"""Simultaneous-move teams for Tianshou: every agent row of the vector env is one agent of one ParallelEnv."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from pettingzoo import ParallelEnv
from tianshou.data import Batch
from tianshou.env import BaseVectorEnv

from credit_wrappers.integrations.batched_env_group import make_env_group
from credit_wrappers.integrations.env_group import Gathered
from credit_wrappers.integrations.group_checks import (
    check_discrete,
    check_factories,
    check_team,
    common_store,
    make_envs,
)
from credit_wrappers.integrations.tianshou.agent_info import ACTIVE, GONE, TERMINATED, TRUNCATED, AgentInfo
from credit_wrappers.integrations.tianshou.worker_connection import WORKERS, Worker
from credit_wrappers.integrations.tianshou.worker_env_group import WorkerEnvGroup

_LOG = logging.getLogger("credit_wrappers")
AgentRows = int | Sequence[int] | np.ndarray | None


class AgentVectorEnv(BaseVectorEnv):
    """A Tianshou vector env over ParallelEnvs whose every row is one agent of one env.

    Row number env * n_agents + agent, called an agent row here, is what Tianshou calls an environment. It holds one
    agent's own observation, action, reward, end flags and next observation. So unmodified single-agent algorithms train
    one policy shared by the team, and unmodified `MultiAgentOnPolicyAlgorithm` / `MultiAgentOffPolicyAlgorithm` train
    one learner per agent. (`tianshou.env.PettingZooEnv` is made for turn-based games: behind `parallel_to_aec` it gives
    every reward and end flag to the last agent.)

    An agent row ends when its env ends. An agent that is not there, because it left earlier or has not arrived yet, has
    an observation of zeros, and its actions are ignored. Its rows are marked `GONE`, so that `CreditReplayBuffer` never
    samples them. When it arrives or comes back, its rows go on with its own observation.

    The observation is a plain array, or a Batch when there is more to tell:

    | learners | no `infos[agent]["action_mask"]` | with action masks |
    |---|---|---|
    | "shared" | array | Batch `agent_id` (index), `obs`, `mask` |
    | "per-agent" | as with masks; all actions legal | Batch `agent_id` (name), `obs`, `mask` |

    The first env's infos at its first reset say whether there are masks. Of a mask that is missing or None later, every
    action is legal.

    Rewards are what the envs pay: a number for each agent row ("shared"), or the rewards of its whole team
    ("per-agent", where Tianshou's dispatcher picks the learner's own column; pass the trainer a
    `multi_agent_return_reduction`). `info` is an `AgentInfo`.

    Envs take their step in one call where `env.unwrapped` has a method `batch`, as Spaceworld's has, and no wrapper but
    a `CreditWrapper` is around it. Rows and episodes are the same as one by one.

    Slow envs can each live in a worker process (`worker`), where all take their step at the same time. With the same
    seeds and actions, rows, episodes and credits are the same as in one process. Factories are pickled with
    cloudpickle, so lambdas are fine. A `CreditStore` that a factory uses stays in the main process, which receives the
    finished episodes. What an env raises is raised here, with the worker's traceback in a note. After a worker was
    killed or interrupted, every call raises CreditError. Processes start in the platform's usual way (with "spawn" a
    script needs its `if __name__ == "__main__":`) and end with `close()`.

    With `n_episode` collection a Collector counts agent rows: `n_episode` must be a multiple of the number of agents.

    Args:
        env_fns: One factory for each env. All envs must have the same agents; all agents one
            observation shape.
        learners: "shared", one policy for all agents, or "per-agent".
        worker: Where the envs live: "inline", in this process, one after another; "subprocess", each in a process of
            its own; "ray", each in a Ray actor, on this machine or on others (extra `ray`; `ray.init()` is called
            where it was not).

    Attributes:
        agents: Names of the agents, in `possible_agents` order. (`MultiAgent*Algorithm` read it.)
        agent_idx: Name -> index.
        n_agents: Number of agents in each env, N.
        envs: The envs; with worker processes a `RemoteEnv` for each, which knows agents and spaces and asks its
            process for anything else.
        store: The credit store that all envs share (`env.store` of a `CreditWrapper`), or None.

    Raises:
        TypeError: An env is not a ParallelEnv, or `env_fns` holds other things than factories.
        ValueError: Envs with different agents, agents with different observation shapes, different
            stores; two factories that return one env; one learner per agent with other than Discrete actions; an
            unknown worker.
        ImportError: Ray is asked for and not installed.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], ParallelEnv]],
        *,
        learners: Literal["shared", "per-agent"] = "shared",
        worker: Worker = "inline",
    ) -> None:
        # BaseVectorEnv.__init__ is not called: it makes one worker for each agent row.
        if learners not in ("shared", "per-agent"):
            raise ValueError(f"learners must be 'shared' or 'per-agent', got {learners!r}")
        if worker not in WORKERS:
            raise ValueError(f"unknown worker {worker!r}; valid: {', '.join(map(repr, WORKERS))}")
        check_factories(env_fns)
        self._workers = None if worker == "inline" else WorkerEnvGroup(env_fns, worker)
        self.envs: list[ParallelEnv] = make_envs(env_fns) if self._workers is None else self._workers.envs
        try:
            self._lay_out(learners)
        except BaseException:
            if self._workers is not None:
                self._workers.close()
            raise

    def _lay_out(self, learners: Literal["shared", "per-agent"]) -> None:
        """Check the envs and lay out the agent rows."""
        self.agents = check_team(self.envs)
        self.store = common_store(self.envs)
        self.agent_idx = {agent: index for index, agent in enumerate(self.agents)}
        self.n_agents = len(self.agents)
        self.env_num = len(self.envs) * self.n_agents
        self.learners = learners
        self.is_async = False
        self.is_closed = False

        self._teams = make_env_group(self.envs, self.agents) if self._workers is None else self._workers
        if learners == "per-agent":
            # Tianshou's dispatcher fails in a Collector on observations without a mask.
            self._teams.require_masks(check_discrete(self.envs[0], self.agents))
        self._team_index = np.arange(self.n_agents)
        names = np.array(self.agents, dtype=object)
        # Names are what Tianshou's dispatcher looks for; they slow the Collector down, and networks
        # cannot read them, so a shared policy gets the index.
        self._agent_id = names if learners == "per-agent" else self._team_index  # (N,)
        self._seeds: list[int | None] = [None] * len(self.envs)
        self._episode_id = np.full(len(self.envs), -1)  # (E,)
        self._time = np.zeros(len(self.envs), dtype=np.int64)  # (E,) steps taken in the episode
        self._alive = np.zeros((len(self.envs), self.n_agents), dtype=bool)  # (E, N)
        self._told = False  # whether it was logged that rows of absent agents are sampled

    def reset(
        self, env_id: AgentRows = None, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray | Batch, AgentInfo]:
        """Reset the envs of some agent rows and return (observations, info) of these agent rows.

        Args:
            env_id: Agent rows; all agents of an env together. None: all agent rows.
            seed: Env number k is seeded with seed + k. None: what `seed()` asked for, if anything.
            options: Passed on to the envs.
        """
        self._assert_is_not_closed()
        chosen = self._envs_of(env_id)
        numbers = chosen.tolist()
        seeds = [self._seeds[k] if seed is None else seed + k for k in numbers]
        got, episodes = self._teams.reset(chosen, seeds, options)
        for k in numbers:
            self._seeds[k] = None
        if self.store is not None and None in episodes:
            raise KeyError("the envs have a credit store, but no infos[agent]['episode_id'] at reset")
        self._episode_id[chosen] = [-1 if episode is None else episode for episode in episodes]
        self._alive[chosen] = got.there
        self._time[chosen] = 0
        status = np.where(got.there, ACTIVE, GONE)
        return self._observation(got), self._info(chosen, self._time[chosen] - 1, status)

    def step(
        self, action: np.ndarray | Sequence[Any], id: AgentRows = None
    ) -> tuple[np.ndarray | Batch, np.ndarray, np.ndarray, np.ndarray, AgentInfo]:
        """Take one step in the envs of some agent rows.

        Args:
            action: One action for each agent row.
            id: Agent rows, all agents of an env together. None: all agent rows.

        Returns:
            Observations; rewards (R,) or (R, N), float64; terminated (R,); truncated (R,); info.
        """
        self._assert_is_not_closed()
        chosen = self._envs_of(id)
        actions = np.asarray(action)
        if len(actions) != len(chosen) * self.n_agents:
            raise ValueError(f"{len(actions)} actions for {len(chosen) * self.n_agents} agent rows")
        acting = self._alive[chosen]  # (e, N)
        if self.store is None and not self._told and not acting.all():
            self._told = True
            _LOG.warning(
                "agents are not there while others act. Tianshou's own buffers sample their rows, too, whose "
                "observations are zeros; info.status == GONE marks them. A CreditReplayBuffer leaves them out, where "
                "credit is deferred"
            )
        got = self._teams.step(chosen, actions, acting)
        status = np.where(acting, got.terminated * TERMINATED + got.truncated * TRUNCATED, GONE)
        time = self._time[chosen]
        self._alive[chosen] = got.there
        self._time[chosen] = time + 1
        over = got.over[:, None]
        rewards = got.rewards
        if self.learners == "per-agent":
            rewards = np.repeat(rewards.reshape(-1, self.n_agents), self.n_agents, axis=0)
        return (
            self._observation(got),
            rewards,
            (over & (got.terminated | ~acting)).reshape(-1),
            (over & got.truncated).reshape(-1),
            self._info(chosen, time, status),
        )

    def seed(self, seed: int | Sequence[int] | None = None) -> list[int | None]:
        """Set the seeds of the next resets: env k gets seed + k, or its own of a list (one for each env)."""
        self._assert_is_not_closed()
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + k for k in range(len(self.envs))]
        else:
            seeds = list(seed)
        if len(seeds) != len(self.envs):
            raise ValueError(f"{len(seeds)} seeds for {len(self.envs)} envs")
        self._seeds = seeds
        return list(seeds)

    def get_env_attr(self, key: str, id: AgentRows = None) -> list[Any]:
        """Return an attribute for each agent row; action and observation spaces are those of its agent."""
        self._assert_is_not_closed()
        values = []
        for agent_row in self._wrap_id(id):
            env, agent = self.envs[agent_row // self.n_agents], self.agents[agent_row % self.n_agents]
            is_space = key in ("action_space", "observation_space")
            values.append(getattr(env, key)(agent) if is_space else getattr(env, key))
        return values

    def set_env_attr(self, key: str, value: Any, id: AgentRows = None) -> None:
        """Set an attribute of the envs of some agent rows."""
        self._assert_is_not_closed()
        for agent_row in self._wrap_id(id):
            setattr(self.envs[agent_row // self.n_agents], key, value)

    def render(self, **kwargs: Any) -> list[Any]:
        """Render every env (not every agent row)."""
        self._assert_is_not_closed()
        return [env.render(**kwargs) for env in self.envs]

    def close(self) -> None:
        """Close every env, and end the worker processes."""
        self._assert_is_not_closed()
        if self._workers is not None:
            self._workers.close()
        else:
            for env in self.envs:
                env.close()
        self.is_closed = True

    def _envs_of(self, agent_rows: AgentRows) -> np.ndarray:
        """Return the env numbers of whole teams of agent rows; refuse a part of a team."""
        if agent_rows is None:
            return np.arange(len(self.envs))
        given = np.atleast_1d(np.asarray(agent_rows))
        if len(given) % self.n_agents == 0:
            teams = given.reshape(-1, self.n_agents)
            chosen = teams[:, 0] // self.n_agents
            if (teams == chosen[:, None] * self.n_agents + self._team_index).all():
                return chosen
        raise ValueError(
            f"agent rows {given.tolist()} are not whole teams of {self.n_agents}: all agents of an env are "
            "stepped and reset together, in order. With a Collector, n_episode (which counts agent rows; "
            "collection_step_num_episodes and test_step_num_episodes of a trainer) must be a multiple of "
            f"the {self.n_agents} agents"
        )

    def _observation(self, got: Gathered) -> np.ndarray | Batch:
        if got.masks is None and self.learners == "shared":
            return got.observations
        columns = {"agent_id": np.tile(self._agent_id, len(got.terminated)), "obs": got.observations}
        if got.masks is not None:
            columns["mask"] = got.masks
        return Batch(columns)

    def _info(self, chosen: np.ndarray, time: np.ndarray, status: np.ndarray) -> AgentInfo:
        columns = {
            "episode_id": np.repeat(self._episode_id[chosen], self.n_agents),
            "episode_step": np.repeat(time, self.n_agents),
            "agent": np.tile(self._team_index, len(chosen)),
            "status": status.reshape(-1),
        }
        return AgentInfo(columns)
