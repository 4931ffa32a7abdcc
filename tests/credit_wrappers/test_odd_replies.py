"""Replies of status 200 that are no plain answer: content in chunks, errors, pages; and keys that hide nothing."""

import json
from types import SimpleNamespace

import pytest
from credit_fakes import FakeClient, answer, corridor_episode, event, events_critic
from faulty_provider import FaultyProvider

from credit_wrappers import (
    AnthropicClient,
    Completion,
    ModelError,
    OpenAICompatibleClient,
    Request,
    Usage,
)
from credit_wrappers.llm.providers.openai_compatible import _text
from credit_wrappers.testing import Reply

REQUEST = Request("base prompt", "the episodes", {"type": "object"}, "fake", 100, None)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)


def ask(kind, body, content_type="application/json"):
    """Return what a client makes of a raw reply."""
    text = body if isinstance(body, str) else json.dumps(body)
    with FaultyProvider(lambda _: Reply(body=text, content_type=content_type)) as server:
        url = server.url + ("/v1" if kind is OpenAICompatibleClient else "")
        client = kind("m", base_url=url, http_client=server.http_client(), max_retries=0)
        try:
            return client.complete(REQUEST)
        finally:
            client.close()


def failure(kind, body, content_type="application/json"):
    with pytest.raises(ModelError) as caught:
        ask(kind, body, content_type)
    return caught.value


def chat(content, **fields):
    message = {"role": "assistant", "content": content, **fields}
    return {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}


TEXT, MORE = {"type": "text", "text": '{"episodes": '}, {"type": "output_text", "text": "[]}"}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "a draft"}]}
both = pytest.mark.parametrize("kind", [AnthropicClient, OpenAICompatibleClient])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([TEXT, MORE], '{"episodes": []}'),
        ([THOUGHT, TEXT, {"type": "reasoning", "text": "a draft"}, MORE], '{"episodes": []}'),
        ([{"text": "one "}, "two"], "one two"),
        (TEXT, '{"episodes": '),
        ([{"type": "text", "text": None}, TEXT], '{"episodes": '),
        ([], ""),
        ([THOUGHT], ""),
        (None, ""),
    ],
)
def test_chunks_of_text_are_joined_and_others_left_out(content, text):
    completion = ask(OpenAICompatibleClient, chat(content))
    assert (completion.text, completion.stop_reason) == (text, "end_turn")


def test_chunks_may_be_objects():
    chunks = [SimpleNamespace(**chunk) for chunk in (TEXT, THOUGHT, MORE)]
    assert _text(chunks, "text", "output_text") == '{"episodes": []}'


def test_a_refusal_may_be_a_chunk():
    completion = ask(OpenAICompatibleClient, chat([{"type": "refusal", "refusal": "I will not."}]))
    assert (completion.text, completion.stop_reason) == ("I will not.", "refusal")


@pytest.mark.parametrize("content", [7, [7], [None], [{"type": "text"}], [{"type": "text", "text": {"value": "x"}}]])
def test_content_of_another_shape_is_a_bad_reply(content):
    assert failure(OpenAICompatibleClient, chat(content)).kind == "bad_reply"


@both
@pytest.mark.parametrize(
    ("body", "said", "failed"),
    [
        ({"error": {"message": "the model runner has stopped", "code": None}}, "the model runner has stopped",
         "bad_reply"),
        ({"error": "model 'm' not found, try pulling it"}, "model 'm' not found, try pulling it", "bad_reply"),
        ({"type": "error", "error": {"type": "authentication_error", "message": "who are you"}}, "who are you", "auth"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, "busy", "overloaded"),
        ({"error": {"code": 429, "message": "slow down"}}, "slow down 429", "rate_limit"),
        ({"error": {"message": "the request exceeds the available context size"}}, "context size", "too_large"),
        ({"object": "error", "message": "no such thing", "code": 404}, "no such thing 404", "not_found"),
        ({"error": {"message": "half an answer"}, **chat("x"), "content": []}, "half an answer", "bad_reply"),
        ({"error": {"reason": "a kind of its own"}}, '{"error": {"reason": "a kind of its own"}}', "bad_reply"),
        ({"error": {"message": "no model loaded"}, "choices": []}, "no model loaded", "bad_reply"),
        ({"detail": "Not found"}, "Not found", "bad_reply"),
        ({"detail": [{"loc": ["body"], "msg": "field required"}]}, "field required", "bad_reply"),
        ({"errors": ["quota exceeded", {"message": "ask later"}]}, "quota exceeded; ask later", "bad_reply"),
        ([{"error": {"message": "bad", "code": 503}}], "bad 503", "server_error"),
        ({"choices": [{"error": {"message": "upstream failed", "code": 502}}]}, "upstream failed 502", "server_error"),
    ],
)  # fmt: skip
def test_an_error_with_status_200_is_told_in_its_own_words(kind, body, said, failed):
    error = failure(kind, body)
    assert "the reply is an error: " in str(error)
    assert said in str(error)
    assert error.kind == failed
    assert "Error:" not in str(error)  # no exception of Python


def test_an_error_inside_a_choice_is_no_answer():
    body = chat("part of an answer")
    body["choices"][0] |= {"finish_reason": "error", "error": {"message": "upstream failed", "code": 502}}
    error = failure(OpenAICompatibleClient, body)
    assert "the reply is an error: upstream failed 502" in str(error)
    assert error.kind == "server_error"


def test_an_answer_that_stopped_with_an_error_is_never_a_credit():
    good = answer([event("agent_A", 0, 3, 1.0)])
    critic = events_critic(FakeClient(Completion(good, Usage(1, 9, 9), "m", "error"), good))
    first, second = (critic.score([corridor_episode([[2, 0]] * 3, id=i)])[0] for i in range(2))
    assert (first.source, second.source, critic.stats.model_errors) == ("fallback", "model", 1)


@pytest.mark.parametrize("body", [chat(7), chat([None]), chat([{"type": "text", "text": {"value": "b"}}]),
                                  {"choices": None, "id": "x7"}, {"choices": [None]}, {"choices": "none"}])  # fmt: skip
def test_no_exception_of_python_is_told(body):
    said = str(failure(OpenAICompatibleClient, body))
    assert "the reply cannot be read" in said
    assert not any(word in said for word in ("Error:", "NoneType", "object"))


@both
def test_a_page_with_status_200_is_told_without_its_tags(kind):
    error = failure(kind, "<html><title>Log in</title><p>Welcome to the gateway</p></html>", "text/html")
    assert "the reply is no JSON: Log in Welcome to the gateway; check that base_url" in str(error)


@both
@pytest.mark.parametrize("body", [{"choices": [], "content": 3}, {"choices": None}, {}, {"error": None}])
def test_a_reply_without_an_answer_that_tells_nothing_is_a_bad_one(kind, body):
    error = failure(kind, body)
    assert "the reply cannot be read" in str(error)
    assert error.kind == "bad_reply"


@pytest.mark.parametrize("key", [None, "none", "EMPTY", "ollama", "sk-no-key-required", "lm-studio", "dummy"])
def test_a_key_that_stands_for_none_is_nothing_to_hide(key, monkeypatch):
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    said = f"none of the models is EMPTY; ollama run m; lm-studio and dummy need {key}"
    error = failure(OpenAICompatibleClient, {"error": {"message": said}})
    assert said in str(error)


@pytest.mark.parametrize("key", ["sk-none-0123456789", "hunter2", "nonesuch"])
def test_any_other_key_is_hidden(key, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    error = failure(OpenAICompatibleClient, {"error": f"wrong key {key}"})
    assert key not in str(error)
    assert "wrong key [key]" in str(error)
