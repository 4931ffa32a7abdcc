"""A budget is never exceeded, waits for calls in flight, survives resuming, and ends as it was told to."""

import logging
import threading

import pytest
from credit_fakes import FORWARD, STAY, FakeClient, answer, completion, corridor_episode, event, events_critic

from credit_wrappers import Budget, BudgetExceeded, CreditStore, Ledger, ModelError, Prices, Request, Usage

EPISODES = [corridor_episode([[FORWARD, STAY]] * 3, id=k, reward=[0, 0, float(k)]) for k in range(6)]
GOOD = answer([event("agent_B", 0, 3, 1.0)])
PRICES = Prices(input=2.0, output=10.0, cached=0.2, cache_write=2.5)
REQUEST = Request("system", "prompt", None, "m", max_tokens=1000)


def test_cost_is_counted_by_kind_of_token():
    usage = Usage(1, 1_000_000, 100_000, 2_000_000, 1.0, 400_000)
    assert PRICES.cost(usage) == pytest.approx(2.0 + 1.0 + 0.4 + 1.0)
    assert PRICES.cost(usage, batch=True) == pytest.approx(2.2)
    assert Prices(input=2.0, output=10.0).cost(usage) == pytest.approx(2.0 + 1.0 + 4.0 + 0.8)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"max_cost": 1.0}, "prices"),
        ({"max_calls": -1}, "max_calls"),
        ({"max_tokens": float("nan")}, "max_tokens"),
        ({"then": "wait"}, "then"),
    ],
)
def test_impossible_budgets_are_refused_by_name(arguments, named):
    with pytest.raises(ValueError, match=named):
        Budget(**arguments)


def test_negative_price_is_refused():
    with pytest.raises(ValueError, match="output"):
        Prices(input=1.0, output=-1.0)


def test_calls_are_counted_whether_they_succeed_or_fail():
    client = FakeClient(ModelError("down", "connection"), completion(GOOD))
    budget = Budget(max_calls=2)
    critic = events_critic(client, budget=budget)
    critic.score(EPISODES[:1])
    critic.score(EPISODES[1:2])
    with pytest.raises(BudgetExceeded, match="max_calls=2 allows 0 more"):
        critic.score(EPISODES[2:3])
    assert (len(client.requests), budget.spent.calls) == (2, 2)


@pytest.mark.parametrize("limits", [{"max_tokens": 5000}, {"max_cost": 0.03, "prices": Prices(input=5.0, output=10.0)}])
def test_the_worst_case_of_a_call_must_fit(limits):
    budget = Budget(**limits)
    with budget.call(REQUEST):
        budget.charge(Usage(1, 50, 900))
    while budget.spent.calls < 100:
        try:
            with budget.call(REQUEST):
                budget.charge(Usage(1, 50, 1000))
        except BudgetExceeded:
            break
    assert 1 < budget.spent.calls < 6
    assert budget.spent.tokens <= 5000
    assert budget.cost <= 0.03


def test_a_call_that_does_not_fit_waits_for_those_in_flight():
    budget = Budget(max_tokens=2500)  # two worst cases are too much, two real answers are not
    order = []
    entered = threading.Event()

    def second():
        entered.wait()
        with budget.call(REQUEST):
            order.append("second begins")

    thread = threading.Thread(target=second)
    thread.start()
    with budget.call(Request("s", "p", None, "m", max_tokens=2400)):
        entered.set()
        thread.join(0.1)
        order.append("first ends")
        budget.charge(Usage(1, 10, 20))
    thread.join()
    assert order == ["first ends", "second begins"]


def test_a_failing_call_gives_its_reservation_back():
    budget = Budget(max_tokens=1500)
    with pytest.raises(RuntimeError), budget.call(REQUEST):
        raise RuntimeError
    with budget.call(REQUEST):
        pass


def test_calls_from_many_threads_never_exceed_the_budget():
    budget = Budget(max_calls=20)
    made, refused = [], []

    def spend():
        for _ in range(10):
            try:
                with budget.call(REQUEST):
                    made.append(1)
                    budget.charge(Usage(calls=1))
            except BudgetExceeded:
                refused.append(1)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (20, 60)


class TestEnd:
    def test_stop_keeps_every_episode_in_the_store_and_a_larger_budget_goes_on(self):
        client = FakeClient(completion(GOOD))
        budget = Budget(max_calls=2)
        with CreditStore(events_critic(client, budget=budget), episodes_per_query=1, workers=0) as store:
            for episode in EPISODES:
                store.submit(episode)
            with pytest.raises(BudgetExceeded):
                store.settle(range(6))
            assert store.pending == 6
            budget.max_calls = 100
            credits = dict(store.settle(range(6)))
        assert sorted(credits) == list(range(6))
        assert {credit.source for credit in credits.values()} == {"model"}
        assert len(client.requests) == 6

    def test_fallback_labels_the_rest_and_is_announced_once(self, caplog):
        client = FakeClient(completion(GOOD))
        critic = events_critic(client, budget=Budget(max_calls=2, then="fallback"))
        with caplog.at_level(logging.WARNING, "credit_wrappers"):
            credits = [critic.score([episode])[0] for episode in EPISODES]
        assert [credit.source for credit in credits] == ["model"] * 2 + ["fallback"] * 4
        assert credits[-1].values.sum() == pytest.approx(5.0)
        assert critic.stats.fallbacks == 4
        [record] = caplog.records
        assert "budget has ended: max_calls=2" in record.getMessage()

    def test_fallback_of_the_budget_needs_a_fallback_of_the_critic(self):
        with pytest.raises(ValueError, match="fallback"):
            events_critic(FakeClient(GOOD), budget=Budget(max_calls=1, then="fallback"), fallback="raise")

    def test_recorded_answers_cost_nothing_and_come_after_the_end_too(self, tmp_path):
        ledger = Ledger(tmp_path / "l.sqlite")
        events_critic(FakeClient(completion(GOOD)), ledger=ledger).score(EPISODES[:1])
        critic = events_critic(FakeClient(completion(GOOD)), ledger=ledger, budget=Budget(max_calls=1))
        assert critic.score(EPISODES[:1])[0].source == "cache"
        with pytest.raises(BudgetExceeded):
            critic.score(EPISODES[1:2])


def test_what_the_ledger_holds_counts_once(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    events_critic(FakeClient(completion(GOOD)), ledger=ledger).score(EPISODES[:1])
    budget = Budget(max_cost=1.0, prices=PRICES)
    for _ in range(3):
        events_critic(FakeClient(completion(GOOD)), ledger=ledger, budget=budget)
    assert budget.spent.tokens == 115
    assert budget.cost == pytest.approx((100 * 2.0 + 10 * 10.0 + 5 * 0.2) / 1e6)


def test_calls_without_an_answer_count_in_a_resumed_run_too(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    critic = events_critic(FakeClient(ModelError("down", "connection"), completion(GOOD)), ledger=ledger)
    for episode in EPISODES[:2]:
        critic.score([episode])
    budget = Budget(max_calls=3)
    again = events_critic(FakeClient(completion(GOOD)), ledger=ledger, budget=budget)
    assert budget.spent.calls == 2
    again.score(EPISODES[:1])
    with pytest.raises(BudgetExceeded):
        again.score(EPISODES[2:3])


def test_repr_tells_what_was_spent_and_what_is_allowed():
    budget = Budget(max_calls=1000, max_cost=2.5, prices=PRICES)
    budget.charge(Usage(3, 100_000, 20_000))
    assert repr(budget) == "Budget(3 of 1,000 calls, 120,000 tokens, cost 0.40 of 2.50)"
