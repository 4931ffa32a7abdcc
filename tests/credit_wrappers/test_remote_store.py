"""The stand-in of a credit store in a worker process: what it keeps, whom it tells, what its pickle leads to."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from credit_wrappers import Credit, CreditError, CreditStore, Episode, EqualSplitCritic
from credit_wrappers.delivery import intake, remote_store


def episode(id: int) -> Episode:
    one = np.ones((1, 1))
    return Episode(id, ("a",), one.astype(np.int64), one[0], one, terminated=True, truncated=False)


def test_messages_come_in_order_and_once_and_credits_reach_their_listeners() -> None:
    outbox, told = remote_store.Outbox(), []
    one, two = outbox.store(1, 0), outbox.store(1, 1)
    assert [one.open(), two.open(), one.open()] == [0, 1, 2]  # one count for all stores of the process
    one.submit(episode(2), scored=lambda e, credit: told.append((e.id, credit.summary)))
    two.submit(episode(1))
    messages = outbox.collect()
    assert [(x.store, x.id, x.episode is not None, x.listens) for x in messages] == [
        (one, 0, False, False),
        (two, 1, False, False),
        (one, 2, False, False),
        (one, 2, True, True),
        (two, 1, True, False),
    ]
    assert outbox.collect() == []
    outbox.deliver([(2, Credit(np.ones((1, 1)), summary="well done"))])
    assert told == [(2, "well done")] and not outbox.awaited


def test_an_episode_is_taken_once_and_only_under_an_id_that_was_opened() -> None:
    store = remote_store.Outbox().store(1, 0)
    store.submit(episode(store.open()))
    for id in (0, 5):
        with pytest.raises(CreditError, match=f"an episode {id} is in the store already"):
            store.submit(episode(id))


def test_references_lead_to_one_stand_in_in_a_worker_and_to_the_store_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    store = CreditStore(EqualSplitCritic(), workers=0)
    home = pickle.dumps(store)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("os.getpid", lambda: -1)
        abroad = pickle.dumps(store)
    assert pickle.loads(home) is store
    with pytest.raises(CreditError, match="lives in the process that made it"):
        pickle.loads(abroad)
    monkeypatch.setattr(intake, "_stand_in", None)
    remote_store.become_worker()
    stand_in = pickle.loads(abroad)
    assert isinstance(stand_in, remote_store.RemoteStore)
    assert copy.deepcopy(stand_in) is stand_in and pickle.loads(pickle.dumps(stand_in)) is stand_in
    assert pickle.loads(home) is store
