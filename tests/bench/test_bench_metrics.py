"""The figures of the benchmark, against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from credit_wrappers.bench import metrics as m


def test_equal_numbers_share_the_mean_of_their_ranks():
    assert m.ranks(np.array([30.0, 10, 30, 20])).tolist() == [2.5, 0, 2.5, 1]


def test_rank_correlation_by_hand():
    # ranks 0 1 2 3 and 1 0 3 2: differences 1 1 1 1, so 1 - 6 * 4 / (4 * 15)
    assert m.rank_correlation(np.array([1.0, 2, 3, 4]), np.array([20.0, 10, 40, 30])) == pytest.approx(0.6)
    assert m.rank_correlation(np.array([1.0, 2, 4]), np.array([-1.0, 0, 100])) == pytest.approx(1)
    assert np.isnan(m.rank_correlation(np.zeros(4), np.arange(4)))
    assert np.isnan(m.rank_correlation(np.zeros(1), np.zeros(1)))


def test_signs_are_compared_only_where_the_truth_is_not_zero_and_a_zero_credit_is_wrong_there():
    credit, truth = np.array([[0.5, -1], [0, 2], [7, 7]]), np.array([[1.0, -2], [1, -1], [0, 0]])
    assert m.sign_agreement(credit, truth) == 0.5
    assert np.isnan(m.sign_agreement(credit, np.zeros((3, 2))))


FAULTY = np.array([[0.1, 0.1], [0.2, -0.3], [0.0, -0.4], [0.3, 0.1], [-0.5, 0.2], [0.1, 0.2]])


def test_the_culprit_is_who_earned_least_in_the_fault_and_its_step_is_its_lowest():
    assert m.right_agent(FAULTY, 1, 1, 2) == 1
    assert m.right_agent(FAULTY, 0, 1, 2) == 0
    assert [m.right_step(FAULTY, 1, t, t + 1) for t in range(6)] == [0, 1, 1, 1, 0, 0]  # the lowest is at 2
    assert m.right_both(FAULTY, 1, 2, 3) == 0  # agent 0's step 4 is lower
    assert [m.right_both(FAULTY, 0, t, t + 1) for t in range(6)] == [0, 0, 0, 1, 1, 1]


def test_a_critic_that_says_nothing_is_as_right_as_a_draw_by_lot():
    nothing = np.zeros((10, 2))
    assert m.right_agent(nothing, 1, 3, 4) == 0.5
    assert m.right_step(nothing, 1, 3, 4) == pytest.approx(0.3)
    assert m.right_step(nothing, 1, 0, 1) == pytest.approx(0.2)
    assert m.right_both(nothing, 1, 3, 4) == pytest.approx(0.15)


def test_what_marked_steps_are_paid_is_a_share_of_the_mean_size():
    credit = np.array([[1.0, -1], [0.5, 0], [0, 0.5]])  # mean size 0.5
    marks = np.array([[False, False], [True, True], [False, False]])
    assert m.paid_where([credit], [marks]) == pytest.approx(0.5)
    assert m.paid_where([credit, credit], [marks, ~marks]) == pytest.approx((0.5 + 0.5) / 6 / 0.5)
    assert m.paid_where([3 * credit], [marks]) == pytest.approx(0.5)
    assert np.isnan(m.paid_where([credit], [marks & False]))
    assert np.isnan(m.paid_where([0 * credit], [marks]))


@pytest.mark.parametrize(
    ("states", "loops"),
    [
        ("abcd", "..."),
        ("aaaa", "..."),  # nothing moved
        ("aba", "xx"),
        ("abab", "xx."),  # each step belongs to one loop
        ("ababa", "xxxx"),
        ("cabbad", ".xxx."),
        ("abcbad", ".xx.."),  # the shortest loop first; what encloses it would count its steps twice
        ("a", ""),
    ],
)
def test_loops_leave_a_state_and_return_to_it(states, loops):
    assert "".join("x" if mark else "." for mark in m.loop_marks(states)) == loops


def test_scale_drift_compares_what_a_unit_of_truth_is_worth_in_each_query():
    truth = [np.array([[1.0, -1], [2, 0]])] * 3
    steady, drifting = [0.1 * t for t in truth], [w * t for w, t in zip((1, 2, 3), truth, strict=True)]
    assert m.scale_drift(steady, truth, [0, 1, 2]) == pytest.approx(0)
    assert m.scale_drift(drifting, truth, [0, 1, 2]) == pytest.approx(0.5)  # slopes 1 2 3: deviation 1, mean 2
    assert np.isnan(m.scale_drift(drifting, truth, [0, 0, 0]))
    assert m.scale_drift(drifting, truth, [0, 0, 1]) == pytest.approx(np.std([1.5, 3], ddof=1) / 2.25)


def test_conservation_error_is_the_mean_gap_to_what_was_paid():
    assert m.conservation_error([np.ones((2, 2)), np.zeros((2, 2))], [3.0, 0.5]) == pytest.approx(0.75)


def test_a_bootstrap_draws_whole_episodes_and_repeats_itself():
    values = np.arange(20.0)
    low, high = m.bootstrap(lambda chosen: float(values[chosen].mean()), 20)
    assert low < 9.5 < high and high - low == pytest.approx(4 * values.std() / 20**0.5, rel=0.25)
    assert m.bootstrap(lambda chosen: float(values[chosen].mean()), 20) == (low, high)
    assert m.bootstrap(lambda chosen: 1.0, 1) is None
    assert m.bootstrap(lambda chosen: float("nan"), 5) is None
