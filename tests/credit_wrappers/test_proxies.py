"""Where a proxy of the environment stands between a client and its server, the error names the variable."""

import os
import socket
from contextlib import closing

import pytest

from credit_wrappers import AnthropicClient, ModelError, OpenAICompatibleClient, Request
from credit_wrappers.llm.providers.proxies import proxy_variable
from credit_wrappers.testing import MessagesServer, Reply

REQUEST = Request("base prompt", "the episodes", None, "fake", 100, None)
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in list(os.environ):
        if name.lower() in NAMES:
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def nobody():
    """The address of a proxy that is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}"


def failure(kind, url, **options):
    with closing(kind("m", base_url=url, max_retries=0, **options)) as client, pytest.raises(ModelError) as caught:
        client.complete(REQUEST)
    assert "secret" not in str(caught.value)
    return caught.value


both = pytest.mark.parametrize("kind", [AnthropicClient, OpenAICompatibleClient])


@both
@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("HTTP_PROXY", "http://127.0.0.1:{}/v1"),
        ("http_proxy", "http://localhost:{}/v1"),
        ("ALL_PROXY", "http://127.0.0.1:{}/v1"),
        ("all_proxy", "http://[::1]:{}/v1"),
        ("HTTPS_PROXY", "https://127.0.0.1:{}/v1"),
        ("HTTP_PROXY", "http://gpu-server:{}/v1"),
    ],
)
def test_the_variable_and_the_way_out_are_named(kind, variable, url, nobody, monkeypatch):
    monkeypatch.setenv(variable, nobody)
    error = failure(kind, url.format(8000))
    host = url.partition("//")[2].partition(":{")[0].strip("[]")
    said = f"the request went through the proxy in {variable}; to reach the server directly, add {host} to NO_PROXY"
    assert error.kind == "connection"
    assert str(error).endswith(said)


@both
@pytest.mark.parametrize(
    ("variable", "no_proxy"),
    [
        (None, None),
        ("HTTPS_PROXY", None),
        ("HTTP_PROXY", "127.0.0.1"),
        ("HTTP_PROXY", "example.org, 127.0.0.1"),
        ("ALL_PROXY", "127.0.0.0/8"),
        ("all_proxy", "*"),
    ],
)
def test_a_server_that_is_asked_directly_has_no_proxy_to_name(kind, variable, no_proxy, nobody, monkeypatch):
    if variable:
        monkeypatch.setenv(variable, nobody)
    if no_proxy:
        monkeypatch.setenv("NO_PROXY", no_proxy)
    with MessagesServer(lambda body: "hi") as server:
        with closing(kind("m", base_url=f"{server.url}/v1".removesuffix("/v1" if kind is AnthropicClient else ""),
                          max_retries=0)) as client:  # fmt: skip
            assert client.complete(REQUEST).text == "hi"  # it really is asked directly
        url = server.url
    assert "proxy" not in str(failure(kind, url)).lower()


@both
def test_a_proxy_that_answers_for_a_server_on_this_machine_is_named(kind, monkeypatch):
    with MessagesServer(lambda body: Reply("no route to the host", status=503)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert "HTTP_PROXY" in str(failure(kind, "http://127.0.0.1:9/v1"))
        assert "HTTP_PROXY" not in str(failure(kind, "http://gpu-server:9/v1"))


def test_a_client_with_an_http_client_of_its_own_is_left_alone(nobody, monkeypatch):
    import httpx2

    monkeypatch.setenv("HTTP_PROXY", nobody)
    direct = httpx2.Client(trust_env=False)
    assert "proxy" not in str(failure(OpenAICompatibleClient, "http://127.0.0.1:9/v1", http_client=direct)).lower()


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        ("http://127.0.0.1:8000", "localhost", False),
        ("http://127.0.0.1:8000", "127.0.0.2", False),
        ("http://localhost:8000", "localhost", True),
        ("http://[::1]:8000", "::1", True),
        ("http://[::1]:8000", "[::1]", True),
        ("http://10.1.2.3:8000", "10.0.0.0/8", True),
        ("http://10.1.2.3:8000", "192.168.0.0/16", False),
        ("http://gpu.lab.org:80", "lab.org", True),
        ("http://gpu.lab.org:80", ".lab.org", True),
        ("http://lab.org:80", ".lab.org", False),
        ("http://notlab.org:80", "lab.org", False),
        ("http://gpu.lab.org:8000", "gpu.lab.org:8000", True),
        ("http://gpu.lab.org:8000", "gpu.lab.org:9000", False),
        ("http://gpu.lab.org:8000", "x:y,,", False),
    ],
)
def test_exceptions_are_read_as_the_sdks_read_them(url, no_proxy, direct, monkeypatch):
    import httpx2

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_variable(url) is None) == direct
    with httpx2.Client() as client:
        assert (client._transport_for_url(httpx2.URL(url)) is client._transport) == direct


def test_a_variable_in_small_letters_comes_first(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert proxy_variable("http://127.0.0.1:8000") == "HTTP_PROXY"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:2")
    assert proxy_variable("http://127.0.0.1:8000") == "http_proxy"
    monkeypatch.setenv("http_proxy", "")
    assert proxy_variable("http://127.0.0.1:8000") is None
