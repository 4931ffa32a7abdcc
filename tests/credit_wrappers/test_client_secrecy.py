"""Keys leave the process in one HTTP header, and nowhere else."""

import json
import logging
import pickle
import traceback

import pytest
from credit_fakes import FORWARD, STAY, answer, corridor_episode, event, events_critic
from faulty_provider import Fault, FaultyProvider

from credit_wrappers import AnthropicClient, Ledger, ModelError, OpenAICompatibleClient, Request
from credit_wrappers.testing import MessagesServer

EPISODE = corridor_episode([[FORWARD, STAY]] * 3, reward=[0, 0, 1.0], terminated=True)
GOOD = answer([event("agent_B", 0, 3, 1.5, "agent_B walked")])
REQUEST = Request("base prompt", "the episodes", {"type": "object"}, "fake", 100, None)
VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY")


@pytest.fixture(
    params=[
        ("ANTHROPIC_API_KEY", "sk-ant-secret-0123456789"),
        ("ANTHROPIC_AUTH_TOKEN", "tok-secret-42"),
        ("OPENAI_API_KEY", "my.secret/key=="),
    ],
    ids=lambda param: param[0],
)
def keyed(request, monkeypatch):
    """A key in the environment, and a function that makes the client which uses it."""
    variable, secret = request.param
    for name in (*VARIABLES, "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, secret)
    made = []

    def make(server, **options):
        if isinstance(server, FaultyProvider):
            options["http_client"] = server.http_client()
        if variable == "OPENAI_API_KEY":
            made.append(OpenAICompatibleClient("m", base_url=f"{server.url}/v1", **options))
        else:
            made.append(AnthropicClient("m", base_url=server.url, **options))
        return made[-1]

    yield variable, secret, make
    for client in made:
        client.close()


def everything(error):
    """Return all that a log, a pickle or a debugger's first look would show of an exception."""
    seen = ["".join(traceback.format_exception(error)), repr(pickle.dumps(error))]
    while error is not None:
        seen.append(f"{error} {error!r} {vars(error)} {error.args}")
        error = error.__cause__ or error.__context__
    return "".join(seen)


def test_key_is_in_no_ledger_pickle_repr_or_credit(keyed, tmp_path, caplog):
    _, secret, make = keyed
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "l.sqlite"
    with FaultyProvider(lambda body: GOOD) as server:
        client = make(server)
        with Ledger(path) as ledger:
            critic = events_critic(client, ledger=ledger, max_tokens=50)
            [credit] = critic.score([EPISODE])
            critic = events_critic(client, ledger=ledger, max_tokens=51)
            server.misbehave(Fault.status(401, "authentication_error", f"the key {secret} is not welcome"))
            with pytest.raises(ModelError) as caught:
                critic.score([EPISODE])
        assert any(secret in value for value in server.headers[0].values())  # it was really used
    seen = [pickle.dumps(client), repr(client), repr(critic), pickle.dumps(credit), vars(critic.stats), caplog.text]
    seen += [json.dumps(client.__getstate__(), default=str), path.read_bytes(), everything(caught.value)]
    assert "secret" not in "".join(map(str, seen))


def test_key_that_a_server_gives_away_is_in_no_error(keyed, monkeypatch):
    variable, secret, make = keyed
    faults = [
        Fault.status(401, "authentication_error", f"invalid key: {secret}"),
        Fault.status(401, "authentication_error", "x" * 440 + secret),  # across the place where messages are cut
        Fault.status(500, "api_error", f"{secret}{secret}"),
        Fault.raw(f"<html><p>{secret}</p></html>", "text/html", 502),
        Fault.raw(json.dumps({"detail": secret}).replace("/", "\\/"), status=422),
        Fault.raw(json.dumps({"content": 3, secret: secret})),
        Fault.raw(json.dumps({"content": [{"type": "text", "text": {secret: 1}}]})),
        Fault.raw(secret, "text/plain"),
        Fault.reset(),
        Fault.stalled(),
    ]
    with FaultyProvider(lambda body: GOOD) as server:
        client = make(server, max_retries=0)
        client.complete(REQUEST)
        monkeypatch.delenv(variable)  # the client still knows what must not be told
        server.misbehave(*faults)
        errors = []
        for _ in faults:
            with pytest.raises(ModelError) as caught:
                client.complete(REQUEST)
            errors.append(everything(caught.value))
    with MessagesServer() as gone:
        client = make(gone, max_retries=0)
    with pytest.raises(ModelError) as caught:
        client.complete(REQUEST)
    errors.append(everything(caught.value))
    assert [k for k, shown in enumerate(errors) if "secret" in shown] == []


@pytest.mark.parametrize("tail", ["\n", "\nmore"])
def test_key_that_cannot_be_sent_stops_the_run_untold(keyed, tail, monkeypatch):
    variable, secret, make = keyed
    monkeypatch.setenv(variable, secret + tail)
    with MessagesServer(lambda body: GOOD) as server, pytest.raises(ModelError, match=r"check .*(KEY|TOKEN)") as caught:
        make(server, max_retries=0).complete(REQUEST)
    assert caught.value.fatal
    assert "secret" not in everything(caught.value)
    assert server.requests == []


def test_batches_do_not_give_the_key_away(keyed):
    variable, secret, make = keyed
    if variable == "OPENAI_API_KEY":
        pytest.skip("no message batches over chat completions")
    told = f'{{"custom_id": "a", "result": {{"type": "errored", "error": {{"type": "x", "message": "{secret}"}}}}}}\n'
    with FaultyProvider(lambda body: GOOD) as server:
        client = make(server, max_retries=0)
        batch = client.create_batch([REQUEST])
        assert client.batch_status(batch).ended
        server.misbehave(None, None, Fault.raw(told, "application/x-jsonl"), method="GET")
        [(_, error)] = client.batch_results(batch)
        assert secret not in everything(error)
        server.misbehave(None, None, Fault.raw(f"{told}{{{secret}", "application/x-jsonl"), method="GET")
        with pytest.raises(ModelError) as caught:
            list(client.batch_results(batch))
        assert secret not in everything(caught.value)


def test_admin_key_is_not_used(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "adm-secret-1")
    with FaultyProvider(lambda body: GOOD) as server:
        client = OpenAICompatibleClient("m", base_url=f"{server.url}/v1", http_client=server.http_client())
        client.complete(REQUEST)
        client.close()
    assert "secret" not in str(server.headers)
