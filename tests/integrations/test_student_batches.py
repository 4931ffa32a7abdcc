"""Students pay environments that are stepped together what they pay them one after another, and buy the same labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pettingzoo.utils import BaseParallelWrapper

from credit_wrappers import (
    CreditError,
    CreditWrapper,
    Distillation,
    Distilled,
    Episode,
    ModelError,
    Student,
    StudentCritic,
)
from credit_wrappers.distillation import trainer
from credit_wrappers.integrations.batched_env_group import BatchedEnvGroup
from credit_wrappers.integrations.env_group import EnvGroup
from credit_wrappers.integrations.gymnasium import ParallelVecEnv
from credit_wrappers.integrations.tianshou import AgentVectorEnv
from credit_wrappers.student.team_spec import TeamSpec
from spaceworld.env import SpaceworldEnv
from tests.credit_wrappers.distillation_fakes import ActionCritic as Teacher
from tests.credit_wrappers.distillation_fakes import DrawnFits, drawn_student

ENVS, AGENTS = 4, 2


class Through(BaseParallelWrapper):
    """Changes nothing; but what it does is not known, so it stands in the way of one common step."""


def duet(**options: Any) -> SpaceworldEnv:
    return SpaceworldEnv("duet", **{"max_cycles": 12, "on_collision": "terminate", **options})


def student(seed: int = 0, order: int = 1) -> StudentCritic:
    """Return a student of a duet, with its agents in one order or the other, each in a role of its own."""
    agents = tuple(duet().possible_agents)[::order]
    return drawn_student(TeamSpec(agents, agents, (47, 47), (6, 6)), seed)


def distilling(teacher: Teacher, labels: int = 40) -> Distillation:
    roles = {"robot_0": "one", "robot_1": "other"}
    return Distillation(teacher, labels, first=4, spacing=1, episodes_per_query=2, growth=1.2, roles=roles)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> DrawnFits:
    drawn = DrawnFits()
    monkeypatch.setattr(trainer, "fit_student", drawn)
    return drawn


Wrap = Callable[[SpaceworldEnv], CreditWrapper]
Played = list[list[np.ndarray]]


def makes(wrap: Wrap, way: str) -> list[Callable[[], Any]]:
    """Return factories of environments that are stepped together, or only paid together, or neither."""
    made = {
        "stepped": lambda: wrap(duet()),
        "paid": lambda: wrap(Through(duet())),
        "neither": lambda: Through(wrap(duet())),
    }
    return [made[way]] * ENVS


def assert_way(teams: Any, way: str) -> None:
    assert type(teams) is (BatchedEnvGroup if way == "stepped" else EnvGroup)
    assert way == "stepped" or (teams.session is not None) == (way == "paid")


def slots(wrap: Wrap, way: str) -> Played:
    """Play in an `AgentVectorEnv`, not always all of it; return what it gave."""
    venv = AgentVectorEnv(makes(wrap, way))
    assert_way(venv._teams, way)
    rng, got = np.random.default_rng(0), []
    observations, info = venv.reset(seed=3)
    got.append([observations.obs, observations.mask, info.episode_id])
    for t in range(150):
        envs = np.arange(ENVS) if t % 3 else rng.permutation(ENVS)[:2]
        chosen = (envs[:, None] * AGENTS + np.arange(AGENTS)).ravel()
        observations, *rest, info = venv.step(rng.integers(0, 6, len(chosen)), chosen)
        got.append([observations.obs, observations.mask, *rest, info.episode_id])
        if len(over := chosen[rest[1] | rest[2]]):
            got.append([venv.reset(over)[0].obs])
    return got


def vec_env(wrap: Wrap, way: str) -> Played:
    """Play in a `ParallelVecEnv`; return what it gave."""
    envs = ParallelVecEnv(makes(wrap, way))
    assert_way(envs._teams, way)
    rng, got = np.random.default_rng(0), []
    observations, infos = envs.reset(seed=3)
    for _ in range(100):
        observations, *rest, infos = envs.step(rng.integers(0, 6, ENVS * AGENTS))
        ended = [infos["final_obs"], infos["final_info"]["episode"]["r"]] if "final_obs" in infos else []
        got.append([observations, infos["action_mask"], *rest, *ended])
    return got


def assert_same(one: Played, other: Played) -> None:
    assert len(one) == len(other)
    for step, again in zip(one, other, strict=True):
        for a, b in zip(step, again, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("play", [slots, vec_env])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("together", ["stepped", "paid"])
def test_a_student_pays_the_same(play: Callable[..., Played], order: int, together: str) -> None:
    fixed = student(order=order)
    both = [play(lambda env: CreditWrapper(env, Student(fixed)), way) for way in ("neither", together)]
    assert_same(*both)
    rewards = np.concatenate([step[2] for step in both[0] if len(step) > 3])
    assert len(np.unique(rewards.round(4))) > 50


@pytest.mark.parametrize("play", [slots, vec_env])
@pytest.mark.parametrize("together", ["stepped", "paid"])
def test_a_distillation_buys_the_same_labels_and_its_students_pay_the_same(
    play: Callable[..., Played], fits: DrawnFits, together: str
) -> None:
    played, teachers, versions = [], [Teacher(), Teacher()], []
    for way, teacher in zip(("neither", together), teachers, strict=True):
        distillation = distilling(teacher)
        played.append(play(lambda env, d=distillation: CreditWrapper(env, Distilled(d)), way))
        versions.append(distillation.newest[1])
    assert_same(*played)
    assert versions[0] == versions[1] >= 3
    asked = [teacher.asked for teacher in teachers]
    assert len(asked[0]) == len(asked[1]) >= 20
    assert {episode.terminated for episode in asked[0]} == {True, False}
    for a, b in zip(*asked, strict=True):
        for name in ("id", "key", "seed", "agents", "env_id", "terminated", "truncated", "frames"):
            assert getattr(a, name) == getattr(b, name)
        for name in ("actions", "team_reward", "cost", "observations"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert a.observations.shape == (a.length + 1, AGENTS, 47)


class Diary:
    """The same environment once more, bare: what is observed, done and paid in it, and who should credit it."""

    def __init__(self, seed: int, newest: tuple[StudentCritic | None, int]) -> None:
        self.env = duet()
        self.begin(newest, seed)

    def begin(self, newest: tuple[StudentCritic | None, int], seed: int | None = None) -> None:
        observations, _ = self.env.reset(seed=seed)
        self.newest = newest
        self.seen, self.done, self.team = [list(observations.values())], [], []
        self.paid: list[np.ndarray] = []

    def step(self, actions: np.ndarray, paid: np.ndarray) -> bool:
        """Return whether the episode is over."""
        moves = dict(zip(self.env.possible_agents, actions.tolist(), strict=True))
        observations, rewards, self.terminated, _, _ = self.env.step(moves)
        self.seen.append(list(observations.values()))
        self.done.append(actions)
        self.team.append(rewards["robot_0"])
        self.paid.append(paid)
        return not self.env.agents

    def right(self) -> np.ndarray:
        """Return (T, N), what should have been paid."""
        if self.newest[0] is None:
            return np.repeat(np.array(self.team)[:, None], AGENTS, axis=1)
        terminated = any(self.terminated.values())
        episode = Episode(
            0, tuple(self.env.possible_agents), np.array(self.done), np.array(self.team),
            np.zeros((len(self.done), AGENTS)), terminated, not terminated, observations=np.array(self.seen),
        )  # fmt: skip
        return self.newest[0].score([episode])[0].values


def test_each_reward_is_what_the_student_scores_that_was_newest_when_the_episode_began(fits: DrawnFits) -> None:
    distillation = distilling(Teacher(), labels=100)
    rng, mixed, paid_by = np.random.default_rng(1), 0, set()
    for t in range(240):
        if t % 120 == 0:  # the second time when there are students
            envs = ParallelVecEnv([lambda: CreditWrapper(duet(), Distilled(distillation))] * ENVS)
            assert type(envs._teams) is BatchedEnvGroup
            envs.reset(seed=9 + t)
            diaries = [Diary(9 + t + k, distillation.newest) for k in range(ENVS)]
            began = distillation.newest[1]
        mixed += len({diary.newest[1] for diary in diaries} - {0}) > 1
        actions = rng.integers(0, 6, (ENVS, AGENTS))
        rewards = envs.step(actions.reshape(-1))[1].reshape(ENVS, AGENTS)
        for diary, acted, paid in zip(diaries, actions, rewards, strict=True):
            if diary.step(acted, paid):
                np.testing.assert_allclose(diary.paid, diary.right(), rtol=1e-5, atol=1e-5)
                paid_by.add(diary.newest[1])
                diary.begin(distillation.newest)
    assert paid_by >= set(range(distillation.newest[1])) and len(paid_by) > 3 and mixed > 5
    assert distillation.newest[1] > began + 1 > 1


def test_an_episode_longer_than_the_room_that_was_made_is_a_label_with_all_its_observations(fits: DrawnFits) -> None:
    labels = []
    for wrap in (lambda env: env, Through):
        teacher = Teacher()
        distillation = distilling(teacher)
        envs = ParallelVecEnv(
            [lambda w=wrap, d=distillation: w(CreditWrapper(duet(max_cycles=200, on_collision="block"), Distilled(d)))]
            * 4
        )
        envs.reset(seed=2)
        for t in range(200):
            envs.step(np.arange(8) * (t + 1) % 5)
        labels.append(teacher.asked)
    assert [episode.length for episode in labels[0]] == [200] * 4
    for one, other in zip(*labels, strict=True):
        assert one.key == other.key
        np.testing.assert_array_equal(one.observations, other.observations)


def test_envs_of_different_distillations_are_refused() -> None:
    made = iter([distilling(Teacher()) for _ in range(4)])
    for vector in (AgentVectorEnv, ParallelVecEnv):
        with pytest.raises(ValueError, match="different distillations"):
            vector([lambda: CreditWrapper(duet(), Distilled(next(made)))] * 2)
    mixed = iter([Distilled(distilling(Teacher())), Student(student())] * 2)
    for vector in (AgentVectorEnv, ParallelVecEnv):
        with pytest.raises(ValueError, match="different distillations"):
            vector([lambda: CreditWrapper(duet(), next(mixed))] * 2)


def test_envs_with_different_students_are_stepped_one_by_one_and_each_pays_its_own() -> None:
    students = iter([student(0), student(1)])
    envs = ParallelVecEnv([lambda: CreditWrapper(duet(), Student(next(students)))] * 2)
    assert type(envs._teams) is EnvGroup
    same = student(0)
    twins = ParallelVecEnv([lambda: CreditWrapper(duet(), Student(same))] * 2)
    for each in (envs, twins):
        each.reset(seed=[5, 5])
    actions = np.array([3, 1, 3, 1])
    rewards, others = envs.step(actions)[1], twins.step(actions)[1]
    np.testing.assert_allclose(others[:2], others[2:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rewards[:2], others[:2], rtol=1e-5, atol=1e-5)
    assert np.abs(rewards[2:] - others[2:]).min() > 1e-3


def test_a_listener_that_comes_later_is_told_from_then_on() -> None:
    fixed, heard = student(), []
    both = [ParallelVecEnv(makes(lambda env: CreditWrapper(env, Student(fixed)), way)) for way in ("paid", "neither")]
    rewards = []
    for envs in both:
        envs.reset(seed=4)
        actions = np.random.default_rng(0)
        for t in range(9):
            if envs is both[0] and t in (3, 6):  # 3 to 5: told, step by step; then paid together again
                listeners = envs.envs[1].session.listeners[0]
                listeners[:] = [lambda _, credit: heard.append(credit.values[-1])] if t == 3 else []
            rewards.append(envs.step(actions.integers(0, 6, ENVS * AGENTS))[1])
    np.testing.assert_allclose(rewards[:9], rewards[9:], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(heard, [reward[AGENTS : 2 * AGENTS] for reward in rewards[3:6]])


def test_what_one_environment_raises_leaves_the_others_fit_to_be_reset(fits: DrawnFits) -> None:
    distillation = distilling(Teacher())
    envs = ParallelVecEnv(makes(lambda env: CreditWrapper(env, Distilled(distillation)), "paid"))
    envs.reset(seed=0)
    world = envs.envs[2].unwrapped
    step, world.step = world.step, lambda actions: 1 / 0
    with pytest.raises(ZeroDivisionError):
        envs.step(np.zeros(ENVS * AGENTS, dtype=int))
    world.step = step
    env = envs.envs[0]
    env.reset(seed=1)
    assert env.step(dict.fromkeys(env.agents, 0))[1] == {"robot_0": 0.0, "robot_1": 0.0}  # by itself, as ever
    envs.reset(seed=1)
    before = distillation.episodes
    for _ in range(13):
        envs.step(np.zeros(ENVS * AGENTS, dtype=int))
    assert distillation.episodes == before + ENVS


def test_numbers_that_are_not_finite_are_refused_with_environment_agent_and_feature() -> None:
    fixed = student()
    venv = AgentVectorEnv(makes(lambda env: CreditWrapper(env, Student(fixed)), "paid"))
    venv.reset(seed=0)
    world = venv.envs[1].unwrapped
    step = world.step

    def spoilt(actions: dict[str, int]) -> Any:
        observations, *rest = step(actions)
        observations["robot_1"] = observations["robot_1"].copy()
        observations["robot_1"][7] = np.nan
        return observations, *rest

    world.step = spoilt
    with pytest.raises(CreditError, match="environment 1: feature 7 of what agent 'robot_1' observes is nan"):
        venv.step(np.zeros(ENVS * AGENTS, dtype=int))


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_pictures_show_what_a_student_paid(mode: str) -> None:
    fixed = student()
    envs = ParallelVecEnv([lambda: CreditWrapper(duet(render_mode=mode), Student(fixed))] * 2)
    assert type(envs._teams) is EnvGroup
    if mode == "ansi":
        envs.reset(seed=0)
        rewards = envs.step(np.zeros(4, dtype=int))[1]
        assert f"credit {rewards[3]:+.3f}" in envs.render()[1]


def test_a_listener_is_told_of_every_step() -> None:
    fixed, heard = student(), []

    def make() -> CreditWrapper:
        env = CreditWrapper(duet(), Student(fixed))
        env.add_listener(lambda episode, credit: heard.append(credit.values[-1]))
        return env

    envs = ParallelVecEnv([make] * 2)
    envs.reset(seed=0)
    rewards = envs.step(np.array([0, 1, 2, 3]))[1]
    np.testing.assert_array_equal(np.concatenate(heard), rewards)


def test_after_an_error_of_the_critic_a_reset_goes_on(fits: DrawnFits) -> None:
    teacher = Teacher()
    distillation = distilling(teacher)
    venv = AgentVectorEnv([lambda: CreditWrapper(duet(max_cycles=3), Distilled(distillation))] * ENVS)
    assert type(venv._teams) is BatchedEnvGroup
    rng = np.random.default_rng(0)

    def episode() -> None:
        venv.reset()
        alive = np.arange(ENVS)
        for _ in range(3):
            chosen = (alive[:, None] * AGENTS + np.arange(AGENTS)).ravel()
            _, _, terminated, truncated, _ = venv.step(rng.integers(0, 6, len(chosen)), chosen)
            alive = alive[~(terminated | truncated).reshape(-1, AGENTS)[:, 0]]

    teacher.error = ModelError("no route", "connection")
    for _ in range(2):
        with pytest.raises(ModelError):
            episode()
    teacher.error = None
    episode()
    assert distillation.newest[1] == 1 and len({label.id for label, _ in distillation.labels}) == 4
    assert all(len(label.observations) == label.length + 1 for label, _ in distillation.labels)
