"""Students that pay in `step()`: the right agent, the right step, the right student, and what they refuse."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from credit_fakes import FakeClient, praise_forward
from distillation_fakes import ALIKE, ActionCritic, NumbersEnv, eager, fixed, play, same
from gymnasium.spaces import Box

from credit_wrappers import (
    CreditError,
    CreditStore,
    CreditWrapper,
    Deferred,
    Distilled,
    Ledger,
    LLMCreditWrapper,
    Student,
    fit_student,
)
from credit_wrappers.testing.corridor import CorridorEnv

ROLES = {"p": 2, "q": 4, "r": 2}  # two roles, not beside each other


def test_drawn_students_credit_agents_steps_actions_and_ends_apart():
    """Else the tests below would show nothing."""
    env = NumbersEnv(ALIKE)
    rng, students = np.random.default_rng(0), [fixed(), fixed(seed=1)]
    play(CreditWrapper(env, Student(students[0])), rng, seed=0)
    episode = env.record()
    values = [student.score([episode])[0].values for student in students]
    truncated = replace(episode, terminated=False, truncated=True)
    ends = students[0].score([truncated])[0].values
    flat = np.concatenate([*values, ends[-1:]]).ravel()
    assert len(flat) == 27 and np.diff(np.sort(flat)).min() > 1e-4 * np.abs(flat).max()  # ten times what `same` allows
    np.testing.assert_array_equal(ends[:-1], values[0][:-1])


@pytest.mark.parametrize("end", ["terminated", "truncated"])
@pytest.mark.parametrize("form", ["potential", "free"])
@pytest.mark.parametrize(("sizes", "dressed"), [(ALIKE, False), (ALIKE, True), (ROLES, False), (ROLES, True)], ids=str)
def test_each_step_pays_what_the_student_scores_for_that_agent_and_step(sizes, dressed, form, end):
    env, rng = NumbersEnv(sizes, length=5, end=end, dressed=dressed), np.random.default_rng(1)
    student = fixed(sizes, form=form, gamma=0.9)
    wrapped = CreditWrapper(env, Student(student))
    for seed in (3, None, None):
        paid, told = play(wrapped, rng, seed)
        same(paid, student.score([env.record()])[0].values)
        for t, infos in enumerate(told):
            assert {info["credit_source"] for info in infos.values()} == {"student"}
            assert {info["team_reward"] for info in infos.values()} == {env.paid[t]}
            assert {info["episode_step"] for info in infos.values()} == {t}
    assert infos["p"]["episode_id"] == 2


@pytest.mark.parametrize("order", list(permutations("pqr")))
def test_the_environment_may_list_its_agents_in_another_order(order):
    sizes, actions = {"p": 2, "q": 4, "r": 3}, {"p": 3, "q": 4, "r": 2}
    student = fixed(sizes, actions)
    env = NumbersEnv({agent: sizes[agent] for agent in order}, actions, length=6)
    paid, _ = play(CreditWrapper(env, Student(student)), np.random.default_rng(2), seed=5)
    credit = student.score([env.record()])[0]
    same(paid, credit.values)
    if order != ("p", "q", "r"):
        assert not np.allclose(paid, credit.values[:, ["pqr".index(agent) for agent in order]])


@pytest.mark.parametrize("end", ["terminated", "truncated"])
@pytest.mark.parametrize(("sizes", "dressed"), [(ALIKE, False), (ROLES, True)], ids=str)
def test_the_team_reward_is_paid_until_the_reset_after_the_first_fit_then_the_newest_students(
    fits, sizes, dressed, end
):
    env, rng = NumbersEnv(sizes, end=end, dressed=dressed), np.random.default_rng(1)
    critic = ActionCritic()
    distillation = eager(critic, growth=2.0)
    wrapped, records, payers = CreditWrapper(env, Distilled(distillation)), [], []
    assert wrapped.source.pays and wrapped.store is None
    for _ in range(60):
        student, version = distillation.newest
        paid, told = play(wrapped, rng)
        records.append(env.record())
        payers.append(version)
        sources = {info["credit_source"] for infos in told for info in infos.values()}
        if student is None:
            assert sources == {"team"}
            np.testing.assert_array_equal(paid, np.repeat(np.array(env.paid)[:, None], 3, axis=1))
        else:
            assert sources == {"student"}
            same(paid, student.score([records[-1]])[0].values)
    assert payers[:3] == [0, 0, 1] and payers[-1] >= 3
    assert distillation.episodes == 60 and [infos["p"]["episode_id"] for infos in told] == [59] * 4
    assert len(critic.asked) > 10
    for label, credit in distillation.labels:  # what is learned from is what was played
        right = records[label.id]
        np.testing.assert_array_equal(label.actions, right.actions)
        np.testing.assert_array_equal(label.team_reward, right.team_reward)
        assert (label.agents, label.terminated, label.truncated) == (right.agents, right.terminated, right.truncated)
        assert label.observations.shape[:2] == right.observations.shape == (5, 3)
        for one, other in zip(label.observations.ravel() if sizes is ROLES else label.observations.reshape(-1, 3),
                              right.observations.ravel(), strict=True):  # fmt: skip
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(credit.values, right.actions)


def test_an_episode_is_paid_by_one_student_though_another_environment_brings_a_newer_one(fits):
    critic = ActionCritic()
    distillation = eager(critic, labels=60, growth=1.5)
    slow = NumbersEnv(ALIKE, length=400)
    quick = NumbersEnv(ALIKE, length=1)
    rng = np.random.default_rng(0)
    wrapped, other = (CreditWrapper(env, Distilled(distillation)) for env in (slow, quick))
    versions = []

    def meanwhile(t):
        if t % 8 == 0:
            play(other, rng)
            versions.append(distillation.newest[1])

    first, told = play(wrapped, rng, 1, meanwhile)
    assert versions[0] == 0 and versions[-1] >= 2
    np.testing.assert_array_equal(first, np.repeat(np.array(slow.paid)[:, None], 3, axis=1))
    assert {infos["p"]["credit_source"] for infos in told} == {"team"}
    student, began = distillation.newest
    second, told = play(wrapped, rng, None, meanwhile)
    assert distillation.newest[1] > began and distillation.newest[0] is not student
    same(second, student.score([slow.record()])[0].values)
    assert {infos["p"]["credit_source"] for infos in told} == {"student"}


def test_an_episode_that_was_dropped_by_a_reset_is_neither_paid_on_nor_a_label(fits):
    critic, env, rng = ActionCritic(), NumbersEnv(ALIKE), np.random.default_rng(0)
    distillation = eager(critic)
    wrapped = CreditWrapper(env, Distilled(distillation))
    for k in range(6):
        wrapped.reset(seed=k)
        for _ in range(k % 3):
            wrapped.step(dict.fromkeys("pqr", 1))
        student = distillation.newest[0]
        paid, _ = play(wrapped, rng)
        if student is not None:
            same(paid, student.score([env.record()])[0].values)
    assert distillation.episodes == 6
    assert all(episode.length == 4 and len(episode.observations) == 5 for episode in critic.asked)


def test_steps_after_the_end_are_the_environments_own_affair(fits):
    env = NumbersEnv(ALIKE, length=2)
    wrapped = CreditWrapper(env, Distilled(eager()))
    play(wrapped, np.random.default_rng(0))
    assert "credit" not in wrapped.step({})[4]
    assert wrapped.distillation.episodes == 1


def both(env):
    return [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]


@pytest.mark.parametrize("make", [Distilled, lambda d: Student(d.newest[0])])
def test_a_copy_made_in_mid_episode_pays_what_its_original_pays_and_offers_nothing(fits, make):
    critic, rng = ActionCritic(), np.random.default_rng(0)
    distillation = eager(critic)
    for _ in range(3):
        play(CreditWrapper(NumbersEnv(ROLES), Distilled(distillation)), rng)
    env = CreditWrapper(NumbersEnv(ROLES, length=5), make(distillation))
    env.reset(seed=1)
    env.step(dict.fromkeys("pqr", 2))
    copies, offered = both(env), distillation.episodes
    for _ in range(4):
        (paid, told), *others = [
            (step[1], step[4]) for e in (env, *copies) for step in [e.step(dict.fromkeys("pqr", 1))]
        ]
        assert others == [(paid, told)] * 2 and told["p"]["credit_source"] == "student"
    assert distillation.episodes == offered + (env.distillation is not None)
    for other in copies:
        assert other.distillation is env.distillation
        paid, _ = play(other, rng)
        same(paid, distillation.newest[0].score([other.unwrapped.record()])[0].values)
    if env.distillation is not None:
        assert distillation.episodes == offered + 3
        assert len({episode.id for episode in critic.asked}) == len(critic.asked)


def test_a_copy_made_before_the_first_student_pays_the_team_reward_to_the_end(fits):
    distillation = eager()
    env = CreditWrapper(NumbersEnv(ALIKE), Distilled(distillation))
    env.reset(seed=1)
    copies = both(env)
    for seed in range(2):
        play(CreditWrapper(NumbersEnv(ALIKE), Distilled(distillation)), np.random.default_rng(seed))
    assert distillation.newest[1] == 1
    for e in (env, *copies):
        _, rewards, *_, infos = e.step(dict.fromkeys("pqr", 2))
        assert rewards["q"] == infos["q"]["team_reward"] and infos["q"]["credit_source"] == "team"


def test_in_another_process_a_distillation_is_refused_and_a_student_pays_on(monkeypatch):
    student = fixed({"walker_0": 2, "walker_1": 2})
    env = CreditWrapper(CorridorEnv(horizon=3), Student(student))
    env.reset(seed=4)
    env.step({"walker_0": 2, "walker_1": 1})
    code = "import pickle, sys; env = pickle.load(sys.stdin.buffer); print(env.step(dict(walker_0=2, walker_1=2))[1])"
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(env), capture_output=True, env=path)
    assert done.stdout.decode().strip() == str(env.step({"walker_0": 2, "walker_1": 2})[1]), done.stderr.decode()
    data = pickle.dumps(CreditWrapper(CorridorEnv(), Distilled(eager())))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(CreditError, match="a distillation lives in the process that made it: make the environment"):
        pickle.loads(data)


def test_observations_of_equally_many_numbers_may_have_different_shapes():
    class Shaped(NumbersEnv):
        def _observe(self):
            observed = super()._observe()
            return {**observed, "q": observed["q"].reshape(2, 2)} if "q" in observed else observed

    env = Shaped({"p": 4, "q": 4})
    env._spaces["q"] = Box(-np.inf, np.inf, (2, 2), np.float32)
    student = fixed(env.sizes)
    paid, _ = play(CreditWrapper(env, Student(student)), np.random.default_rng(0), 0)
    same(paid, student.score([env.record()])[0].values)


def test_who_hears_of_credits_is_told_every_step(fits):
    heard, env = [], NumbersEnv(ALIKE)
    student = fixed()
    wrapped = CreditWrapper(env, Student(student))
    wrapped.add_listener(lambda episode, credit: heard.append((episode, credit)))
    paid, _ = play(wrapped, np.random.default_rng(0), 0)
    assert [episode.start for episode, _ in heard] == [0, 1, 2, 3]
    assert [episode.ended for episode, _ in heard] == ["not yet"] * 3 + ["terminated"]
    np.testing.assert_array_equal(np.concatenate([credit.values for _, credit in heard]), paid)
    assert {credit.source for _, credit in heard} == {"student"}


def test_a_panel_shows_what_a_student_paid_so_far():
    class Shown(NumbersEnv):
        overlays: list = []  # noqa: RUF012

        def set_overlay(self, **parts):
            self.overlays.append(parts)

        def render(self):
            return np.zeros((2, 2, 3), np.uint8)

    world = Shown(ALIKE)
    world.render_mode = "rgb_array"
    env = CreditWrapper(world, Student(fixed()))
    paid, _ = play(env, np.random.default_rng(0), 0, lambda t: env.render())
    for t in range(4):
        shown = [overlay["credits"] for overlay in world.overlays if overlay.get("credits")]
        assert any([*credits.values()] == pytest.approx(paid[: t + 1].sum(axis=0)) for credits in shown)


def test_a_model_scores_so_many_episodes_and_its_student_pays_the_rest(fits, tmp_path):
    client, path = FakeClient(praise_forward, source="scripted"), tmp_path / "ledger"
    world, rng = CorridorEnv(horizon=4, length=9), np.random.default_rng(0)
    env = LLMCreditWrapper(
        world, client=client, delivery="immediate", labels=6, episodes_per_query=2, ledger=path, order="given"
    )
    assert env.distillation.critic.label and env.distillation.most == 6 and env.store is None
    sources = [play(env, rng, seed)[1][0]["walker_0"]["credit_source"] for seed in range(9)]
    assert sources == ["team"] * 6 + ["student"] * 3
    assert len(client.requests) == 3 and fits.labels == [6]
    for episode, credit in env.distillation.labels:
        np.testing.assert_allclose(credit.values, episode.actions == 2)
        assert credit.source == "scripted"
    env.close()
    with Ledger(path, read_only=True) as kept:
        assert len(kept) == 3


def test_a_distillation_is_shared_by_wrappers_of_a_model(fits):
    client = FakeClient(praise_forward)
    first = LLMCreditWrapper(
        CorridorEnv(horizon=3), client=client, delivery="immediate", labels=4, workers=0, episodes_per_query=1
    )
    second = LLMCreditWrapper(CorridorEnv(horizon=3), distillation=first.distillation)
    assert second.source.pays
    for seed in range(2):
        for env in (first, second):
            play(env, np.random.default_rng(10 * seed + (env is first)), 10 * seed + (env is first))
    assert len(client.requests) == 4 and first.distillation.episodes == 4
    assert play(second, np.random.default_rng(0))[1][0]["walker_0"]["credit_source"] == "student"
    second.close()
    first.close()


@pytest.mark.parametrize("sizes", [ALIKE, {"p": 2, "q": 4, "r": 3}])
def test_observations_in_dicts_are_read_alike_deferred_at_once_and_as_labels(sizes):
    student, credits, paid = fixed(sizes), [], []
    bare, at_once = NumbersEnv(sizes, dressed=True), NumbersEnv(sizes, dressed=True)
    env = CreditWrapper(bare, Deferred(student), record_observations=True)
    env.add_listener(lambda episode, credit: credits.append((episode, credit)))
    paying = CreditWrapper(at_once, Student(student))
    for seed in (1, 2):
        _, infos = env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        while env.agents:
            *_, infos = env.step({agent: int(rng.integers(3)) for agent in env.possible_agents})
        env.store.settle([infos["p"]["episode_id"]])
        paid.append(play(paying, np.random.default_rng(seed), seed)[0])
        for t, row in enumerate(bare.seen):
            for i, agent in enumerate(sizes):
                np.testing.assert_array_equal(credits[-1][0].observations[t, i], row[agent])
    for (_, credit), values in zip(credits, paid, strict=True):
        same(values, credit.values)
    fitted = fit_student(credits, n_actions=3, epochs=1, hidden=4, networks=2)
    assert fitted.team.sizes == tuple(sizes.values()) and fitted.env_id == "numbers_v0"
    env.store.close()


@pytest.mark.parametrize("shared", [False, True])
def test_deferred_a_student_is_shown_observations_without_being_asked_to(shared):
    student = fixed({"walker_0": 2, "walker_1": 2})
    critic = CreditStore(student, workers=0) if shared else student
    wrapped, twin = (
        CreditWrapper(CorridorEnv(), Deferred(critic)),
        CreditWrapper(CorridorEnv(), Student(student)),
    )
    paid = []
    for env in (wrapped, twin):
        rng = np.random.default_rng(3)
        env.reset(seed=2)
        while env.agents:
            _, rewards, *_ = env.step({agent: int(rng.integers(3)) for agent in env.agents})
            paid.append(list(rewards.values()))
    ((id, credit),) = wrapped.store.settle([0])
    assert id == 0 and credit.source == "student"
    same(np.array(paid[credit.values.shape[0] :]), credit.values)
    wrapped.store.close()
