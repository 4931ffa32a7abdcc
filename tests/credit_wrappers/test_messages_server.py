"""The loopback server, asked by the real SDKs and by plain sockets."""

import json
import socket
import threading
import urllib.error
import urllib.request
from contextlib import closing

import anthropic
import openai
import pytest
from credit_fakes import FORWARD, corridor_episode, events_critic

from credit_wrappers import AnthropicClient, Completion, LLMCritic, OpenAICompatibleClient, ScriptedClient, Usage
from credit_wrappers.testing import MessagesServer, Reply, question

ASK = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


def messages(server, **options):
    return closing(anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0, **options))


def chat(server):
    return closing(openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0))


def post(server, path="/v1/messages", body=None, data=None):
    data = json.dumps(ASK if body is None else body).encode() if data is None else data
    request = urllib.request.Request(server.url + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_both_sdks_get_the_same_answer():
    with MessagesServer(lambda body: " ".join(question(body))) as server:
        with messages(server) as sdk:
            message = sdk.messages.create(system=[{"type": "text", "text": "base"}], **ASK)
        with chat(server) as sdk:
            asked = [{"role": "system", "content": "base"}, {"role": "user", "content": "hello"}]
            completion = sdk.chat.completions.create(model="m", messages=asked)
        assert (len(server.requests), len(server.headers), server.answered) == (2, 2, 2)
        assert server.headers[1]["authorization"] == "Bearer k"
    assert message.content[0].text == completion.choices[0].message.content == "base hello"
    assert (message.stop_reason, completion.choices[0].finish_reason) == ("end_turn", "stop")
    assert message.usage.output_tokens == completion.usage.completion_tokens == 2


def test_without_an_answer_the_rules_of_the_scripted_client_answer():
    prompts = []

    class Listener:
        name, source = "m", "model"

        def complete(self, request):
            prompts.append(request)
            return Completion(ScriptedClient().complete(request).text, Usage(), "m")

    events_critic(Listener()).score([corridor_episode([[FORWARD, FORWARD]], reward=[1.0], terminated=True)])
    [request] = prompts
    with MessagesServer() as server:
        body = {**ASK, "system": request.system, "messages": [{"role": "user", "content": request.prompt}]}
        assert post(server, body=body)[1]["content"][0]["text"] == ScriptedClient().complete(request).text
        status, error = post(server)
    assert (status, error["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("form", ["events", "curve"])
@pytest.mark.parametrize("make", [AnthropicClient, OpenAICompatibleClient])
def test_without_an_answer_the_form_that_is_asked_for_is_answered(form, make, monkeypatch):
    episode = corridor_episode([[FORWARD, FORWARD]], reward=[1.0], terminated=True)
    [scripted] = LLMCritic(ScriptedClient(), answer_format=form).score([episode])
    with MessagesServer() as server:
        url = server.url if make is AnthropicClient else f"{server.url}/v1"
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        client = make("m", base_url=url)
        [credit] = LLMCritic(client, answer_format=form, fallback="raise").score([episode])
    assert credit.values.tolist() == scripted.values.tolist() != [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/v1/messages", b"{half", 400),
        ("/v1/messages", b"[]", 400),
        ("/v1/chat/completions", b'{"model": "m"}', 400),
        ("/v1/messages/batches", b"{}", 400),
        ("/v1/messages/batches/none", b"", 404),
        ("/v1/nothing", b"{}", 404),
    ],
)
def test_request_that_a_provider_would_reject_is_rejected(path, data, status):
    with MessagesServer(lambda body: "hi") as server:
        assert post(server, path, data=data)[0] == status
        assert server.answered == 0


def test_replies_may_be_errors_and_only_good_answers_are_counted():
    replies = [Reply("slow down", status=429), Reply(body="<html>", content_type="text/html", status=502), "hello"]
    with MessagesServer(lambda body: replies.pop(0)) as server:
        with messages(server) as sdk:
            for status in (429, 502):
                with pytest.raises(anthropic.APIStatusError) as caught:
                    sdk.messages.create(**ASK)
                assert caught.value.status_code == status
            assert sdk.messages.create(**ASK).content[0].text == "hello"
        assert (len(server.requests), server.answered) == (3, 1)


def test_batch_ends_after_some_looks_or_on_demand():
    item = {"custom_id": "a", "params": ASK}
    with MessagesServer(lambda body: "hi", batch_polls=1) as server, messages(server) as sdk:
        first, second = (sdk.messages.batches.create(requests=[item]).id for _ in range(2))
        assert sdk.messages.batches.retrieve(first).processing_status == "in_progress"
        assert sdk.messages.batches.retrieve(first).processing_status == "ended"
        server.end_batches()
        assert sdk.messages.batches.retrieve(second).processing_status == "ended"
        [line] = sdk.messages.batches.results(second)
        assert (line.custom_id, line.result.type, line.result.message.content[0].text) == ("a", "succeeded", "hi")


def test_many_clients_at_the_same_moment_are_all_answered():
    together = threading.Barrier(80)  # no one is answered before all have been heard
    answers = []

    def meet(body):
        together.wait(20)
        return "hi"

    with MessagesServer(meet) as server:
        threads = [threading.Thread(target=lambda: answers.append(post(server)[0])) for _ in range(80)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 80
        assert server.answered == len(server.requests) == 80


def test_stopped_server_ends_open_connections_and_refuses_new_ones():
    with MessagesServer(lambda body: "hi") as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as idle:
            post(server)
            server.stop()
            idle.settimeout(3)  # less than the time after which an idle connection ends by itself
            assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        server.stop()


def test_stopping_wakes_a_server_that_is_silent():
    with MessagesServer(lambda body: "hi", latency=3600.0) as server, messages(server, timeout=20) as sdk:
        threading.Timer(0.3, server.stop).start()
        with pytest.raises(anthropic.APIConnectionError):
            sdk.messages.create(**ASK)


def test_server_that_never_began_can_be_stopped():
    MessagesServer(lambda body: "hi").stop()


def test_answer_waits_for_the_latency():
    with MessagesServer(lambda body: "hi", latency=3600.0) as server, messages(server, timeout=0.2) as sdk:
        with pytest.raises(anthropic.APITimeoutError):
            sdk.messages.create(**ASK)
        assert len(server.requests) == 1


def test_question_of_a_client_that_is_gone_in_mid_sentence_was_not_asked():
    with MessagesServer() as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /v1/messages HTTP/1.1\r\ncontent-length: 100\r\n\r\n{")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""  # the server has hung up, too
        assert server.requests == []
