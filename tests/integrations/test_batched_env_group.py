"""Environments that are stepped together give the same rows and the same episodes as one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pettingzoo.utils import BaseParallelWrapper
from tianshou.data import Batch, Collector

from credit_wrappers import Credit, CreditStore, CreditWrapper, Deferred, Episode, EqualSplitCritic
from credit_wrappers.integrations.batched_env_group import BatchedEnvGroup
from credit_wrappers.integrations.env_group import EnvGroup
from credit_wrappers.integrations.tianshou import AgentVectorEnv, CreditReplayBuffer
from spaceworld import spaceworld_v0
from spaceworld.env import SpaceworldEnv


class Through(BaseParallelWrapper):
    """Changes nothing; but what it does is not known, so it stands in the way of one common step."""

    @property
    def store(self) -> Any:
        return getattr(self.env, "store", None)


class KeepingCritic(EqualSplitCritic):
    """Remembers the episodes it was shown."""

    def __init__(self) -> None:
        self.seen: list[Episode] = []

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        self.seen += episodes
        return super().score(episodes)


def venv_of(together: bool, envs: int, critic: KeepingCritic | None, **options: Any) -> AgentVectorEnv:
    store = None if critic is None else CreditStore(critic, episodes_per_query=2)

    def make() -> Any:
        env: Any = spaceworld_v0.parallel_env(**options)
        if store is not None:
            env = CreditWrapper(env, Deferred(store))
        return env if together else Through(env)

    return AgentVectorEnv([make] * envs)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Batch):
        return set(a.keys()) == set(b.keys()) and all(same(a[k], b[k]) for k in a.keys())  # noqa: SIM118
    return a.dtype == b.dtype and np.array_equal(a, b)


@pytest.mark.parametrize("scenario", ["pair", "hazard", "crew"])
@pytest.mark.parametrize("credit", [False, True])
def test_rows_and_episodes_are_the_same(scenario: str, credit: bool) -> None:
    options: dict[str, Any] = {"scenario": scenario, "max_cycles": 70, "on_collision": "block"}
    critics = [KeepingCritic() if credit else None for _ in range(2)]
    one, two = venv_of(True, 4, critics[0], **options), venv_of(False, 4, critics[1], **options)
    assert type(one._teams) is BatchedEnvGroup and type(two._teams) is EnvGroup
    n = one.n_agents
    assert all(same(a, b) for a, b in zip(one.reset(seed=5), two.reset(seed=5), strict=True))
    rng = np.random.default_rng(0)
    for t in range(160):
        envs = np.arange(4) if t % 3 else np.array([0, 2])  # not always all of them
        slots = (envs[:, None] * n + np.arange(n)).ravel()
        actions = rng.integers(0, 6, len(slots))
        out = [venv.step(actions, slots) for venv in (one, two)]
        assert all(same(a, b) for a, b in zip(*out, strict=True))
        over = slots[out[0][2] | out[0][3]]
        assert [env.agents for env in one.envs] == [env.agents for env in two.envs]
        if len(over):
            assert all(same(a, b) for a, b in zip(one.reset(over), two.reset(over), strict=True))
    if credit:
        for venv in (one, two):
            venv.store.settle(range(100))
        episodes = [critic.seen for critic in critics]
        assert len(episodes[0]) == len(episodes[1]) >= 6
        for a, b in zip(*episodes, strict=True):
            assert (a.id, a.key, a.seed, a.agents, a.env_id) == (b.id, b.key, b.seed, b.agents, b.env_id)
            assert (a.terminated, a.truncated) == (b.terminated, b.truncated)
            assert a.frames == b.frames
            for name in ("actions", "team_reward", "cost"):
                assert same(getattr(a, name), getattr(b, name))


def test_an_episode_longer_than_the_room_that_was_made_is_kept_whole() -> None:
    critic = KeepingCritic()
    venv = venv_of(True, 2, critic, scenario="solo", max_cycles=300, action_mask="safe")
    venv.reset(seed=0)
    for t in range(300):
        venv.step(np.full(2, t % 2))
    venv.store.settle(range(2))
    (episode, _) = critic.seen
    assert episode.length == 300 and len(episode.moments) == 301
    assert episode.actions[:, 0].tolist() == [0, 1] * 150
    assert [row[2] for row in episode.moments] == list(range(301))  # the step counter in the state


def test_what_an_environment_shows_is_what_the_common_step_made_of_it() -> None:
    venv = venv_of(True, 3, KeepingCritic(), scenario="pair", render_mode="ansi")
    venv.reset(seed=1)
    alone = spaceworld_v0.parallel_env(scenario="pair", render_mode="ansi")
    alone.reset(seed=2)
    venv.step(np.array([0, 0, 3, 2, 0, 0]))
    alone.step({"robot_0": 3, "robot_1": 2})
    assert venv.render()[1] == alone.render()
    assert venv.envs[1].describe_state() == alone.describe_state()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env, store: Through(CreditWrapper(env, Deferred(store))),
        lambda env, store: CreditWrapper(Through(env), Deferred(store)),
        lambda env, store: CreditWrapper(env, Deferred(store), team_reward="sum"),
    ],
)
def test_what_stands_in_the_way_of_one_common_step_is_stepped_one_by_one(wrap: Callable[..., Any]) -> None:
    store = CreditStore(EqualSplitCritic())
    venv = AgentVectorEnv([lambda: wrap(spaceworld_v0.parallel_env(scenario="pair"), store)] * 2)
    assert type(venv._teams) is EnvGroup
    venv.reset(seed=0)
    venv.step(np.zeros(4, dtype=int))


def test_a_window_is_stepped_by_its_own_environment_and_a_common_step_still_hands_credits_to_the_pictures() -> None:
    store = CreditStore(EqualSplitCritic(), episodes_per_query=1, workers=0)

    def team(mode: str) -> AgentVectorEnv:
        return AgentVectorEnv(
            [lambda: CreditWrapper(SpaceworldEnv("pair", render_mode=mode, max_cycles=1), Deferred(store))] * 2
        )

    assert type(team("human")._teams) is EnvGroup
    venv = team("ansi")
    assert type(venv._teams) is BatchedEnvGroup
    venv.reset(seed=0)
    assert "credit" not in venv.render()[0]
    venv.step(np.zeros(4, dtype=int))
    assert all("credit +0.000" in text for text in venv.render())


def test_different_worlds_are_stepped_one_by_one() -> None:
    penalties = iter((0.1, 0.2))
    venv = AgentVectorEnv([lambda: SpaceworldEnv("pair", collision_penalty=next(penalties))] * 2)
    assert type(venv._teams) is EnvGroup


def test_bad_actions_and_steps_after_the_end_are_refused() -> None:
    venv = venv_of(True, 2, None, scenario="pair", max_cycles=2)
    venv.reset(seed=0)
    with pytest.raises(ValueError, match="action 7 of 'robot_1'"):
        venv.step(np.array([0, 0, 0, 7]))
    venv.step(np.zeros(4, dtype=int))
    venv.step(np.zeros(4, dtype=int))
    with pytest.raises(AssertionError, match="reset it"):
        venv.step(np.zeros(4, dtype=int))


def test_separate_learners_and_a_collector_run_on_it() -> None:
    from tianshou.algorithm.random import MARLRandomDiscreteMaskedOffPolicyAlgorithm

    store = CreditStore(EqualSplitCritic())
    venv = AgentVectorEnv([lambda: CreditWrapper(SpaceworldEnv("pair", max_cycles=9), Deferred(store))] * 3)
    algorithm = MARLRandomDiscreteMaskedOffPolicyAlgorithm(action_space=SpaceworldEnv("pair").action_space("robot_0"))
    buffer = CreditReplayBuffer(600, venv)
    collector = Collector(algorithm, venv, buffer)
    collector.reset()
    collector.collect(n_episode=12)
    rows, _ = buffer.sample(0)
    assert len(rows) == 6 * 2 * 9
    done = rows.done.reshape(-1, 9)
    assert done[:, -1].all() and not done[:, :-1].any()
