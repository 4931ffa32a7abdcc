"""A server that is gone is not waited for with every query."""

import logging

import pytest
from credit_fakes import FORWARD, STAY, FakeClient, answer, completion, corridor_episode, event, events_critic

from credit_wrappers import ModelError
from credit_wrappers.critics import outage as module
from credit_wrappers.critics.outage import Outage

EPISODE = corridor_episode([[FORWARD, STAY]] * 3)
GOOD = completion(answer([event("agent_B", 0, 3, 1.0)]))
DOWN = ModelError("no route", "connection")


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_after_three_failures_in_a_row_nothing_is_asked_for_a_minute_then_one_tries(clock, caplog):
    client = FakeClient(DOWN)
    critic = events_critic(client)
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        credits = [critic.score([EPISODE])[0] for _ in range(10)]
        assert len(client.requests) == 3
        clock[0] += 61
        critic.score([EPISODE])
        critic.score([EPISODE])
        assert len(client.requests) == 4
        clock[0] += 61
        client.reactions = [GOOD]
        assert [critic.score([EPISODE])[0].source for _ in range(3)] == ["model"] * 3
    assert {credit.source for credit in credits} == {"fallback"}
    assert "not asked" in credits[-1].summary
    assert critic.stats.fallbacks == 12
    said = [record.getMessage() for record in caplog.records]
    assert sum("queries in a row failed" in line for line in said) == 1
    assert sum("answers again, after 122 s" in line for line in said) == 1


def test_failures_that_are_not_in_a_row_are_no_outage():
    client = FakeClient(DOWN, DOWN, GOOD, DOWN, DOWN, GOOD)
    critic = events_critic(client)
    assert [critic.score([EPISODE])[0].source for _ in range(6)] == ["fallback", "fallback", "model"] * 2


def test_while_one_caller_tries_the_others_do_not(clock):
    outage = Outage(limit=1)
    outage.failed("m", DOWN)
    clock[0] += 61
    outage.check("m")
    with pytest.raises(ModelError, match="next try is in 60 s") as caught:
        outage.check("m")
    assert caught.value.transient


def test_server_that_says_no_is_there_again(clock):
    client = FakeClient(DOWN, DOWN, DOWN, ModelError("too long", "too_large"), GOOD)
    critic = events_critic(client)
    for _ in range(3):
        critic.score([EPISODE])
    clock[0] += 61
    assert [credit.source for credit in critic.score([EPISODE, EPISODE])] == ["model", "model"]  # in halves


def test_refusals_and_wrong_keys_are_no_outage():
    client = FakeClient(completion("no", "refusal"))
    critic = events_critic(client)
    for _ in range(5):
        critic.score([EPISODE])
    assert len(client.requests) == 5


def test_failures_are_said_when_their_number_doubles(caplog):
    client = FakeClient(completion("no", "refusal"))
    critic = events_critic(client)
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        for _ in range(9):
            critic.score([EPISODE])
    numbers = [record.getMessage().split(": ")[1].split(" of ")[0] for record in caplog.records]
    assert numbers == ["1", "2", "4", "8"]
    assert "refusal" in caplog.records[0].getMessage()
