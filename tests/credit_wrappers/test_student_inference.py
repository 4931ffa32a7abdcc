"""Inference pays what the student's `step` pays, whichever environments are stepped together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from student_labels import labelled, progress

from credit_wrappers import Agreement, CreditError, StudentCritic, StudentSettings, fit_student
from credit_wrappers.student.agreement import AgreementScores
from credit_wrappers.student.inference import StudentInference
from credit_wrappers.student.network import initial, statistics
from credit_wrappers.student.team_spec import TeamSpec

ENVIRONMENTS = 5


def untrained(form: str, networks: int = 3, gamma: float = 0.9) -> StudentCritic:
    """Return a student of three roles, none beside each other, whose every weight is at random."""
    roles, sizes, actions = ("a", "b", "a", "c"), (4, 7, 4, 2), (3, 5, 3, 2)
    team, rng = TeamSpec(tuple("pqrs"), roles, sizes, actions), np.random.default_rng(0)
    settings = StudentSettings(form=form, gamma=gamma, networks=networks, hidden=6)  # type: ignore[arg-type]
    weights = {
        name: rng.normal(size=array.shape).astype(np.float32) for name, array in initial(team, settings, rng).items()
    }
    states = rng.normal(3.0, 2.0, size=(50, 4, 7))
    states[:, 1, 5] = 3.0  # never varies
    nothing = AgreementScores(0.0, 0.0, 0.0, 0)
    return StudentCritic(settings, team, weights | statistics(team, states), 0.3, Agreement(0, nothing, nothing), 0)


def observed(rng: np.random.Generator, student: StudentCritic, envs: int) -> np.ndarray:
    """Return observations with some beyond ten deviations; shorter ones end in zeros."""
    seen = rng.normal(3.0, 2.0, size=(envs, len(student.team.agents), max(student.team.sizes)))
    seen[rng.random(seen.shape) < 0.05] *= 30.0
    for i, size in enumerate(student.team.sizes):
        seen[:, i, size:] = 0.0
    return seen.astype(np.float32)


@pytest.mark.parametrize("form", ["potential", "free"])
@pytest.mark.parametrize("networks", [1, 3])
def test_it_pays_what_step_pays_in_whatever_order_environments_are_stepped_and_started(form, networks):
    student = untrained(form, networks)
    inference, rng = StudentInference(student, ENVIRONMENTS), np.random.default_rng(1)
    states = observed(rng, student, ENVIRONMENTS)
    inference.begin(np.arange(ENVIRONMENTS), states)
    ends = 0
    for _ in range(120):
        chosen = rng.permutation(ENVIRONMENTS)[: rng.integers(1, ENVIRONMENTS + 1)]
        before, after = states[chosen], observed(rng, student, len(chosen))
        actions = rng.integers(0, student.team.actions, (len(chosen), 4))
        reward = rng.normal(size=len(chosen)) * (rng.random() < 0.5)
        over = rng.random(len(chosen)) < 0.1
        paid = inference.pay(chosen, actions, after, reward, over)
        right = student.step(before, actions, after, reward, over)
        assert paid.dtype == np.float32
        np.testing.assert_allclose(paid, right, rtol=1e-5, atol=2e-5 * np.abs(right).max())
        states[chosen] = after
        again = chosen[over | (rng.random(len(chosen)) < 0.1)]  # some in the middle of an episode
        ends += len(again)
        if len(again):
            states[again] = observed(rng, student, len(again))
            inference.begin(again, states[again])
    assert ends > 20


@pytest.mark.parametrize("form", ["potential", "free"])
def test_whole_episodes_are_paid_as_they_are_scored(form):
    labels = [(replace(episode, terminated=True), credit) for episode, credit in labelled(progress, 6)]
    student = fit_student(labels, form=form, epochs=2)
    for episode, _ in labels:
        inference = StudentInference(student)
        inference.begin([0], episode.observations[:1])
        paid = [
            inference.pay(
                [0], episode.actions[[t]], episode.observations[[t + 1]], episode.team_reward[[t]], [t == 19]
            )[0]
            for t in range(20)
        ]
        np.testing.assert_allclose(paid, student.score([episode])[0].values, rtol=0, atol=2e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_number_that_is_not_finite_is_named_and_changes_nothing(bad):
    student = untrained("potential")
    inference, rng = StudentInference(student, ENVIRONMENTS), np.random.default_rng(2)
    first, second = observed(rng, student, ENVIRONMENTS), observed(rng, student, ENVIRONMENTS)
    inference.begin(range(ENVIRONMENTS), first)
    wrong = second[[4, 1]].astype(float)
    wrong[1, 2, 3] = bad
    still, zeros = np.zeros((2, 4), int), np.zeros(2)
    message = "observations, environment 1: feature 3 of what agent 'r' observes is"
    with pytest.raises(CreditError, match=f"^{message}"):
        inference.begin([4, 1], wrong)
    with pytest.raises(CreditError, match=f"^next_{message}"):
        inference.pay([4, 1], still, wrong, zeros, zeros)
    with pytest.raises(CreditError, match=r"^environment 4: the team reward is"):
        inference.pay([4, 1], still, second[[4, 1]], [bad, 0.0], zeros)
    every = np.arange(ENVIRONMENTS)
    rest = np.zeros((ENVIRONMENTS, 4), int), second, np.ones(ENVIRONMENTS), np.zeros(ENVIRONMENTS)
    np.testing.assert_allclose(inference.pay(every, *rest), student.step(first, *rest), rtol=1e-5, atol=1e-5)


def test_it_refuses_what_step_refuses():
    student = untrained("free")
    inference = StudentInference(student, ENVIRONMENTS)
    seen, acted, zeros = np.zeros((2, 4, 7)), np.zeros((2, 4), int), np.zeros(2)
    with pytest.raises(CreditError, match=r"observations must have shape \(2, 4, 7\), got \(2, 4, 6\)"):
        inference.begin([3, 0], seen[..., 1:])
    inference.begin([3, 0], seen)
    right = [acted, seen, zeros, zeros.astype(bool)]
    for k, name in enumerate(["actions", "next_observations", "team_reward", "terminated"]):
        wrong = [*right[:k], right[k][:1], *right[k + 1 :]]
        with pytest.raises(CreditError, match=f"4 agents and observations of 7 numbers: {name} must have shape"):
            inference.pay([3, 0], *wrong)
    for agent, action, message in (
        (2, 3, "actions, environment 3: agent 'r' chose action 3; the student is fitted for 0 to 2"),
        (3, -1, "actions, environment 3: agent 's' is not there"),
    ):
        wrong = acted.copy()
        wrong[0, agent] = action
        with pytest.raises(CreditError, match=message):
            inference.pay([3, 0], wrong, *right[1:])
    with pytest.raises(TypeError, match="dtype float64"):
        inference.pay([3, 0], acted.astype(float), *right[1:])


def test_an_environment_without_a_state_to_step_from_is_refused():
    inference = StudentInference(untrained("potential"), ENVIRONMENTS)
    rest = np.zeros((2, 4), int), np.zeros((2, 4, 7)), np.zeros(2)
    inference.begin([2, 4], np.zeros((2, 4, 7)))
    with pytest.raises(CreditError, match="environment 1: no state to step from"):
        inference.pay([2, 1], *rest, [False, False])
    inference.pay([2, 4], *rest, [False, True])
    with pytest.raises(CreditError, match="environment 4: no state to step from"):
        inference.pay([2, 4], *rest, [False, False])
    inference.begin([4], np.zeros((1, 4, 7)))
    inference.pay([2, 4], *rest, [False, False])
