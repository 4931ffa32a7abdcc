"""One crediting session for many environments: what goes wrong in one of them leaves the others right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from credit_wrappers import (
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    Episode,
    EqualSplitCritic,
    Online,
    Student,
)
from credit_wrappers.integrations.gymnasium import ParallelVecEnv
from credit_wrappers.integrations.tianshou import AgentVectorEnv
from credit_wrappers.student.team_spec import TeamSpec
from credit_wrappers.testing.corridor import CorridorEnv
from spaceworld.env import SpaceworldEnv
from tests.credit_wrappers.distillation_fakes import drawn_student

FORWARD = 2


class Keeping(EqualSplitCritic):
    """Remembers the episodes; raises once, when it is told to."""

    def __init__(self) -> None:
        self.seen: list[Episode] = []
        self.error: BaseException | None = None

    def score(self, episodes: Any) -> Any:
        self.seen += episodes
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return super().score(episodes)


class Scaled(Online):
    """A credit source of somebody else, who knows nothing of joining but that False is safe."""

    def __init__(self, factor: float) -> None:
        super().__init__(EqualSplitCritic())
        self.factor = factor


class Bare(CorridorEnv):
    """Has no attribute `render_mode`, as PettingZoo's class has none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        del self.render_mode


def corridors(store: CreditStore, n: int, **options: Any) -> AgentVectorEnv:
    return AgentVectorEnv([lambda: CreditWrapper(CorridorEnv(**options), Deferred(store))] * n)


@pytest.mark.parametrize("make", [AgentVectorEnv, ParallelVecEnv])
@pytest.mark.parametrize("n", [1, 2])
def test_environments_without_a_render_mode_are_fine(make: Any, n: int) -> None:
    for wrapped in (False, True):
        store = CreditStore(EqualSplitCritic(), workers=0)
        env = make([lambda s=store, w=wrapped: CreditWrapper(Bare(), Deferred(s)) if w else Bare()] * n)
        env.reset(seed=0)
        env.step(np.full(2 * n, FORWARD))


def test_a_step_in_which_one_episode_fails_is_recorded_for_all() -> None:
    critic = Keeping()
    store = CreditStore(critic, workers=0, episodes_per_query=1)
    venv = corridors(store, 2, length=90, horizon=4)
    bad = venv.envs[1].unwrapped
    step = bad.step

    def pays_nan(actions: Any) -> Any:
        observations, rewards, *rest = step(actions)
        return observations, dict.fromkeys(rewards, float("nan")), *rest

    venv.reset(seed=0)
    bad.step = pays_nan
    bad.horizon = 1
    with pytest.raises(CreditError, match="the reward of agent 'walker_0' is nan"):
        venv.step(np.full(4, FORWARD))
    for _ in range(3):  # the first env only
        venv.step(np.full(2, FORWARD), [0, 1])
    store.settle(range(9))
    (episode,) = critic.seen
    assert episode.actions.tolist() == [[FORWARD, FORWARD]] * 4


@pytest.mark.parametrize(
    "world", [lambda: CorridorEnv(length=90, horizon=1), lambda: SpaceworldEnv("duet", max_cycles=1)]
)
def test_episodes_that_end_together_are_submitted_although_one_submission_raises(world: Any) -> None:
    critic = Keeping()
    store = CreditStore(critic, workers=0, episodes_per_query=1)
    venv = AgentVectorEnv([lambda: CreditWrapper(world(), Deferred(store))] * 3)
    venv.reset(seed=0)
    critic.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        venv.step(np.zeros(6, dtype=int))
    assert {id for id, _ in store.settle(range(3))} == {0, 1, 2}


def test_memory_is_bounded_while_an_environment_waits_in_mid_episode() -> None:
    critic = Keeping()
    store = CreditStore(critic, workers=0, episodes_per_query=1)
    store.ready()  # or the store warns that nobody collects its credits
    venv = AgentVectorEnv([lambda: CreditWrapper(SpaceworldEnv("duet", max_cycles=9), Deferred(store))] * 2)
    venv.reset(seed=0)
    venv.step(np.array([0, 1, 2, 3]))
    for _ in range(200):
        for _ in range(8 if venv.envs[0].agents else 0):
            venv.step(np.zeros(2, dtype=int), [0, 1])
        venv.reset([0, 1])
        venv.step(np.zeros(2, dtype=int), [0, 1])
    recorder = venv._teams.session.recorder
    assert len(recorder._columns) < 300
    assert recorder.length(1) == 1
    for _ in range(8):
        venv.step(np.array([4, 5]), [2, 3])
    store.settle(range(999))
    episode = next(e for e in critic.seen if e.id == 1)
    assert episode.actions.tolist() == [[2, 3], *[[4, 5]] * 8] and len(episode.frames) == 10


def test_sources_that_do_not_say_that_they_join_are_credited_one_by_one() -> None:
    sources = iter([Scaled(1.0), Scaled(10.0)])
    venv = AgentVectorEnv([lambda: CreditWrapper(CorridorEnv(), next(sources))] * 2)
    assert venv._teams.session is None


def test_a_listener_that_comes_late_is_told_whole_windows_or_none_of_the_moments() -> None:
    agents = tuple(SpaceworldEnv("duet").possible_agents)
    student = drawn_student(TeamSpec(agents, agents, (47, 47), (6, 6)), 0)
    venv = AgentVectorEnv([lambda: CreditWrapper(SpaceworldEnv("duet"), Student(student))] * 2)
    venv.reset(seed=0)
    venv.step(np.zeros(4, dtype=int))
    told: list[Episode] = []
    venv.envs[0].add_listener(lambda episode, _: told.append(episode))
    for _ in range(3):
        venv.step(np.zeros(4, dtype=int))
    assert [episode.start for episode in told] == [1, 2, 3]
    assert [len(episode.moments) for episode in told] == [0, 2, 2]
    assert all(len(episode.frames) == 2 for episode in told[1:])


def test_a_listener_that_raises_silences_no_other() -> None:
    told: list[int] = []
    store = CreditStore(EqualSplitCritic(), workers=0, episodes_per_query=3)
    envs = [CreditWrapper(CorridorEnv(length=9, horizon=1), Deferred(store)) for _ in range(3)]
    for k, env in enumerate(envs):
        env.add_listener(lambda episode, _, k=k: told.append(k) if k else 1 / 0)
        env.reset()
        env.step({"walker_0": 0, "walker_1": 0})
    with pytest.raises(ZeroDivisionError):
        store.ready()
    assert told == [1, 2] and not store._listeners
    assert len(store.ready()) == 3


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CreditWrapper(CorridorEnv(), Student), "got the class Student"),
        (lambda: Student(EqualSplitCritic()), "Student takes a StudentCritic"),
        (lambda: Online(CreditStore(EqualSplitCritic(), workers=0)), "Online takes a critic"),
        (lambda: Deferred(42), "Deferred takes a CreditStore or a critic, got 42"),
        (lambda: Deferred(EqualSplitCritic), "Deferred takes a CreditStore or a critic, got <class"),
    ],
)
def test_what_is_no_source_is_refused_at_once(make: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        make()
