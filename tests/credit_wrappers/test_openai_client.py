"""The client for chat completions and the real SDK: what is sent, and what is made of the replies."""

import pickle
import subprocess
import sys
from contextlib import closing

import pytest
from credit_fakes import FORWARD, STAY, answer, corridor_episode, event, events_critic
from faulty_provider import FaultyProvider

from credit_wrappers import CreditError, ModelError, OpenAICompatibleClient, Request
from credit_wrappers.llm.providers.openai_compatible import _limit_name
from credit_wrappers.testing import MessagesServer, Reply

EPISODE = corridor_episode([[FORWARD, STAY]] * 3, reward=[0, 0, 1.0], terminated=True)
GOOD = answer([event("agent_B", 0, 3, 1.5, "agent_B walked")])
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
REQUEST = Request("base prompt", "the episodes", SCHEMA, "fake", 100, None)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)


def client(server, **options):
    if isinstance(server, FaultyProvider):
        options["http_client"] = server.http_client()
    return closing(OpenAICompatibleClient("gemma", base_url=f"{server.url}/v1", max_retries=0, **options))


def test_structured_answer_becomes_credit():
    with FaultyProvider(lambda body: GOOD) as server, client(server) as asking:
        [credit] = events_critic(asking).score([EPISODE])
        assert credit.values[:, 0].tolist() == [0.5, 0.5, 0.5]
        assert credit.source == "model"
        [body] = server.requests
    assert body["response_format"]["type"] == "json_schema"
    form = body["response_format"]["json_schema"]
    assert (form["name"], form["strict"], form["schema"]["required"]) == ("credit", True, ["episodes"])
    assert "structural credit assignment" in body["messages"][0]["content"].lower()
    assert "## Episode 1" in body["messages"][1]["content"]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_request_without_a_schema_asks_for_free_text():
    with FaultyProvider(lambda body: "hi") as server, client(server) as asking:
        assert asking.complete(Request("s", "p", None, "m", 7, 0.25)).text == "hi"
        [body] = server.requests
    assert "response_format" not in body
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("gemma", 7, 0.25)


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        (None, "max_completion_tokens"),
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://me.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("http://127.0.0.1:8080/v1", "max_tokens"),
        ("https://notopenai.com/v1", "max_tokens"),
    ],
)
def test_limit_has_the_name_that_the_server_knows(base_url, name):
    assert _limit_name(base_url) == name


def test_tokens_from_the_providers_cache_are_counted_apart():
    usage = {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 4000}
    with FaultyProvider(lambda body: Reply(GOOD, usage=usage)) as server, client(server) as asking:
        found = asking.complete(REQUEST).usage
    assert (found.calls, found.input_tokens, found.output_tokens, found.cached_tokens) == (1, 10, 20, 4000)
    assert found.seconds > 0.0


@pytest.mark.parametrize(
    ("stop", "mapped"),
    [
        ("end_turn", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("refusal", "refusal"),
        ("content_filter", "refusal"),
        ("tool_calls", "tool_calls"),
    ],
)
def test_stop_reasons_have_the_names_of_the_messages_api(stop, mapped):
    with FaultyProvider(lambda body: Reply("text", stop_reason=stop)) as server, client(server) as asking:
        completion = asking.complete(REQUEST)
    assert (completion.text, completion.stop_reason, completion.model) == ("text", mapped, "gemma")


@pytest.mark.parametrize("status", [400, 422])
def test_server_that_rejects_the_schema_is_asked_without_it_from_then_on(status):
    def judge(body):
        if "response_format" in body:
            return Reply("response_format: 'json_schema' is not supported", status=status)
        return GOOD

    with MessagesServer(judge) as server, client(server) as asking:  # the copy below has no HTTP client of ours
        assert asking.complete(REQUEST).text == GOOD
        assert len(server.requests) == 2
        assert asking.complete(REQUEST).text == GOOD
        assert len(server.requests) == 3
        copy = pickle.loads(pickle.dumps(asking))
        with closing(copy):
            copy.complete(REQUEST)
        assert len(server.requests) == 4


def test_other_bad_requests_are_not_repeated():
    with FaultyProvider(lambda body: Reply("temperature: wrong", status=400)) as server, client(server) as asking:
        for tries in (1, 2):
            with pytest.raises(ModelError, match="temperature: wrong"):
                asking.complete(REQUEST)
            assert len(server.requests) == tries
        assert all("response_format" in body for body in server.requests)


def test_same_model_name_on_another_server_is_another_model(monkeypatch):
    names = {OpenAICompatibleClient("m", base_url=url).name for url in ("http://a:pw@h:1/v1/", "http://h:2/v1")}
    assert names == {"m@h:1/v1", "m@h:2/v1"}
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    assert OpenAICompatibleClient("m").name == "m"


def test_no_key_and_no_server_is_an_error():
    with pytest.raises(CreditError, match="Three ways out"):
        OpenAICompatibleClient("m")


def test_without_the_sdk_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['openai'] = None\n"
        "from credit_wrappers import CreditError, OpenAICompatibleClient\n"
        "try: OpenAICompatibleClient('m', base_url='http://127.0.0.1:1/v1')\n"
        "except CreditError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "llm-credit-wrappers[openai]"' in done.stdout


def test_sdk_is_imported_by_the_first_question_only():
    code = (
        "import sys; from credit_wrappers import OpenAICompatibleClient\n"
        "OpenAICompatibleClient('m', base_url='http://127.0.0.1:1/v1'); print('openai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
