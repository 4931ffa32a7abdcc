"""A team whose credits, values and Q values are known in closed form, so that learning can be checked.

Agent i is credited 100 * (i + 1) + t at step t, plus 1000 times a small number that tells the
episode. What the env pays is a placeholder that must never be learned from. An observation is (env,
episode, agent, t, own last action): it says which row it belongs to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from tianshou.data import Batch
from torch import nn

from credit_wrappers import Credit, CreditStore, CreditWrapper, Deferred, Episode, Online, Student, StudentCritic
from credit_wrappers.integrations.tianshou import AgentVectorEnv

N_ACTIONS = 4
PLACEHOLDER = 7777.0


def credit(env: int, episode: int, agent: int, t: int) -> float:
    return 100.0 * (agent + 1) + t + 1000.0 * ((3 * env + episode) % 7)


def value(env: int, episode: int, agent: int, t: int, last_action: int) -> float:
    """Value of what `agent` sees before its action number t."""
    return 11.0 * agent + 3.0 * t + 0.5 * env + 0.25 * (episode % 8) + 2.0 * last_action


def q_value(state_value: float, agent: int, action: int) -> float:
    # Neither the first nor the last action is the best, and the best one depends on the agent.
    return state_value - 0.5 * (action - 1 - agent % 2) ** 2


def legal(agent: int, t: int) -> np.ndarray:
    """Mask of actions; forbids the best action of some agents at some steps."""
    return np.array([(a + t + agent) % 3 != 0 for a in range(N_ACTIONS)], dtype=np.int8)


@dataclass
class Played:
    """What really happened in one episode."""

    actions: list[list[int]] = field(default_factory=list)  # (T, N); -1 for an agent that had left
    ends: dict[int, str] = field(default_factory=dict)  # how it ended for each agent
    over: bool = False


class KnownCreditEnv(ParallelEnv):
    """N agents; lengths and ends vary from episode to episode and from env to env.

    Args:
        number: The env's number.
        log: What happened goes here, by (env, episode).
        leaves: Agents that leave early: index -> (last step they act in, "terminated" or "truncated").
    """

    metadata: ClassVar[dict] = {"name": "known_credit"}
    render_mode = None

    def __init__(
        self,
        number: int,
        n_agents: int,
        log: dict[tuple[int, int], Played],
        *,
        lengths: Sequence[int] = (5, 3, 7, 4),
        ends: Sequence[str] = ("terminated", "truncated", "truncated"),
        masked: bool = False,
        leaves: Mapping[int, tuple[int, str]] | None = None,
    ) -> None:
        self.possible_agents = [f"walker_{i}" for i in range(n_agents)]
        self.agents: list[str] = []
        self.narrator = EpisodeNames()
        self.number, self.log, self.lengths, self.ends = number, log, lengths, ends
        self.masked, self.leaves = masked, leaves or {}
        self.episode = -1
        self._observation_space = Box(-1.0, np.inf, (5,), np.float32)
        self._action_space = Discrete(N_ACTIONS)

    def observation_space(self, agent: str) -> Box:
        return self._observation_space

    def action_space(self, agent: str) -> Discrete:
        return self._action_space

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        self.agents = list(self.possible_agents)
        self.episode += 1
        self.t = 0
        self.last = [-1] * len(self.agents)
        self.played = self.log[self.number, self.episode] = Played()
        return self._view(self.agents)

    def step(self, actions: dict[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        assert list(actions) == self.agents
        here = self.agents
        self.last = [int(actions.get(agent, -1)) for agent in self.possible_agents]
        self.played.actions.append(self.last)
        self.t += 1
        over = self.t == self.lengths[(self.number + self.episode) % len(self.lengths)]
        self.played.over = over
        ends = {a: self._end(self.possible_agents.index(a), over) for a in here}
        terminated = {a: end == "terminated" for a, end in ends.items()}
        truncated = {a: end == "truncated" for a, end in ends.items()}
        observations, infos = self._view(here)
        self.agents = [a for a in here if not (terminated[a] or truncated[a])]
        return observations, dict.fromkeys(here, PLACEHOLDER), terminated, truncated, infos

    def _end(self, agent: int, over: bool) -> str:
        """Return how this step ends the agent's episode, if it does."""
        step, end = self.leaves.get(agent, (-1, ""))
        if step != self.t - 1:
            end = self.ends[(self.number + self.episode) % len(self.ends)] if over else ""
        if end:
            self.played.ends[agent] = end
        return end

    def _view(self, agents: Sequence[str]) -> tuple[dict, dict]:
        observations, infos = {}, {}
        for agent in agents:
            i = self.possible_agents.index(agent)
            row = [self.number, self.episode, i, self.t, self.last[i]]
            observations[agent] = np.array(row, dtype=np.float32)
            infos[agent] = {"action_mask": legal(i, self.t)} if self.masked else {}
        return observations, infos


class EpisodeNames:
    """A narrator that remembers which episode it is."""

    def capture(self, observations: Mapping[str, np.ndarray]) -> tuple[int, int]:
        env, episode = next(iter(observations.values()))[:2]
        return int(env), int(episode)


class KnownCritic:
    """Assigns `credit(...)`."""

    label = "known"

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        return [self.judge(episode) for episode in episodes]

    def judge(self, episode: Episode) -> Credit:
        env, number = episode.moments[0]
        steps = range(episode.start, episode.start + episode.length)
        values = [[credit(env, number, i, t) for i in range(episode.n_agents)] for t in steps]
        return Credit(np.array(values, dtype=np.float32), source="exact")


class ManualStore:
    """A credit store whose scores come when the test says so, in the order the test says."""

    def __init__(self) -> None:
        self.submitted: dict[int, Episode] = {}
        self.scored: list[tuple[int, Credit]] = []
        self.waited_for: list[set[int]] = []  # the ids of each call of settle
        self._next = 0

    def open(self) -> int:
        self._next += 1
        return self._next - 1

    def submit(self, episode: Episode) -> None:
        self.submitted[episode.id] = episode

    def score(self, *ids: int) -> None:
        self.scored += [(id, KnownCritic().judge(self.submitted.pop(id))) for id in ids]

    def ready(self) -> list[tuple[int, Credit]]:
        out, self.scored = self.scored, []
        return out

    def settle(self, ids: Collection[int], timeout: float | None = None) -> list[tuple[int, Credit]]:
        self.waited_for.append(set(ids))
        self.score(*[id for id in ids if id in self.submitted])
        return self.ready()


Log = dict[tuple[int, int], Played]


def paid(env: KnownCreditEnv, payer: Any) -> CreditWrapper:
    """Return the env with credits in the reward that `step` returns."""
    source = Student(payer) if isinstance(payer, StudentCritic) else Online(payer)
    return CreditWrapper(env, source, record_observations=True)


def known_venv(
    n_envs: int, n_agents: int, *, learners: str = "shared", store: Any = None, payer: Any = None, **options: Any
) -> tuple[AgentVectorEnv, Log]:
    """Return a venv of `KnownCreditEnv`s and the log of what happens in them.

    With a `payer`, a critic or a student, `step` pays its credits; otherwise a store hands them out afterwards.
    """
    log: Log = {}
    # Two episodes a query: some episodes always wait for a query to be filled.
    store = store or CreditStore(KnownCritic(), episodes_per_query=2, workers=0)

    def make(number: int) -> CreditWrapper:
        env = KnownCreditEnv(number, n_agents, log, **options)
        return CreditWrapper(env, Deferred(store)) if payer is None else paid(env, payer)

    venv = AgentVectorEnv([lambda k=k: make(k) for k in range(n_envs)], learners=learners)
    return venv, log


class KnownValue(nn.Module):
    """V(obs) = `value`. Its parameter does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Parameter(torch.zeros(1))

    def forward(self, obs: Any, state: Any = None, info: Any = None) -> torch.Tensor:
        x = torch.as_tensor(obs.obs if isinstance(obs, Batch) else obs)
        env, episode, agent, t, last = x.unbind(1)
        v = 11.0 * agent + 3.0 * t + 0.5 * env + 0.25 * (episode % 8) + 2.0 * last
        return v[:, None] + 0.0 * self.idle


class KnownQ(KnownValue):
    """Q(obs) = `q_value`."""

    def forward(self, obs: Any, state: Any = None, info: Any = None) -> tuple[torch.Tensor, Any]:
        x = torch.as_tensor(obs.obs if isinstance(obs, Batch) else obs)
        agent = x[:, 2:3]
        best = 1.0 + agent % 2
        q = super().forward(x) - 0.5 * (torch.arange(N_ACTIONS) - best) ** 2
        return q, state


@dataclass(frozen=True)
class Row:
    """What must be known of one row, worked out from the log alone."""

    act: int
    credit: float
    terminated: bool
    truncated: bool
    value: float
    next_value: float  # before it is masked at a termination
    next_best_q: float


def true_rows(log: Log, n_agents: int, *, masked: bool = False) -> dict[tuple[int, int, int, int], Row]:
    """Return the row of each (env, episode, agent, t) of every finished episode."""
    rows = {}
    for (env, episode), played in log.items():
        if not played.over:
            continue
        for i in range(n_agents):
            actions = [joint[i] for joint in played.actions if joint[i] >= 0]
            for t, act in enumerate(actions):
                last = t == len(actions) - 1
                v = value(env, episode, i, t, actions[t - 1] if t else -1)
                v_next = value(env, episode, i, t + 1, act)
                allowed = legal(i, t + 1) if masked else np.ones(N_ACTIONS)
                q_next = max(q_value(v_next, i, a) for a in range(N_ACTIONS) if allowed[a])
                end = played.ends[i] if last else ""
                rows[env, episode, i, t] = Row(
                    act, credit(env, episode, i, t), end == "terminated", end == "truncated", v, v_next, q_next
                )
    return rows


def true_advantages(
    rows: dict[tuple[int, int, int, int], Row], gamma: float, lam: float
) -> dict[tuple[int, int, int, int], float]:
    """Return GAE by its definition: the sum over the rest of the episode of (gamma lam)^k delta."""
    advantages = {}
    for env, episode, i, t in rows:
        total, weight, step = 0.0, 1.0, t
        while (row := rows.get((env, episode, i, step))) is not None:
            next_value = 0.0 if row.terminated else row.next_value
            total += weight * (row.credit + gamma * next_value - row.value)
            weight *= gamma * lam
            step += 1
        advantages[env, episode, i, t] = total
    return advantages


def true_td_targets(
    rows: dict[tuple[int, int, int, int], Row], gamma: float, n_step: int
) -> dict[tuple[int, int, int, int], float]:
    """Return n-step targets: up to n credits, then the best Q value of the own next observation."""
    targets = {}
    for env, episode, i, t in rows:
        total, weight, step = 0.0, 1.0, t
        while True:
            row = rows[env, episode, i, step]
            total += weight * row.credit
            weight *= gamma
            step += 1
            if step == t + n_step or row.terminated or row.truncated:
                break
        targets[env, episode, i, t] = total + (0.0 if row.terminated else weight * row.next_best_q)
    return targets


def keys_of(batch: Batch) -> list[tuple[int, int, int, int]]:
    """Return (env, episode, agent, t) of each row, from what its observation says."""
    obs = batch.obs.obs if isinstance(batch.obs, Batch) else batch.obs
    return [tuple(int(x) for x in row[:4]) for row in np.asarray(obs)]


def check_rows(
    batch: Batch, rows: dict[tuple[int, int, int, int], Row], n_agents: int, *, masked: bool = False
) -> None:
    """Assert that every row has its own agent's data of its own step, and its own credit as reward."""
    obs_next = np.asarray(batch.obs_next.obs if isinstance(batch.obs_next, Batch) else batch.obs_next)
    assert len(batch) > 0
    for k, key in enumerate(keys_of(batch)):
        env, episode, agent, t = key
        row = rows[key]
        assert int(batch.act[k]) == row.act
        assert obs_next[k].tolist() == [env, episode, agent, t + 1, row.act]
        assert (bool(batch.terminated[k]), bool(batch.truncated[k])) == (row.terminated, row.truncated)
        if batch.rew.ndim == 1:
            assert float(batch.rew[k]) == row.credit
        else:
            assert batch.rew[k].tolist() == [credit(env, episode, i, t) for i in range(n_agents)]
        if masked:
            assert batch.obs.mask[k].tolist() == legal(agent, t).astype(bool).tolist()
            assert batch.obs_next.mask[k].tolist() == legal(agent, t + 1).astype(bool).tolist()
            assert batch.obs.mask[k, row.act]
