"""What a student learns, and what it cannot be made to pay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from student_labels import CELLS, Label, episode_of, farmable, labelled, progress, seen, there_and_back

from credit_wrappers import Credit, CreditWrapper, Deferred, StudentCritic, fit_student
from credit_wrappers.student.agreement import AgreementScores, rank_correlation
from credit_wrappers.testing.corridor import CorridorEnv


@pytest.fixture(scope="module")
def student() -> StudentCritic:
    return fit_student(labelled(progress, n_agents=3), epochs=15, batch=32)


@pytest.fixture(scope="module")
def free() -> StudentCritic:
    return fit_student(labelled(farmable), form="free", epochs=20, batch=32)


def stepped(student: StudentCritic, episode) -> np.ndarray:
    """Return what `step` pays, one step and one environment at a time."""
    rows = []
    for t in range(episode.length):
        over = np.array([episode.terminated and t == episode.length - 1])
        before, after = episode.observations[t][None], episode.observations[t + 1][None]
        rows.append(student.step(before, episode.actions[t][None], after, episode.team_reward[t : t + 1], over)[0])
    return np.array(rows)


def test_a_known_potential_is_recovered_in_an_environment():
    class Progress:
        label = "progress"

        def score(self, episodes):
            return [progress(replace(e, observations=e.observations[..., :1])) for e in episodes]

    labels: list[Label] = []
    env = CreditWrapper(CorridorEnv(2, CELLS, 20), Deferred(Progress()), record_observations=True)
    env.add_listener(lambda episode, credit: labels.append((episode, credit)))
    rng = np.random.default_rng(0)
    for seed in range(40):
        _, infos = env.reset(seed=seed)
        lean = rng.dirichlet([1, 1, 2])
        while env.agents:
            *_, infos = env.step({agent: int(rng.choice(3, p=lean)) for agent in env.agents})
        env.store.settle([infos["walker_0"]["episode_id"]])
    student = fit_student(labels, epochs=20)
    agreement = student.agreement
    assert (student.labels, agreement.episodes, agreement.sums.count) == (40, 8, 16)
    assert agreement.sums.rank > 0.8 and agreement.steps.rank > 0.8
    assert agreement.steps.sign > 0.95 and agreement.steps.error < 0.05


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
@settings(max_examples=25, deadline=None)
def test_no_way_that_ends_where_it_began_earns_anything(student, seed, steps):
    rng = np.random.default_rng(seed)
    places = rng.integers(0, CELLS, (steps + 1, 3))
    places[-1] = places[0]
    loop = episode_of(seen(places), rng.integers(0, 3, (steps, 3)))
    (credit,) = student.score([loop])
    np.testing.assert_allclose(credit.values.sum(axis=0, dtype=float), 0.0, atol=2e-6 * steps)


def test_a_critic_that_can_be_farmed_makes_the_free_form_pay_a_loop_and_the_potential_form_not(free):
    loop = there_and_back(50)
    (paid,) = free.score([loop])
    assert paid.values[:, 0].sum() > 0.5 * farmable(loop).values[:, 0].sum() > 1.0
    (paid,) = fit_student(labelled(farmable), epochs=3, batch=32).score([loop])
    assert abs(paid.values[:, 0].sum(dtype=float)) < 1e-4


def test_with_the_learners_gamma_discounted_credit_depends_on_start_end_and_length_only():
    student = fit_student(labelled(progress), gamma=0.9, epochs=2)
    rng = np.random.default_rng(1)
    sums = []
    for _ in range(2):
        places = rng.integers(0, CELLS, (11, 2))
        places[0], places[-1] = (1, 2), (4, 0)
        (credit,) = student.score([episode_of(seen(places), rng.integers(0, 3, (10, 2)))])
        sums.append(0.9 ** np.arange(10) @ credit.values)
    np.testing.assert_allclose(*sums, atol=1e-5)
    assert np.abs(credit.values.sum(axis=0) - sums[1]).max() > 1e-3


def test_where_nothing_changes_the_team_reward_is_shared_out_in_the_critics_unit_and_costs_weigh_no_less(student):
    rewards = np.array([1.0, -0.3, 7.0])
    still = episode_of(seen(np.array([[0, 2, 5]] * 4)), np.array([[1, 0, 2]] * 3), reward=rewards)
    (credit,) = student.score([still])
    praise, blame, more = credit.values.sum(axis=1) / rewards
    assert praise == pytest.approx(more) and 0.8 < praise <= blame < 1.2
    assert (credit.values / rewards[:, None] > 0.0).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_loop_on_which_the_team_gains_as_much_as_it_loses_earns_nothing_whatever_reward_is_worth(student, seed):
    rng = np.random.default_rng(seed)
    worth = {name: rng.normal(size=(4, 1, 1)).astype(np.float32) for name in ("praise", "blame")}
    other = replace(student, parameters=student.parameters | worth)
    places = rng.integers(0, CELLS, (11, 3))
    places[-1], rewards = places[0], rng.normal(size=10)
    loop = episode_of(seen(places), rng.integers(0, 3, (10, 3)), reward=rewards - rewards.mean())
    (credit,) = other.score([loop])
    assert credit.values.sum(dtype=float) < 1e-4


def test_a_critic_that_blames_for_more_than_the_team_paid_is_followed():
    def blame(episode):
        stuck = (np.diff(episode.observations[..., 0], axis=0) == 0.0) & (episode.actions > 0)
        return Credit(-1.6 * stuck.astype(np.float32))

    student = fit_student(labelled(blame), epochs=20, batch=64, networks=1)
    still = episode_of(seen(np.array([[0, 3]] * 2)), np.array([[1, 0]]), reward=[-0.1])
    (credit,) = student.score([still])
    np.testing.assert_allclose(credit.values, [[-1.6, 0.0]], atol=0.3)


def test_who_is_to_blame_for_a_cost_gets_the_larger_share_of_it():
    def blame(episode):
        stuck = (np.diff(episode.observations[..., 0], axis=0) == 0.0) & (episode.actions > 0)
        return Credit(-0.1 * stuck.astype(np.float32))

    student = fit_student(labelled(blame), epochs=20, batch=32, networks=1)
    still = episode_of(seen(np.array([[0, 3]] * 2)), np.array([[1, 0]]), reward=[-0.1])
    (credit,) = student.score([still])
    np.testing.assert_allclose(credit.values, [[-0.1, 0.0]], atol=0.02)


def test_an_end_of_the_world_has_a_potential_of_its_own_and_running_out_of_time_none():
    labels = []
    for k, (episode, credit) in enumerate(labelled(progress)):
        values = credit.values.copy()
        values[-1] += k % 2  # the critic praises ends that no observation shows
        labels.append((replace(episode, terminated=k % 2 == 1, truncated=k % 2 == 0), Credit(values)))
    taught = fit_student(labels, epochs=15, batch=16, networks=1)
    episode = replace(labels[0][0], terminated=True, truncated=False)
    ended, late = (credit.values for credit in taught.score([episode, labels[0][0]]))
    np.testing.assert_array_equal(ended[:-1], late[:-1])
    np.testing.assert_allclose(ended[-1] - late[-1], 1.0, atol=0.4)


def test_a_student_that_never_saw_the_world_end_pays_its_end_like_any_step(student):
    episode, _ = labelled(progress, 1, 3)[0]
    ended, late = student.score([replace(episode, terminated=True, truncated=False), episode])
    np.testing.assert_array_equal(ended.values, late.values)


@given(st.permutations(range(3)), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_order_of_agents_changes_the_order_of_credits_and_nothing_else(student, free, order, seed):
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, 5, 3, 2)).astype(np.float32)
    actions, reward, over = rng.integers(0, 3, (5, 3)), rng.normal(size=5), rng.random(5) < 0.3
    there = student.step(before, actions, after, reward, over)
    here = student.step(before[:, order], actions[:, order], after[:, order], reward, over)
    np.testing.assert_allclose(here, there[:, order], rtol=0, atol=1e-6)


def test_an_episode_that_lists_the_agents_otherwise_gets_its_credits_in_its_own_order(student):
    episode, _ = labelled(progress, 1, 3)[0]
    order = [2, 0, 1]
    other = replace(
        episode,
        agents=tuple(episode.agents[i] for i in order),
        observations=episode.observations[:, order],
        actions=episode.actions[:, order],
    )
    here, there = student.score([episode, other])
    np.testing.assert_array_equal(there.values, here.values[:, order])


def test_many_environments_at_once_one_by_one_and_whole_episodes_are_paid_alike(student):
    episodes = [replace(episode, terminated=True) for episode, _ in labelled(progress, 5, 3)]
    whole = student.score(episodes)
    assert {(c.source, c.values.dtype.str, c.values.shape) for c in whole} == {("student", "<f4", (20, 3))}
    for episode, credit in zip(episodes, whole, strict=True):
        np.testing.assert_allclose(stepped(student, episode), credit.values, rtol=0, atol=1e-6)
    together = np.array(
        [
            student.step(
                np.stack([e.observations[t] for e in episodes]),
                np.stack([e.actions[t] for e in episodes]),
                np.stack([e.observations[t + 1] for e in episodes]),
                np.stack([e.team_reward[t] for e in episodes]),
                np.full(5, t == 19),
            )
            for t in range(20)
        ]
    )
    np.testing.assert_allclose(together.swapaxes(0, 1), [c.values for c in whole], rtol=0, atol=1e-6)


def test_roles_have_networks_of_their_own_and_may_observe_different_amounts():
    labels = []
    for episode, credit in labelled(progress, 10, 3):
        rows = np.empty((21, 3), dtype=object)
        for t, i in np.ndindex(rows.shape):
            rows[t, i] = episode.observations[t, i, : 1 if i == 1 else 2]
        labels.append((replace(episode, observations=rows), credit))
    student = fit_student(labels, epochs=10, batch=16)
    assert student.team.roles == ("observes 2", "observes 1", "observes 2")
    assert student.agreement.steps.rank > 0.8
    padded = [labels[0][0].observations[0, i] for i in range(3)]
    padded = np.array([[padded[0], [padded[1][0], 0.0], padded[2]]])
    same = student.step(padded, np.array([[1, 2, 0]]), padded, np.array([1.0]), np.array([False]))
    swapped = student.step(padded[:, [2, 1, 0]], np.array([[0, 2, 1]]), padded[:, [2, 1, 0]], np.ones(1), np.zeros(1))
    np.testing.assert_allclose(swapped, same[:, [2, 1, 0]], atol=1e-6)
    two = fit_student(labelled(progress, 4), roles={"walker_0": "left", "walker_1": "right"}, n_actions=5, epochs=2)
    assert (two.team.roles, two.team.actions) == (("left", "right"), (5, 5))


def test_the_same_seed_fits_the_same_student_and_another_seed_another():
    labels = labelled(progress, 10)
    first, second, other = (fit_student(labels, seed=seed, epochs=2) for seed in (3, 3, 4))
    assert all((second.parameters[name] == array).all() for name, array in first.parameters.items())
    assert first.agreement == second.agreement
    assert any((other.parameters[name] != array).any() for name, array in first.parameters.items())


def test_the_networks_disagree_more_about_what_they_were_not_taught(student):
    known = [episode for episode, _ in labelled(progress, 5, 3)]
    strange = [replace(episode, observations=episode.observations * 8.0 - 4.0) for episode in known]
    here, there = student.disagreement(known), student.disagreement(strange)
    assert here.shape == (5,) and (here > 0.0).all()
    assert there.mean() > 3.0 * here.mean()


def test_what_is_kept_are_the_weights_after_the_pass_with_the_smallest_error_on_the_held_out_labels():
    rng = np.random.default_rng(0)
    noise = [(e, Credit(rng.normal(size=(20, 2)).astype(np.float32))) for e, _ in labelled(progress, 6)]
    # nothing can be learned here: what is learned by heart makes the held-out error grow
    errors = [fit_student(noise, epochs=n, weight_decay=0.0).agreement.steps.error for n in (2, 200)]
    assert errors[1] <= 1.1 * errors[0]


def test_the_rate_falls_along_a_cosine_to_a_fiftieth_however_many_updates_there_are(monkeypatch):
    torch = pytest.importorskip("torch")
    rates = []

    class Watched(torch.optim.AdamW):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "AdamW", Watched)
    fit_student(labelled(progress, 10), epochs=10, learning_rate=0.1)
    way = np.arange(len(rates)) / len(rates)
    np.testing.assert_allclose(rates, 0.002 + 0.098 * (1.0 + np.cos(np.pi * way)) / 2.0, rtol=1e-6)
    assert len(rates) == 80  # eight in a pass, however few labels


def test_agreement_can_be_measured_on_labels_that_came_later(student):
    fresh = labelled(progress, 60, 3)[50:]
    assert student.compare(fresh).sums.rank > 0.8
    inverted = [(episode, replace(credit, values=-credit.values)) for episode, credit in fresh]
    assert student.compare(inverted).sums.rank < -0.8
    assert student.compare(inverted).episodes == 10


def test_equal_numbers_share_their_rank():
    # ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4
    assert rank_correlation(np.array([0.0, 1, 1, 5]), np.array([1.0, 2, 3, 4])) == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert rank_correlation(np.array([3.0, 1, 2]), np.array([-3.0, 100, -30])) == pytest.approx(-0.5)
    assert rank_correlation(np.ones(4), np.arange(4.0)) == 0.0


def test_signs_are_compared_where_the_critic_judges():
    match = AgreementScores.of(np.array([1.0, -1.0, 0.0, 2.0]), np.array([0.5, 1.0, -9.0, 0.0]))
    assert (match.sign, match.error, match.count) == (1 / 3, pytest.approx(13.5 / 4), 4)
    assert AgreementScores.of(np.zeros(3), np.ones(3)).sign == 0.0
