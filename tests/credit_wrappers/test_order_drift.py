"""Order drift: how far credit depends on the order in which the agents were listed."""

import pytest

from credit_wrappers.critics.order import Drift, order_drift


def test_drift_is_the_largest_spread_of_an_agent_and_the_spread_of_the_team():
    totals = [{"a": 1.0, "b": 0.0, "c": 4.0}, {"a": 2.0, "b": -1.0, "c": 4.0}, {"a": 0.5, "b": 1.0, "c": 4.0}]
    # a: 0.5 to 2; b: -1 to 1; the team: 5, 5 and 5.5
    assert order_drift(totals) == Drift(agent=2.0, team=0.5)


def test_agents_are_told_apart_by_name_and_not_by_place():
    assert order_drift([{"a": 0.1, "b": 0.2, "c": 0.3}, {"c": 0.3, "b": 0.2, "a": 0.1}]) == Drift(0.0, 0.0)


def test_one_order_does_not_drift():
    assert order_drift([{"a": 3.0}]) == Drift(0.0, 0.0)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="no order"):
        order_drift([])
    with pytest.raises(ValueError, match="different agents: a and b"):
        order_drift([{"a": 1.0}, {"b": 1.0}])
