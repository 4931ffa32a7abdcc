"""A distillation: which labels it requests, when, and what it tells."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from distillation_fakes import NOTHING, TEAM, ActionCritic, distilling, offer, walks_apart

from credit_wrappers import Agreement, Distillation, StudentSettings
from credit_wrappers.student.agreement import AgreementScores


def test_never_more_labels_are_requested_than_may_be_and_no_episode_twice(fits):
    critic = ActionCritic()
    distillation = distilling(critic, labels=21)
    offer(distillation, walks_apart(), 1000)
    assert len(critic.asked) == len(distillation.labels) == distillation.requested == 21
    assert distillation.left == 0 and distillation.episodes == 1000
    assert len({episode.id for episode in critic.asked}) == len({episode.key for episode in critic.asked}) == 21
    assert fits.labels == sorted(set(fits.labels)) and fits.labels[0] == 4 and fits.labels[-1] == 21
    assert distillation.newest == (fits.students[-1], len(fits.students))


def test_the_first_episodes_are_labelled_as_they_come_but_none_like_another(fits):
    critic = ActionCritic()
    distillation, source = distilling(critic, first=5, episodes_per_query=1), walks_apart()
    first = next(source)
    for k in range(3):
        distillation.offer(replace(first, id=100 + k))
    assert [episode.id for episode in critic.asked] == [100]
    offer(distillation, source, 4)
    assert [episode.id for episode in critic.asked] == [100, 1, 2, 3, 4]
    assert fits.labels == [5]


def test_episodes_alike_are_never_requested_again_however_often_they_are_offered(fits):
    critic, source = ActionCritic(), walks_apart()
    distillation = distilling(critic)
    twelve = [next(source) for _ in range(12)]
    for k in range(600):
        distillation.offer(replace(twelve[k % 12], id=k))
    assert len(critic.asked) == 12 == len({episode.key for episode in critic.asked})


def test_episodes_that_differ_only_in_what_was_seen_are_not_alike(fits):
    critic, first = ActionCritic(), next(walks_apart())
    distillation = distilling(critic, first=3, episodes_per_query=1)
    for k in range(3):
        distillation.offer(replace(first, id=k, observations=first.observations + k // 2))
    assert [episode.id for episode in critic.asked] == [0, 2]


@pytest.mark.parametrize("different", [1, 3])
def test_where_fewer_differ_than_the_first_student_asks_for_those_must_do(fits, caplog, different):
    critic, source = ActionCritic(), walks_apart()
    distillation = distilling(critic, first=8, spacing=20, episodes_per_query=8)
    alike = [next(source) for _ in range(different)]
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        for k in range(27):
            distillation.offer(replace(alike[k % different], id=k))
        assert critic.asked == [] and not caplog.records
        for k in range(27, 90):
            distillation.offer(replace(alike[k % different], id=k))
    assert len(critic.asked) == different and fits.labels == [3] * (different == 3)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["too few labels to fit a student"] * (
        different == 1
    )
    offer(distillation, source, 200)
    assert distillation.newest[1] >= 1 and len(critic.asked) > different


def test_restored_after_fewer_labels_than_the_first_student_asks_for_it_requests_in_rounds_as_before(fits):
    critic, source = ActionCritic(), walks_apart()
    alike = [next(source) for _ in range(3)]
    before = distilling(critic, first=8, spacing=20, episodes_per_query=1)
    for k in range(60):
        before.offer(replace(alike[k % 3], id=k))
    assert before.newest[1] == 1 and before.first == 3
    after = distilling(critic, first=8, spacing=20, episodes_per_query=1)
    after.restore(before.state())
    later = [replace(next(source), id=k) for k in range(60, 64)]  # one at a time they would be requested at once
    for episode in later:
        before.offer(episode)
        after.offer(episode)
    assert (before.requested, before.first) == (after.requested, after.first) == (3, 3)


def test_an_episode_without_observations_is_counted_only(fits):
    critic = ActionCritic()
    distillation = distilling(critic)
    for episode, _ in zip(walks_apart(), range(30), strict=False):
        distillation.offer(replace(episode, observations=None))
    assert distillation.episodes == 30 and distillation.requested == 0 and critic.asked == []


def test_a_label_keeps_its_observations_and_drops_what_only_the_critic_reads(fits):
    distillation, (episode, *_) = distilling(ActionCritic(), first=2), zip(walks_apart(), range(2), strict=False)
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
        critic = ActionCritic()
        distillation = distilling(critic, 200, seed=seed, epochs=2, refit_epochs=1, hidden=4, networks=2)
        offer(distillation, walks_apart(), 100)
        student = distillation.newest[0]
        found.append(([e.id for e in critic.asked], student.score([next(walks_apart(5))])[0].values.tolist()))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]


def test_while_agreement_is_high_rounds_come_at_growth_times_the_episodes(copiers):
    distillation = distilling(ActionCritic(), labels=60, first=8, growth=2.0)
    rounds = offer(distillation, walks_apart(), 2000)
    assert rounds[:8] == list(range(1, 9))
    assert rounds[8:] == [max(2 * 8, 8 + 2 * 6), *(20 * 2**k for k in range(1, 7))]  # two for each of a tenth of 52


def test_a_critic_that_changes_its_mind_is_asked_sooner_until_the_student_follows(copiers):
    critic, source = ActionCritic(), walks_apart()
    distillation = distilling(critic, labels=500, first=8, growth=2.0)

    def requested(many):
        before, left = distillation.requested, distillation.left
        rounds = offer(distillation, source, many)
        return rounds, distillation.requested - before, left

    requested(120)
    assert distillation.fresh.sums.rank > 0.99
    rounds, many, left = requested(120)
    assert len(rounds) == 1 and many == math.ceil(0.10 * left)
    critic.sign = -1.0
    rounds, many, left = requested(rounds[0])
    assert many == math.ceil(0.10 * left) and distillation.fresh.sums.rank < -0.99
    sooner, many, left = requested(2 * rounds[0] - distillation.episodes)
    assert sooner == [math.ceil(1.5 * rounds[0])] and many == math.ceil(0.10 * left)
    assert distillation.fresh.sums.rank > 0.99
    rounds, many, left = requested(2 * sooner[0] - distillation.episodes)
    assert rounds == [2 * sooner[0]] and many == math.ceil(0.10 * left)


@pytest.mark.parametrize(("rank", "sooner"), [(0.49, True), (0.51, False), (math.nan, False)])
def test_a_student_that_ranks_the_held_out_labels_badly_brings_the_next_round_sooner(copiers, rank, sooner):
    distillation, source = distilling(ActionCritic(), labels=60, first=8, growth=2.0), walks_apart()
    assert offer(distillation, source, 40)[-1] == 40 and distillation.fresh.sums.rank > 0.99
    distillation.newest[0].agreement = Agreement(3, NOTHING, AgreementScores(rank, 1.0, 0.0, 6))
    distillation._schedule()
    assert offer(distillation, source, 40) == ([60] if sooner else [80])


def test_rounds_are_as_far_apart_as_spacing_asks_however_few_episodes_there_were(copiers):
    distillation = distilling(ActionCritic(), labels=500, first=8, growth=1.5, spacing=100)
    assert offer(distillation, walks_apart(steps=1), 500)[8:] == [108, 208, 312, 468]


def test_labels_last_for_a_hundred_thousand_episodes(copiers):
    distillation = distilling(ActionCritic(), labels=500, first=None, spacing=None)
    first = next(walks_apart(steps=1))
    rounds = []
    for k in range(100_000):
        before = distillation.requested
        distillation.offer(replace(first, id=k, seed=k))
        if distillation.requested > before:
            rounds.append((k + 1, distillation.requested - before))
    assert [many for _, many in rounds[:31]] == [1] * 31 and rounds[31][1] > 1
    assert sum(late > 50_000 for late, _ in rounds) >= 1 and sum(late > 10_000 for late, _ in rounds) >= 4
    assert sum(many for _, many in rounds) == distillation.requested <= 500


@pytest.mark.parametrize("source", ["fallback", "exact"])
def test_too_few_labels_make_no_student_and_it_is_said_once(fits, caplog, source):
    critic, walks = ActionCritic(), walks_apart()
    critic.source, critic.sign = source, float(source == "fallback")  # no label at all, or all of them zero
    distillation = distilling(critic, labels=100)
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        offer(distillation, walks, 60)
        assert distillation.newest == (None, 0) and fits.labels == [] and len(distillation.labels) >= 12
        (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("too few labels to fit a student: ")
    assert f"{0 if source == 'fallback' else 4} of 4 are usable" in said and "(96 may still be requested)" in said
    critic.source, critic.sign = "exact", 1.0
    offer(distillation, walks, 200)
    assert distillation.newest[1] == len(fits.labels) >= 1
    assert len(caplog.records) == 1


def test_episodes_too_few_for_the_first_student_are_told_of_once_when_all_is_over(fits, caplog):
    distillation = distilling(ActionCritic(), labels=100, first=8)
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        offer(distillation, walks_apart(), 7)
        distillation.wait()
        assert not caplog.records and fits.labels == []
        again = distilling(ActionCritic(), labels=100, first=8)
        for ending in (distillation, distillation, again):
            ending.close()
            again.restore(distillation.state())
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("no student was fitted: of 7 episodes 7 were labelled, the first student learns from 8")


def test_one_usable_label_is_too_few(fits, caplog):
    critic, walks = ActionCritic(), walks_apart()
    distillation = distilling(critic, first=4, episodes_per_query=1)
    offer(distillation, walks, 1)
    critic.source = "fallback"
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        offer(distillation, walks, 3)
    assert "1 of 4 are usable" in caplog.text and fits.labels == []


def test_fallbacks_among_the_labels_are_not_what_the_student_is_compared_with(copiers):
    critic, walks = ActionCritic(), walks_apart()
    distillation = distilling(critic, first=4, labels=50)
    offer(distillation, walks, 4)
    critic.source, critic.sign = "fallback", -1.0
    offer(distillation, walks, 30)
    assert len(distillation.labels) > 4 and distillation.fresh is None


def test_the_students_agreement_with_new_labels_is_measured_before_it_learns_from_them(copiers):
    critic, walks = ActionCritic(), walks_apart()
    distillation = distilling(critic, first=4, labels=50)
    offer(distillation, walks, 4)
    assert distillation.fresh is None
    critic.sign = -1.0
    offer(distillation, walks, 12)
    assert distillation.newest[1] == 2 and distillation.newest[0].sign == -1.0
    assert distillation.fresh.sums.rank < -0.99 and distillation.fresh.episodes == 5


def test_what_there_is_to_report_counts_up_and_is_json(fits):
    walks = walks_apart()
    distillation = distilling(ActionCritic(), labels=30)
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
        assert now["student/labels_left"] == 30 - distillation.requested
    assert sorted(set(versions)) == list(range(len(fits.students) + 1)) and versions == sorted(versions)
    assert not any(math.isnan(value) for value in now.values())
    assert json.loads(json.dumps(now)) == now


def test_reported_are_the_numbers_of_the_newest_student_on_episodes_it_did_not_learn_from():
    distillation = distilling(ActionCritic(), 16, first=8, epochs=2, hidden=4, networks=2)
    offer(distillation, walks_apart(), 60)
    agreement, now = distillation.newest[0].agreement, distillation.metrics
    for name in ("rank", "sign", "error"):
        assert now[f"student/{name}"] == getattr(agreement.sums, name)
        assert now[f"student/step_{name}"] == getattr(agreement.steps, name)
    assert now["student/fresh_rank"] == distillation.fresh.sums.rank
    assert now["student/fit_seconds"] > 0.0


def test_students_are_fitted_for_all_actions_there_are_with_the_settings_and_roles_given():
    roles = {"walker_0": "first", "walker_1": "second"}
    settings = StudentSettings(epochs=1, networks=2, hidden=4)
    distillation = Distillation(ActionCritic(), 4, settings, first=4, roles=roles, form="free", seed=3)
    distillation.join(TEAM[0], TEAM[1], (3, 5))
    offer(distillation, walks_apart(), 4)
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
        ({"labels": 10.5}, "labels must be a whole number, got 10.5"),
        ({"labels": "10"}, "labels must be a whole number, got '10'"),
        ({"spacing": -1}, "spacing must be 0 or more, got -1"),
        ({"threshold": math.nan}, "threshold must be 0 or more, got nan"),
        ({"least_rank": 1.5}, "least_rank must be from -1 to 1, got 1.5"),
        ({"episodes_per_query": 0}, "episodes_per_query must be at least 1"),
        ({"epochs": 0}, "epochs must be a positive whole number"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Distillation(ActionCritic(), **{"labels": 20, **options})


def test_a_model_is_asked_in_threads_and_a_critic_that_computes_in_the_callers():
    assert Distillation(SimpleNamespace(source="model", label="m", score=list))._trainer._thread is not None
    assert Distillation(ActionCritic())._trainer._thread is None


@pytest.mark.parametrize(
    ("roles", "actions", "said"),
    [
        ({"walker_0": "one"}, (3, 3), r"roles is missing for \['walker_1'\]"),
        (None, (3, 4), r"'walker_0' does choose from 3 actions and 'walker_1' choose from 4.*other roles \(roles=\)"),
    ],
)
def test_a_team_that_no_student_could_be_fitted_for_is_refused_before_a_label_is_paid_for(roles, actions, said):
    distillation = Distillation(ActionCritic(), 20, roles=roles)
    with pytest.raises(ValueError, match=said):
        distillation.join(TEAM[0], TEAM[1], actions)
