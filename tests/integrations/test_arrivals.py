"""Agents that arrive late, come back, or disappear without a flag: their rows are theirs on every vectorised path."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from known_credit import N_ACTIONS, PLACEHOLDER, KnownCreditEnv, KnownCritic, credit
from tianshou.algorithm.algorithm_base import Algorithm
from tianshou.data import Batch

from credit_wrappers import CreditStore, CreditWrapper, Deferred
from credit_wrappers.integrations.gymnasium import ParallelVecEnv, relabel_rewards
from credit_wrappers.integrations.tianshou import AgentVectorEnv, CreditReplayBuffer

LENGTH = 7
# Before which steps an agent is not there: one is late, one comes back, one leaves for good; nobody is there always.
AWAY = {0: {0, 1}, 1: {2, 3, 4}, 2: {5, 6}}


class Comings(KnownCreditEnv):
    """Agents come and go as `AWAY` says; `silent` ones leave without a flag and are in no dict afterwards."""

    def __init__(self, number: int, silent: bool) -> None:
        super().__init__(number, 3, {}, lengths=(LENGTH,), ends=("terminated",))
        self.silent = silent

    def _here(self) -> list[str]:
        return [agent for i, agent in enumerate(self.possible_agents) if self.t not in AWAY[i]]

    def reset(self, seed=None, options=None):
        super().reset(seed, options)
        self.agents = self._here()
        return self._view(self.agents)

    def step(self, actions):
        assert list(actions) == self.agents, (actions, self.agents)
        acted = self.agents
        self.last = [int(actions.get(agent, -1)) for agent in self.possible_agents]
        self.t += 1
        over = self.t == LENGTH
        here = acted if over else self._here()
        told = [a for a in self.possible_agents if a in here or (a in acted and not self.silent)]
        self.agents = [] if over else here
        observations, infos = self._view(told)
        flags = {a: (over and not self.silent) or a not in here for a in told}
        return observations, dict.fromkeys(told, PLACEHOLDER), flags, dict.fromkeys(told, False), infos


def stays(agent: int) -> list[int]:
    """Return the steps that an agent acts in."""
    return [t for t in range(LENGTH) if t not in AWAY[agent]]


def last_of_stay(agent: int, t: int) -> bool:
    return t in stays(agent) and t + 1 not in stays(agent)


ROWS = {(env, i, t) for env in range(2) for i in AWAY for t in stays(i)}


@pytest.fixture
def store():
    return CreditStore(KnownCritic(), episodes_per_query=1, workers=0)


@pytest.mark.parametrize(
    ("worker", "learners", "silent"),
    [*product(["inline"], ["shared", "per-agent"], [False, True]), ("subprocess", "per-agent", True)],
)
def test_every_row_of_the_buffer_is_of_an_agent_that_was_there(store, silent, learners, worker):
    def make(k):
        return CreditWrapper(Comings(k, silent), Deferred(store))

    venv = AgentVectorEnv([partial(make, k) for k in range(2)], learners=learners, worker=worker)
    buffer = CreditReplayBuffer(600, venv)
    obs, _ = venv.reset()
    rng = np.random.default_rng(0)
    for _ in range(LENGTH):
        actions = rng.integers(0, N_ACTIONS, len(venv))
        obs_next, rew, terminated, truncated, info = venv.step(actions)
        buffer.add(
            Batch(
                obs=obs, act=actions, rew=rew, terminated=terminated, truncated=truncated, obs_next=obs_next, info=info
            )
        )
        obs = obs_next
    assert terminated.all()  # the envs ended, so that a Collector would reset them
    batch, indices = buffer.sample(0)
    seen, flat = (x.obs if learners == "per-agent" else x for x in (batch.obs, batch.obs_next))
    keys = [tuple(int(x) for x in row[:4]) for row in seen]
    assert sorted((env, i, t) for env, _, i, t in keys) == sorted(ROWS) and len(keys) == len(ROWS)
    for row, (env, episode, i, t) in enumerate(keys):
        paid = batch.rew[row] if learners == "shared" else batch.rew[row][i]
        assert paid == credit(env, episode, i, t)
        assert bool(batch.terminated[row]) == last_of_stay(i, t) and not batch.truncated[row]
        if not (silent and last_of_stay(i, t) and t + 1 < LENGTH):
            assert flat[row].tolist() == [env, episode, i, t + 1, batch.act[row]]
    if learners == "shared":
        _check_advantages(buffer, batch, indices, keys)
    venv.close()


def _check_advantages(buffer, batch, indices, keys):
    """What Tianshou adds up along a column stops at the end of each stay."""
    gamma, lam = 0.9, 0.8
    zeros = np.zeros(len(keys))
    returns, _ = Algorithm.compute_episodic_return(batch, buffer, indices, zeros, zeros, gamma=gamma, gae_lambda=lam)
    for (env, episode, i, t), value in zip(keys, returns, strict=True):
        expected, weight, step = 0.0, 1.0, t
        while step in stays(i):
            expected += weight * credit(env, episode, i, step)
            weight, step = weight * gamma * lam, step + 1
        assert value == pytest.approx(expected)


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("rollouts", [1, 3])
def test_every_row_of_a_cleanrl_rollout_is_of_an_agent_that_was_there(store, silent, rollouts):
    envs = ParallelVecEnv([lambda k=k: CreditWrapper(Comings(k, silent), Deferred(store)) for k in range(2)])
    steps = rollouts * LENGTH
    obs, alive = np.zeros((steps, 6, 5)), np.zeros((steps, 6), bool)
    rewards, done = np.zeros((steps, 6)), np.zeros((steps, 6), bool)
    now, infos = envs.reset()
    for step in range(steps):
        obs[step], alive[step] = now, infos["alive"]
        now, rewards[step], terminated, truncated, infos = envs.step(np.full(6, 1))
        done[step] = terminated
        assert not truncated.any()
        if done[step].any() and "final_info" in infos:
            played = infos["final_info"]["_episode"]
            assert (infos["final_info"]["episode"]["l"][played] > 0).all()
    known = relabel_rewards(rewards, steps - 1, infos)
    assert known.all()
    for step in range(steps):
        t, episode = step % LENGTH, step // LENGTH
        for row in range(6):
            env, i = divmod(row, 3)
            assert alive[step, row] == (t in stays(i))
            if alive[step, row]:
                assert obs[step, row, :4].tolist() == [env, episode, i, t]
                assert rewards[step, row] == credit(env, episode, i, t)
                assert done[step, row] == last_of_stay(i, t)
            else:
                assert rewards[step, row] == 0 and not obs[step, row].any()
                # Nothing that an agent earns after it has arrived leaks into the rows before.
                assert done[step, row] == (t + 1 in stays(i) or t + 1 == LENGTH)


def test_episodes_longer_than_the_memory_of_who_acted_are_told_whole(store):
    class Long(KnownCreditEnv):
        pass

    def make(k):
        return CreditWrapper(Long(k, 2, {}, lengths=(150, 40, 300), leaves={1: (30, "terminated")}), Deferred(store))

    envs = ParallelVecEnv([partial(make, k) for k in range(2)])
    rewards, rows = np.zeros((600, 4)), np.zeros((600, 4, 5))
    rows[0], infos = envs.reset()
    for step in range(600):
        now, rewards[step], *_, infos = envs.step(np.ones(4, int))
        if step < 599:
            rows[step + 1] = now
    known = relabel_rewards(rewards, 599, infos)
    alive = rows[..., 4] != 0  # an agent that is not there sees zeros; the first observation says -1
    checked = 0
    for step, row in zip(*np.nonzero(known & alive), strict=True):
        env, episode, agent, t = (int(x) for x in rows[step, row, :4])
        assert rewards[step, row] == credit(env, episode, agent, t)
        checked += 1
    assert checked > 900 and (rewards[known & ~alive] == 0).all()
