"""What the clients of official SDKs share: the address, the connection, the key's secrecy, failures as ModelErrors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from credit_wrappers.core.errors import ModelError, ModelFailure
from credit_wrappers.llm.providers.failures import ADVICE, classify, redact

T = TypeVar("T")

_CONNECTING = threading.Lock()  # not an attribute: clients are pickled


class RemoteClient:
    """Base of the clients; see `AnthropicClient` and `OpenAICompatibleClient`.

    Attributes:
        protocol: What the server must speak, for messages.
        key_variables: Where the key comes from; the first one that is set counts.
    """

    source: Literal["model"] = "model"
    protocol: ClassVar[str]
    key_variables: ClassVar[tuple[str, ...]]

    def __init__(self, model: str, base_url: str | None, timeout: float, max_retries: int) -> None:
        if base_url is not None and urlsplit(base_url).scheme not in ("http", "https"):
            raise ValueError(f"base_url must begin with http:// or https://, got {_host(base_url)!r}")
        self.model = model
        self.base_url = base_url
        self.timeout = timeout
        self.max_retries = max_retries
        # The same model name on another server is another model, so the server belongs in the ledger's key.
        self.name = model if base_url is None else f"{model}@{_host(base_url)}"
        self._structured = True  # until the server rejects the schema
        self._sdk: Any = None

    def close(self) -> None:
        """Close the connections; the next question opens new ones."""
        with _CONNECTING:
            sdk, self._sdk = self._sdk, None
        if sdk is not None:
            sdk.close()

    def _connect(self) -> Any:
        """Return a new client of the SDK."""
        raise NotImplementedError

    def _connected(self) -> Any:
        with _CONNECTING:
            if self._sdk is None:
                self._sdk = self._connect()
            return self._sdk

    def _ask(self, send: Callable[[Any], Any], read: Callable[[Any], T]) -> T:
        """Return what `read` makes of the reply that `send` gets from the SDK.

        `send` returns the SDK's raw response. What fails while it is parsed and read is the server's fault,
        whatever exception that is: the SDKs check almost nothing.

        Raises:
            ModelError: In every other case; it has no context, because the SDK's exceptions hold the request,
                and the request holds the key.
        """
        try:
            raw = send(self._connected())
        except Exception as error:
            failure = self._failure(*classify(error))
        else:
            try:
                return read(raw.parse())
            except Exception as error:
                failure = self._bad_reply(error)
        raise failure

    def _ask_structured(self, attempt: Callable[[bool], T], structured: bool, names: tuple[str, ...]) -> T:
        """Return `attempt(True)`, or for a server that rejects the schema `attempt(False)`, from then on."""
        if not (structured and self._structured):
            return attempt(False)
        try:
            return attempt(True)
        except ModelError as error:
            if error.kind != "bad_request" or not any(name in str(error) for name in names):
                raise
        self._structured = False
        return attempt(False)

    def _bad_reply(self, error: Exception) -> ModelError:
        return self._failure("bad_reply", f"the reply is none: {type(error).__name__}: {error}")

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
        text = redact(f"{self.name}: {account}", keys)
        return ModelError(f"{text}; {advice}" if advice else text, kind)

    @classmethod
    def _keys(cls) -> list[str]:
        return [os.environ[name] for name in cls.key_variables if os.environ.get(name)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sdk": None}  # the SDK's client holds the key, and a connection pool

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
