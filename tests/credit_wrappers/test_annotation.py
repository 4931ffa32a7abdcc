"""Annotating recorded episodes: order, many queries at a time, message batches, being interrupted."""

import json
import threading

import numpy as np
import pytest
from credit_fakes import FORWARD, STAY, FakeClient, answer, completion, corridor_episode, events_critic, praise_forward

from credit_wrappers import Budget, BudgetExceeded, EqualSplitCritic, Ledger, LLMCritic, ModelError, Prices, annotate

RANDOM = np.random.default_rng(0)
EPISODES = [corridor_episode(RANDOM.integers(0, 3, (3 + k % 3, 2)).tolist(), start=(20, 30), id=k) for k in range(11)]


class BatchClient(FakeClient):
    """A client with message batches: each is ready at the second look; answers are a model's that praises `forward`."""

    def __init__(self, *reactions, lost=(), **options):
        super().__init__(*(reactions or (praise_forward,)), **options)
        self.batches = {}
        self.looks = []
        self.lost = set(lost)  # positions of requests that expire

    def create_batch(self, requests):
        name = f"batch_{len(self.batches)}"
        self.batches[name] = list(requests)
        return name

    def batch_status(self, batch_id):
        self.looks.append(batch_id)

        class Status:
            ended = self.looks.count(batch_id) > 1

        return Status()

    def batch_results(self, batch_id):
        for k, request in reversed(list(enumerate(self.batches[batch_id]))):
            if k in self.lost:
                yield request.key(), ModelError("expired", "timeout")
            else:
                yield request.key(), completion(praise_forward(request))


def expected(episode):
    return episode.actions == FORWARD


def assert_right(credits):
    assert len(credits) == len(EPISODES)
    for episode, credit in zip(EPISODES, credits, strict=True):
        np.testing.assert_array_equal(credit.values, expected(episode))


def test_credits_come_in_the_order_of_the_episodes_whatever_answers_first():
    gate = threading.Event()

    def slow_first(request):
        if "## Episode 1\nsteps: 3" in request.prompt and not gate.is_set():
            gate.wait(5)
        else:
            gate.set()
        return praise_forward(request)

    assert_right(annotate(iter(EPISODES), LLMCritic(FakeClient(slow_first)), episodes_per_query=2, in_flight=4))


def test_any_critic_can_annotate():
    credits = annotate(EPISODES, EqualSplitCritic(), progress=True)
    assert [credit.values.shape for credit in credits] == [(episode.length, 2) for episode in EPISODES]


def test_the_log_tells_how_to_see_what_was_credited(tmp_path, caplog):
    critic = LLMCritic(FakeClient(praise_forward), ledger=tmp_path / "run.sqlite")
    with caplog.at_level("INFO", logger="credit_wrappers"):
        annotate(EPISODES[:2], critic)
        annotate(EPISODES[:2], EqualSplitCritic())
    [line] = [record.getMessage() for record in caplog.records if "report" in record.getMessage()]
    assert line.endswith(f"python -m credit_wrappers report {tmp_path / 'run.sqlite'}")


def test_nothing_to_do_is_no_error():
    assert annotate([], EqualSplitCritic()) == []


@pytest.mark.parametrize("wrong", [{"episodes_per_query": 0}, {"in_flight": 0}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        annotate(EPISODES, EqualSplitCritic(), **wrong)


def test_an_error_leaves_what_was_answered_in_the_ledger(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    calls = []

    def third_fails(request):
        calls.append(request)
        if len(calls) == 3:
            raise ModelError("wrong key", "auth")
        return praise_forward(request)

    with pytest.raises(ModelError, match="wrong key"):
        annotate(EPISODES, LLMCritic(FakeClient(third_fails), ledger=ledger), episodes_per_query=2, in_flight=1)
    client = FakeClient(praise_forward)
    assert_right(annotate(EPISODES, LLMCritic(client, ledger=ledger), episodes_per_query=2))
    assert len(client.requests) == 4


class TestBatches:
    def run(self, client, ledger, **options):
        critic = LLMCritic(client, ledger=ledger, **options)
        return annotate(EPISODES, critic, episodes_per_query=2, batch=True, poll_seconds=0.0), critic

    def test_answers_come_from_one_batch_and_are_on_record(self, tmp_path):
        client, ledger = BatchClient(), Ledger(tmp_path / "l.sqlite")
        credits, critic = self.run(client, ledger)
        assert_right(credits)
        assert client.requests == []
        assert [len(batch) for batch in client.batches.values()] == [6]
        assert {credit.source for credit in credits} == {"model"}
        assert (critic.stats.calls, critic.stats.usage.calls, len(ledger)) == (6, 6, 6)
        assert ledger.open_batches("fake") == []

    def test_a_second_run_asks_nothing(self, tmp_path):
        ledger = Ledger(tmp_path / "l.sqlite")
        self.run(BatchClient(), ledger)
        client = BatchClient(AssertionError("asked"))
        credits, _ = self.run(client, ledger)
        assert_right(credits)
        assert client.batches == {}

    def test_interrupted_while_waiting_the_same_batch_is_fetched(self, tmp_path):
        path = tmp_path / "l.sqlite"

        class Killed(BatchClient):
            def batch_status(self, batch_id):
                raise KeyboardInterrupt

        first = Killed()
        with Ledger(path) as ledger, pytest.raises(KeyboardInterrupt):
            self.run(first, ledger)
        second = BatchClient()
        second.batches = first.batches
        with Ledger(path) as ledger:
            credits, _ = self.run(second, ledger)
            assert ledger.open_batches("fake") == []
        assert_right(credits)
        assert list(second.batches) == ["batch_0"]

    def test_a_server_that_is_away_for_a_while_is_waited_for(self, tmp_path):
        class Away(BatchClient):
            def batch_status(self, batch_id):
                if len(self.looks) < 3:
                    self.looks.append("")
                    raise ModelError("no route", "connection")
                return super().batch_status(batch_id)

        client = Away()
        assert_right(self.run(client, Ledger(tmp_path / "l.sqlite"))[0])
        assert client.requests == [] and list(client.batches) == ["batch_0"]

    def test_interrupted_while_reading_nothing_is_lost(self, tmp_path):
        path = tmp_path / "l.sqlite"

        class Killed(BatchClient):
            def batch_results(self, batch_id):
                yield from list(super().batch_results(batch_id))[:2]
                raise KeyboardInterrupt

        first = Killed()
        with Ledger(path) as ledger, pytest.raises(KeyboardInterrupt):
            self.run(first, ledger)
        second = BatchClient()
        second.batches = first.batches
        with Ledger(path) as ledger:
            assert_right(self.run(second, ledger)[0])
        assert list(second.batches) == ["batch_0"]

    def test_requests_without_an_answer_are_asked_directly(self, tmp_path):
        client = BatchClient(lost=[1, 4])
        credits, critic = self.run(client, Ledger(tmp_path / "l.sqlite"))
        assert_right(credits)
        assert len(client.requests) == 2
        assert critic.stats.calls == 6

    def test_unusable_answers_are_asked_for_again_directly(self, tmp_path):
        class Wrong(BatchClient):
            def batch_results(self, batch_id):
                for key, _ in super().batch_results(batch_id):
                    yield key, completion(answer([], []))

        client = Wrong()
        credits, critic = self.run(client, Ledger(tmp_path / "l.sqlite"), fallback="raise", answer_format="events")
        # The last query has one episode, so the answer about two is wrong there; the others credit nothing.
        assert len(client.requests) == 1
        assert "previous answer" in client.requests[0].prompt
        assert critic.stats.reasks == 1
        np.testing.assert_array_equal(credits[-1].values, expected(EPISODES[-1]))

    def test_a_batch_is_paid_for_at_its_own_price(self, tmp_path):
        budget = Budget(max_cost=99.0, prices=Prices(input=1000.0, output=0.0, cached=0.0, batch=0.5))
        self.run(BatchClient(), Ledger(tmp_path / "l.sqlite"), budget=budget)
        assert budget.cost == pytest.approx(6 * 100 * 1000.0 / 1e6 * 0.5)

    def test_a_batch_that_does_not_fit_the_budget_is_not_made(self, tmp_path):
        client = BatchClient()
        with pytest.raises(BudgetExceeded, match="max_calls=5"):
            self.run(client, Ledger(tmp_path / "l.sqlite"), budget=Budget(max_calls=5))
        assert client.batches == {}

    def test_a_batch_is_only_made_when_its_worst_case_fits(self, tmp_path):
        client = BatchClient()
        with pytest.raises(BudgetExceeded, match="max_tokens=25000"):
            self.run(client, Ledger(tmp_path / "l.sqlite"), budget=Budget(max_tokens=25_000), max_tokens=5000)
        assert client.batches == {}
        self.run(client, Ledger(tmp_path / "l.sqlite"), budget=Budget(max_tokens=25_000), max_tokens=1000)
        assert len(client.batches) == 1

    def test_a_batch_under_way_is_fetched_whatever_is_left(self, tmp_path):
        class Killed(BatchClient):
            def batch_status(self, batch_id):
                raise KeyboardInterrupt

        path, first, second = tmp_path / "l.sqlite", Killed(), BatchClient()
        with Ledger(path) as ledger, pytest.raises(KeyboardInterrupt):
            self.run(first, ledger)
        second.batches = first.batches
        with Ledger(path) as ledger:
            assert_right(self.run(second, ledger, budget=Budget(max_calls=3))[0])
        assert second.requests == [] and list(second.batches) == ["batch_0"]

    @pytest.mark.parametrize(
        ("critic", "missing"),
        [
            (lambda ledger: EqualSplitCritic(), "needs an LLMCritic"),
            (lambda ledger: LLMCritic(BatchClient()), "needs a ledger"),
            (lambda ledger: LLMCritic(FakeClient(""), ledger=ledger), "FakeClient has no message batches"),
        ],
    )
    def test_what_is_missing_is_named(self, tmp_path, critic, missing):
        with pytest.raises(ValueError, match=missing):
            annotate(EPISODES, critic(tmp_path / "l.sqlite"), batch=True)


def test_estimate_counts_what_is_left_to_ask_and_costs_no_call(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    client = FakeClient(praise_forward)
    budget = Budget(prices=Prices(input=3.0, output=15.0, cached=0.3))
    critic = LLMCritic(client, ledger=ledger, budget=budget, max_tokens=1000)
    before = critic.estimate(EPISODES, 2)
    assert client.requests == []
    assert (before.episodes, before.calls, before.recorded) == (11, 6, 0)
    assert before.usage.output_tokens == 22 * 160
    assert 0 < before.cost < before.most_cost
    assert before.usage.tokens < before.most.tokens
    assert before.most.output_tokens == 2 * 6 * 1000
    annotate(EPISODES[:10], critic, episodes_per_query=2)
    after = critic.estimate(EPISODES, 2)
    assert (after.calls, after.recorded) == (1, 5)
    assert after.usage.output_tokens == 10  # what the ledger's answers are long
    assert after.cost < before.cost
    assert "1 call (5 answered from the ledger)" in str(after)


def test_estimate_learns_nothing_from_questions_without_an_answer(tmp_path):
    critic = LLMCritic(FakeClient(ModelError("declined", "refusal")), ledger=tmp_path / "l.sqlite")
    annotate(EPISODES, critic, episodes_per_query=1)
    assert len(critic.ledger) == 11
    assert critic.estimate(EPISODES, 2).usage.output_tokens == 22 * 160


def test_estimate_expects_no_answer_longer_than_the_limit():
    estimate = LLMCritic(FakeClient(""), max_tokens=100).estimate(EPISODES, 2)
    assert estimate.usage.output_tokens == 6 * 100


def test_average_of_orders_is_asked_for_each_order_and_its_drift_is_measured():
    asked = []

    def favours_the_first_listed(request):
        asked.append(request)
        return json.dumps(
            {"episodes": [{"episode": 1, "summary": "s", "events": [
                {"agent": "agent_A", "start": 0, "stop": 1, "amount": 2.0, "why": "agent_A is first"}]}]}
        )  # fmt: skip

    episode = corridor_episode([[FORWARD, STAY]] * 2, agents=("left", "right"))
    seed = next(
        s for s in range(50) if len({q.orders for q in critic_of(s).questions([episode])}) == 2
    )  # an order and its reverse are among the two
    critic = critic_of(seed, favours_the_first_listed)
    [credit] = critic.score([episode])
    assert len(asked) == 2
    assert credit.values.tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert sorted((event.agent, event.amount, event.why) for event in credit.events) == [
        ("left", 1.0, "left is first"),
        ("right", 1.0, "right is first"),
    ]
    assert (critic.stats.drifting, critic.stats.agent_drift, critic.stats.team_drift) == (1, 2.0, 0.0)


def critic_of(seed, reaction=""):
    return events_critic(FakeClient(reaction), order="average-2", seed=seed)


def test_an_order_that_fails_is_left_out_of_the_average():
    good = answer([{"agent": "agent_A", "start": 0, "stop": 2, "amount": 2.0, "why": ""}])
    critic = events_critic(FakeClient("nonsense", "nonsense", good), order="average-2")
    [credit] = critic.score([corridor_episode([[FORWARD, STAY]] * 2)])
    assert credit.source == "model"
    assert credit.values.sum() == pytest.approx(2.0)
    assert (critic.stats.rejected, critic.stats.drifting) == (2, 0)


def test_a_query_that_is_too_large_is_asked_in_halves():
    def at_most_three(request):
        if request.prompt.count("## Episode") > 3:
            raise ModelError("prompt is too long", "too_large")
        return praise_forward(request)

    client = FakeClient(at_most_three)
    critic = LLMCritic(client)
    assert_right(critic.score(EPISODES))
    assert [r.prompt.count("## Episode") for r in client.requests] == [11, 5, 2, 3, 6, 3, 3]
    assert (critic.stats.episodes, critic.stats.fallbacks) == (11, 0)
