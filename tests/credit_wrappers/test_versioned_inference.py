"""Who pays which environment: each episode its own student, however many newer ones came while it ran."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from distillation_fakes import drawn_student

from credit_wrappers import CreditError
from credit_wrappers.distillation.versioned_inference import VersionedInference
from credit_wrappers.student.team_spec import TeamSpec

AGENTS, ENVS, SIZE = ("p", "q", "r"), 5, 4
ROW = TeamSpec(AGENTS, AGENTS, (SIZE,) * 3, (3,) * 3)  # as the environments have them
LISTED = TeamSpec(("r", "p", "q"), ("r", "p", "q"), (SIZE,) * 3, (3,) * 3)  # as the students have them
ORDER = [2, 0, 1]


def right(student, before, acted, after, reward, ended):
    """Return what `step` of the student says, in the order of rows."""
    credits = student.step(before[:, ORDER], acted[:, ORDER], after[:, ORDER], reward, ended)
    turned = np.empty_like(credits)
    turned[:, ORDER] = credits
    return turned


def test_each_environment_is_paid_by_the_student_that_was_newest_when_its_episode_began():
    rng, source = np.random.default_rng(0), SimpleNamespace(newest=(None, 0))
    students = [None] + [drawn_student(LISTED, seed) for seed in range(12)]
    inference, paid_by = VersionedInference(source, ROW, ENVS), np.zeros(ENVS, int)
    states = rng.normal(size=(ENVS, 3, SIZE)).astype(np.float32)
    inference.begin(np.arange(ENVS), states)
    most = 0
    for t in range(240):
        if t % 20 == 19:
            newest = source.newest[1] + 1
            source.newest = students[newest], newest
        often = np.arange(1, ENVS + 1) / 60  # environment 0 begins anew most seldom
        again = np.flatnonzero(rng.random(ENVS) < often)
        if len(again):
            states[again] = rng.normal(size=(len(again), 3, SIZE))
            inference.begin(again, states[again])
            paid_by[again] = source.newest[1]
        assert inference.version.tolist() == paid_by.tolist()
        most = max(most, len(set(paid_by)))
        chosen = rng.permutation(ENVS)[: rng.integers(1, ENVS + 1)]
        after, acted = rng.normal(size=(len(chosen), 3, SIZE)), rng.integers(0, 3, (len(chosen), 3))
        after, reward = after.astype(np.float32), rng.normal(size=len(chosen))
        paid = inference.pay(chosen, acted, after, reward, np.zeros(len(chosen), bool))
        assert paid.shape == (len(chosen), 3) and paid.dtype == np.float64
        for j, k in enumerate(chosen):
            student, row = students[paid_by[k]], slice(j, j + 1)
            if student is None:
                assert paid[j].tolist() == [reward[j]] * 3
            else:
                own = right(student, states[[k]], acted[row], after[row], reward[row], np.zeros(1, bool))
                np.testing.assert_allclose(paid[j], own[0], rtol=1e-5, atol=1e-5)
        states[chosen] = after
    assert most >= 4


def test_before_the_first_student_what_none_could_learn_from_is_named_with_its_environment():
    inference = VersionedInference(SimpleNamespace(newest=(None, 0)), ROW, ENVS)
    chosen, rows = np.array([4, 2]), np.zeros((2, 3, SIZE), np.float32)
    acted, reward, ended = np.zeros((2, 3), int), np.zeros(2), np.zeros(2, bool)
    wrong, left = rows.copy(), acted.copy()
    wrong[1, 2, 3], left[0, 1] = np.inf, -1
    said = "observations, environment 2: feature 3 of what agent 'r' observes is inf"
    with pytest.raises(CreditError, match=f"^{said}"):
        inference.begin(chosen, wrong)
    inference.begin(chosen, rows)
    with pytest.raises(CreditError, match=f"^next_{said}"):
        inference.pay(chosen, acted, wrong, reward, ended)
    with pytest.raises(CreditError, match=r"^actions, environment 4: agent 'q' is not there"):
        inference.pay(chosen, left, rows, reward, ended)
    with pytest.raises(CreditError, match=r"actions must have shape \(2, 3\), got \(2, 3, 1\)"):
        inference.pay(chosen, acted[..., None], rows, reward, ended)
    with pytest.raises(TypeError, match="actions that are whole numbers"):
        inference.pay(chosen, acted.astype(float), rows, reward, ended)
