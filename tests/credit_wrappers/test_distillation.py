"""A distillation: how many labels it buys and when, what happens when the critic fails, and who waits for whom."""

from __future__ import annotations

import json
import logging
import math
import threading
from concurrent import futures
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from distillation_fakes import NOTHING, DrawnFits, Teacher
from student_labels import walk

from credit_wrappers import (
    Agreement,
    BudgetExceeded,
    CreditError,
    Distillation,
    ModelError,
    StudentCritic,
    StudentSettings,
)

TEAM = ("walker_0", "walker_1"), (2, 2), (3, 3)
DOWN = ModelError("no route", "connection")


@pytest.fixture
def fits(monkeypatch):
    drawn = DrawnFits()
    monkeypatch.setattr(StudentCritic, "fit", drawn)
    return drawn


class Copier:
    """A student that credits what its teacher last did: the action times the sign of the last label it learned from."""

    def __init__(self, labels):
        self.sign = np.sign(labels[-1][1].values.sum()) or 1.0
        self.labels, self.agreement = len(labels), Agreement(1, NOTHING, NOTHING)

    def compare(self, labels):
        own = [self.sign * episode.actions for episode, _ in labels]
        return Agreement.of([credit.values for _, credit in labels], own)

    def disagreement(self, episodes):
        return np.zeros(len(episodes))


@pytest.fixture
def copiers(monkeypatch):
    monkeypatch.setattr(StudentCritic, "fit", lambda labels, *_, **__: Copier(labels))


def episodes(seed=0, steps=3):
    """Yield walks, no two of them alike."""
    rng, number = np.random.default_rng(seed), 0
    while True:
        yield replace(walk(rng, steps=steps, id=number), seed=number)
        number += 1


def distilling(teacher, labels=20, **options):
    distillation = Distillation(
        teacher, labels, **{"first": 4, "spacing": 1, "episodes_per_query": 2, "workers": 0, **options}
    )
    distillation.join(*TEAM)
    return distillation


def offer(distillation, source, many):
    """Offer so many episodes; return after how many of them labels were bought."""
    bought = []
    for _ in range(many):
        before = distillation.bought
        distillation.offer(next(source))
        if distillation.bought > before:
            bought.append(distillation.episodes)
    return bought


def test_never_more_labels_are_bought_than_may_be_and_no_episode_twice(fits):
    teacher = Teacher()
    distillation = distilling(teacher, labels=21)
    offer(distillation, episodes(), 1000)
    assert len(teacher.asked) == len(distillation.labels) == distillation.bought == 21
    assert distillation.left == 0 and distillation.episodes == 1000
    assert len({episode.id for episode in teacher.asked}) == len({episode.key for episode in teacher.asked}) == 21
    assert fits.labels == sorted(set(fits.labels)) and fits.labels[0] == 4 and fits.labels[-1] == 21
    assert distillation.newest == (fits.students[-1], len(fits.students))


def test_the_first_episodes_are_labelled_as_they_come_but_none_like_another(fits):
    teacher = Teacher()
    distillation, source = distilling(teacher, first=5, episodes_per_query=1), episodes()
    first = next(source)
    for k in range(3):
        distillation.offer(replace(first, id=100 + k))
    assert [episode.id for episode in teacher.asked] == [100]
    offer(distillation, source, 4)
    assert [episode.id for episode in teacher.asked] == [100, 1, 2, 3, 4]
    assert fits.labels == [5]


def test_episodes_alike_are_never_bought_again_however_often_they_are_offered(fits):
    teacher, source = Teacher(), episodes()
    distillation = distilling(teacher)
    twelve = [next(source) for _ in range(12)]
    for k in range(600):
        distillation.offer(replace(twelve[k % 12], id=k))
    assert len(teacher.asked) == 12 == len({episode.key for episode in teacher.asked})


def test_an_episode_without_observations_is_counted_only(fits):
    teacher = Teacher()
    distillation = distilling(teacher)
    for episode, _ in zip(episodes(), range(30), strict=False):
        distillation.offer(replace(episode, observations=None))
    assert distillation.episodes == 30 and distillation.bought == 0 and teacher.asked == []


def test_a_label_keeps_its_observations_and_drops_what_only_the_critic_reads(fits):
    distillation, (episode, *_) = distilling(Teacher(), first=2), zip(episodes(), range(2), strict=False)
    told = replace(episode[0], moments=(1, 2, 3, 4), narrator=object())
    distillation.offer(told)
    distillation.wait()
    ((kept, credit),) = distillation.labels
    assert kept.moments == () and kept.narrator is None and kept.key == told.key
    np.testing.assert_array_equal(kept.observations, told.observations)
    np.testing.assert_array_equal(credit.values, told.actions)


def test_the_same_episodes_make_the_same_choice_and_the_same_student():
    found = []
    for seed in (0, 0, 1):
        teacher = Teacher()
        distillation = distilling(teacher, 200, seed=seed, epochs=2, refit_epochs=1, hidden=4, networks=2)
        offer(distillation, episodes(), 100)
        student = distillation.newest[0]
        found.append(([e.id for e in teacher.asked], student.score([next(episodes(5))])[0].values.tolist()))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]


def test_while_agreement_is_high_rounds_come_at_growth_times_the_episodes(copiers):
    distillation = distilling(Teacher(), labels=60, first=8, growth=2.0)
    rounds = offer(distillation, episodes(), 2000)
    assert rounds[:8] == list(range(1, 9))
    assert rounds[8:] == [max(2 * 8, 8 + 2 * 6), *(20 * 2**k for k in range(1, 7))]  # two for each of a tenth of 52


def test_a_critic_that_changes_its_mind_is_asked_more_until_the_student_follows(copiers):
    teacher, source = Teacher(), episodes()
    distillation = distilling(teacher, labels=500, first=8, growth=2.0)

    def bought(many):
        before, left = distillation.bought, distillation.left
        rounds = offer(distillation, source, many)
        return rounds, distillation.bought - before, left

    bought(120)
    assert distillation.fresh.sums.rank > 0.99
    rounds, many, left = bought(120)
    assert len(rounds) == 1 and many == math.ceil(0.10 * left)
    teacher.sign = -1.0
    rounds, many, left = bought(rounds[0])
    assert many == math.ceil(0.10 * left) and distillation.fresh.sums.rank < -0.99
    rounds, many, left = bought(2 * rounds[0] - distillation.episodes)
    assert many == math.ceil(0.20 * left) and distillation.fresh.sums.rank > 0.99
    rounds, many, left = bought(2 * rounds[0] - distillation.episodes)
    assert many == math.ceil(0.10 * left)


def test_rounds_are_as_far_apart_as_spacing_asks_however_few_episodes_there_were(copiers):
    distillation = distilling(Teacher(), labels=500, first=8, growth=1.5, spacing=100)
    assert offer(distillation, episodes(steps=1), 500)[8:] == [108, 208, 312, 468]


def test_labels_last_for_a_hundred_thousand_episodes(copiers):
    distillation = distilling(Teacher(), labels=500, first=None, spacing=None)
    first = next(episodes(steps=1))
    rounds = []
    for k in range(100_000):
        before = distillation.bought
        distillation.offer(replace(first, id=k, seed=k))
        if distillation.bought > before:
            rounds.append((k + 1, distillation.bought - before))
    assert [many for _, many in rounds[:31]] == [1] * 31 and rounds[31][1] > 1
    assert sum(late > 50_000 for late, _ in rounds) >= 1 and sum(late > 10_000 for late, _ in rounds) >= 4
    assert sum(many for _, many in rounds) == distillation.bought < 500


@pytest.mark.parametrize("source", ["fallback", "exact"])
def test_too_few_labels_make_no_student_and_it_is_said_once(fits, caplog, source):
    teacher, walks = Teacher(), episodes()
    teacher.source, teacher.sign = source, float(source == "fallback")  # no label at all, or all of them zero
    distillation = distilling(teacher, labels=100)
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        offer(distillation, walks, 60)
        assert distillation.newest == (None, 0) and fits.labels == [] and len(distillation.labels) >= 12
        (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("too few labels to fit a student: ")
    assert f"{0 if source == 'fallback' else 4} of 4 are usable" in said and "(96 may still be bought)" in said
    teacher.source, teacher.sign = "exact", 1.0
    offer(distillation, walks, 200)
    assert distillation.newest[1] == len(fits.labels) >= 1
    assert len(caplog.records) == 1


def test_one_usable_label_is_too_few(fits, caplog):
    teacher, walks = Teacher(), episodes()
    distillation = distilling(teacher, first=4, episodes_per_query=1)
    offer(distillation, walks, 1)
    teacher.source = "fallback"
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        offer(distillation, walks, 3)
    assert "1 of 4 are usable" in caplog.text and fits.labels == []


def test_fallbacks_among_the_labels_are_not_what_the_student_is_compared_with(copiers):
    teacher, walks = Teacher(), episodes()
    distillation = distilling(teacher, first=4, labels=50)
    offer(distillation, walks, 4)
    teacher.source, teacher.sign = "fallback", -1.0
    offer(distillation, walks, 30)
    assert len(distillation.labels) > 4 and distillation.fresh is None


def test_the_students_agreement_with_new_labels_is_measured_before_it_learns_from_them(copiers):
    teacher, walks = Teacher(), episodes()
    distillation = distilling(teacher, first=4, labels=50)
    offer(distillation, walks, 4)
    assert distillation.fresh is None
    teacher.sign = -1.0
    offer(distillation, walks, 20)
    assert distillation.newest[1] == 2 and distillation.newest[0].sign == -1.0
    assert distillation.fresh.sums.rank < -0.99 and distillation.fresh.episodes == 5


@pytest.mark.parametrize("workers", [0, 2])
def test_a_budget_that_is_used_up_keeps_the_labels_that_came_and_buys_no_more(fits, caplog, workers):
    teacher, walks = Teacher(), episodes()
    distillation = distilling(teacher, labels=60, workers=workers)
    offer(distillation, walks, 4)
    distillation.wait()
    teacher.error = BudgetExceeded("2 calls of 2 are made")
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        offer(distillation, walks, 30)
        distillation.wait()
        while distillation._store._in_flight:  # queries that were under way
            offer(distillation, walks, 1)
        tried = teacher.tried
        teacher.error = None
        offer(distillation, walks, 300)
        distillation.wait()
    assert [record.getMessage() for record in caplog.records] == [
        "no more labels for the student: 2 calls of 2 are made"
    ]
    assert teacher.tried == tried and len(teacher.asked) == len(distillation.labels) == 4
    assert distillation.left == 0 and distillation.newest == (fits.students[0], 1)
    assert distillation.metrics["student/labels_left"] == 0
    distillation.close()


def test_a_budget_that_ends_in_the_middle_of_a_round_makes_a_student_of_what_came(fits, caplog):
    class Limited(Teacher):
        def score(self, episodes):
            if len(self.asked) >= 6:
                self.error = BudgetExceeded("3 calls of 3 are made")
            return super().score(episodes)

    distillation, walks = distilling(Limited(), labels=60), episodes()
    offer(distillation, walks, 4)
    distillation.wait()
    offer(distillation, walks, 30)  # a round of four queries, of which one is answered
    distillation.wait()
    assert len(distillation.labels) == 6 and fits.labels == [4, 6] and distillation.newest[1] == 2


def test_a_budget_that_ends_before_the_first_fit_makes_a_student_of_what_came_at_once(fits, caplog):
    class Limited(Teacher):
        def score(self, episodes):
            if len(self.asked) >= 2:
                self.error = BudgetExceeded("1 call of 1 is made")
            return super().score(episodes)

    distillation, walks = distilling(Limited(), labels=60, first=16), episodes()
    offer(distillation, walks, 4)
    distillation.wait()
    assert len(distillation.labels) == 2 and fits.labels == [2]


def test_queries_that_run_when_the_budget_ends_announce_it_no_second_time(fits, caplog):
    class Gated(Teacher):
        gates = [threading.Event(), threading.Event()]  # noqa: RUF012

        def score(self, episodes):
            assert self.gates[episodes[0].id // 2].wait(30)
            raise BudgetExceeded(f"no query {episodes[0].id // 2}")

    teacher, walks = Gated(), episodes()
    distillation = distilling(teacher, labels=60, first=4, workers=2)
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        offer(distillation, walks, 4)
        teacher.gates[0].set()
        distillation.wait()
        teacher.gates[1].set()
        distillation.close()
        offer(distillation, walks, 2)
    assert [record.getMessage() for record in caplog.records] == ["no more labels for the student: no query 0"]


def test_an_error_of_the_critic_is_raised_and_the_query_asked_again_when_it_is_back(fits):
    teacher, walks = Teacher(), episodes()
    distillation = distilling(teacher, labels=40)
    offer(distillation, walks, 2)
    assert len(distillation.labels) == 2
    teacher.error = DOWN
    offer(distillation, walks, 1)
    with pytest.raises(ModelError):
        offer(distillation, walks, 1)
    assert len(distillation.labels) == 2 and distillation.bought == 4
    teacher.error = None
    offer(distillation, walks, 1)
    assert [episode.id for episode in teacher.asked] == [0, 1, 2, 3]
    assert len(distillation.labels) == 4 and fits.labels == [4]


def test_in_a_round_that_failed_labels_that_came_are_kept_and_only_the_others_asked_again(fits):
    class Flaky(Teacher):
        def score(self, episodes):
            self.error = DOWN if self.tried == 3 else None  # the second query of the first round
            return super().score(episodes)

    teacher, walks = Flaky(), episodes()
    distillation = distilling(teacher, labels=40)
    offer(distillation, walks, 4)
    with pytest.raises(ModelError):
        offer(distillation, walks, 30)
    assert fits.labels == [4] and distillation.bought == 8
    offer(distillation, walks, 1)
    assert fits.labels == [4, 8]
    assert len(teacher.asked) == len({episode.id for episode in teacher.asked}) == 8


def test_an_error_of_a_fit_is_raised_and_the_labels_are_kept_for_the_next_one(fits):
    walks = episodes()
    distillation = distilling(Teacher(), labels=40)
    fits.error = CreditError("no fit")
    with pytest.raises(CreditError, match="no fit"):
        offer(distillation, walks, 4)
    assert len(distillation.labels) == 4 and distillation.newest == (None, 0)
    fits.error = None
    rounds = offer(distillation, walks, 30)
    assert fits.labels == [8, 12, 18][: len(fits.labels)] and len(rounds) == len(fits.labels) >= 1
    assert distillation.newest[1] == len(fits.labels)


def test_a_fit_that_always_fails_does_not_make_rounds_come_sooner(fits):
    walks = episodes()
    distillation = distilling(Teacher(), labels=50, growth=4.0)
    fits.error = CreditError("no fit")
    raised = []
    for k in range(1, 101):
        try:
            distillation.offer(next(walks))
        except CreditError:
            raised.append(k)
    assert raised == [4, 16, 64]


def test_nobody_waits_for_a_slow_critic(fits):
    teacher, walks = Teacher(), episodes()
    teacher.gate = threading.Event()
    distillation = distilling(teacher, workers=2, growth=1.25)
    offer(distillation, walks, 40)
    assert teacher.entered.wait(30)
    assert teacher.asked == [] and distillation.labels == [] and distillation.newest == (None, 0)
    assert distillation.bought == 4  # nor is more bought meanwhile
    teacher.gate.set()
    distillation.wait()
    assert distillation.newest == (fits.students[0], 1) and fits.labels == [4]
    assert offer(distillation, walks, 15) == [50] and distillation.bought == 4 + 4
    distillation.close()


def test_nobody_waits_for_a_fit_and_wait_does(fits):
    walks = episodes()
    distillation = distilling(Teacher(), workers=2)
    fits.gate = threading.Event()
    offer(distillation, walks, 4)
    while not fits.entered.is_set():  # labels are taken by offers
        offer(distillation, walks, 1)
    offer(distillation, walks, 60)
    assert distillation.newest == (None, 0) and distillation.bought == 4
    fits.gate.set()
    distillation.wait()
    assert distillation.newest == (fits.students[0], 1)
    distillation.close()


def test_an_error_of_a_fit_in_its_thread_is_raised_by_the_next_offer(fits):
    walks = episodes()
    distillation = distilling(Teacher(), workers=2)
    fits.gate, fits.error = threading.Event(), RuntimeError("boom")
    offer(distillation, walks, 4)
    while not fits.entered.is_set():
        offer(distillation, walks, 1)
    running = distillation._apprentice._fitting
    fits.gate.set()
    futures.wait([running])
    with pytest.raises(RuntimeError, match="boom"):
        offer(distillation, walks, 1)
    offer(distillation, walks, 1)
    distillation.close()


def test_wait_raises_what_went_wrong_with_the_fit(fits):
    distillation = distilling(Teacher(), workers=2)
    fits.error = RuntimeError("boom")
    with pytest.raises(RuntimeError, match="boom"):
        offer(distillation, episodes(), 4)
        distillation.wait()
    distillation.close()


def test_closing_ends_the_threads_and_what_is_offered_then_is_counted_only(fits):
    before = set(threading.enumerate())
    teacher, walks = Teacher(), episodes()
    with distilling(teacher, workers=2) as distillation:
        offer(distillation, walks, 4)
        distillation.wait()
        assert len(set(threading.enumerate()) - before) >= 2
    assert set(threading.enumerate()) == before
    offer(distillation, walks, 50)
    distillation.wait()
    assert distillation.episodes == 54 and len(teacher.asked) == 4 and distillation.newest[1] == 1
    distillation.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_closing_before_the_first_labels_or_with_labels_on_their_way_fits_nothing_more(fits, workers):
    teacher, walks = Teacher(), episodes()
    distillation = distilling(teacher, workers=workers)
    if workers:
        teacher.gate = threading.Event()
    offer(distillation, walks, 2 + workers)
    closing = threading.Thread(target=distillation.close)
    closing.start()
    if workers:
        teacher.gate.set()  # the running query is waited for
    closing.join()
    bought = distillation.bought
    offer(distillation, walks, 30)
    distillation.wait()
    assert fits.labels == [] and distillation.bought == bought and distillation.left == 20 - bought
    assert len(distillation.labels) == len(teacher.asked)


def test_environments_in_several_threads_may_offer_at_once(fits):
    teacher = Teacher()
    distillation = distilling(teacher, labels=30, workers=2)

    def run(seed):
        for episode, _ in zip(episodes(seed), range(100), strict=False):
            distillation.offer(replace(episode, id=distillation.open()))

    with futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run, seed) for seed in range(4)]:
            done.result()
    distillation.wait()
    assert distillation.episodes == 400
    assert 4 <= len(distillation.labels) == len({episode.id for episode in teacher.asked}) <= 30
    assert distillation.newest[1] == len(fits.students)
    distillation.close()


def test_what_there_is_to_report_counts_up_and_is_json(fits):
    walks = episodes()
    distillation = distilling(Teacher(), labels=30)
    names = ["version", "labels", "labels_left", "fit_seconds", "rank", "sign", "error"]
    names += ["step_rank", "step_sign", "step_error", "fresh_rank", "fresh_error"]
    first = distillation.metrics
    assert sorted(first) == sorted(f"student/{name}" for name in names)
    assert {name for name, value in first.items() if math.isnan(value)} == {f"student/{name}" for name in names[4:]}
    assert [first[f"student/{name}"] for name in names[:4]] == [0, 0, 30, 0.0]
    versions = []
    for _ in range(120):
        offer(distillation, walks, 1)
        now = distillation.metrics
        versions.append(now["student/version"])
        assert now["student/labels"] == len(distillation.labels)
        assert now["student/labels_left"] == 30 - distillation.bought
    assert sorted(set(versions)) == list(range(len(fits.students) + 1)) and versions == sorted(versions)
    assert not any(math.isnan(value) for value in now.values())
    assert json.loads(json.dumps(now)) == now


def test_reported_are_the_numbers_of_the_newest_student_on_episodes_it_did_not_learn_from():
    distillation = distilling(Teacher(), 16, first=8, epochs=2, hidden=4, networks=2)
    offer(distillation, episodes(), 60)
    agreement, now = distillation.newest[0].agreement, distillation.metrics
    for name in ("rank", "sign", "error"):
        assert now[f"student/{name}"] == getattr(agreement.sums, name)
        assert now[f"student/step_{name}"] == getattr(agreement.steps, name)
    assert now["student/fresh_rank"] == distillation.fresh.sums.rank
    assert now["student/fit_seconds"] > 0.0


def test_students_are_fitted_for_all_actions_there_are_with_the_settings_and_roles_given():
    roles = {"walker_0": "first", "walker_1": "second"}
    settings = StudentSettings(epochs=1, networks=2, hidden=4)
    distillation = Distillation(Teacher(), 4, settings, first=4, roles=roles, form="free", seed=3)
    distillation.join(TEAM[0], TEAM[1], (3, 5))
    offer(distillation, episodes(), 4)
    student = distillation.newest[0]
    assert student.team.actions == (3, 5) and student.team.roles == ("first", "second")
    assert student.settings == replace(settings, form="free")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"labels": 1}, "labels must be at least 2"),
        ({"first": 1}, "first must be from 2 to labels=20, got 1"),
        ({"first": 21}, "first must be from 2 to labels=20, got 21"),
        ({"growth": 1.0}, "growth must be above 1, got 1.0"),
        ({"growth": math.nan}, "growth must be above 1, got nan"),
        ({"episodes_per_query": 0}, "episodes_per_query must be at least 1"),
        ({"epochs": 0}, "epochs must be a positive whole number"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Distillation(Teacher(), **{"labels": 20, **options})


def test_a_model_is_asked_in_threads_and_a_critic_that_computes_in_the_callers():
    assert Distillation(SimpleNamespace(source="model", label="m"))._apprentice._thread is not None
    assert Distillation(Teacher())._apprentice._thread is None


@pytest.mark.parametrize(
    ("roles", "actions", "said"),
    [
        ({"walker_0": "one"}, (3, 3), r"roles is missing for \['walker_1'\]"),
        (None, (3, 4), r"'walker_0' does choose from 3 actions and 'walker_1' choose from 4.*other roles \(roles=\)"),
    ],
)
def test_a_team_that_no_student_could_be_fitted_for_is_refused_before_a_label_is_paid_for(roles, actions, said):
    distillation = Distillation(Teacher(), 20, roles=roles)
    with pytest.raises(ValueError, match=said):
        distillation.join(TEAM[0], TEAM[1], actions)
