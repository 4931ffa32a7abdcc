"""The Anthropic client and the real SDK: what is sent, and what is made of the replies."""

import json
import pickle

import anthropic
import pytest
from credit_fakes import FORWARD, STAY, answer, corridor_episode, event, events_critic
from faulty_provider import FaultyProvider

from credit_wrappers import AnthropicClient, CreditError, LLMCreditWrapper, ModelError, Request
from credit_wrappers.llm.providers.anthropic import DEFAULT_MODEL
from credit_wrappers.testing import MessagesServer, Reply
from credit_wrappers.testing.corridor import CorridorEnv

KEY = "sk-ant-secret-0123456789"
EPISODE = corridor_episode([[FORWARD, STAY]] * 3, reward=[0, 0, 1.0], terminated=True)
GOOD = answer([event("agent_B", 0, 3, 1.5, "agent_B walked")])
REQUEST = Request("base prompt", "the episodes", {"type": "object"}, "fake", 100, None)
AGAIN = {"retry-after-ms": "1"}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    """Closes what the tests open: a connection that nobody closed is a warning, and that an error."""
    made, begin = [], AnthropicClient.__init__

    def remembered(self, *args, **options):
        made.append(self)
        begin(self, *args, **options)

    monkeypatch.setattr(AnthropicClient, "__init__", remembered)
    yield
    for client in made:
        getattr(client, "_sdk", None) and client.close()


def replies(*queue):
    """Return a callable that gives the replies in turn, the last one for ever."""
    left = list(queue)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


def score(*queue, **options):
    with FaultyProvider(replies(*queue)) as server:
        critic = events_critic(
            AnthropicClient(base_url=server.url, http_client=server.http_client(), max_retries=2), **options
        )
        return critic.score([EPISODE])[0], critic, server


def test_structured_answer_becomes_credit():
    credit, critic, _ = score(Reply(GOOD, usage={"input_tokens": 70, "output_tokens": 30}))
    assert credit.values[:, 0].tolist() == [0.5, 0.5, 0.5]
    assert credit.source == "model"
    assert (credit.usage.calls, credit.usage.input_tokens, credit.usage.output_tokens) == (1, 70, 30)
    assert credit.usage.seconds > 0.0
    assert critic.label.startswith(DEFAULT_MODEL)


def test_request_has_a_cacheable_base_prompt_and_the_schema():
    *_, server = score(GOOD, max_tokens=999)
    [body] = server.requests
    assert body["model"] == DEFAULT_MODEL
    assert body["max_tokens"] == 999
    [system] = body["system"]
    assert system["cache_control"] == {"type": "ephemeral"}
    assert "structural credit assignment" in system["text"].lower()
    assert body["messages"][0]["role"] == "user"
    assert "## Episode 1" in body["messages"][0]["content"]
    assert "## Episode 1" not in system["text"]
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body["output_config"]["format"]["schema"]["required"] == ["episodes"]
    assert "temperature" not in body
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_temperature_is_sent_when_it_is_given():
    *_, server = score(GOOD, temperature=0.25)
    assert server.requests[0]["temperature"] == 0.25


def test_tokens_from_the_providers_cache_are_counted_apart():
    usage = {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 4000,
    }
    credit, *_ = score(Reply(GOOD, usage=usage))
    assert (credit.usage.input_tokens, credit.usage.cached_tokens, credit.usage.cache_write_tokens) == (10, 4000, 300)


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"Of course! Here it is: {GOOD} Anything else?",
        f"{GOOD}\n{GOOD}\n{GOOD[:30]}",
    ],
)
def test_answer_in_prose_is_understood(text):
    credit, _, server = score(text)
    assert credit.source == "model"
    assert len(server.requests) == 1


def test_prose_without_numbers_is_asked_again_and_then_falls_back():
    credit, critic, server = score("agent_B did well.")
    assert len(server.requests) == 2
    assert "could not be used" in server.requests[1]["messages"][0]["content"]
    assert credit.source == "fallback"
    assert critic.stats.fallbacks == 1
    assert credit.usage.calls == 2


def test_rate_limit_is_waited_for_and_the_call_repeated():
    limited = Reply("slow down", status=429, error="rate_limit_error", headers=AGAIN)
    credit, critic, server = score(limited, limited, GOOD)
    assert len(server.requests) == 3
    assert credit.source == "model"
    assert (critic.stats.calls, critic.stats.model_errors) == (1, 0)


def test_rate_limit_that_does_not_end_falls_back():
    credit, critic, _ = score(Reply("slow down", status=429, headers=AGAIN))
    assert credit.source == "fallback"
    assert critic.stats.model_errors == 1


def test_wrong_key_stops_the_run():
    with pytest.raises(ModelError, match="401"):
        score(Reply("invalid x-api-key", status=401, error="authentication_error"))


def test_refusal_falls_back_without_a_second_question():
    credit, _, server = score(Reply("", stop_reason="refusal"))
    assert len(server.requests) == 1
    assert credit.source == "fallback"
    assert "refused" in credit.summary


def test_answer_cut_at_max_tokens_is_asked_for_again():
    credit, critic, server = score(Reply(GOOD[:50], stop_reason="max_tokens"), GOOD)
    assert "cut off at max_tokens" in server.requests[1]["messages"][0]["content"]
    assert credit.source == "model"
    assert critic.stats.rejected == 1


def test_long_answers_need_no_streaming():
    with FaultyProvider(replies(GOOD)) as server:
        client = AnthropicClient(base_url=server.url, http_client=server.http_client())
        client.complete(Request("s", "p", None, "m", 64_000))
        assert server.requests[0]["max_tokens"] == 64_000
        assert "output_config" not in server.requests[0]


def test_base_prompt_is_the_same_for_every_query_of_an_environment():
    with FaultyProvider(replies(GOOD)) as server:
        critic = events_critic(AnthropicClient(base_url=server.url, http_client=server.http_client()))
        for steps in (3, 4):
            critic.score([corridor_episode([[FORWARD, STAY]] * steps, reward=[0.0] * steps)])
        prefixes = [json.dumps([body["model"], body["system"], body["output_config"]]) for body in server.requests]
        assert server.requests[0]["messages"] != server.requests[1]["messages"]
    assert len(set(prefixes)) == 1


def test_server_that_rejects_output_config_is_asked_without_it_from_then_on():
    def judge(body):
        if "output_config" in body:
            return Reply("output_config: Extra inputs are not permitted", status=400)
        return GOOD

    with FaultyProvider(judge) as server:
        client = AnthropicClient(base_url=server.url, http_client=server.http_client())
        for tries in (2, 3):
            assert client.complete(REQUEST).text == GOOD
            assert len(server.requests) == tries
        client.count_tokens(REQUEST)
        assert "output_config" not in server.requests[-1]


def test_anthropics_own_server_is_never_asked_without_the_schema(monkeypatch):
    with FaultyProvider(lambda body: Reply("output_config: wrong", status=400)) as server:
        client = AnthropicClient()
        client._sdk = anthropic.Anthropic(base_url=server.url, http_client=server.http_client())
        with pytest.raises(ModelError, match="output_config: wrong"):
            client.complete(REQUEST)
        assert len(server.requests) == 1


def test_wrapper_talks_to_a_local_server_without_a_key(monkeypatch, tmp_path):
    monkeypatch.delenv("ANTHROPIC_API_KEY")

    def judge(body):
        count = body["messages"][0]["content"].count("## Episode")
        return answer(*[[event("agent_A", 0, 1, 0.25)]] * count)

    with MessagesServer(judge) as server:
        env = LLMCreditWrapper(
            CorridorEnv(horizon=2),
            model="gemma",
            base_url=server.url,
            ledger=tmp_path / "l.sqlite",
            episodes_per_query=2,
            workers=3,
            answer_format="events",
        )
        for _ in range(5):
            env.reset(seed=0)
            while env.agents:
                env.step({"walker_0": FORWARD, "walker_1": STAY})
        credits = dict(env.store.settle(range(5)))
        env.store.close()
    assert sorted(credits) == list(range(5))
    for credit in credits.values():
        assert credit.values.tolist() == [[0.0, 0.25], [0.0, 0.0]]
    assert {body["model"] for body in server.requests} == {"gemma"}


def test_same_model_name_on_another_server_is_another_model():
    names = {AnthropicClient("m", base_url=url).name for url in ("http://127.0.0.1:1", "http://127.0.0.1:2/v1/")}
    assert names == {"m@127.0.0.1:1", "m@127.0.0.1:2/v1"}
    assert AnthropicClient("m").name == "m"


def test_no_key_and_no_server_is_an_error(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(CreditError, match="Three ways out"):
        AnthropicClient()


def test_password_in_an_address_is_not_in_the_name():
    client = AnthropicClient("m", base_url="http://user:pass@127.0.0.1:8080/v1")
    assert client.name == "m@127.0.0.1:8080/v1"
    assert "pass" not in repr(client)


def test_pickled_client_still_works():
    with MessagesServer(replies(GOOD)) as server:
        client = AnthropicClient(base_url=server.url)
        client.complete(REQUEST)
        copy = pickle.loads(pickle.dumps(client))
        assert copy.complete(REQUEST).text == GOOD
