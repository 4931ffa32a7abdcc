"""The key of an episode: other episodes have other keys, and the same episode has one key everywhere."""

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from credit_fakes import FORWARD, STAY, corridor_episode
from gymnasium.spaces import Box, Discrete
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers import (
    CreditStore,
    CreditWrapper,
    Deferred,
    Ledger,
    LLMCreditWrapper,
    LLMCritic,
    ScriptedClient,
    SharedCritic,
)
from credit_wrappers.cli.main import main
from credit_wrappers.integrations.tianshou.agent_vector_env import AgentVectorEnv
from credit_wrappers.llm.ledger.entry import JudgedEpisode
from spaceworld import spaceworld_v0

EPISODE = corridor_episode([[FORWARD, STAY]] * 3, start=(1, 4), reward=[0, 0.5, 0])


def still(env, episodes):
    """Return episodes in which nobody moves."""
    kept = []

    class Keep(SharedCritic):
        def score(self, episodes):
            kept.extend(episodes)
            return super().score(episodes)

    wrapped = CreditWrapper(env, Deferred(CreditStore(Keep(), workers=0)))
    wrapped.store.ready()
    for _ in range(episodes):
        wrapped.reset()
        while wrapped.agents:
            wrapped.step(dict.fromkeys(wrapped.agents, 0))
    wrapped.store.settle(range(episodes))
    return kept


def test_layouts_in_which_nobody_moves_have_keys_of_their_own():
    env = spaceworld_v0.parallel_env(scenario="duet", max_cycles=3)
    assert len({episode.key for episode in still(env, 100)}) == 100


def test_the_ledger_loses_none_of_them(tmp_path, capsys):
    path = tmp_path / "run.sqlite"
    env = spaceworld_v0.parallel_env(scenario="duet", max_cycles=3)
    with Ledger(path) as ledger:
        wrapped = LLMCreditWrapper(env, client=ScriptedClient(), ledger=ledger, workers=0)
        for _ in range(20):
            wrapped.reset()
            while wrapped.agents:
                wrapped.step(dict.fromkeys(wrapped.agents, 0))
        wrapped.store.settle(range(20))
    assert main(["ledger", "export", str(path), "--out", str(tmp_path / "run.npz")]) == 0
    assert "wrote 20 judged episodes" in capsys.readouterr().out
    with np.load(tmp_path / "run.npz") as arrays:
        assert len({name.rpartition("/")[0] for name in arrays}) == 20
    assert main(["ledger", "diff", str(path), str(path)]) == 0
    assert "20 in both" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        {"agents": ("walker_0", "walker_2")},
        {"actions": np.array([[FORWARD, STAY]] * 2 + [[STAY, STAY]])},
        {"team_reward": np.array([0, 0.25, 0])},
        {"cost": np.eye(3)[:, :2]},
        {"terminated": True},
        {"truncated": False},
        {"moments": ((1, 5), *EPISODE.moments[1:])},
        {"moments": (*EPISODE.moments[:1], (1, 5), *EPISODE.moments[2:])},
        {"moments": ("dark", "dark", "dark", "dark")},
        {"moments": ("dark", "dark", "dark", "light")},
        {"moments": ()},
        {"observations": np.zeros((4, 2, 1))},
        {"observations": np.ones((4, 2, 1))},
        {"observations": np.zeros((4, 2))},
        {"env_id": "corridor_v1"},
        {"seed": 0},
        {"start": 7},
    ],
    ids=str,
)
def test_whatever_tells_episodes_apart_changes_the_key(change):
    assert replace(EPISODE, **change).key != EPISODE.key


def test_texts_are_not_run_together():
    one, other = replace(EPISODE, moments=("ab", "c", "", "")), replace(EPISODE, moments=("a", "bc", "", ""))
    assert one.key != other.key


@dataclass
class Scene:
    """A moment that is an object."""

    door: str
    places: dict


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"actions": EPISODE.actions.astype(np.int8)}, {}),
        ({"actions": EPISODE.actions.astype(np.float32)}, {}),
        ({"team_reward": EPISODE.team_reward.astype(np.float32)}, {}),
        ({"cost": -EPISODE.cost}, {}),  # minus zero
        ({"cost": np.asfortranarray(EPISODE.cost)}, {}),
        ({"moments": [list(map(np.int16, moment)) for moment in EPISODE.moments]}, {}),
        ({"moments": tuple(map(np.array, EPISODE.moments))}, {}),
        ({"moments": (None, {"b": 1, "a": "x"}, 2**70, b"x")}, {"moments": (None, {"a": "x", "b": 1.0}, 2**70, b"x")}),
        ({"moments": (Scene("open", {"a": 1}),) * 4}, {"moments": (Scene("open", {"a": np.int8(1)}),) * 4}),
        (
            {"observations": np.arange(8, dtype=np.float32).reshape(4, 2)},
            {"observations": np.arange(8).reshape(4, 2).astype(object)},
        ),
        ({"id": 5}, {"id": 6}),
    ],
)
def test_equal_episodes_have_one_key_whatever_their_types(one, other):
    assert replace(EPISODE, **one).key == replace(EPISODE, **other).key


class Strange:
    """A moment that only its narrator can read."""

    def __init__(self, text):
        self.text = text


class Reader:
    def frames(self, moments, order, names):
        return [moment.text for moment in moments]


def test_moments_of_unknown_kind_are_told_apart_by_the_narrators_words():
    def key(last):
        return replace(EPISODE, moments=tuple(map(Strange, ["a", "a", "a", last])), narrator=Reader()).key

    assert key("b") == key("b") != key("c")
    assert replace(EPISODE, moments=(Strange(""),) * 4, narrator=None).key.startswith("corridor_v0/-/")


def test_key_is_the_same_in_another_process_and_after_a_pickle():
    episodes = [EPISODE, replace(EPISODE, moments=({"b": "x", "a": None},) * 4, observations=np.ones((4, 2)))]
    copies = [replace(pickle.loads(pickle.dumps(episode)), id=9) for episode in episodes]
    assert [copy.key for copy in copies] == [episode.key for episode in episodes]
    script = "import pickle, sys; print(*(e.key for e in pickle.load(sys.stdin.buffer)), sep='\\n')"
    found = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(copies),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert found.stdout.decode().split() == [episode.key for episode in episodes]


def test_what_only_the_critic_reads_may_be_dropped_without_a_change_of_the_key():
    bare = EPISODE.without_narration()
    assert (bare.moments, bare.narrator, bare.key) == ((), None, EPISODE.key)
    assert pickle.loads(pickle.dumps(bare)).key == EPISODE.key


@pytest.mark.parametrize("keeps", [False, True])
def test_key_of_a_vectorised_environment_is_that_of_a_single_one(keeps):
    kept = []

    class Keep(SharedCritic):
        def score(self, episodes):
            kept.extend(episodes)
            return super().score(episodes)

    def make():
        env = spaceworld_v0.parallel_env(scenario="duet", max_cycles=3)
        return CreditWrapper(env, Deferred(store), record_observations=keeps)

    store = CreditStore(Keep(), workers=0)
    many = AgentVectorEnv([make, make])
    many.reset(seed=3)
    for _ in range(3):
        many.step(np.zeros(4, int))
    env = make()
    for seed in (3, 4):
        env.reset(seed=seed)
        while env.agents:
            env.step(dict.fromkeys(env.agents, 0))
    store.settle(range(4))
    assert len(kept) == 4
    assert sorted(episode.key for episode in kept[:2]) == sorted(episode.key for episode in kept[2:])


class Pictures(ParallelEnv):
    """Shows one of many images, and nothing else tells its episodes apart."""

    metadata = {"name": "pictures_v0"}  # noqa: RUF012
    render_mode = None
    possible_agents = ("a_0", "a_1")

    def __init__(self, dtype=np.uint8):
        self.rng, self.dtype = np.random.default_rng(0), dtype

    def observation_space(self, agent):
        return Box(0, 255, (32, 32), self.dtype)

    def action_space(self, agent):
        return Discrete(2)

    def _seen(self):
        return {agent: self.image for agent in self.possible_agents}

    def reset(self, seed=None, options=None):
        self.agents = list(self.possible_agents)
        self.image = self.rng.integers(0, 255, (32, 32)).astype(self.dtype)
        return self._seen(), {agent: {} for agent in self.agents}

    def step(self, actions):
        self.agents = []
        each = self.possible_agents
        return (
            self._seen(),
            dict.fromkeys(each, 0.0),
            dict.fromkeys(each, True),
            dict.fromkeys(each, False),
            {agent: {} for agent in each},
        )


@pytest.mark.filterwarnings("ignore:agent .* observes 1024 numbers")
def test_images_that_no_narrator_tells_are_told_apart():
    def keys(dtype):
        critic = LLMCritic(ScriptedClient())
        kept = []
        wrapped = LLMCreditWrapper(Pictures(dtype), critic=critic, workers=0)
        submit = wrapped.store.submit
        wrapped.store.submit = lambda episode, *more: (kept.append(episode), submit(episode, *more))
        for _ in range(5):
            wrapped.reset()
            wrapped.step(dict.fromkeys(wrapped.agents, 0))
        wrapped.store.settle(range(5))
        return [episode.key for episode in kept]

    assert len(set(keys(np.uint8))) == 5
    assert keys(np.uint8) == keys(np.float32)


def test_an_old_ledger_is_read_under_its_old_keys(tmp_path, capsys):
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    for path, key in ((old, "corridor_v0/-/0123456789abcdef"), (new, None)):
        with Ledger(path) as ledger:
            critic = LLMCritic(ScriptedClient(), ledger=ledger)
            [question] = critic.questions([EPISODE])
            answered = critic.client.complete(question.request)
            judged = JudgedEpisode(key or EPISODE.key, EPISODE.agents, np.ones((3, 2), np.float32), 3)
            ledger.record(question.request, answered, source="model", episodes=[judged])
    assert main(["ledger", "show", str(old), "--episode", "corridor_v0/-/0123456789abcdef"]) == 0
    assert main(["ledger", "stats", str(old)]) == 0
    assert main(["ledger", "diff", str(old), str(new)]) == 0
    told = capsys.readouterr().out
    assert "1 only in A, 1 only in B, 0 in both" in told
    assert "questions with the same key: 1" in told  # its answers are found as before
    [credit] = LLMCritic(ScriptedClient(), ledger=old).score([EPISODE])
    assert credit.source == "cache"
