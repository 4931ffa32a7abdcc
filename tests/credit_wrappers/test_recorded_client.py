"""RecordedClient: a run is replayed from its ledger, failures included, and nothing else is asked."""

import numpy as np
import pytest
from credit_fakes import (
    FORWARD,
    STAY,
    FakeClient,
    answer,
    completion,
    corridor_episode,
    event,
    events_critic,
    praise_forward,
)

from credit_wrappers import Ledger, LedgerError, ModelError, RecordedClient, Request, Usage

TEAMS = [corridor_episode([[FORWARD, STAY]] * steps, reward=[0.0] * (steps - 1) + [1.0]) for steps in (2, 3, 4, 5)]
BAD = answer([event("agent_Z", 0, 2, 2.0)])
REQUEST = Request("base", "question", None, "fake", 100)


def run(critic):
    return [critic.score([team])[0] for team in TEAMS]


@pytest.fixture
def recording(tmp_path):
    """A run with a good answer, a re-ask, a fallback without and one with an answer; its credits and its file."""
    path = tmp_path / "run.sqlite"
    overloaded = ModelError("too much to do", "overloaded")
    client = FakeClient(praise_forward, BAD, praise_forward, overloaded, completion("I cannot", "refusal"))
    with Ledger(path) as ledger:
        credits = run(events_critic(client, ledger=ledger))
    assert [credit.source for credit in credits] == ["model", "model", "fallback", "fallback"]
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    yield path, credits
    tmp_path.chmod(0o755)


def test_run_is_replayed_from_a_read_only_file_with_the_same_credits(recording):
    path, recorded = recording
    before = path.read_bytes()
    client = RecordedClient(path)
    critic = events_critic(client)
    for old, new in zip(recorded, run(critic), strict=True):
        np.testing.assert_array_equal(old.values, new.values)
        assert (old.events, old.summary) == (new.events, new.summary)
        assert new.source == ("fallback" if old.source == "fallback" else "cache")
        assert new.usage == Usage()
    assert (critic.stats.calls, critic.stats.reasks, critic.stats.fallbacks) == (5, 1, 2)
    client.ledger.close()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["run.sqlite"]


def test_replay_can_be_recorded_again_and_that_record_replayed(recording, tmp_path_factory):
    path, recorded = recording
    copy = tmp_path_factory.mktemp("copy") / "copy.sqlite"
    with Ledger(copy) as ledger:
        run(events_critic(RecordedClient(path), ledger=ledger))
        assert {entry.source for entry in ledger.entries()} == {"cache"}
    for old, new in zip(recorded, run(events_critic(RecordedClient(copy))), strict=True):
        np.testing.assert_array_equal(old.values, new.values)


def test_recorded_failure_is_raised_again(recording):
    client = RecordedClient(recording[0])
    [failed] = [entry for entry in client.ledger.entries() if not entry.answered]
    with pytest.raises(ModelError, match=r"^too much to do$") as caught:
        client.complete(failed.request)
    assert caught.value.kind == "overloaded"


def test_question_that_is_not_on_record_ends_the_run_and_says_why(recording):
    client = RecordedClient(recording[0])
    with pytest.raises(ModelError) as caught:
        client.complete(REQUEST)
    assert (caught.value.kind, caught.value.fatal) == ("not_recorded", True)
    for part in ("run.sqlite", "'fake'", REQUEST.key()[:12], "settings", "episodes", "version"):
        assert part in str(caught.value)


def test_client_is_chosen_where_there_are_several(tmp_path):
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        for name in ("one", "two"):
            request = Request("base", "question", None, name, 100)
            ledger.record(request, completion(f"by {name}"), source="model")
    with pytest.raises(ValueError, match="'one', 'two'"):
        RecordedClient(path)
    with pytest.raises(ValueError, match="no client 'three'; it has 'one', 'two'"):
        RecordedClient(path, client="three")
    client = RecordedClient(path, client="two")
    assert (client.name, client.source) == ("two", "cache")
    found = client.complete(Request("base", "question", None, "two", 100))
    assert (found.text, found.usage) == ("by two", Usage())


def test_ledger_that_has_nothing_to_replay_is_refused(tmp_path):
    with pytest.raises(LedgerError, match="there is no ledger"):
        RecordedClient(tmp_path / "l.sqlite")
    with Ledger(tmp_path / "l.sqlite") as ledger, pytest.raises(ValueError, match="empty"):
        RecordedClient(ledger)
