"""Every way in which a server or the network goes wrong ends in one ModelError, with the real SDKs."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from faulty_provider import Fault, FaultyProvider

from credit_wrappers import AnthropicClient, ModelError, OpenAICompatibleClient, Request
from credit_wrappers.testing import MessagesServer, Reply

REQUEST = Request("base prompt", "the episodes", {"type": "object"}, "fake", 100, None)
TEXT = "the model's answer, long enough to be cut"
SOON = 0.001  # retry-after, seconds
STUTTER = "it went well " * 4000


@pytest.fixture(scope="module", params=["anthropic", "openai"])
def client(request):
    """A function that makes a client of either kind for a server, or gives the same one again; closes them all."""
    made = {}

    def make(server, **options):
        key = (server, *options.items())
        if isinstance(server, FaultyProvider):
            options["http_client"] = server.http_client()
        if key not in made and request.param == "anthropic":
            made[key] = AnthropicClient("m", base_url=server.url, **options)
        elif key not in made:
            made[key] = OpenAICompatibleClient("m", base_url=f"{server.url}/v1", **options)
        return made[key]

    yield make
    for one in made.values():
        one.close()


@pytest.fixture(scope="module")
def provider():
    """One provider for the many tests that need no other; its clients are made once, which is what takes long."""
    return FaultyProvider(lambda body: TEXT)


@pytest.mark.parametrize(
    ("fault", "retries", "kind", "tries"),
    [
        (Fault.rate_limit(SOON), 2, "rate_limit", 3),
        (Fault.rate_limit(), 0, "rate_limit", 1),
        (Fault.overloaded(SOON), 2, "overloaded", 3),
        (Fault.server_error(500, SOON), 1, "server_error", 2),
        (Fault.server_error(503, SOON), 1, "server_error", 2),
        (Fault.bad_gateway(), 0, "server_error", 1),
        (Fault.unauthorized(), 1, "auth", 1),
        (Fault.status(402, "billing_error", "your account is empty"), 1, "permission", 1),
        (Fault.forbidden(), 1, "permission", 1),
        (Fault.not_found(), 1, "not_found", 1),
        (Fault.too_large(), 1, "too_large", 1),
        (Fault.too_long(), 1, "too_large", 1),
        (Fault.bad_request("This model's maximum context length is 4096 tokens"), 1, "too_large", 1),
        (Fault.bad_request("the request exceeds the available context size"), 1, "too_large", 1),
        (Fault.bad_request("max_tokens is too large: 99999"), 1, "bad_request", 1),
        (Fault.raw("moved", status=302), 1, "bad_reply", 1),
        (Fault.reset(), 0, "connection", 1),
        (Fault.reset_in_body(), 0, "connection", 1),
        (Fault.stalled(), 0, "timeout", 1),
        (Fault.half_json(), 1, "bad_reply", 1),
        (Fault.html(), 1, "bad_reply", 1),
        (Fault.raw("<html>"), 1, "bad_reply", 1),
        (Fault.raw("I think agent_A did well.", "text/plain"), 1, "bad_reply", 1),
        (Fault.raw(""), 1, "bad_reply", 1),
        (Fault.raw("null"), 1, "bad_reply", 1),
        (Fault.raw("[1, 2]"), 1, "bad_reply", 1),
        (Fault.raw('{"detail": "hello"}'), 1, "bad_reply", 1),
        (Fault.raw('{"content": [null, 3], "choices": [null]}'), 1, "bad_reply", 1),
        (Fault.raw('{"content": [{"type": "text", "text": 3}], "choices": []}'), 1, "bad_reply", 1),
        (Fault.raw('{"content": "", "choices": ""}'), 1, "bad_reply", 1),
        (Fault.raw("[" * 200_000), 1, "bad_reply", 1),  # too deep for the parser
        (Fault.raw("1" * 5000), 1, "bad_reply", 1),  # a number too long for Python
        (Fault.raw('{"error": {"type": "api_error", "message": "no"}}'), 1, "server_error", 1),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else None,
)
def test_fault_is_a_model_error_of_its_kind_after_so_many_tries(client, provider, fault, retries, kind, tries):
    provider.misbehave(fault, forever=True)
    requests, answered = len(provider.requests), provider.answered
    asking = client(provider, max_retries=retries)
    with pytest.raises(ModelError) as caught:
        asking.complete(REQUEST)
    assert (caught.value.kind, len(provider.requests) - requests, provider.answered) == (kind, tries, answered)
    assert caught.value.__context__ is caught.value.__cause__ is None
    assert len(str(caught.value)) < 900
    provider.misbehave()  # and a failure leaves the client usable
    assert asking.complete(REQUEST).text == TEXT
    assert provider.answered == answered + 1


def test_lost_connection_and_announced_waits_are_repeated_until_the_answer_comes(client, provider):
    faults = [Fault.reset_in_body(), Fault.rate_limit(SOON), Fault.overloaded(SOON), Fault.server_error(500, SOON)]
    provider.misbehave(*faults)
    requests = len(provider.requests)
    assert client(provider, max_retries=4).complete(REQUEST).text == TEXT
    assert len(provider.requests) - requests == 5
    assert provider.requests[requests] == provider.requests[-1]


@pytest.mark.parametrize(
    ("fault", "text", "stop"),
    [
        (Fault.cut_off(), TEXT[: len(TEXT) // 2], "max_tokens"),
        (Fault.refusal(), "I will not judge this.", "refusal"),
        (Fault.empty(), "", "end_turn"),
        (Fault.text(STUTTER), STUTTER, "end_turn"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else None,
)
def test_answer_of_a_model_that_misbehaves_is_returned_as_it_is(client, provider, fault, text, stop):
    provider.misbehave(fault)
    completion = client(provider, max_retries=0).complete(REQUEST)
    assert (completion.text, completion.stop_reason) == (text, stop)


def test_answer_that_no_file_can_hold_is_made_one_that_can(client):
    with FaultyProvider(lambda body: "lone surrogate \ud800 here") as server:
        assert client(server).complete(REQUEST).text == "lone surrogate ? here"


def test_token_counts_without_sense_are_not_counted(client):
    odd = {"input_tokens": -5, "output_tokens": 10**30, "cache_read_input_tokens": 0}
    with FaultyProvider(lambda body: Reply(TEXT, usage=odd)) as server:
        usage = client(server).complete(REQUEST).usage
    assert (usage.calls, usage.tokens) == (1, 0)


def test_server_that_is_gone_is_a_connection_error_that_names_it(client):
    with MessagesServer(lambda body: TEXT) as server:
        asking = client(server, max_retries=0)
        asking.complete(REQUEST)
        server.stop()
        for _ in range(2):
            with pytest.raises(ModelError, match=server.url.removeprefix("http://")) as caught:
                asking.complete(REQUEST)
            assert caught.value.kind == "connection"


def test_server_that_is_silent_is_a_timeout_and_one_that_hangs_up_a_connection_error(client):
    with MessagesServer(lambda body: TEXT, latency=3600.0) as server:
        with pytest.raises(ModelError) as caught:
            client(server, max_retries=0, timeout=0.3).complete(REQUEST)
        assert caught.value.kind == "timeout"
        threading.Timer(0.3, server.stop).start()
        with pytest.raises(ModelError) as caught:
            client(server, max_retries=0, timeout=20.0).complete(REQUEST)
        assert caught.value.kind == "connection"


def test_server_that_comes_back_is_talked_to_again(client):
    with MessagesServer(lambda body: TEXT) as server:
        asking = client(server, max_retries=0)
    with pytest.raises(ModelError):
        asking.complete(REQUEST)
    with MessagesServer(lambda body: TEXT, port=int(server.url.rpartition(":")[2])):
        assert asking.complete(REQUEST).text == TEXT


def test_64_questions_are_in_flight_at_once_over_one_pool(client):
    together = threading.Barrier(64)  # no one is answered before all have been heard

    def meet(body):
        together.wait(20)
        return TEXT

    with MessagesServer(meet) as server, ThreadPoolExecutor(64) as pool:
        asking = client(server, max_retries=0)
        assert [done.text for done in pool.map(asking.complete, [REQUEST] * 64)] == [TEXT] * 64
        assert len({id(sdk) for sdk in pool.map(lambda _: asking._connected(), range(64))}) == 1


def test_whatever_goes_wrong_each_question_has_one_outcome_and_no_answer_is_lost(client):
    faults = [Fault.reset(), Fault.half_json(), Fault.overloaded(SOON), Fault.text(STUTTER), Fault.html(), None, None]
    chosen = random.Random(7).choices(faults, k=60)

    def ask(request):
        try:
            return asking.complete(request).text
        except ModelError as error:
            return error

    with FaultyProvider(lambda body: TEXT) as server, ThreadPoolExecutor(16) as pool:
        server.misbehave(*chosen)
        asking = client(server, max_retries=0)
        outcomes = list(pool.map(ask, [REQUEST] * 60))
        assert server.answered == outcomes.count(TEXT) == chosen.count(None)
    kinds = Counter(outcome.kind for outcome in outcomes if isinstance(outcome, ModelError))
    names = Counter(fault.name for fault in chosen if fault is not None)
    assert kinds == {
        "connection": names["reset"],
        "bad_reply": names["half a JSON"] + names["200 text/html"],
        "overloaded": names["529 overloaded_error"],
    }


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (Fault.unauthorized(), "check (ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN|OPENAI_API_KEY) in the environment"),
        (Fault.not_found(), "check the model's name 'm' and base_url"),
        (Fault.too_long(), "fewer or shorter episodes"),
        (Fault.html(), "speaks the (Messages API|chat completions API)"),
        (Fault.bad_gateway(), r"\(502\): 502 Bad Gateway 502 Bad Gateway nginx;"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else None,
)
def test_message_says_what_to_do(client, provider, fault, advice):
    provider.misbehave(fault)
    with pytest.raises(ModelError, match=advice):
        client(provider, max_retries=0).complete(REQUEST)


def test_empty_account_is_no_rate_limit():
    with FaultyProvider(lambda body: TEXT) as server:
        body = '{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'
        server.misbehave(Fault.raw(body, status=429))
        with (
            closing(
                OpenAICompatibleClient(
                    "m", base_url=f"{server.url}/v1", max_retries=0, http_client=server.http_client()
                )
            ) as asking,
            pytest.raises(ModelError) as caught,
        ):
            asking.complete(REQUEST)
    assert caught.value.kind == "permission"


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "localhost:8080/v1", "ftp://somewhere", "me:pass@host"])
@pytest.mark.parametrize("kind", [AnthropicClient, OpenAICompatibleClient])
def test_address_that_is_none_is_refused_at_once(kind, address):
    with pytest.raises(ValueError, match="http://") as caught:
        kind("m", base_url=address)
    assert "pass" not in str(caught.value)
