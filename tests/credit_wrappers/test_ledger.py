"""The ledger's file: what is kept, how it is found again, and what it refuses to touch."""

import gc
import hashlib
import sqlite3
import threading
import zlib
from dataclasses import replace

import numpy as np
import pytest
from credit_fakes import FakeClient, completion, corridor_episode, praise_forward

from credit_wrappers import Ledger, LedgerError, LLMCritic, Request, Usage
from credit_wrappers.llm.ledger.entry import JudgedEpisode

REQUEST = Request("base prompt", "the episodes", {"type": "object"}, "fake", 100, None)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(path, sql):
    db = sqlite3.connect(path)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def test_answer_is_found_by_the_key_of_its_request(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.record(REQUEST, completion("yes"), source="model")
        assert ledger.find(REQUEST.key()) == completion("yes")
        assert ledger.find(replace(REQUEST, prompt="other").key()) is None


def test_answer_is_found_after_reopening(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.record(REQUEST, completion("yes"), source="scripted")
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.find(REQUEST.key()) == completion("yes")


@pytest.mark.parametrize(
    "change",
    [
        {"system": "x"},
        {"prompt": "x"},
        {"schema": None},
        {"schema": {"type": "array"}},
        {"model": "x"},
        {"max_tokens": 101},
        {"temperature": 0.0},
        {"system": "base promptt", "prompt": "he episodes"},
    ],
)
def test_key_depends_on_everything_that_can_change_the_answer(change):
    assert replace(REQUEST, **change).key() != REQUEST.key()


def test_key_is_the_same_in_every_run():
    assert REQUEST.key() == "20db681f11becf3f7ac72f18fde04b1b55c90ef3120231e07695bcf78b9728d1"


def test_last_answer_to_a_request_counts(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.record(REQUEST, completion("first"), source="model")
        ledger.record(REQUEST, completion("second"), source="model")
        assert ledger.find(REQUEST.key()).text == "second"


def test_failure_without_an_answer_is_recorded_but_is_no_answer(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.record(REQUEST, None, source="model", failure="overloaded", message="too much to do")
        assert ledger.find(REQUEST.key()) is None
        [entry] = ledger.entries()
        assert (entry.completion, entry.failure, entry.message) == (None, "overloaded", "too much to do")
        assert (entry.answered, entry.usage, entry.episodes) == (False, Usage(), ())


@pytest.mark.parametrize("source", ["model", "scripted"])
def test_failure_is_found_until_the_question_gets_an_answer(tmp_path, source):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        key = REQUEST.key()
        assert ledger.find_failure(key) is None
        ledger.record(REQUEST, None, source=source, failure="overloaded", message="too much to do")
        assert ledger.find_failure(key) == ("overloaded", "too much to do")
        ledger.record(REQUEST, completion("does not fit"), source=source, failure="content", message="wrong")
        assert ledger.find_failure(key) is None
        ledger.record(REQUEST, None, source=source, failure="timeout", message="too late")
        assert ledger.find_failure(key) == ("timeout", "too late")
        assert ledger.find(key).text == "does not fit"


def test_entries_hold_everything(tmp_path):
    request = replace(REQUEST, temperature=0.5)
    values = np.array([[0.1, -2.0], [0.0, 1e-7], [3.0, 0.5]], dtype=np.float32)
    judged = [
        JudgedEpisode("a/1", ("left", "right"), values, 3),
        JudgedEpisode('b/"2"\n', ("right", "left"), None, 7),
        JudgedEpisode("c/3", ("only",), values[:, :1], 3),
    ]
    answer = replace(completion("ü", "max_tokens"), usage=Usage(1, 2, 3, 4, 5.5, 6))
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.record(request, answer, source="model", failure="cut_off", message="why", episodes=judged)
        [entry] = ledger.entries()
    assert entry.request == request
    assert entry.completion == answer
    assert (entry.number, entry.key, entry.client) == (1, request.key(), "fake")
    assert (entry.source, entry.failure, entry.message) == ("model", "cut_off", "why")
    assert entry.time > 1.7e9
    for before, after in zip(judged, entry.episodes, strict=True):
        assert (after.key, after.agents, after.length) == (before.key, before.agents, before.length)
    first, second, third = entry.episodes
    np.testing.assert_array_equal(first.values, values)
    assert first.values.dtype == np.float32
    assert first.totals == {"left": pytest.approx(3.1), "right": pytest.approx(-1.5)}
    assert (second.values, second.totals) == (None, None)
    np.testing.assert_array_equal(third.values, values[:, :1])


def test_values_of_another_shape_are_refused(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        judged = JudgedEpisode("a/1", ("left", "right"), np.zeros((2, 3), dtype=np.float32), 3)
        with pytest.raises(ValueError, match=r"\(2, 3\), expected \(3, 2\)"):
            ledger.record(REQUEST, completion("x"), source="model", episodes=[judged])
        assert len(ledger) == 0


def test_credits_add_little_to_the_file(tmp_path):
    random = np.random.default_rng(0)
    team = [corridor_episode(random.integers(0, 3, (60, 2)).tolist()) for _ in range(8)]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        LLMCritic(FakeClient(praise_forward), ledger=ledger).score(team)
    [(credits, rest)] = rows(
        tmp_path / "l.sqlite", "SELECT length(credits), length(prompt) + length(answer) + length(episodes) FROM answers"
    )
    assert 0 < credits < 0.15 * rest


def test_entries_are_chosen_by_number_key_and_episode(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        requests = [replace(REQUEST, prompt=f"{k}") for k in range(150)]  # more than are read at a time
        for k, request in enumerate(requests):
            judged = JudgedEpisode(f"e/{k % 10}", ("a",), None, 1)
            ledger.record(request, completion(f"{k}"), source="scripted", episodes=[judged])
        texts = [entry.completion.text for entry in ledger.entries()]
        assert texts == [f"{k}" for k in range(150)]
        assert [entry.completion.text for entry in ledger.entries(newest_first=True)] == texts[::-1]
        assert [entry.completion.text for entry in ledger.entries(number=70)] == ["69"]
        assert [entry.completion.text for entry in ledger.entries(key=requests[3].key()[:20])] == ["3"]
        assert [entry.number for entry in ledger.entries(episode="e/4")] == list(range(5, 151, 10))
        assert list(ledger.entries(episode="e")) == []


def test_clients_are_named_once_each(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.clients() == []
        for name in ("b", "a", "b"):
            ledger.record(replace(REQUEST, model=name), completion("x"), source="scripted")
        assert ledger.clients() == ["a", "b"]


def test_open_batches_are_remembered_until_they_are_closed(tmp_path):
    path = tmp_path / "l.sqlite"
    ledger = Ledger(path)
    ledger.open_batch("claude", "batch_1", ["k1", "k2"])
    ledger.open_batch("claude", "batch_2", ["k3"])
    ledger.open_batch("other", "batch_3", [])
    with Ledger(path) as second:  # as after a crash: the first was not closed
        assert second.open_batches("claude") == [("batch_1", ("k1", "k2")), ("batch_2", ("k3",))]
        assert second.open_batches("other") == [("batch_3", ())]
        second.close_batch("batch_1")
    assert ledger.open_batches("claude") == [("batch_2", ("k3",))]
    ledger.close()


def test_answers_of_a_batch_are_on_disk_before_it_is_closed(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.open_batch("fake", "batch_1", [REQUEST.key()])
    ledger.record(REQUEST, completion("x"), source="scripted")
    ledger.close_batch("batch_1")
    assert rows(tmp_path / "l.sqlite", "SELECT count(*) FROM answers") == [(1,)]
    ledger.close()


def test_usage_adds_up_all_answers(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.usage() == Usage()
        ledger.record(REQUEST, completion("a"), source="scripted")
        ledger.record(REQUEST, None, source="model", failure="timeout")
        ledger.record(REQUEST, completion("b"), source="scripted")
        assert ledger.usage() == Usage(2, 200, 20, 10, 0.5)
        assert len(ledger) == 3


def test_base_prompt_is_stored_once_and_prompts_are_compressed(tmp_path):
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        for k in range(20):
            ledger.record(replace(REQUEST, prompt=f"{k}" * 5000), completion(f"{k}"), source="scripted")
    assert len(rows(path, "SELECT * FROM texts")) == 2  # base prompt and schema
    [(prompt,)] = rows(path, "SELECT prompt FROM answers WHERE id = 4")
    assert zlib.decompress(prompt) == b"3" * 5000
    assert len(prompt) < 100


def test_answer_of_a_model_is_on_disk_at_once(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.record(REQUEST, completion("dear"), source="model")
    assert rows(tmp_path / "l.sqlite", "SELECT count(*) FROM answers") == [(1,)]
    ledger.close()


def test_scripted_answers_wait_for_a_batch_but_are_found_meanwhile(tmp_path):
    path = tmp_path / "l.sqlite"
    ledger = Ledger(path)
    ledger.record(REQUEST, completion("cheap"), source="scripted")
    assert rows(path, "SELECT count(*) FROM answers") == [(0,)]
    assert ledger.find(REQUEST.key()).text == "cheap"
    ledger.flush()
    assert rows(path, "SELECT count(*) FROM answers") == [(1,)]
    ledger.close()


def test_forgotten_ledger_writes_what_is_left(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.record(REQUEST, completion("cheap"), source="scripted")
    del ledger
    gc.collect()
    assert rows(tmp_path / "l.sqlite", "SELECT count(*) FROM answers") == [(1,)]


def test_two_ledgers_may_write_to_one_file(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as first, Ledger(tmp_path / "l.sqlite") as second:
        first.record(REQUEST, completion("one"), source="scripted")
        second.record(replace(REQUEST, prompt="2"), completion("two"), source="model")
        first.flush()
        assert second.find(REQUEST.key()).text == "one"


def test_threads_may_share_a_ledger(tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger:

        def work(name):
            for k in range(50):
                request = replace(REQUEST, prompt=f"{name}{k}")
                ledger.record(request, completion(f"{name}{k}"), source="model" if k % 7 == 0 else "scripted")
                assert ledger.find(request.key()).text == f"{name}{k}"

        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ledger) == 150


@pytest.mark.parametrize(
    "content",
    [b"not a database at all", b"SQLite format 3\0", b"\0" * 4096, b"SQLite format 3\0" + b"\7" * 200],
)
def test_foreign_file_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"notes.txt"):
        Ledger(path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_other_sqlite_file_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "other.sqlite"
    db = sqlite3.connect(path)
    with db:
        db.execute("CREATE TABLE answers (key TEXT)")
    db.close()
    before = digest(path)
    with pytest.raises(LedgerError, match=r"not a ledger"):
        Ledger(path)
    assert digest(path) == before


@pytest.fixture
def big_ledger(tmp_path):
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        for k in range(200):
            request = replace(REQUEST, prompt="".join(chr(33 + (k * i) % 90) for i in range(400)))
            ledger.record(request, completion(f"{k}" * 50), source="scripted")
    return path


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.1])
def test_truncated_ledger_is_refused_and_left_as_it_is(big_ledger, keep):
    data = big_ledger.read_bytes()
    big_ledger.write_bytes(data[: int(len(data) * keep)])
    before = digest(big_ledger)
    with pytest.raises(LedgerError, match="damaged"):
        Ledger(big_ledger)
    assert digest(big_ledger) == before
    assert [file.name for file in big_ledger.parent.iterdir()] == ["l.sqlite"]


def test_overwritten_page_is_noticed(big_ledger):
    data = bytearray(big_ledger.read_bytes())
    data[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    big_ledger.write_bytes(data)
    with pytest.raises(LedgerError, match="damaged"):
        Ledger(big_ledger)
    assert big_ledger.read_bytes() == data


def test_unusable_paths_are_named(tmp_path):
    with pytest.raises(LedgerError, match="no folder"):
        Ledger(tmp_path / "nowhere" / "l.sqlite")
    with pytest.raises(LedgerError, match="cannot open"):
        Ledger(tmp_path)


def test_empty_file_becomes_a_ledger(tmp_path):
    path = tmp_path / "l.sqlite"
    path.touch()
    with Ledger(path) as ledger:
        ledger.record(REQUEST, completion("yes"), source="model")
        assert len(ledger) == 1


def test_closed_ledger_says_so(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.find("x")
