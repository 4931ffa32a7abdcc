"""A student fitted again, on labels appended to those it knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from student_labels import labelled, progress

from credit_wrappers import Credit, CreditError, StudentCritic, fit_student
from credit_wrappers.student.fitting import held_out

STILL = {"learning_rate": 1e-12, "weight_decay": 0.0, "refit_epochs": 2}


def same(one: StudentCritic, other: StudentCritic) -> bool:
    return all(one.parameters[name].tobytes() == array.tobytes() for name, array in other.parameters.items())


@pytest.mark.parametrize("share", [0.05, 0.2, 0.33, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_appended_labels_do_not_change_what_is_held_out(share, seed):
    held = held_out(np.random.default_rng(seed), share, 300)
    for count in range(2, 300):
        np.testing.assert_array_equal(held_out(np.random.default_rng(seed), share, count), held[:count])
    assert held[:2].tolist() == [False, True]
    assert held.sum() == pytest.approx(300 * share, rel=0.2) and not held.all()


def test_a_share_whose_inverse_is_whole_holds_out_one_of_each_so_many_and_not_every_fifth():
    held = held_out(np.random.default_rng(0), 0.2, 100)
    assert (held.reshape(20, 5).sum(axis=1) == 1).all()
    assert len(set(np.flatnonzero(held)[1:] % 5)) == 5


@pytest.mark.parametrize("form", ["potential", "free"])
def test_a_refit_that_learns_nothing_pays_the_same_though_more_labels_change_every_statistic(form):
    labels = labelled(progress, 30)
    first = [(episode, credit) for episode, credit in labels[:10]]
    rest = [
        (replace(e, observations=1.5 * e.observations - 2.0, team_reward=7.0 * e.team_reward), Credit(3.0 * c.values))
        for e, c in labels[10:]
    ]
    old = fit_student(first, form=form, gamma=0.9, epochs=3, batch=32)
    new = fit_student(first + rest, form=form, gamma=0.9, batch=32, start=old, **STILL)
    assert new.labels == 30 and new.scale > 1.5 * old.scale
    assert np.abs(new.parameters["0/mean"] - old.parameters["0/mean"]).min() > 0.1
    episodes = [episode for episode, _ in first + rest]
    for mine, its in zip(old.score(episodes), new.score(episodes), strict=True):
        np.testing.assert_allclose(its.values, mine.values, rtol=1e-3, atol=1e-5)


def test_what_varies_for_the_first_time_in_later_labels_changes_nothing_at_first_and_is_then_learned():
    def lamp(episode, on):
        seen = np.concatenate([episode.observations, np.full_like(episode.observations[..., :1], 5.0)], axis=-1)
        seen[1::2, :, 2] += on
        return replace(episode, observations=seen)

    dark = [(lamp(episode, 0.0), credit) for episode, credit in labelled(progress, 12)]
    lit = [
        (lamp(e, 1.0), Credit(c.values + np.where(np.arange(20) % 2 == 0, 1.0, -1.0)[:, None].astype(np.float32)))
        for e, c in labelled(progress, 40)[12:]
    ]
    old = fit_student(dark, epochs=10, batch=32)
    still = fit_student(dark + lit, start=old, **STILL)
    for mine, its in zip(old.score([lit[0][0]]), still.score([lit[0][0]]), strict=True):
        np.testing.assert_allclose(its.values, mine.values, atol=1e-5)
    taught = fit_student(dark + lit, start=old, refit_epochs=15, batch=32)
    assert taught.compare(lit).steps.error < 0.3 * still.compare(lit).steps.error


def test_the_same_labels_and_the_same_start_fit_the_same_bytes():
    labels = labelled(progress, 12)
    start = fit_student(labels[:6], epochs=2)
    kept = {name: array.copy() for name, array in start.parameters.items()}
    first, second = (fit_student(labels, start=start, refit_epochs=2) for _ in range(2))
    assert same(first, second) and first.agreement == second.agreement
    assert not same(first, fit_student(labels, epochs=2))
    assert all((start.parameters[name] == array).all() for name, array in kept.items())  # it is left as it was


def test_a_refit_is_no_worse_on_what_is_held_out_than_where_it_began():
    labels = labelled(progress, 12)
    start = fit_student(labels, epochs=10, batch=32)
    again = fit_student(labels, start=start, refit_epochs=1, learning_rate=3.0)  # so large that everything is spoilt
    assert again.agreement.steps.error == pytest.approx(start.agreement.steps.error, rel=1e-4)


def test_a_refit_needs_no_roles_and_no_numbers_of_actions_again():
    labels = labelled(progress, 6)
    roles = {"walker_0": "left", "walker_1": "right"}
    start = fit_student(labels[:3], roles=roles, n_actions=5, epochs=1)
    assert fit_student(labels, start=start, refit_epochs=1).team == start.team


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form": "free"}, "form='potential' to fit one with form='free'"),
        ({"hidden": 8}, "hidden=16 to fit one with hidden=8"),
        ({"networks": 2}, "networks=3 to fit one with networks=2"),
        ({"n_actions": 4}, r"actions=\(3, 3\)\) to fit one of .*actions=\(4, 4\)\)"),
        ({"roles": {"walker_0": "a", "walker_1": "b"}}, r"'agent'\).* to fit one of .*\('a', 'b'\)"),
    ],
)
def test_a_start_of_another_form_size_or_team_is_refused_with_both_named(changes, message):
    sizes = {"hidden": 16, "networks": 3}
    start = fit_student(labelled(progress, 3), epochs=1, **sizes)
    with pytest.raises(CreditError, match=f"cannot start from a student .*{message}"):
        fit_student(labelled(progress, 4), start=start, **{**sizes, **changes})


def test_a_start_of_other_agents_or_observations_is_refused_with_both_named():
    start = fit_student(labelled(progress, 3), epochs=1)
    with pytest.raises(CreditError, match=r"'walker_1'\).* to fit one of .*'walker_2'"):
        fit_student(labelled(progress, 3, 3), start=start)
    wide = [(replace(e, observations=np.repeat(e.observations, 2, axis=2)), c) for e, c in labelled(progress, 3)]
    with pytest.raises(CreditError, match=r"sizes=\(2, 2\).* to fit one of .*sizes=\(4, 4\)"):
        fit_student(wide, start=start)
