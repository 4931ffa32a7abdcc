"""What the clients of official SDKs share: address, connection, secrecy of the key, failures as ModelErrors."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit

from credit_wrappers.core.errors import CreditError, ModelError, ModelFailure
from credit_wrappers.llm.client import Completion, Request
from credit_wrappers.llm.providers.failures import ADVICE, classify, classify_reply, redact
from credit_wrappers.llm.providers.proxies import is_this_machine, proxy_variable

T = TypeVar("T")

_CONNECTING = threading.Lock()  # not an attribute: clients are pickled
_NO_KEY = (
    "no key for the {api} API. Three ways out: (1) set {key} in the environment; "
    "(2) client=ScriptedClient(), the built-in stand-in that needs no key; "
    "(3) base_url={example!r}, a local server that speaks the {protocol}"
)


class MissingKey(CreditError):
    """Neither a key nor a server was given.

    Args:
        message: Names the ways out in Python.
        variable: The environment variable that the key is read from.
    """

    def __init__(self, message: str, variable: str) -> None:
        super().__init__(message)
        self.variable = variable

    def __reduce__(self) -> tuple[type[MissingKey], tuple[str, str]]:
        return type(self), (str(self), self.variable)


class ConnectionOptions(TypedDict, total=False):
    """Keyword arguments of every `RemoteClient`."""

    base_url: str | None
    timeout: float
    max_retries: int
    http_client: Any


class RemoteClient:
    """Base of the clients; see `AnthropicClient` and `OpenAICompatibleClient`.

    The key comes from the environment and from nowhere else; it is in no attribute, pickle, repr or message. The SDK
    repeats failed calls and honours `retry-after`. What the model wrote is returned as it is, whatever its stop
    reason, so that an answer that was paid for reaches the ledger; the critic turns a refusal into a ModelError and
    an answer cut at `max_tokens` into an AnswerError. A server that rejects the schema is asked again without it,
    and from then on always.

    Args:
        model: Model name.
        base_url: Another server than the provider's; a local one needs no key. The provider's own variable in the
            environment is honoured too.
        timeout: Seconds a single try may take.
        max_retries: Repetitions after a transient failure.
        http_client: HTTP client for the SDK to use (an `httpx2.Client`): for proxies, certificates, tests. `close`
            closes it, and copies made by pickling do not have it.

    Raises:
        MissingKey: Neither a key nor a server was given; the message names the ways out.
        ValueError: `base_url` is no http(s) address.
    """

    source: Literal["model"] = "model"
    # For messages: whose API it is, what a server must speak, and the address of a local one.
    api: ClassVar[str]
    protocol: ClassVar[str]
    example: ClassVar[str]
    # Variables in the environment: of the key, of which the first that is set counts, and of the address.
    key_variables: ClassVar[tuple[str, ...]]
    address_variable: ClassVar[str]

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        timeout: float = 600.0,
        max_retries: int = 4,
        http_client: Any = None,
    ) -> None:
        base_url = base_url or os.environ.get(self.address_variable) or None
        if base_url is None and not self._keys():
            key = self.key_variables[0]
            message = _NO_KEY.format(api=self.api, key=key, example=self.example, protocol=self.protocol)
            raise MissingKey(message, key)
        if base_url is not None and urlsplit(base_url).scheme not in ("http", "https"):
            raise ValueError(f"base_url must begin with http:// or https://, got {_host(base_url)!r}")
        self.model = model
        self.base_url = base_url
        self.timeout = timeout
        self.max_retries = max_retries
        # The same model name on another server is another model, so the server belongs in the ledger's key.
        self.name = model if base_url is None else f"{model}@{_host(base_url)}"
        self._http_client = http_client
        self._structured = True  # until the server rejects the schema
        self._sdk: Any = None

    def complete(self, request: Request) -> Completion:
        """Return the model's answer to `request`.

        Raises:
            ModelError: No answer; `transient` tells whether a later try may succeed.
        """
        started = time.perf_counter()
        return self._ask_structured(
            lambda sdk, structured: self._send(sdk, request, structured),
            lambda reply: self._completion(reply, time.perf_counter() - started),
            request,
        )

    def close(self) -> None:
        """Close the connections; the next question opens new ones."""
        with _CONNECTING:
            sdk, self._sdk = self._sdk, None
        if sdk is not None:
            sdk.close()

    def _connect(self, **options: Any) -> Any:
        """Return a new client of the SDK, made with these options."""
        raise NotImplementedError

    def _send(self, sdk: Any, request: Request, structured: bool) -> Any:
        """Return the SDK's raw response to a question."""
        raise NotImplementedError

    def _completion(self, reply: Any, seconds: float) -> Completion:
        """Return the answer in a parsed reply."""
        raise NotImplementedError

    def _schema_names(self) -> tuple[str, ...]:
        """Return by what names a server calls the schema that it rejects."""
        raise NotImplementedError

    def _connected(self) -> Any:
        with _CONNECTING:
            if self._sdk is None:
                limits = {"timeout": self.timeout, "max_retries": self.max_retries}
                self._sdk = self._connect(base_url=self.base_url, http_client=self._http_client, **limits)
            return self._sdk

    def _ask(self, send: Callable[[Any], Any], read: Callable[[Any], T]) -> T:
        """Return what `read` makes of the reply that `send` gets from the SDK.

        `send` returns the SDK's raw response. If parsing or reading it fails, the server is at fault, whatever
        the exception is: the SDKs check almost nothing.

        Raises:
            ModelError: There is no reply, or none that can be read.
        """
        raw = self._guarded(lambda: send(self._connected()), lambda error: self._failure(*classify(error)))

        def readable() -> T:
            reply = raw.parse()
            if getattr(reply, "error", None):
                raise ValueError("an error instead of an answer")
            return read(reply)

        return self._guarded(readable, lambda error: self._failure(*classify_reply(str(raw.http_response.text), error)))

    @staticmethod
    def _guarded(call: Callable[[], T], failure: Callable[[Exception], ModelError]) -> T:
        """Return the result of `call`, or raise `failure(error)`.

        It is raised without a context: the SDK's exceptions hold the request, and the request holds the key.
        """
        try:
            return call()
        except Exception as error:
            failed = failure(error)
        raise failed

    def _ask_structured(self, send: Callable[[Any, bool], Any], read: Callable[[Any], T], request: Request) -> T:
        """Ask with the request's schema, or without it if the server has rejected it.

        `send` gets the SDK's client and whether to include the schema; see also `_ask`.
        """
        if request.schema is not None and self._structured:
            try:
                return self._ask(lambda sdk: send(sdk, True), read)
            except ModelError as error:
                if error.kind != "bad_request" or not any(name in str(error) for name in self._schema_names()):
                    raise
            self._structured = False
        return self._ask(lambda sdk: send(sdk, False), read)

    def _bad_reply(self, error: Exception) -> ModelError:
        return self._failure("bad_reply", f"the reply cannot be read: {type(error).__name__}: {error}")

    def _failure(self, kind: ModelFailure, account: str) -> ModelError:
        keys = self._keys()
        if self._sdk is not None:  # the environment may have changed since
            keys += [key for name in ("api_key", "auth_token") if (key := getattr(self._sdk, name, None))]
        advice = ADVICE.get(kind, "").format(
            keys=" or ".join(self.key_variables),
            model=self.model,
            server="the provider's own" if self.base_url is None else _host(self.base_url),
            timeout=self.timeout,
            protocol=self.protocol,
        )
        parts = [redact(f"{self.name}: {account}", keys), advice, self._proxy_advice(kind)]
        return ModelError("; ".join(filter(None, parts)), kind)

    def _proxy_advice(self, kind: ModelFailure) -> str:
        """Return which variable's proxy the request went through, where that may be what failed; else ""."""
        url = self.base_url or str(getattr(self._sdk, "base_url", ""))
        # An HTTP client that was given has proxies of its own. One's own machine is seldom meant to be behind a proxy.
        if self._http_client is not None or not (kind in ("connection", "timeout", "setup") or is_this_machine(url)):
            return ""
        if (variable := proxy_variable(url)) is None:
            return ""
        host = urlsplit(url).hostname
        return f"the request went through the proxy in {variable}; to reach the server directly, add {host} to NO_PROXY"

    @classmethod
    def _keys(cls) -> list[str]:
        return [os.environ[name] for name in cls.key_variables if os.environ.get(name)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sdk": None, "_http_client": None}  # they hold the key, and connections

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def count(usage: Any, name: str) -> int:
    """Return a token count; 0 for one that is missing or no sensible number."""
    value = getattr(usage, name, None)
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


def clean(text: str) -> str:
    """Return `text` without lone surrogates, which JSON can carry but no file can."""
    return text.encode("utf-8", "replace").decode()


def _host(url: str) -> str:
    parts = urlsplit(url)  # without user and password, which a URL may carry
    if not parts.hostname:
        return url.rpartition("@")[2]
    return f"{parts.hostname}{'' if parts.port is None else f':{parts.port}'}{parts.path.rstrip('/')}"
