"""Environments in worker processes give what they give inline; what goes wrong there is told, and no process stays."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from known_credit import KnownCreditEnv, KnownCritic
from pettingzoo.utils import BaseParallelWrapper
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.multiagent.marl import MultiAgentOnPolicyAlgorithm
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Batch, Collector
from torch import nn

from credit_wrappers import (
    Credit,
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    Episode,
    EqualSplitCritic,
    LLMCreditWrapper,
    LLMCritic,
    ScriptedClient,
    TaskSpan,
)
from credit_wrappers.integrations.tianshou import ActionHead, AgentVectorEnv, CreditReplayBuffer, ValueHead
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld import spaceworld_v0
from tests.benchmarks import worker_speed

NO_RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed (extra `ray`)")
PROCESSES = ["subprocess", pytest.param("ray", marks=NO_RAY)]


@pytest.fixture(scope="module", autouse=True)
def ray() -> Iterator[None]:
    """Start Ray, where it is installed, with processes that find this module."""
    if importlib.util.find_spec("ray") is None:
        yield
        return
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


class Keeping:
    """Another critic that remembers the episodes it was shown."""

    label = "keeping"

    def __init__(self, critic: Any) -> None:
        self.critic, self.seen = critic, []

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        self.seen += episodes
        return self.critic.score(episodes)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Batch):
        return set(a.keys()) == set(b.keys()) and all(same(a[k], b[k]) for k in a.keys())  # noqa: SIM118
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and np.array_equal(a, b)


def corridor(number: int, store: Any) -> Any:
    return CreditWrapper(CorridorEnv(), Deferred(store))


def duet(number: int, store: Any) -> Any:
    return LLMCreditWrapper(spaceworld_v0.parallel_env(scenario="duet", max_cycles=15), store=store)


def leaving(number: int, store: Any) -> Any:
    """Agents that leave early, action masks, lengths that differ from env to env."""
    env = KnownCreditEnv(number, 3, {}, masked=True, leaves={0: (1, "terminated"), 2: (2, "truncated")})
    return CreditWrapper(env, Deferred(store))


def ppo(venv: AgentVectorEnv) -> Any:
    agent = venv.agents[0]
    env = venv.envs[0]
    inputs, space = env.observation_space(agent).shape[0], env.action_space(agent)

    def learner() -> PPO:
        policy = DiscreteActorPolicy(actor=ActionHead(nn.Linear(inputs, int(space.n))), action_space=space)
        return PPO(policy=policy, critic=ValueHead(nn.Linear(inputs, 1)), optim=AdamOptimizerFactory(lr=0.01))

    if venv.learners == "shared":
        return learner()
    return MultiAgentOnPolicyAlgorithm(algorithms=[learner() for _ in venv.agents], env=venv)


def collected(worker: str, make: Callable[[int, Any], Any], critic: Any, learners: str) -> tuple[Any, ...]:
    """Play with PPO in a Collector; return the credited rows, the episodes and the store."""
    torch.manual_seed(0)
    np.random.seed(0)
    critic = Keeping(critic)
    store = CreditStore(critic, workers=0, episodes_per_query=2)
    venv = AgentVectorEnv([lambda k=k: make(k, store) for k in range(3)], learners=learners, worker=worker)
    try:
        venv.seed(11)
        algorithm = ppo(venv)
        buffer = CreditReplayBuffer(300 * len(venv), venv)
        collector = Collector(algorithm, venv, buffer)
        collector.reset()
        collector.collect(n_episode=3 * venv.n_agents)  # leaves unfinished episodes behind, whose ids are lost
        collector.reset()
        collector.collect(n_step=20 * len(venv))
        rows, _ = buffer.sample(0)
        return rows, critic.seen, store
    finally:
        venv.close()


@pytest.mark.parametrize(
    ("worker", "make", "critic", "learners"),
    [
        ("subprocess", corridor, EqualSplitCritic, "per-agent"),
        ("subprocess", duet, lambda: LLMCritic(ScriptedClient()), "shared"),
        ("subprocess", leaving, KnownCritic, "shared"),
        pytest.param("ray", duet, lambda: LLMCritic(ScriptedClient()), "shared", marks=NO_RAY),
        pytest.param("ray", leaving, KnownCritic, "per-agent", marks=NO_RAY),
    ],
)
def test_rows_infos_credits_and_episodes_are_the_same(worker: str, make: Any, critic: Any, learners: str) -> None:
    rows, episodes, store = collected("inline", make, critic(), learners)
    other_rows, other_episodes, other_store = collected(worker, make, critic(), learners)
    assert len(rows) > 60 and same(rows, other_rows)
    assert set(rows.info.keys()) == {"episode_id", "episode_step", "agent", "status"}
    assert store.counts == other_store.counts and store.open() == other_store.open()
    assert len(episodes) == len(other_episodes) >= 6
    for a, b in zip(episodes, other_episodes, strict=True):
        assert (a.id, a.key, a.seed, a.agents, a.env_id) == (b.id, b.key, b.seed, b.agents, b.env_id)
        assert (a.terminated, a.truncated, len(a.moments)) == (b.terminated, b.truncated, len(b.moments))
        assert make is leaving or a.frames == b.frames
        assert all(same(getattr(a, name), getattr(b, name)) for name in ("actions", "team_reward", "cost"))
    if make is duet:  # a critic knows a narrator, and what it made of it, by its identity
        assert len({id(episode.narrator) for episode in other_episodes}) == 3


def test_processes_that_are_not_forked_do_the_same() -> None:
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)  # each imports everything anew, which takes seconds
    try:
        test_rows_infos_credits_and_episodes_are_the_same(
            "subprocess", duet, lambda: LLMCritic(ScriptedClient()), "shared"
        )
    finally:
        multiprocessing.set_start_method(before, force=True)


class Listening(CreditWrapper):
    """Wants to be told every credit, and keeps what it knew at each reset."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.known: list[tuple] = []
        self.at_reset: list[int] = []
        self.add_listener(self.keep)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.at_reset.append(len(self.known))
        return super().reset(seed=seed, options=options)

    def keep(self, episode: Episode, credit: Credit) -> None:
        assert credit.values.shape == (episode.length, 2)
        self.known.append((episode.key, credit.tasks, credit.values.tolist()))


class TaskCritic(EqualSplitCritic):
    """Assigns tasks that depend on the episode."""

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        return [
            Credit(
                np.full((e.length, 2), e.team_reward.sum(), np.float32),
                tasks=tuple(TaskSpan(agent, 0, e.length, f"walk {e.seed}") for agent in e.agents),
            )
            for e in episodes
        ]


@pytest.mark.parametrize("worker", PROCESSES)
def test_an_environment_is_told_its_credits_before_the_reset_that_it_would_know_them_at_inline(worker: str) -> None:
    known = []
    for kind in ("inline", worker):
        store = CreditStore(TaskCritic(), workers=0, episodes_per_query=2)
        store.ready()
        venv = AgentVectorEnv([lambda s=store: Listening(CorridorEnv(), Deferred(s))] * 3, worker=kind)
        rng = np.random.default_rng(0)
        venv.reset(seed=0)
        for _ in range(60):
            _, _, terminated, truncated, _ = venv.step(rng.integers(0, 3, 6))
            over = np.flatnonzero(terminated | truncated)
            if len(over):
                venv.reset(over)
        venv.reset()
        known.append([(env.known, env.at_reset) for env in venv.envs])
        venv.close()
    assert known[0] == known[1]
    assert all(len(heard) >= 3 and at_reset[0] == 0 and at_reset[-1] >= 3 for heard, at_reset in known[1])


class Odd(KnownCreditEnv):
    """Does what the test asks for."""

    def __init__(self, number: int, trouble: str = "", n_agents: int = 2, done: Path | None = None) -> None:
        if trouble == "make":
            raise LookupError("no such world")
        super().__init__(number, n_agents, {})
        self.trouble, self.done = trouble, done

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.asked = (seed, options)
        return super().reset(seed=seed, options=options)

    def step(self, actions: dict) -> Any:
        if self.trouble == "step":
            raise ZeroDivisionError(f"the world of {list(actions)} is broken")
        if self.trouble == "unpicklable":
            error = OSError("a lock is in it")
            error.lock = threading.Lock()  # type: ignore[attr-defined]
            raise error
        if self.trouble == "exit":
            os._exit(3)
        return super().step(actions)

    def close(self) -> None:
        if self.done is not None:
            (self.done / str(self.number)).touch()
        if self.trouble == "close":
            raise ArithmeticError("the door is stuck")

    def twice(self, x: int, *, plus: int = 0) -> int:
        self.counted = 2 * x + plus
        return self.counted

    def myself(self) -> Any:
        self.lock = threading.Lock()  # nothing that could come back as a copy
        return self

    def render(self) -> str:
        return f"picture {self.number}"


def odd(worker: str, *troubles: str, **options: Any) -> AgentVectorEnv:
    fns = [lambda k=k, t=t: Odd(k, t, **options) for k, t in enumerate(troubles)]
    return AgentVectorEnv(fns, worker=worker)


@pytest.mark.parametrize("worker", PROCESSES)
def test_what_an_environment_raises_is_raised_here_with_its_number_and_its_traceback(worker: str) -> None:
    venv = odd(worker, "", "step", "step")
    venv.reset()
    with pytest.raises(ZeroDivisionError, match=r"the world of \['walker_0', 'walker_1'\] is broken") as caught:
        venv.step(np.zeros(6, dtype=int))
    (note,) = caught.value.__notes__
    assert note.startswith("env 1, in its worker process") and "in step\n" in note
    venv.envs[1].trouble = ""  # the lines stay in step: what was asked is what is answered
    assert venv.reset([2, 3])[0][:, 0].tolist() == [1, 1]
    assert venv.step(np.zeros(4, dtype=int), [0, 1, 2, 3])[0][:, [0, 3]].tolist() == [[0, 2], [0, 2], [1, 1], [1, 1]]
    venv.envs[0].trouble = "unpicklable"
    with pytest.raises(CreditError, match=r"env 0, in its worker process: OSError: a lock is in it"):
        venv.step(np.zeros(2, dtype=int), [0, 1])
    venv.close()


@pytest.mark.parametrize("worker", PROCESSES)
def test_a_worker_that_is_gone_is_an_error_and_not_a_wait(worker: str) -> None:
    venv = odd(worker, "", "exit")
    venv.reset()
    for _ in range(2):
        with pytest.raises(CreditError, match=r"worker process of env 1 ended without an answer"):
            venv.step(np.zeros(4, dtype=int))
    assert venv.envs[0].number == 0
    venv.close()


def test_a_worker_that_was_interrupted_is_not_listened_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    venv = odd("subprocess", "", "")
    venv.reset()
    with monkeypatch.context() as patch:
        patch.setattr(venv._teams._lines[0]._worker, "recv", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            venv.step(np.zeros(4, dtype=int))
    with pytest.raises(CreditError, match="env 0 was interrupted"):
        venv.step(np.zeros(4, dtype=int))
    venv.close()


def test_what_fails_at_the_start_leaves_no_process_and_says_what_it_would_say_inline(tmp_path: Path) -> None:
    for worker in ("inline", "subprocess"):
        with pytest.raises(LookupError, match="no such world"):
            odd(worker, "", "make", "")
        with pytest.raises(ValueError, match=r"env 0 has agents .*, env 1 has .*walker_2"):
            AgentVectorEnv([lambda: Odd(0, done=tmp_path), lambda: Odd(1, n_agents=3)], worker=worker)
        with pytest.raises(TypeError, match=r"gymnasium Env.*DummyVectorEnv"):
            AgentVectorEnv([lambda: gymnasium.make("CartPole-v1")], worker=worker)
        stores = [CreditStore(EqualSplitCritic()), CreditStore(EqualSplitCritic())]
        with pytest.raises(ValueError, match="different credit stores"):
            AgentVectorEnv([lambda s=s: CreditWrapper(Odd(0), Deferred(s)) for s in stores], worker=worker)
        with pytest.raises(ValueError, match="env_fns is empty"):
            AgentVectorEnv([], worker=worker)
    assert (tmp_path / "0").exists()  # was closed in its process


def test_what_cannot_go_to_a_worker_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"unknown worker 'threads'; valid: 'inline', 'subprocess', 'ray'"):
        odd("threads", "")
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"factory of env 0 .* subprocess worker .*make inside it"):
        AgentVectorEnv([lambda: Odd(0, str(lock))], worker="subprocess")
    with pytest.raises(ValueError, match=r"brings a CreditStore of its worker process.*make one CreditStore"):
        AgentVectorEnv([lambda: CreditWrapper(Odd(0), Deferred(EqualSplitCritic()))], worker="subprocess")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"llm-credit-wrappers\[ray\]"):
        odd("ray", "")


def test_attributes_methods_and_seeds_reach_the_processes(tmp_path: Path) -> None:
    venv = odd("subprocess", "", "", done=tmp_path)
    venv.seed([7, 8])
    venv.reset(options={"a": 1})
    assert [env.asked for env in venv.envs] == [(7, {"a": 1}), (8, {"a": 1})]
    assert venv.get_env_attr("number") == [0, 0, 1, 1]
    venv.set_env_attr("number", 9, [2, 3])
    assert venv.get_env_attr("number", [0, 2]) == [0, 9]
    assert venv.envs[1].unwrapped.twice(4, plus=1) == 9 and venv.envs[1].counted == 9
    assert venv.render() == ["picture 0", "picture 9"]
    assert venv.action_space[0] is venv.envs[0].action_space("walker_1")
    assert venv.envs[0].metadata == {"name": "known_credit"} and not hasattr(venv.envs[0], "nothing")
    with pytest.raises(NotImplementedError, match="vector environment"):
        venv.envs[0].reset()
    assert venv.envs[0].myself() is venv.envs[0]
    venv.envs[0].trouble = "close"
    with pytest.raises(ArithmeticError, match="the door is stuck"):
        venv.close()
    assert multiprocessing.active_children() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "9"]


class Waits(BaseParallelWrapper):
    """Its step goes on only when all have begun it."""

    def __init__(self, env: Any, mine: Path, others: Sequence[Path]) -> None:
        super().__init__(env)
        self.mine, self.others = mine, others

    def step(self, actions: dict) -> Any:
        self.mine.touch()
        deadline = time.monotonic() + 60
        while not all(path.exists() for path in self.others):
            assert time.monotonic() < deadline, "the others do not step"
            time.sleep(0.001)
        return self.env.step(actions)


def test_all_environments_step_at_the_same_time(tmp_path: Path) -> None:
    marks = [tmp_path / str(k) for k in range(3)]
    venv = AgentVectorEnv([lambda m=m: Waits(CorridorEnv(), m, marks) for m in marks], worker="subprocess")
    venv.reset(seed=0)
    venv.step(np.zeros(6, dtype=int))
    venv.close()


def test_the_benchmark_runs_at_a_tiny_size_and_prints_the_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    worker_speed.main(["--worlds", "sleep", "--envs", "2", "--steps", "2", "--rounds", "1"])
    assert "sleep  subprocess" in capsys.readouterr().out
