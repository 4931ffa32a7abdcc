"""The store: every credit once, for the right episode, whatever the threads and the critic do."""

import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from credit_fakes import FORWARD, STAY, corridor_episode

from credit_wrappers import Credit, CreditError, CreditStore, ModelError, SharedCritic, Usage


class IdCritic:
    """Pays each episode its own id; can be held back, and can fail."""

    label = "id"

    def __init__(self):
        self.queries = []
        self.gate = threading.Event()
        self.gate.set()
        self.failures = []
        self.lock = threading.Lock()

    def score(self, episodes):
        self.gate.wait(10)
        with self.lock:
            self.queries.append([episode.id for episode in episodes])
            if self.failures:
                raise self.failures.pop(0)
        return [
            Credit(np.full((e.length, e.n_agents), e.id, np.float32), source="model", usage=Usage(1, 10))
            for e in episodes
        ]


def episode(store, steps=2):
    return corridor_episode([[FORWARD, STAY]] * steps, id=store.open())


def fill(store, count):
    ids = []
    for k in range(count):
        ids.append(store.open())
        store.submit(corridor_episode([[FORWARD, STAY]] * (1 + k % 5), id=ids[-1]))
    return ids


@pytest.fixture
def critic():
    return IdCritic()


@pytest.fixture(params=[0, 3])
def workers(request):
    return request.param


def test_every_credit_is_handed_out_once_and_to_its_own_episode(critic, workers):
    with CreditStore(critic, episodes_per_query=4, workers=workers) as store:
        ids = fill(store, 30)
        credits = store.settle(ids)
        assert sorted(id for id, _ in credits) == ids
        for id, credit in credits:
            assert credit.values.shape == (1 + id % 5, 2)
            assert (credit.values == id).all()
        assert store.ready() == []
        assert store.settle(ids) == []
        assert store.pending == 0


def test_ids_are_fresh_also_across_threads(critic):
    store = CreditStore(critic, workers=0)
    ids = []
    threads = [threading.Thread(target=lambda: ids.extend(store.open() for _ in range(200))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids) == list(range(800))


def test_full_queries_go_out_by_themselves_and_the_rest_when_it_is_wanted(critic, workers):
    with CreditStore(critic, episodes_per_query=4, workers=workers) as store:
        ids = fill(store, 6)
        assert {id for id, _ in store.settle(ids[:4])} == set(ids[:4])
        assert critic.queries == [ids[:4]]
        assert [id for id, _ in store.settle(ids[4:5])] == ids[4:]
        assert critic.queries == [ids[:4], ids[4:]]


def test_incomplete_query_waits_in_ready(critic):
    with CreditStore(critic, episodes_per_query=4, workers=0) as store:
        fill(store, 3)
        assert store.ready() == []
        assert store.pending == 3
        fill(store, 1)
        assert len(store.ready()) == 4


def test_settle_returns_everything_else_that_is_there(critic):
    with CreditStore(critic, episodes_per_query=2, workers=0) as store:
        ids = fill(store, 5)
        assert sorted(id for id, _ in store.settle([ids[4]])) == ids


def test_ids_that_were_never_submitted_are_not_waited_for(critic, workers):
    with CreditStore(critic, workers=workers) as store:
        dropped = store.open()
        ids = fill(store, 1)
        assert [id for id, _ in store.settle([dropped, *ids, 999])] == ids
        assert store.settle([dropped], timeout=5) == []


def test_settle_waits_for_a_query_in_flight(critic):
    critic.gate.clear()
    with CreditStore(critic, episodes_per_query=2, workers=1) as store:
        ids = fill(store, 2)
        assert store.ready() == []
        threading.Timer(0.05, critic.gate.set).start()
        assert sorted(id for id, _ in store.settle(ids)) == ids


def test_timeout_leaves_the_rest_for_later(critic):
    critic.gate.clear()
    with CreditStore(critic, episodes_per_query=2, workers=1) as store:
        ids = fill(store, 2)
        assert store.settle(ids, timeout=0.05) == []
        assert store.pending == 2
        critic.gate.set()
        assert len(store.settle(ids, timeout=10)) == 2


def test_no_more_than_a_query_holds_goes_into_one_call(critic, workers):
    with CreditStore(critic, episodes_per_query=3, workers=workers) as store:
        store.settle(fill(store, 11))
    assert sorted(map(len, critic.queries)) == [2, 3, 3, 3]


def test_failure_of_the_critic_surfaces_and_nothing_is_lost(critic, workers):
    with CreditStore(critic, episodes_per_query=2, workers=workers) as store:
        first = fill(store, 2)
        assert len(store.settle(first)) == 2
        good = fill(store, 2)
        while workers and store._in_flight:
            time.sleep(0.001)
        critic.failures = [ModelError("down", "connection")]
        bad = fill(store, 2)
        with pytest.raises(ModelError, match="down"):
            store.settle(bad)
        assert store.pending == 4
        # The good ones were not lost, and the failed query is sent again.
        assert sorted(id for id, _ in store.settle(bad)) == good + bad


def test_failure_surfaces_in_ready_once(critic):
    with CreditStore(critic, episodes_per_query=1, workers=0) as store:
        critic.failures = [ModelError("down", "connection")]
        fill(store, 1)
        with pytest.raises(ModelError):
            store.ready()
        assert store.ready() == []
        fill(store, 1)
        assert len(store.ready()) == 2


def test_critic_is_left_alone_until_its_failure_was_seen(critic, workers):
    with CreditStore(critic, episodes_per_query=1, workers=workers) as store:
        critic.failures = [ModelError("wrong key", "auth")] * 100
        fill(store, 1)
        while not store._errors:
            time.sleep(0.001)
        fill(store, 20)
        assert len(critic.queries) == 1
        with pytest.raises(ModelError):
            store.ready()


def test_lasting_failure_is_raised_by_every_settle(critic, workers):
    critic.failures = [ModelError("wrong key", "auth") for _ in range(100)]
    with CreditStore(critic, episodes_per_query=2, workers=workers) as store:
        ids = fill(store, 5)
        for _ in range(3):
            with pytest.raises(ModelError):
                store.settle(ids)
        assert store.pending == 5


def test_interrupt_in_the_callers_thread_passes_through_and_keeps_the_episodes(critic):
    critic.failures = [KeyboardInterrupt()]
    with CreditStore(critic, episodes_per_query=2, workers=0) as store:
        fill(store, 1)
        with pytest.raises(KeyboardInterrupt):
            fill(store, 1)
        assert len(store.settle([0, 1])) == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.zeros((2, 3)), "shape"), (np.zeros((3, 2)), "shape"), (np.full((2, 2), np.nan), "NaN")],
)
def test_malformed_credit_is_an_error(values, message):
    class Careless:
        label = "careless"

        def score(self, episodes):
            return [Credit(values) for _ in episodes]

    with CreditStore(Careless(), workers=0) as store:
        store.submit(episode(store))
        with pytest.raises(CreditError, match=message):
            store.settle([0])


def test_missing_credit_is_an_error():
    class Lazy:
        label = "lazy"

        def score(self, episodes):
            return SharedCritic().score(episodes)[:-1]

    with CreditStore(Lazy(), episodes_per_query=2, workers=0) as store:
        ids = fill(store, 2)
        with pytest.raises(CreditError, match="1 credits for 2 episodes"):
            store.settle(ids)


def test_hearer_that_fails_surfaces_and_every_credit_is_there(critic, workers):
    def scored(episode, credit):
        raise OSError("the picture is gone")

    with CreditStore(critic, episodes_per_query=2, workers=workers) as store:
        for _ in range(2):
            store.submit(episode(store), scored)
        with pytest.raises(OSError, match="picture"):
            store.settle([0, 1], timeout=10)
        handed_out = store.settle([0, 1], timeout=10)
    assert [credit.values[0, 0] for _, credit in sorted(handed_out, key=lambda one: one[0])] == [0, 1]
    assert store.counts == {"model": 2}


def test_counts_usage_and_time_add_up(critic, workers):
    with CreditStore(critic, episodes_per_query=4, workers=workers) as store:
        store.settle(fill(store, 10))
        assert store.counts == {"model": 10}
        assert store.usage == Usage(10, 100)
        assert store.seconds > 0.0


def test_store_that_nobody_drains_warns_once_and_stays_small(critic, monkeypatch):
    monkeypatch.setattr("credit_wrappers.delivery.store._UNDRAINED_KEPT", 10)
    store = CreditStore(critic, episodes_per_query=2, workers=0)
    with pytest.warns(RuntimeWarning, match=r"16 episodes were scored by critic 'id' and nobody") as caught:
        fill(store, 50)
    assert len(caught) == 1
    assert store.pending == 10
    assert store.discarded == 40
    assert [id for id, _ in store.ready()] == list(range(40, 50))


def test_store_that_was_asked_once_never_warns_and_keeps_everything(critic, monkeypatch):
    monkeypatch.setattr("credit_wrappers.delivery.store._UNDRAINED_KEPT", 10)
    store = CreditStore(critic, episodes_per_query=2, workers=0)
    assert store.ready() == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids = fill(store, 50)
    assert len(store.settle(ids)) == 50


def test_collection_waits_for_a_critic_that_falls_far_behind(critic):
    critic.gate.clear()
    store = CreditStore(critic, episodes_per_query=1, workers=1)
    store.ready()
    thread = threading.Thread(target=fill, args=(store, 50))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    assert store.pending < 50
    critic.gate.set()
    thread.join(10)
    assert len(store.settle(range(50))) == 50
    store.close()


def test_closed_store_takes_no_episodes_but_still_hands_out_what_was_scored(critic, workers):
    store = CreditStore(critic, episodes_per_query=2, workers=workers)
    fill(store, 2)
    while store._in_flight:
        time.sleep(0.001)
    fill(store, 1)
    store.close()
    store.close()
    assert len(store.settle([0, 1, 2])) == 2
    with pytest.raises(CreditError, match="closed"):
        fill(store, 1)


def test_what_waits_is_given_up_and_what_runs_is_waited_for_while_another_thread_closes(critic):
    critic.gate.clear()
    store = CreditStore(critic, episodes_per_query=2, workers=1)
    fill(store, 3)
    closing = threading.Thread(target=store.close)
    closing.start()
    while not store._closed:
        time.sleep(0.001)
    assert store.settle([2]) == []  # was given up
    handed_out = []
    settling = threading.Thread(target=lambda: handed_out.extend(store.settle([0])))
    settling.start()
    critic.gate.set()
    for thread in (settling, closing):
        thread.join(10)
    assert sorted(number for number, _ in handed_out) == [0, 1]


def test_id_that_is_in_the_store_already_is_refused_and_nothing_is_lost(critic, workers):
    with CreditStore(critic, episodes_per_query=2, workers=workers) as store:
        if workers:
            critic.gate.clear()
        for steps in (2, 3):
            store.submit(corridor_episode([[FORWARD, STAY]] * steps, id=steps))
            with pytest.raises(CreditError, match=f"an episode {steps} is in the store already"):
                store.submit(corridor_episode([[FORWARD, STAY]], id=steps))
        critic.gate.set()
        assert sorted((number, len(credit.values)) for number, credit in store.settle([2, 3])) == [(2, 2), (3, 3)]


@pytest.mark.parametrize("bad", [{"episodes_per_query": 0}, {"workers": -1}])
def test_impossible_sizes_are_refused(critic, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        CreditStore(critic, **bad)


def test_failure_that_nobody_asks_about_surfaces_in_submit_before_the_memory_fills(critic, workers):
    critic.failures = [ModelError("wrong key", "auth")]
    store = CreditStore(critic, episodes_per_query=1, workers=workers)
    with pytest.raises(ModelError, match="wrong key"):
        fill(store, 2000)
    assert 1000 < store.pending < 1100
    store.close()


PROGRAM = """
import os, sys, time
import numpy as np
from credit_wrappers import Credit, CreditStore, Episode

class Slow:
    label = "slow"

    def score(self, episodes):
        os.write(1, b"begun\\n")
        time.sleep(0.3)
        os.write(1, b"answered\\n")
        return [Credit(np.zeros((1, 1), np.float32))]

store = CreditStore(Slow(), episodes_per_query=1, workers=2)
for k in range(12):
    store.submit(Episode(store.open(), ("a",), np.zeros((1, 1), int), np.zeros(1), np.zeros((1, 1)), False, True))
time.sleep(0.1)
raise KeyboardInterrupt
"""


def test_program_that_ends_waits_for_running_queries_and_begins_no_more():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert "KeyboardInterrupt" in ended.stderr
    assert ended.stdout.split() == ["begun", "begun", "answered", "answered"]
