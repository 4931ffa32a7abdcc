"""Snapshots in episodes: each restores its own state, through every way of stepping, and changes nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pettingzoo import ParallelEnv

from credit_wrappers import (
    Credit,
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    Episode,
    EqualSplitCritic,
    LLMCreditWrapper,
    Online,
)
from credit_wrappers.adapters import lbf
from credit_wrappers.core.content_digest import content_digest
from credit_wrappers.integrations.batched_env_group import BatchedEnvGroup
from credit_wrappers.integrations.env_group import EnvGroup
from credit_wrappers.integrations.tianshou import AgentVectorEnv
from credit_wrappers.recording.replay import replay
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld import spaceworld_v0

WORLDS: dict[str, Callable[[], ParallelEnv]] = {
    "corridor": lambda: CorridorEnv(n_agents=3, length=5),
    "duet": lambda: spaceworld_v0.parallel_env(scenario="duet", max_cycles=30),
    "lbf": lambda: lbf.parallel_env("Foraging-5x5-2p-1f-coop-v3"),
}
worlds = pytest.mark.parametrize("world", sorted(WORLDS))


class Keeping(EqualSplitCritic):
    """Remembers the episodes it was shown."""

    def __init__(self) -> None:
        self.seen: list[Episode] = []

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        self.seen += episodes
        return super().score(episodes)


def legal(rng: np.random.Generator, env: Any, infos: Any) -> dict[str, int]:
    """Return a random legal joint action."""
    chosen = {}
    for agent in env.agents:
        mask = infos[agent].get("action_mask", np.ones(env.action_space(agent).n))
        chosen[agent] = int(rng.choice(np.flatnonzero(mask)))
    return chosen


def recorded(world: str, seed: int = 4, **options: Any) -> Episode:
    """Return an episode that a wrapper recorded."""
    critic, rng = Keeping(), np.random.default_rng(seed)
    env = CreditWrapper(WORLDS[world](), Deferred(critic, workers=0), **options)
    _, infos = env.reset(seed=seed)
    while env.agents:
        *_, infos = env.step(legal(rng, env, infos))
    env.store.settle([0])
    return critic.seen[0]


def of_vector_env(world: str, **options: Any) -> tuple[AgentVectorEnv, list[Episode]]:
    """Return a vectorised environment of three wrapped ones, and the episodes of their first 60 steps."""
    critic, rng = Keeping(), np.random.default_rng(2)
    store = CreditStore(critic, workers=0)
    venv = AgentVectorEnv([lambda: CreditWrapper(WORLDS[world](), Deferred(store), **options)] * 3)
    obs, _ = venv.reset(seed=11)
    n = len(venv.agents)
    for _ in range(60):
        masks = getattr(obs, "mask", None)
        rows = range(3 * n)
        width = venv.envs[0].action_space(venv.agents[0]).n
        actions = [int(rng.choice(np.flatnonzero(np.ones(width) if masks is None else masks[r]))) for r in rows]
        obs, _, terminated, truncated, _ = venv.step(np.array(actions))
        done = np.flatnonzero(terminated | truncated)
        if len(done):
            fresh, _ = venv.reset(done)
            if isinstance(obs, np.ndarray):
                obs[done] = fresh
            else:
                obs.obs[done], obs.mask[done] = fresh.obs, fresh.mask
    store.settle(range(store.open()))
    return venv, critic.seen


def check_every_state(episode: Episode, world: str) -> None:
    """Restore each snapshot in a fresh environment and take the actions from there: the rest must be the very same."""
    assert len(episode.snapshots) == episode.length + 1
    for t in range(episode.length + 1):
        env: Any = WORLDS[world]()
        env.reset(seed=999)  # another state, another random stream
        env.unwrapped.set_state(episode.snapshots[t])
        assert bool(env.agents) == (t < episode.length)
        for later in range(t, episode.length):
            joint = dict(zip(episode.agents, episode.actions[later].tolist(), strict=True))
            observations, rewards, terminated, truncated, infos = env.step(joint)
            assert set(rewards.values()) == {episode.team_reward[later]}
            assert [infos[a].get("cost", 0.0) for a in episode.agents] == episode.cost[later].tolist()
            assert content_digest(env.narrator.capture(observations)) == content_digest(episode.moments[later + 1])
            last = later == episode.length - 1
            assert (any(terminated.values()), any(truncated.values())) == (
                (episode.terminated, episode.truncated) if last else (False, False)
            )


def same(a: Episode, b: Episode) -> None:
    """Check that two episodes are equal in all but their ids and their snapshots."""
    for name in ("agents", "terminated", "truncated", "env_id", "seed", "start", "key", "frames"):
        assert getattr(a, name) == getattr(b, name), name
    for name in ("actions", "team_reward", "cost", "observations"):
        one, other = getattr(a, name), getattr(b, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert content_digest(*a.moments) == content_digest(*b.moments)


@worlds
def test_every_snapshot_of_a_wrapper_goes_on_as_the_episode_went_on(world):
    check_every_state(recorded(world, record_snapshots=True), world)


@worlds
def test_every_snapshot_of_a_vectorised_environment_goes_on_as_its_episode_went_on(world):
    _, episodes = of_vector_env(world, record_snapshots=True)
    assert len(episodes) >= 3
    for episode in episodes[:3]:
        check_every_state(episode, world)


@worlds
def test_recording_snapshots_changes_nothing_else(world):
    without, with_them = recorded(world), recorded(world, record_snapshots=True)
    assert without.snapshots == ()
    same(without, with_them)
    plain, kept = of_vector_env(world)[1], of_vector_env(world, record_snapshots=True)[1]
    assert len(plain) == len(kept)
    for one, other in zip(sorted(plain, key=lambda e: e.id), sorted(kept, key=lambda e: e.id), strict=True):
        same(one, other)
        assert one.snapshots == ()


def test_environments_that_step_together_step_one_by_one_where_snapshots_are_kept():
    assert isinstance(of_vector_env("duet")[0]._teams, BatchedEnvGroup)
    group = of_vector_env("duet", record_snapshots=True)[0]._teams
    assert isinstance(group, EnvGroup)
    assert group.session is not None
    assert not group.session.takes_columns


def test_an_unfinished_episode_leaves_no_snapshots_to_the_next():
    critic = Keeping()
    env = CreditWrapper(CorridorEnv(length=9, horizon=3), Deferred(critic, workers=0), record_snapshots=True)
    env.reset(seed=1)
    env.step(dict.fromkeys(env.agents, 2))
    env.reset(seed=2)
    while env.agents:
        env.step(dict.fromkeys(env.agents, 0))
    env.store.settle([1])
    [episode] = critic.seen
    assert [state.time for state in episode.snapshots] == [0, 1, 2, 3]
    assert {state.position for state in episode.snapshots} == {episode.moments[0]}


def test_a_window_has_the_snapshots_of_its_own_steps():
    critic = Keeping()
    env = CreditWrapper(CorridorEnv(length=9, horizon=5), Online(critic, window=2), record_snapshots=True)
    env.reset(seed=1)
    while env.agents:
        env.step(dict.fromkeys(env.agents, 2))
    assert [[state.time for state in e.snapshots] for e in critic.seen] == [
        [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]
    ]  # fmt: skip
    assert all(e.snapshots[0].position == e.moments[0] for e in critic.seen)


def test_a_copy_of_a_wrapped_environment_keeps_snapshots_of_itself():
    env = CreditWrapper(CorridorEnv(length=9), Deferred(Keeping(), workers=0), record_snapshots=True)
    other = copy.deepcopy(env)
    env.reset(seed=1)
    assert other.session.recorder.envs[0].get_state.__self__ is other.unwrapped


def test_without_narration_there_are_no_snapshots_and_the_key_stays():
    episode = recorded("corridor", record_snapshots=True)
    bare = episode.without_narration()
    assert bare.snapshots == ()
    assert bare.key == episode.key


def test_the_one_line_wrapper_records_them_too():
    critic = Keeping()
    env = LLMCreditWrapper(CorridorEnv(horizon=2, length=9), critic=critic, workers=0, record_snapshots=True)
    env.reset(seed=1)
    while env.agents:
        env.step(dict.fromkeys(env.agents, 0))
    env.store.settle([0])
    assert len(critic.seen[0].snapshots) == 3


def test_an_environment_without_snapshots_is_refused_by_name():
    class Forgetful(CorridorEnv):
        set_state = None

    with pytest.raises(TypeError, match=r"corridor_v0: .* Forgetful lacks set_state\(\): add .* or do without"):
        CreditWrapper(Forgetful(), Deferred(Keeping()), record_snapshots=True)
    CreditWrapper(Forgetful(), Deferred(Keeping()))


class TestReplay:
    @worlds
    def test_the_replayed_episode_is_the_recorded_one(self, world):
        episode = recorded(world, record_snapshots=True, record_observations=True)
        again = replay(WORLDS[world](), episode.seed, episode.actions, snapshots=True, observations=True)
        same(episode, again)
        check_every_state(again, world)

    def test_nothing_is_kept_that_was_not_asked_for(self):
        episode = recorded("corridor")
        again = replay(CorridorEnv(n_agents=3, length=5), 4, episode.actions)
        assert (again.snapshots, again.observations) == ((), None)
        same(episode, again)

    def test_the_first_steps_are_an_episode_that_goes_on(self):
        episode = recorded("duet")
        first = replay(WORLDS["duet"](), 4, episode.actions[:7], snapshots=True)
        assert (first.length, first.ended, len(first.snapshots)) == (7, "not yet", 8)
        np.testing.assert_array_equal(first.team_reward, episode.team_reward[:7])

    def test_actions_after_the_end_are_an_error_that_says_where_it_was_over(self):
        with pytest.raises(CreditError, match=r"seed 1 is over after step 1, .* actions for 3 steps"):
            replay(CorridorEnv(length=9, horizon=2), 1, np.zeros((3, 2), int))

    def test_no_action_of_an_agent_that_is_there_is_an_error(self):
        with pytest.raises(CreditError, match=r"step 1: agent 'walker_1' is there and its action is -1"):
            replay(CorridorEnv(length=9), 1, np.array([[0, 0], [0, -1]]))

    @pytest.mark.parametrize("actions", [np.zeros((3, 1), int), np.zeros((3, 2)), np.zeros((0, 2), int), [[0, 1, 2]]])
    def test_other_actions_are_refused(self, actions):
        with pytest.raises(ValueError, match=r"\(T, 2\) whole numbers"):
            replay(CorridorEnv(), 1, actions)

    def test_an_episode_without_a_seed_is_refused(self):
        with pytest.raises(ValueError, match="restore the first one"):
            replay(CorridorEnv(), None, np.zeros((1, 2), int))

    def test_snapshots_of_an_environment_without_any_are_refused(self):
        class Plain(CorridorEnv):
            get_state = None

        with pytest.raises(TypeError, match=r"Plain lacks get_state\(\)"):
            replay(Plain(), 1, np.zeros((1, 2), int), snapshots=True)


class TestCorridor:
    def test_the_random_stream_is_part_of_the_state(self):
        env, other = CorridorEnv(length=50), CorridorEnv(length=50)
        env.reset(seed=3)
        other.set_state(env.get_state())
        env.reset()
        other.reset()
        assert env.position == other.position

    def test_a_state_does_not_change_when_the_environment_steps(self):
        env = CorridorEnv()
        env.reset(seed=3)
        state = env.get_state()
        before = copy.deepcopy(state)
        env.step(dict.fromkeys(env.agents, 2))
        env.reset()
        assert state == before

    def test_states_of_others_are_refused(self):
        with pytest.raises(TypeError, match="not tuple"):
            CorridorEnv().set_state((0, 0))
        with pytest.raises(ValueError, match=r"\(2, 9, 12\), this one has \(2, 4, 12\)"):
            CorridorEnv().set_state(CorridorEnv(length=9).get_state())
