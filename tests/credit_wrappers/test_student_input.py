"""What a student refuses, and that it says what and whose."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from student_labels import labelled, progress

from credit_wrappers import Credit, CreditError, StudentCritic, fit_student


@pytest.fixture(scope="module")
def student() -> StudentCritic:
    return fit_student(labelled(progress, 4), epochs=1)


def refused(student: StudentCritic, message: str, error: type[Exception] = CreditError, **changes) -> None:
    episode = replace(labelled(progress, 1)[0][0], id=5, **changes)
    for judge in (student.score, student.disagreement):
        with pytest.raises(error, match=message):
            judge([episode])


def test_too_few_labels_are_refused_with_how_many_there_are_and_are_needed():
    labels = labelled(progress, 3)
    for count in (0, 1):
        with pytest.raises(CreditError, match=f"at least 2 labelled episodes, got {count}$"):
            fit_student(labels[:count])
    unlabelled = [(episode, replace(credit, source="fallback")) for episode, credit in labels[1:]]
    with pytest.raises(CreditError, match=r"at least 2 labelled episodes, got 1 \(2 more with source 'fallback'"):
        fit_student([labels[0], *unlabelled])
    nothing = [(episode, Credit(np.zeros_like(credit.values))) for episode, credit in labels]
    with pytest.raises(CreditError, match="at least 1 labelled episode whose credit is not all zero, got 0 of 3"):
        fit_student(nothing)


def test_fallbacks_are_not_learned_from():
    labels = labelled(progress, 4)
    wrong = [(e, Credit(-9.0 * c.values, source="fallback")) for e, c in labelled(progress, 8)[4:]]
    with_them, without = (fit_student(given, epochs=1) for given in (labels + wrong, labels))
    assert with_them.labels == 4 and with_them.agreement == without.agreement


def test_credit_of_a_wrong_shape_or_without_a_value_is_no_label():
    labels = labelled(progress, 3)
    for values, message in (
        (np.ones((20, 3)), r"shape \(20, 3\), expected \(20, 2\)"),
        (np.full((20, 2), np.nan), "NaN"),
    ):
        with pytest.raises(CreditError, match=message):
            fit_student([*labels, (labels[0][0], Credit(values))])


def test_other_agents_and_sizes_are_refused_with_both_named(student):
    refused(student, r"fitted for the agents \['walker_0', 'walker_1'\], episode 5 has \['a', 'b'\]", agents=("a", "b"))
    observations = np.zeros((21, 2, 7))
    refused(student, "of 2 numbers of agent 'walker_0', in episode 5 it observes 7", observations=observations)
    labels = labelled(progress, 3)
    with pytest.raises(CreditError, match="of 2 numbers of agent 'walker_0', in episode 0 it observes 7"):
        fit_student([*labels, (replace(labels[0][0], observations=observations), labels[0][1])])


def test_episodes_without_observations_or_with_others_than_arrays_are_refused(student):
    refused(student, "episode 5 was recorded without observations: .*record_observations=True", observations=None)
    refused(student, r"shape \(20, 2, 2\), expected \(21, 2, ...\)", observations=np.zeros((20, 2, 2)))
    rows = np.full((21, 2), {"mask": 1}, dtype=object)
    refused(student, "agent 'walker_0' has dict: flatten", TypeError, observations=rows)
    rows = np.full((21, 2), None, dtype=object)
    for t, i in np.ndindex(rows.shape):
        rows[t, i] = np.zeros(2)
    rows[9:, 1] = None
    refused(student, "episode 5: agent 'walker_1' is not there", observations=rows)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_observations_that_are_not_finite_are_named_by_agent_and_feature(student, bad):
    observations = np.zeros((21, 2, 2))
    observations[3, 1, 0] = bad
    refused(student, "episode 5, state 3: feature 0 of what agent 'walker_1' observes is", observations=observations)
    rows = np.zeros((4, 2, 2))
    rows[2, 0, 1] = bad
    fine, still = np.zeros((4, 2, 2)), np.zeros((4, 2), int)
    message = "observations, environment 2: feature 1 of what agent 'walker_0'"
    for before, after, where in ((rows, fine, "^"), (fine, rows, "^next_")):
        with pytest.raises(CreditError, match=where + message):
            student.step(before, still, after, np.zeros(4), np.zeros(4, bool))


def test_actions_must_be_whole_numbers_that_the_labels_know(student):
    vectors = np.zeros((20, 2, 3))
    refused(
        student,
        "whole numbers .*episode 5 has actions of shape .20, 2, 3. and dtype float64",
        TypeError,
        actions=vectors,
    )
    actions = np.zeros((20, 2), np.int64)
    actions[4, 1] = 3
    refused(student, "episode 5, step 4: agent 'walker_1' chose action 3; .* fitted for 0 to 2", actions=actions)
    actions[4, 1] = -1
    refused(student, "episode 5, step 4: agent 'walker_1' is not there", actions=actions)
    with pytest.raises(TypeError, match="dtype float64"):
        student.step(np.zeros((1, 2, 2)), np.zeros((1, 2)), np.zeros((1, 2, 2)), np.zeros(1), np.zeros(1, bool))


def test_arrays_of_other_shapes_are_refused_by_name(student):
    right = [np.zeros((4, 2, 2)), np.zeros((4, 2), int), np.zeros((4, 2, 2)), np.zeros(4), np.zeros(4, bool)]
    student.step(*right)
    names = ["observations", "actions", "next_observations", "team_reward", "terminated"]
    for k, name in enumerate(names[1:], 1):
        wrong = [*right[:k], np.repeat(right[k], 2, axis=0), *right[k + 1 :]]
        with pytest.raises(CreditError, match=f"2 agents and observations of 2 numbers: {name} must have shape"):
            student.step(*wrong)
    with pytest.raises(CreditError, match=r"observations must have shape \(4, 2, 2\), got \(4, 3, 2\)"):
        student.step(np.zeros((4, 3, 2)), *right[1:])
    with pytest.raises(CreditError, match="environment 1: the team reward is nan"):
        student.step(*right[:3], np.array([0, np.nan, 0, 0]), right[4])


def test_roles_and_numbers_of_actions_must_fit_the_team():
    labels = labelled(progress, 3)
    with pytest.raises(ValueError, match=r"roles is missing for \['walker_1'\]"):
        fit_student(labels, roles={"walker_0": "a"})
    with pytest.raises(ValueError, match=r"n_actions is given for \['nobody'\]"):
        fit_student(labels, n_actions={"nobody": 3})
    with pytest.raises(ValueError, match="'walker_0' does choose from 3 actions and 'walker_1' choose from 4"):
        fit_student(labels, n_actions={"walker_0": 3, "walker_1": 4})
    with pytest.raises(CreditError, match="chose action 2; the student is fitted for 0 to 1"):
        fit_student(labels, n_actions=2)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("form", "linear"), ("gamma", 1.1), ("gamma", 0.0), ("networks", 0), ("epochs", 1.5), ("held_out", 1.0),
     ("seed", -1), ("learning_rate", float("nan")), ("weight_decay", -1.0)],
)  # fmt: skip
def test_impossible_settings_are_refused_by_name(setting, value):
    with pytest.raises(ValueError, match=setting):
        fit_student([], **{setting: value})
    with pytest.raises(TypeError, match="unknown setting layers; there are: form, gamma"):
        fit_student([], layers=3)


def test_without_pytorch_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r'pip install "llm-credit-wrappers\[student\]"'):
        fit_student(labelled(progress, 3))


def test_the_old_way_to_fit_a_student_is_refused_and_the_new_one_named():
    with pytest.raises(AttributeError, match=r"fit_student\(labels, \.\.\.\)"):
        StudentCritic.fit(labelled(progress, 3), epochs=1)
