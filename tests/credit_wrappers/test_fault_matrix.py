"""Whatever goes wrong between the store and the model, every finished episode ends with exactly one credit.

The real SDK, a real environment and ledger; the table in docs/critic.md says the same in words.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from faulty_provider import Fault, FaultyProvider

from credit_wrappers import AnthropicClient, Budget, BudgetExceeded, Ledger, LLMCreditWrapper, ModelError
from credit_wrappers.testing import MessagesServer
from credit_wrappers.testing.corridor import CorridorEnv

EPISODES, PER_QUERY = 6, 2
SOON = 0.001  # retry-after, seconds


@dataclass(frozen=True)
class Case:
    """Faults of the first requests, and what comes of them.

    Attributes:
        faults: One for each HTTP request; None: that one is answered.
        fallbacks: Episodes that get the fallback.
        recorded: Failure classes in the ledger, without the good answers.
        requests: HTTP requests in all.
        raised: Kind of the error that stops the run, until the cause is gone.
        retries: Of the SDK.
        episodes_per_query: Episodes in a query.
        good: Good answers, where a query was asked in halves.
    """

    faults: tuple[Fault | None, ...]
    fallbacks: int = 0
    recorded: tuple[str, ...] = ()
    requests: int = 3
    raised: str | None = None
    retries: int = 0
    episodes_per_query: int = PER_QUERY
    good: int = 0


CASES = {
    "429 with retry-after": Case((Fault.rate_limit(SOON),), requests=4, retries=1),
    "429 without retry-after": Case((Fault.rate_limit(),), requests=4, retries=1),
    "429 that lasts": Case((Fault.rate_limit(SOON),) * 2, 2, ("rate_limit",), 4, retries=1),
    "529": Case((Fault.overloaded(SOON),), requests=4, retries=1),
    "529 that lasts": Case((Fault.overloaded(SOON),) * 2, 2, ("overloaded",), 4, retries=1),
    "500": Case((Fault.server_error(500, SOON),), requests=4, retries=1),
    "500 that lasts": Case((Fault.server_error(500, SOON),) * 2, 2, ("server_error",), 4, retries=1),
    "502 page of a gateway": Case((Fault.bad_gateway(),), 2, ("server_error",)),
    "reset": Case((Fault.reset(),), 2, ("connection",)),
    "reset in mid-body": Case((Fault.reset_in_body(),), 2, ("connection",)),
    "reset in mid-body, repeated": Case((Fault.reset_in_body(),), requests=4, retries=1),
    "stalled body": Case((Fault.stalled(),), 2, ("timeout",)),
    "truncated JSON": Case((Fault.half_json(),), 2, ("bad_reply",)),
    "HTML instead of JSON": Case((Fault.html(),), 2, ("bad_reply",)),
    "max_tokens": Case((Fault.cut_off(),), 0, ("cut_off",), 4),
    "max_tokens twice": Case((Fault.cut_off(), Fault.cut_off()), 2, ("cut_off", "cut_off"), 4),
    "refusal": Case((Fault.refusal(),), 2, ("refusal",)),
    "empty content": Case((Fault.empty(),), 0, ("empty",), 4),
    "empty content twice": Case((Fault.empty(), Fault.empty()), 2, ("empty", "empty"), 4),
    "prose": Case((Fault.text("They did well."),), 0, ("no_answer",), 4),
    "413": Case((Fault.too_large(),), 0, ("too_large",), 5, good=4),
    "413 for a single episode": Case((Fault.too_large(),), 1, ("too_large",), 6, episodes_per_query=1),
    "prompt is too long": Case((Fault.too_long(),), 0, ("too_large",), 5, good=4),
    "401": Case((Fault.unauthorized(),), 0, ("auth",), 4, raised="auth"),
    "403": Case((Fault.forbidden(),), 0, ("permission",), 4, raised="permission"),
    "404 model": Case((Fault.not_found(),), 0, ("not_found",), 4, raised="not_found"),
    "400": Case((Fault.bad_request(),), 0, ("bad_request",), 4, raised="bad_request"),
    "a bad hour": Case(
        (Fault.reset(), Fault.cut_off(), None, Fault.html()), 4, ("connection", "cut_off", "bad_reply"), 4
    ),
}


def play(env: LLMCreditWrapper, seed: int = 0) -> list[int]:
    """Play different episodes and return their ids."""
    random = np.random.default_rng(seed)
    ids = []
    for _ in range(EPISODES):
        _, infos = env.reset(seed=seed)
        ids.append(infos["walker_0"]["episode_id"])
        while env.agents:
            env.step({agent: int(random.integers(3)) for agent in env.agents})
    return ids


def wrapped(server: MessagesServer | FaultyProvider, ledger: Ledger, case: Case, **options: object) -> LLMCreditWrapper:
    http_client = server.http_client() if isinstance(server, FaultyProvider) else None
    client = AnthropicClient("m", base_url=server.url, max_retries=case.retries, http_client=http_client)
    return LLMCreditWrapper(
        CorridorEnv(length=5, horizon=8),
        client=client,
        ledger=ledger,
        workers=1,
        episodes_per_query=case.episodes_per_query,
        **options,
    )


def failures(ledger: Ledger) -> tuple[str, ...]:
    return tuple(entry.failure for entry in ledger.entries() if entry.failure)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_episode_ends_with_one_credit(case: Case, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with FaultyProvider() as server, Ledger(tmp_path / "l.sqlite") as ledger:
        server.misbehave(*case.faults)
        env = wrapped(server, ledger, case)
        collected = []
        with caplog.at_level(logging.WARNING, "credit_wrappers"):
            ids = play(env)
            if case.raised:
                with pytest.raises(ModelError) as caught:
                    env.store.settle(ids)
                assert caught.value.kind == case.raised
                assert env.store.pending == EPISODES
            collected += env.store.settle(ids)
        collected += env.store.ready()
        env.close()
        requests = len(server.requests)
        said = " ".join(record.getMessage() for record in caplog.records)
        counted = env.store.critic.stats.fallbacks
        recorded = failures(ledger)
        good = sum(not entry.failure for entry in ledger.entries())
    assert sorted(number for number, _ in collected) == ids  # one credit each, none lost, none twice
    assert Counter(credit.source for _, credit in collected)["fallback"] == case.fallbacks == counted
    assert {credit.source for _, credit in collected} <= {"model", "fallback"}
    assert (recorded, requests) == (case.recorded, case.requests)
    assert good == (case.good or (EPISODES - case.fallbacks) // case.episodes_per_query)
    if case.fallbacks:
        assert "fallback credit" in said
        assert any(kind in said for kind in recorded)


def test_server_that_is_not_there(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with MessagesServer() as server:
        server.stop()  # connection refused from the first question on
        with Ledger(tmp_path / "l.sqlite") as ledger:
            env = wrapped(server, ledger, Case((), episodes_per_query=1))
            with caplog.at_level(logging.WARNING, "credit_wrappers"):
                ids = play(env)
                credits = dict(env.store.settle(ids))
            env.close()
            assert sorted(credits) == ids
            assert {credit.source for credit in credits.values()} == {"fallback"}
            assert failures(ledger) == ("connection",) * 3 + ("outage",) * 3
    assert sum("queries in a row failed" in record.getMessage() for record in caplog.records) == 1


def test_server_that_is_gone_for_good_in_the_middle(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with MessagesServer() as server, Ledger(tmp_path / "l.sqlite") as ledger:
        env = wrapped(server, ledger, Case((), episodes_per_query=1))
        first = play(env)
        scored = dict(env.store.settle(first))
        server.stop()
        second = play(env, seed=1)
        left = dict(env.store.settle(second))
        env.close()
    assert {credit.source for credit in scored.values()} == {"model"}
    assert {credit.source for credit in left.values()} == {"fallback"}
    assert sorted([*scored, *left]) == [*first, *second]


@pytest.mark.parametrize("then", ["stop", "fallback"])
def test_budget_that_ends(then, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    budget = Budget(max_calls=2, then=then)
    with FaultyProvider() as server, Ledger(tmp_path / "l.sqlite") as ledger:
        env = wrapped(server, ledger, Case(()), budget=budget)
        ids = play(env)
        collected = []
        if then == "stop":
            with pytest.raises(BudgetExceeded):
                env.store.settle(ids)
            collected += env.store.ready()
            assert len(collected) == 4
            budget.max_calls = 3
        collected += env.store.settle(ids)
        env.close()
        assert sorted(number for number, _ in collected) == ids
        sources = Counter(credit.source for _, credit in collected)
        assert sources == ({"model": 6} if then == "stop" else {"model": 4, "fallback": 2})
        assert failures(ledger) == (() if then == "stop" else ("budget",))
        assert len(server.requests) == (3 if then == "stop" else 2)
