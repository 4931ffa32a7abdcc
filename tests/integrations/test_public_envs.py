"""Public environments are credited exactly: all numbers are those of unwrapped twins that play the same actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supersuit
from pettingzoo import ParallelEnv
from public_envs import (
    PUBLIC,
    Public,
    RowCritic,
    TwinEpisode,
    check_episode,
    drawn,
    registered,
    row_credit,
    team_reward,
    twin,
)
from tianshou.data import Batch

from credit_wrappers import CreditError, CreditStore, CreditWrapper, Deferred, Online
from credit_wrappers.integrations.gymnasium import ParallelVecEnv, relabel_rewards
from credit_wrappers.integrations.tianshou import AgentVectorEnv, CreditReplayBuffer
from credit_wrappers.testing import check_env

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:.*You are calling render method:UserWarning"
    ),  # cooperative_pong observes a picture
]
PAGE = Path(__file__).parent.parent.parent / "docs" / "environments.md"
VECTOR = [name for name, public in PUBLIC.items() if public.vector]
RULES = {"shared": ["auto", "shared"], "mean": ["mean"], "sum": ["sum"]}
EVERY = [(name, rule) for name, public in PUBLIC.items() for rule in RULES[public.pays]]


def wrapped(public: Public, store: CreditStore, rule: Any = None) -> CreditWrapper:
    return CreditWrapper(public.make(), Deferred(store), team_reward=rule or public.pays)


@pytest.mark.parametrize(("name", "rule"), EVERY)
def test_the_wrapper_pays_and_records_what_the_twin_got(name: str, rule: str) -> None:
    public, critic = PUBLIC[name], RowCritic()
    env = wrapped(public, CreditStore(critic, workers=0), rule)
    for episode, played in enumerate(twin(public, 0, 2)):
        _, infos = env.reset(seed=40 if episode == 0 else None)
        for t, step in enumerate(played.steps):
            acting = [agent for agent in env.agents if agent in step.actions]
            assert acting == list(step.actions)
            actions = {agent: drawn(env, 0, episode, t, agent) for agent in env.agents}
            observations, rewards, terminations, truncations, infos = env.step(actions)
            assert {agent for agent, flag in terminations.items() if flag} == step.terminated
            assert {agent for agent, flag in truncations.items() if flag} == step.truncated
            assert rewards.keys() == observations.keys() >= set(acting)
            np.testing.assert_allclose(list(rewards.values()), step.team, rtol=1e-9)
            assert {(info["episode_id"], info["episode_step"]) for info in infos.values()} == {(episode, t)}
        assert not env.agents
        ((found, credit),) = env.store.settle([episode])
        assert found == episode
        check_episode(critic.episodes[episode], played)
        assert credit.values.tolist()[-1] == [row_credit(episode, i, t) for i in range(len(played.agents))]


@pytest.mark.parametrize("name", PUBLIC)
def test_step_pays_every_agent_its_own_credit(name: str) -> None:
    public = PUBLIC[name]
    env = CreditWrapper(public.make(), Online(RowCritic(), window=3), team_reward=public.pays)
    env.reset(seed=40)
    for t in range(6):
        acting = list(env.agents)
        _, rewards, *_ = env.step({agent: drawn(env, 0, 0, t, agent) for agent in acting})
        agents = env.possible_agents
        assert rewards == {agent: row_credit(0, agents.index(agent), t) for agent in acting}
        if not env.agents:
            break


@pytest.mark.parametrize("name", VECTOR)
def test_every_row_of_the_replay_buffer_is_its_own_agents(name: str) -> None:
    public, critic = PUBLIC[name], RowCritic()
    store = CreditStore(critic, workers=0)
    venv = AgentVectorEnv([lambda: wrapped(public, store)] * 2)
    agents = venv.agents
    buffer = CreditReplayBuffer(2 * len(agents) * (public.steps + 1), venv)
    twins = [twin(public, k, 1)[0] for k in range(2)]
    obs, info = venv.reset(seed=40)
    place = {info.episode_id[k * len(agents)]: k for k in range(2)}  # episode id -> environment
    running = [0, 1]
    for t in range(public.steps):
        rows = np.array([k * len(agents) + i for k in running for i in range(len(agents))])
        act = np.array(
            [drawn(venv.envs[r // len(agents)], r // len(agents), 0, t, agents[r % len(agents)]) for r in rows]
        )
        seen, rew, terminated, truncated, info = venv.step(act, rows)
        kept = Batch(obs=obs[rows], act=act, rew=rew, terminated=terminated, truncated=truncated)
        kept.obs_next, kept.info, kept.policy = seen, info, Batch()
        buffer.add(kept, rows)
        obs[rows] = seen
        running = [k for k in running if len(twins[k].steps) > t + 1]
        if not running:
            break
    assert not running
    batch, _ = buffer.sample(0)
    found: dict[tuple[int, str], int] = {}
    for row in range(len(batch)):
        episode, i, t = (int(batch.info[key][row]) for key in ("episode_id", "agent", "episode_step"))
        played, agent = twins[place[episode]], agents[i]
        found[place[episode], agent] = found.get((place[episode], agent), 0) + 1
        step = played.steps[t]
        np.testing.assert_array_equal(batch.act[row], step.actions[agent])
        np.testing.assert_array_equal(batch.obs[row], played.observations[t][agent])
        np.testing.assert_array_equal(batch.obs_next[row], played.observations[t + 1][agent])
        assert batch.rew[row] == row_credit(episode, i, t)
        assert (batch.terminated[row], batch.truncated[row]) == (agent in step.terminated, agent in step.truncated)
    assert found == {(k, agent): twins[k].acts(agent) for k in range(2) for agent in agents}
    for episode, k in place.items():
        check_episode(critic.episodes[episode], twins[k])


@pytest.mark.parametrize("name", VECTOR)
def test_every_row_of_a_rollout_is_relabelled_with_its_own_agents_credit(name: str) -> None:
    public, critic = PUBLIC[name], RowCritic()
    store = CreditStore(critic, workers=0)
    envs = ParallelVecEnv([lambda: wrapped(public, store)] * 2)
    n = envs.n_agents
    twins = [twin(public, k, 1 + public.steps // 6 if public.steps < 20 else 2) for k in range(2)]
    rewards, alive = np.zeros((public.steps, envs.num_envs)), np.zeros((public.steps, envs.num_envs), dtype=bool)
    obs, infos = envs.reset(seed=40)
    at = [(0, 0), (0, 0)]  # of each environment: episode and step
    expected, over = np.zeros(rewards.shape), np.zeros(rewards.shape, dtype=bool)
    where: dict[tuple[int, int], list[tuple[int, int, int]]] = {}  # (environment, episode) -> (row, agent, step)
    for time in range(public.steps):
        alive[time], act = infos["alive"], []
        for k, (episode, t) in enumerate(at):
            played = twins[k][episode]
            for i, agent in enumerate(envs.agents):
                act.append(drawn(envs.envs[k], k, episode, t, agent))
                assert alive[time, k * n + i] == (agent in played.steps[t].actions)
                if alive[time, k * n + i]:
                    np.testing.assert_array_equal(obs[k * n + i], played.observations[t][agent])
                    expected[time, k * n + i] = played.steps[t].team
                    where.setdefault((k, episode), []).append((time, k * n + i, t))
        obs, rewards[time], terminated, truncated, infos = envs.step(np.array(act))
        for k, (episode, t) in enumerate(at):
            step = twins[k][episode].steps[t]
            for i, agent in enumerate(envs.agents):
                if alive[time, k * n + i]:
                    flags = terminated[k * n + i], truncated[k * n + i]
                    assert flags == (agent in step.terminated, agent in step.truncated)
            at[k] = (episode + 1, 0) if t + 1 == len(twins[k][episode].steps) else (episode, t + 1)
    np.testing.assert_allclose(rewards, expected, rtol=1e-9)  # the team reward, a placeholder
    known = relabel_rewards(rewards, public.steps - 1, infos)
    for (k, episode), rows in where.items():
        if episode < at[k][0]:
            (number,) = [id for id, held in critic.episodes.items() if same(held, twins[k][episode])]
            check_episode(critic.episodes[number], twins[k][episode])
            for time, row, t in rows:
                expected[time, row], over[time, row] = row_credit(number, row % n, t), True
    np.testing.assert_allclose(rewards, expected, rtol=1e-9)
    np.testing.assert_array_equal(known[alive], over[alive])
    assert over.any(axis=0).reshape(2, n).any(axis=1).all()


def same(held: Any, played: TwinEpisode) -> bool:
    """Return whether an episode's actions are the twin's."""
    return held.length == len(played.steps) and all(
        np.array_equal(held.actions[t, i], step.actions[agent])
        for t, step in enumerate(played.steps)
        for i, agent in enumerate(played.agents)
        if agent in step.actions
    )


def test_the_cases_are_what_they_are_named_for() -> None:
    def rewards_of(name: str) -> list[dict[str, float]]:
        env, paid = PUBLIC[name].make(), []
        env.reset(seed=40)
        while env.agents and len(paid) < 30:
            _, rewards, *_ = env.step({agent: drawn(env, 0, 0, len(paid), agent) for agent in env.agents})
            paid.append({agent: float(reward) for agent, reward in rewards.items()})
        return paid

    differ = {
        name: any(len(set(paid.values())) > 1 for paid in rewards_of(name)) for name in PUBLIC if "zombies" not in name
    }
    assert differ == {name: PUBLIC[name].pays != "shared" for name in differ}
    died = [episode for k in range(2) for episode in twin(PUBLIC["knights_archers_zombies"], k, 1)]
    assert any(step.terminated and step is not episode.steps[-1] for episode in died for step in episode.steps)


def test_a_shared_reward_with_own_terms_is_told_and_averaged(caplog: pytest.LogCaptureFixture) -> None:
    public = PUBLIC["simple_reference"]
    with pytest.raises(CreditError, match="rewards differ"):
        env = wrapped(public, CreditStore(RowCritic(), workers=0), "shared")
        env.reset(seed=40)
        env.step({agent: drawn(env, 0, 0, 0, agent) for agent in env.agents})
    env = wrapped(public, CreditStore(RowCritic(), workers=0), "auto")
    env.reset(seed=40)
    env.step({agent: drawn(env, 0, 0, 0, agent) for agent in env.agents})
    assert "use team_reward='mean'" in caplog.text


@pytest.mark.parametrize("name", PUBLIC)
def test_the_check_says_what_was_tried_above(name: str) -> None:
    public = PUBLIC[name]
    report = check_env(public.make, steps=public.steps, seed=40, team_reward=public.pays)
    levels = {finding.topic: finding.level for finding in report.findings if finding.topic != "text"}
    assert levels["Deferred"] == levels["Online"] == levels["seeds"] == levels["rewards"] == "works"
    assert levels["ParallelVecEnv"] == ("works" if public.vector else "problem")
    assert (levels["AgentVectorEnv"] == "problem") == (not public.vector)
    assert levels["Student"] == ("works" if public.student else "problem")
    assert len(str(report).splitlines()) <= 40


def test_the_page_shows_what_the_check_prints() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text.partition("```text\nknights_archers_zombies")[2].partition("\n```")[0].splitlines()
    report = str(check_env(registered("butterfly/knights_archers_zombies-v11", spawn_delay=5), steps=300)).splitlines()
    marks = [line[:23] for line in shown[1:]]
    assert marks and marks == [line[:23] for line in report[1:]]


class TestBlackDeath:
    """SuperSuit's black_death keeps the dead in the team, with rewards of 0."""

    @staticmethod
    def play(env: ParallelEnv) -> list[dict[str, float]]:
        paid = []
        env.reset(seed=40)
        while env.agents:
            _, rewards, *_ = env.step({agent: 0 for agent in env.agents})
            paid.append(rewards)
        return paid

    @pytest.mark.parametrize("rule", ["shared", "mean", "auto"])
    def test_inside_of_the_wrapper_it_is_refused_unless_rewards_are_summed(self, rule: Any) -> None:
        env = supersuit.black_death_v3(leaver())
        with pytest.raises(ValueError, match="black_death pays agents that have left a reward of 0"):
            CreditWrapper(env, Deferred(RowCritic()), team_reward=rule)

    def test_around_the_wrapper_the_living_are_paid_the_team_reward(self) -> None:
        store = CreditStore(RowCritic(), workers=0)
        paid = self.play(supersuit.black_death_v3(CreditWrapper(leaver(), Deferred(store), team_reward="shared")))
        assert [(rewards["a"], rewards["b"]) for rewards in paid[:4]] == [(1, 1), (1, 1), (1, 0), (1, 0)]
        ((_, credit),) = store.settle([0])
        assert credit.values.shape == (4, 2)

    def test_where_agents_are_paid_for_themselves_the_sum_is_the_same_with_it(self) -> None:
        public = Public(registered("butterfly/knights_archers_zombies-v11", spawn_delay=1, max_cycles=150), "sum")
        (played,) = twin(public, 0, 1)
        env = CreditWrapper(supersuit.black_death_v3(public.make()), Deferred(RowCritic()), team_reward="sum")
        env.reset(seed=40)
        for t, step in enumerate(played.steps):
            _, rewards, *_ = env.step({agent: drawn(env, 0, 0, t, agent) for agent in env.agents})
            assert set(rewards.values()) == {step.team}


def leaver() -> ParallelEnv:
    from known_credit import KnownCreditEnv

    class Shared(KnownCreditEnv):
        def step(self, actions: dict) -> tuple:
            observations, rewards, *rest = super().step(actions)
            return (observations, dict.fromkeys(rewards, 1.0), *rest)

    env = Shared(0, 2, {}, lengths=(4,), ends=("truncated",), leaves={1: (1, "terminated")})
    env.possible_agents = ["a", "b"]
    return env


def test_a_team_reward_is_worked_out_by_hand() -> None:
    paid = {"a": 1.0, "b": 3.0}
    assert (team_reward("mean", paid), team_reward("sum", paid), team_reward("shared", {"a": 2, "b": 2.0})) == (2, 4, 2)
