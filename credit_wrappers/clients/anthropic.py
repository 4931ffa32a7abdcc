"""The Anthropic client: asks a Claude model, or any server that speaks the Messages API."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from ..credit import Usage
from ..errors import CreditError, ModelError, ModelFailure
from ..protocols import Completion, Request

if TYPE_CHECKING:
    import anthropic

DEFAULT_MODEL = "claude-sonnet-5"

_KINDS: dict[int, ModelFailure] = {
    401: "auth",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "server_error",
    413: "too_large",
    429: "rate_limit",
    529: "overloaded",
}
_KEY_VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_NO_KEY = (
    "no key for the Anthropic API. Three ways out: (1) set ANTHROPIC_API_KEY in the environment; "
    "(2) client=ScriptedClient(), the built-in stand-in that needs no key; "
    "(3) base_url='http://127.0.0.1:8080', a local server that speaks the Messages API"
)


class AnthropicClient:
    """Asks a model over the Messages API, with the official SDK.

    The key comes from ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN) and from nowhere else; it is in no
    attribute, pickle, repr or message of this class. The SDK repeats failed calls and honours `retry-after`.
    What the model wrote is returned as it is, whatever its stop reason, so that an answer that was paid for
    reaches the ledger; the critic turns a refusal into a ModelError and an answer cut at `max_tokens` into an
    AnswerError.

    Args:
        model: Model name.
        base_url: Another server than Anthropic's; ANTHROPIC_BASE_URL is honoured too. A local one needs no
            key.
        timeout: Seconds a single try may take.
        max_retries: Repetitions after a transient failure.

    Raises:
        CreditError: Neither a key nor a server was given; the message names the ways out.
    """

    source: Literal["model"] = "model"

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        base_url: str | None = None,
        timeout: float = 600.0,
        max_retries: int = 4,
    ) -> None:
        base_url = base_url or os.environ.get("ANTHROPIC_BASE_URL") or None
        if base_url is None and not _keys():
            raise CreditError(_NO_KEY)
        self.model = model
        self.base_url = base_url
        self.timeout = timeout
        self.max_retries = max_retries
        # The same model name on another server is another model, so the server belongs in the ledger's key.
        self.name = model if base_url is None else f"{model}@{_host(base_url)}"
        self._sdk: anthropic.Anthropic | None = None

    def complete(self, request: Request) -> Completion:
        """Return the model's answer to `request`.

        Raises:
            ModelError: No answer; `transient` tells whether a later try may succeed.
        """
        import anthropic

        started = time.perf_counter()
        try:
            message = self._client().messages.create(**_arguments(request, self.model))
        except anthropic.APIStatusError as error:
            failure = _status_failure(error)
        except anthropic.APIConnectionError as error:  # time-outs are among these
            kind: ModelFailure = "timeout" if isinstance(error, anthropic.APITimeoutError) else "connection"
            failure = ModelError(f"{self.name}: {type(error).__name__}: {error.message}", kind)
        except (anthropic.AnthropicError, TypeError, ValueError) as error:
            failure = ModelError(_redact(f"{self.name}: {type(error).__name__}: {error}"), "setup")
        else:
            return self._completion(message, time.perf_counter() - started)
        # Raised out here so that the SDK's exception, whose request carries the key, is not its context.
        raise failure

    def close(self) -> None:
        """Close the connections; the next question opens new ones."""
        if self._sdk is not None:
            self._sdk.close()
            self._sdk = None

    def _completion(self, message: Any, seconds: float) -> Completion:
        blocks = getattr(message, "content", None)
        if not isinstance(blocks, list):
            raise ModelError(f"{self.name}: the server's reply is not a Messages API message", "bad_reply")
        usage = message.usage
        return Completion(
            text="".join(block.text for block in blocks if block.type == "text"),
            usage=Usage(
                calls=1,
                input_tokens=_count(usage, "input_tokens"),
                output_tokens=_count(usage, "output_tokens"),
                cached_tokens=_count(usage, "cache_read_input_tokens"),
                seconds=seconds,
                cache_write_tokens=_count(usage, "cache_creation_input_tokens"),
            ),
            model=str(message.model),
            stop_reason=str(message.stop_reason or "end_turn"),
        )

    def _client(self) -> anthropic.Anthropic:
        if self._sdk is None:
            import anthropic

            # The SDK reads the key from the environment. A local server needs none, but the SDK insists on
            # one.
            arguments: dict[str, Any] = {} if _keys() else {"api_key": "none"}
            self._sdk = anthropic.Anthropic(
                base_url=self.base_url, timeout=self.timeout, max_retries=self.max_retries, **arguments
            )
        return self._sdk

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sdk": None}  # the SDK's client holds the key, and a connection pool

    def __repr__(self) -> str:
        return f"AnthropicClient({self.name!r})"


def _arguments(request: Request, model: str) -> dict[str, Any]:
    """Return the arguments of `messages.create`."""
    arguments: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens,
        "system": [{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": request.prompt}],
    }
    if request.schema is not None:
        arguments["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
    if request.temperature is not None:
        # No argument of the SDK any more, but servers other than Anthropic's take it.
        arguments["extra_body"] = {"temperature": request.temperature}
    return arguments


def _status_failure(error: anthropic.APIStatusError) -> ModelError:
    status = error.status_code
    kind = _KINDS.get(status, "server_error" if status >= 500 else "bad_request")
    return ModelError(_redact(f"{type(error).__name__} ({status}): {error.message}"), kind)


def _keys() -> list[str]:
    return [os.environ[name] for name in _KEY_VARIABLES if os.environ.get(name)]


def _redact(text: str) -> str:
    for key in _keys():
        text = text.replace(key, "[key]")
    return re.sub(r"sk-ant-[\w-]+", "[key]", text)


def _host(url: str) -> str:
    parts = urlsplit(url)  # without user and password, which a URL may carry
    return f"{parts.hostname}{'' if parts.port is None else f':{parts.port}'}{parts.path.rstrip('/')}"


def _count(usage: Any, name: str) -> int:
    return int(getattr(usage, name, 0) or 0)
