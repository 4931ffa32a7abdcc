"""A distillation when the critic or a fit fails, the budget ends or it is closed; and who waits for whom."""

from __future__ import annotations

import logging
import threading
from concurrent import futures
from dataclasses import replace

import pytest
from distillation_fakes import ActionCritic, distilling, offer, walks_apart

from credit_wrappers import BudgetExceeded, CreditError, ModelError

DOWN = ModelError("no route", "connection")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_budget_that_is_used_up_keeps_the_labels_that_came_and_requests_no_more(fits, caplog, workers):
    critic, walks = ActionCritic(), walks_apart()
    distillation = distilling(critic, labels=60, workers=workers)
    offer(distillation, walks, 4)
    distillation.wait()
    critic.error = BudgetExceeded("2 calls of 2 are made")
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        offer(distillation, walks, 30)
        distillation.wait()
        while distillation._store._in_flight:  # queries that were under way
            offer(distillation, walks, 1)
        tried = critic.tried
        critic.error = None
        offer(distillation, walks, 300)
        distillation.wait()
    assert [record.getMessage() for record in caplog.records] == [
        "no more labels for the student: 2 calls of 2 are made"
    ]
    assert critic.tried == tried and len(critic.asked) == len(distillation.labels) == 4
    assert distillation.left == 0 and distillation.newest == (fits.students[0], 1)
    assert distillation.metrics["student/labels_left"] == 0
    distillation.close()


def test_a_budget_that_ends_in_the_middle_of_a_round_makes_a_student_of_what_came(fits, caplog):
    class Limited(ActionCritic):
        def score(self, episodes):
            if len(self.asked) >= 6:
                self.error = BudgetExceeded("3 calls of 3 are made")
            return super().score(episodes)

    distillation, walks = distilling(Limited(), labels=60), walks_apart()
    offer(distillation, walks, 4)
    distillation.wait()
    offer(distillation, walks, 30)  # a round of four queries, of which one is answered
    distillation.wait()
    assert len(distillation.labels) == 6 and fits.labels == [4, 6] and distillation.newest[1] == 2


def test_a_budget_that_ends_before_the_first_fit_makes_a_student_of_what_came_at_once(fits, caplog):
    class Limited(ActionCritic):
        def score(self, episodes):
            if len(self.asked) >= 2:
                self.error = BudgetExceeded("1 call of 1 is made")
            return super().score(episodes)

    distillation, walks = distilling(Limited(), labels=60, first=16), walks_apart()
    offer(distillation, walks, 4)
    distillation.wait()
    assert len(distillation.labels) == 2 and fits.labels == [2]


def test_queries_that_run_when_the_budget_ends_announce_it_no_second_time(fits, caplog):
    class Gated(ActionCritic):
        gates = [threading.Event(), threading.Event()]  # noqa: RUF012

        def score(self, episodes):
            assert self.gates[episodes[0].id // 2].wait(30)
            raise BudgetExceeded(f"no query {episodes[0].id // 2}")

    critic, walks = Gated(), walks_apart()
    distillation = distilling(critic, labels=60, first=4, workers=2)
    with caplog.at_level(logging.WARNING, "credit_wrappers"):
        offer(distillation, walks, 4)
        critic.gates[0].set()
        distillation.wait()
        critic.gates[1].set()
        distillation.close()
        offer(distillation, walks, 2)
    assert [record.getMessage() for record in caplog.records] == ["no more labels for the student: no query 0"]


def test_an_error_of_the_critic_is_raised_and_the_query_asked_again_when_it_is_back(fits):
    critic, walks = ActionCritic(), walks_apart()
    distillation = distilling(critic, labels=40)
    offer(distillation, walks, 2)
    assert len(distillation.labels) == 2
    critic.error = DOWN
    offer(distillation, walks, 1)
    with pytest.raises(ModelError):
        offer(distillation, walks, 1)
    assert len(distillation.labels) == 2 and distillation.requested == 4
    critic.error = None
    offer(distillation, walks, 1)
    assert [episode.id for episode in critic.asked] == [0, 1, 2, 3]
    assert len(distillation.labels) == 4 and fits.labels == [4]


def test_in_a_round_that_failed_labels_that_came_are_kept_and_only_the_others_asked_again(fits):
    class Flaky(ActionCritic):
        def score(self, episodes):
            self.error = DOWN if self.tried == 3 else None  # the second query of the first round
            return super().score(episodes)

    critic, walks = Flaky(), walks_apart()
    distillation = distilling(critic, labels=40)
    offer(distillation, walks, 4)
    with pytest.raises(ModelError):
        offer(distillation, walks, 30)
    assert fits.labels == [4] and distillation.requested == 8
    offer(distillation, walks, 1)
    assert fits.labels == [4, 8]
    assert len(critic.asked) == len({episode.id for episode in critic.asked}) == 8


def test_an_error_of_a_fit_is_raised_and_the_labels_are_kept_for_the_next_one(fits):
    walks = walks_apart()
    distillation = distilling(ActionCritic(), labels=40)
    fits.error = CreditError("no fit")
    with pytest.raises(CreditError, match="no fit"):
        offer(distillation, walks, 4)
    assert len(distillation.labels) == 4 and distillation.newest == (None, 0)
    fits.error = None
    rounds = offer(distillation, walks, 30)
    assert fits.labels == [8, 12, 16][: len(fits.labels)] and len(rounds) == len(fits.labels) >= 1
    assert distillation.newest[1] == len(fits.labels)


def test_a_fit_that_always_fails_does_not_make_rounds_come_sooner(fits):
    walks = walks_apart()
    distillation = distilling(ActionCritic(), labels=50, growth=4.0)
    fits.error = CreditError("no fit")
    raised = []
    for k in range(1, 101):
        try:
            distillation.offer(next(walks))
        except CreditError:
            raised.append(k)
    assert raised == [4, 16, 64]


def test_nobody_waits_for_a_slow_critic(fits):
    critic, walks = ActionCritic(), walks_apart()
    critic.gate = threading.Event()
    distillation = distilling(critic, workers=2, growth=1.25)
    offer(distillation, walks, 40)
    assert critic.entered.wait(30)
    assert critic.asked == [] and distillation.labels == [] and distillation.newest == (None, 0)
    assert distillation.requested == 4  # nor is more requested meanwhile
    critic.gate.set()
    distillation.wait()
    assert distillation.newest == (fits.students[0], 1) and fits.labels == [4]
    assert offer(distillation, walks, 15) == [50] and distillation.requested == 4 + 4
    distillation.close()


def test_nobody_waits_for_a_fit_and_wait_does(fits):
    walks = walks_apart()
    distillation = distilling(ActionCritic(), workers=2)
    fits.gate = threading.Event()
    offer(distillation, walks, 4)
    while not fits.entered.is_set():  # labels are taken by offers
        offer(distillation, walks, 1)
    offer(distillation, walks, 60)
    assert distillation.newest == (None, 0) and distillation.requested == 4
    fits.gate.set()
    distillation.wait()
    assert distillation.newest == (fits.students[0], 1)
    distillation.close()


def test_an_error_of_a_fit_in_its_thread_is_raised_by_the_next_offer(fits):
    walks = walks_apart()
    distillation = distilling(ActionCritic(), workers=2)
    fits.gate, fits.error = threading.Event(), RuntimeError("boom")
    offer(distillation, walks, 4)
    while not fits.entered.is_set():
        offer(distillation, walks, 1)
    running = distillation._trainer._fit
    fits.gate.set()
    futures.wait([running])
    with pytest.raises(RuntimeError, match="boom"):
        offer(distillation, walks, 1)
    offer(distillation, walks, 1)
    distillation.close()


def test_wait_raises_what_went_wrong_with_the_fit(fits):
    distillation = distilling(ActionCritic(), workers=2)
    fits.error = RuntimeError("boom")
    with pytest.raises(RuntimeError, match="boom"):
        offer(distillation, walks_apart(), 4)
        distillation.wait()
    distillation.close()


def test_closing_ends_the_threads_and_what_is_offered_then_is_counted_only(fits):
    before = set(threading.enumerate())
    critic, walks = ActionCritic(), walks_apart()
    with distilling(critic, workers=2) as distillation:
        offer(distillation, walks, 4)
        distillation.wait()
        assert len(set(threading.enumerate()) - before) >= 2
    assert set(threading.enumerate()) == before
    offer(distillation, walks, 50)
    distillation.wait()
    assert distillation.episodes == 54 and len(critic.asked) == 4 and distillation.newest[1] == 1
    distillation.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_closing_before_the_first_labels_or_with_labels_on_their_way_fits_nothing_more(fits, workers):
    critic, walks = ActionCritic(), walks_apart()
    distillation = distilling(critic, workers=workers)
    if workers:
        critic.gate = threading.Event()
    offer(distillation, walks, 2 + workers)
    closing = threading.Thread(target=distillation.close)
    closing.start()
    if workers:
        critic.gate.set()  # the running query is waited for
    closing.join()
    requested = distillation.requested
    offer(distillation, walks, 30)
    distillation.wait()
    assert fits.labels == [] and distillation.requested == requested and distillation.left == 20 - requested
    assert len(distillation.labels) == len(critic.asked)


def test_environments_in_several_threads_may_offer_at_once(fits):
    critic = ActionCritic()
    distillation = distilling(critic, labels=30, workers=2)

    def run(seed):
        for episode, _ in zip(walks_apart(seed), range(100), strict=False):
            distillation.offer(replace(episode, id=distillation.open()))

    with futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run, seed) for seed in range(4)]:
            done.result()
    distillation.wait()
    assert distillation.episodes == 400
    assert 4 <= len(distillation.labels) == len({episode.id for episode in critic.asked}) <= 30
    assert distillation.newest[1] == len(fits.students)
    distillation.close()
