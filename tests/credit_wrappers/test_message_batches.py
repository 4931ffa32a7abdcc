"""Message batches and token counts: half the price, a day's patience; the real SDK without a network."""

import json

import pytest
from faulty_provider import Fault, FaultyProvider

from credit_wrappers import AnthropicClient, Completion, ModelError, Request
from credit_wrappers.testing import Reply

SCHEMA = {"type": "object"}
QUESTIONS = [Request("base prompt", f"episode {k}", SCHEMA, "fake", 100, None) for k in range(5)]


def echo(body):
    return f"answer to {body['messages'][0]['content']}"


@pytest.fixture
def client(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    made = []

    def make(server, **options):
        made.append(
            AnthropicClient("claude", base_url=server.url, max_retries=0, http_client=server.http_client(), **options)
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_batch_is_polled_until_it_has_ended_and_answers_every_question(client):
    with FaultyProvider(echo, batch_polls=2) as server:
        asking = client(server)
        batch = asking.create_batch(QUESTIONS)
        counts = []
        while not (status := asking.batch_status(batch)).ended:
            counts.append(status.counts)
        results = dict(asking.batch_results(batch))
        assert server.answered == 5
    assert [count["processing"] for count in counts] == [5, 5]
    assert status.counts == {"processing": 0, "succeeded": 5, "errored": 0, "expired": 0, "canceled": 0}
    assert {key: completion.text for key, completion in results.items()} == {
        request.key(): f"answer to {request.prompt}" for request in QUESTIONS
    }
    assert all((c.model, c.usage.calls, c.usage.seconds) == ("claude", 1, 0.0) for c in results.values())


def test_question_in_a_batch_is_the_question_asked_alone(client):
    questions = [*QUESTIONS, Request("s", "p", None, "fake", 50, 0.5)]
    with FaultyProvider(echo) as server:
        asking = client(server)
        asking.create_batch(questions)
        for question in questions:
            asking.complete(question)
        batch, *alone = server.requests
    assert [item["params"] for item in batch["requests"]] == alone
    assert [item["custom_id"] for item in batch["requests"]] == [question.key() for question in questions]


def test_equal_questions_are_sent_once(client):
    with FaultyProvider(echo) as server:
        asking = client(server)
        batch = asking.create_batch([*QUESTIONS, *QUESTIONS])
        asking.batch_status(batch)
        assert len(list(asking.batch_results(batch))) == 5


def test_items_that_failed_are_errors_beside_the_answers(client):
    def judge(body):
        if "episode 3" in body["messages"][0]["content"]:
            return Reply("prompt is too long: 9 tokens > 8", status=400, error="invalid_request_error")
        return Reply("", stop_reason="refusal") if "episode 4" in body["messages"][0]["content"] else echo(body)

    keys = [question.key() for question in QUESTIONS]
    with FaultyProvider(judge) as server:
        server.batch_outcomes.update({keys[0]: "errored", keys[1]: "expired"})
        asking = client(server)
        batch = asking.create_batch(QUESTIONS)
        assert asking.batch_status(batch).counts == {
            "processing": 0, "succeeded": 2, "errored": 2, "expired": 1, "canceled": 0
        }  # fmt: skip
        found = dict(asking.batch_results(batch))
        assert server.answered == 2
    kinds = [found[key].kind if isinstance(found[key], ModelError) else found[key].stop_reason for key in keys]
    assert kinds == ["server_error", "timeout", "end_turn", "too_large", "refusal"]


def test_canceled_items_can_be_asked_again(client):
    with FaultyProvider(echo, batch_polls=9) as server:
        asking = client(server)
        batch = asking.create_batch(QUESTIONS)
        server.batch_outcomes.update({question.key(): "canceled" for question in QUESTIONS})
        server.end_batches()
        assert asking.batch_status(batch).ended
        assert all(error.transient for _, error in asking.batch_results(batch))
        assert server.answered == 0


def test_batch_that_has_not_ended_has_no_results_yet(client):
    with FaultyProvider(echo, batch_polls=9) as server:
        asking = client(server)
        batch = asking.create_batch(QUESTIONS)
        with pytest.raises(ModelError, match="has not ended") as caught:
            list(asking.batch_results(batch))
        assert caught.value.transient
        with pytest.raises(ModelError) as caught:
            asking.batch_status("msgbatch_of_another")
        assert caught.value.kind == "not_found"


def test_no_question_makes_no_batch(client):
    with FaultyProvider(echo) as server, pytest.raises(ValueError, match="at least one"):
        client(server).create_batch([])


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.reset(), "connection"),
        (Fault.reset_in_body(), "connection"),
        (Fault.stalled(), "timeout"),
        (Fault.half_json(), "bad_reply"),
        (Fault.html(), "bad_reply"),
        (Fault.raw("[1]"), "bad_reply"),
        (Fault.raw('{"processing_status": 3}'), "bad_reply"),
        (Fault.unauthorized(), "auth"),
        (Fault.overloaded(), "overloaded"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else None,
)
def test_fault_at_any_look_at_a_batch_is_a_model_error_of_its_kind(client, fault, kind):
    with FaultyProvider(echo) as server:
        asking = client(server)
        batch = asking.create_batch(QUESTIONS)
        assert asking.batch_status(batch).ended
        for good_looks in range(3):  # at the state, at it again (the SDK does), at the results
            server.misbehave(*[None] * good_looks, fault, method="GET")
            with pytest.raises(ModelError) as caught:
                list(asking.batch_results(batch))
            assert caught.value.kind == kind
            assert caught.value.__context__ is None
            assert len(list(asking.batch_results(batch))) == 5


@pytest.mark.parametrize("fault", [Fault.half_json(), Fault.html(), Fault.raw("{}"), Fault.raw('{"id": 7}')])
def test_batch_without_an_id_is_a_bad_reply(client, fault):
    with FaultyProvider(echo) as server:
        server.misbehave(fault)
        with pytest.raises(ModelError) as caught:
            client(server).create_batch(QUESTIONS)
    assert caught.value.kind == "bad_reply"


def test_results_with_one_broken_item_still_give_the_others(client):
    fine = {"content": [{"type": "text", "text": "fine"}], "model": "m", "stop_reason": "end_turn"}
    lines = [
        '{"custom_id": "a", "result": {"type": "succeeded", "message": {"content": 7}}}',
        json.dumps({"custom_id": "b", "result": {"type": "succeeded", "message": fine}}),
        '{"custom_id": "c", "result": {"type": "errored", "error": {"type": "overloaded_error", "message": "x"}}}',
        '{"custom_id": "d", "result": null}',
        '{"custom_id": "e", "result": {"type": "lost"}}',
    ]
    with FaultyProvider(echo) as server:
        asking = client(server)
        batch = asking.create_batch(QUESTIONS)
        server.misbehave(None, None, Fault.raw("\n".join(lines), "application/x-jsonl"), method="GET")
        found = dict(asking.batch_results(batch))
    kinds = {key: one.text if isinstance(one, Completion) else one.kind for key, one in found.items()}
    assert kinds == {"a": "bad_reply", "b": "fine", "c": "overloaded", "d": "bad_reply", "e": "bad_reply"}


def test_results_that_end_too_early_are_an_error_after_those_that_came(client):
    line = '{"custom_id": "a", "result": {"type": "expired"}}'
    with FaultyProvider(echo) as server:
        asking = client(server)
        batch = asking.create_batch(QUESTIONS)
        server.misbehave(None, None, Fault.raw(f"{line}\n{line}\n", "application/x-jsonl"), method="GET")
        results = asking.batch_results(batch)
        assert [next(results)[0], next(results)[0]] == ["a", "a"]
        with pytest.raises(ModelError, match="3 results of batch msgbatch_0001 are missing"):
            next(results)


def test_tokens_are_counted_for_the_question_as_it_would_be_sent(client):
    with FaultyProvider(echo) as server:
        asking = client(server)
        short, long = (asking.count_tokens(Request("s", text, SCHEMA, "m", 9)) for text in ("a", "a" * 4000))
        assert long - short in (999, 1000)
        assert server.requests[0]["output_config"]["format"]["schema"] == SCHEMA
        assert server.answered == 0
        for fault, kind in ((Fault.not_found(), "not_found"), (Fault.raw('{"input_tokens": "many"}'), "bad_reply")):
            server.misbehave(fault)
            with pytest.raises(ModelError) as caught:
                asking.count_tokens(QUESTIONS[0])
            assert caught.value.kind == kind
