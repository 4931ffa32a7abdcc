"""The Anthropic client: asks a Claude model, or any server that speaks the Messages API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.errors import ModelError
from credit_wrappers.llm.client import Completion, Request
from credit_wrappers.llm.providers.base import ConnectionOptions, RemoteClient, clean, count
from credit_wrappers.llm.providers.failures import ERROR_TYPES, classify, said_kind

DEFAULT_MODEL = "claude-sonnet-5"

_COUNTS = ("processing", "succeeded", "errored", "expired", "canceled")


@dataclass(frozen=True)
class BatchStatus:
    """The state of a batch."""

    ended: bool  # whether its results can be read
    counts: dict[str, int]  # of the requests in each of the states `_COUNTS`; all are processing until it has ended


class AnthropicClient(RemoteClient):
    """Asks a model over the Messages API, with the official SDK.

    The key comes from ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN.

    Args:
        model: Model name.
        **options: `base_url` (ANTHROPIC_BASE_URL is honoured too), `timeout`, `max_retries` and `http_client`; see
            `RemoteClient`, which also says what happens to failures and keys.

    Raises:
        CreditError: Neither a key nor a server was given; the message names the ways out.
        ValueError: `base_url` is no http(s) address.
    """

    api = "Anthropic"
    protocol = "Messages API"
    example = "http://127.0.0.1:8080"
    key_variables = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
    address_variable = "ANTHROPIC_BASE_URL"

    def __init__(self, model: str = DEFAULT_MODEL, **options: Unpack[ConnectionOptions]) -> None:
        super().__init__(model, **options)

    def count_tokens(self, request: Request) -> int:
        """Return how many tokens `request` has for the model, before anything is paid.

        Raises:
            ModelError: There is no count.
        """
        return self._ask_structured(
            lambda sdk, structured: sdk.messages.with_raw_response.count_tokens(
                **_question(request, self.model, structured)
            ),
            lambda reply: int(reply.input_tokens),
            request,
        )

    def create_batch(self, requests: Sequence[Request]) -> str:
        """Send many requests at half the price, answered within a day, and return the batch's id.

        Each request's `key()` is its id in the batch, so equal requests are sent once.

        Raises:
            ModelError: No batch was made.
            ValueError: No requests were given.
        """
        if not requests:
            raise ValueError("a batch needs at least one request")
        items = []
        for key, request in {request.key(): request for request in requests}.items():
            structured = request.schema is not None and self._structured
            params = {**_question(request, self.model, structured), "max_tokens": request.max_tokens}
            if request.temperature is not None:
                params["temperature"] = request.temperature
            items.append({"custom_id": key, "params": params})
        return self._ask(
            lambda sdk: sdk.messages.batches.with_raw_response.create(requests=items),
            lambda batch: _text(batch.id),
        )

    def batch_status(self, batch_id: str) -> BatchStatus:
        """Return the state of the batch.

        Raises:
            ModelError: There is no reply; for an id that does not exist the kind is `not_found`.
        """
        return self._ask(
            lambda sdk: sdk.messages.batches.with_raw_response.retrieve(batch_id),
            lambda batch: BatchStatus(
                _text(batch.processing_status) == "ended",
                {name: count(batch.request_counts, name) for name in _COUNTS},
            ),
        )

    def batch_results(self, batch_id: str) -> Iterator[tuple[str, Completion | ModelError]]:
        """Yield each request's `key()` and its answer, or why there is none, in any order.

        Raises:
            ModelError: While iterating: the batch has not ended, does not exist, or was not read to its end.
        """
        status = self.batch_status(batch_id)
        if not status.ended:
            raise ModelError(f"{self.name}: batch {batch_id} has not ended yet; ask batch_status first", "timeout")
        left = sum(status.counts.values())
        lines = self._guarded(lambda: self._connected().messages.batches.results(batch_id), self._odd)

        def following() -> tuple[str, Any] | None:
            line = next(lines, None)
            return None if line is None else (_text(line.custom_id), line.result)

        try:
            while (found := self._guarded(following, self._odd)) is not None:
                left -= 1
                yield found[0], self._outcome(found[1])
        finally:
            lines.close()
        if left > 0:
            raise self._failure("bad_reply", f"{left} results of batch {batch_id} are missing")

    def _send(self, sdk: Any, request: Request, structured: bool) -> Any:
        arguments = _question(request, self.model, structured)
        if request.temperature is not None:
            # The SDK has no argument for it any more, but servers other than Anthropic's take it.
            arguments["extra_body"] = {"temperature": request.temperature}
        return sdk.messages.with_raw_response.create(max_tokens=request.max_tokens, **arguments)

    def _schema_names(self) -> tuple[str, ...]:
        return () if self.base_url is None else ("output_config",)  # Anthropic's own server takes every schema

    def _odd(self, error: Exception) -> ModelError:
        """Return the failure of a call in which the SDK both asks and parses."""
        kind, account = classify(error)
        return self._bad_reply(error) if kind == "setup" else self._failure(kind, account)

    def _outcome(self, result: Any) -> Completion | ModelError:
        try:
            if result.type == "succeeded":
                return self._completion(result.message, 0.0)
            if result.type == "errored":
                error = getattr(result.error, "error", None) or result.error
                kind = said_kind(ERROR_TYPES.get(error.type, "server_error"), error.message)
                return self._failure(kind, f"{error.type}: {error.message}")
            if result.type in ("expired", "canceled"):
                return ModelError(f"{self.name}: {result.type} before it was answered; ask it again", "timeout")
            raise TypeError(f"unknown result {result.type!r}")
        except Exception as error:
            return self._bad_reply(error)

    def _completion(self, message: Any, seconds: float) -> Completion:
        if not isinstance(message.content, list):
            raise TypeError("no list of content")
        usage = getattr(message, "usage", None)
        return Completion(
            text=clean("".join(block.text for block in message.content if block.type == "text")),
            usage=Usage(
                calls=1,
                input_tokens=count(usage, "input_tokens"),
                output_tokens=count(usage, "output_tokens"),
                cached_tokens=count(usage, "cache_read_input_tokens"),
                seconds=seconds,
                cache_write_tokens=count(usage, "cache_creation_input_tokens"),
            ),
            model=clean(str(message.model or self.model)),
            stop_reason=clean(str(message.stop_reason or "end_turn")),
        )

    def _connect(self, **options: Any) -> Any:
        import anthropic

        # The SDK reads the key from the environment. A local server needs none, but the SDK insists on one.
        key: dict[str, Any] = {} if self._keys() else {"api_key": "none"}
        return anthropic.Anthropic(**options, **key)


def _question(request: Request, model: str, structured: bool) -> dict[str, Any]:
    """Return the arguments that questions, counts and batches share; the provider can cache what comes first."""
    arguments: dict[str, Any] = {
        "model": model,
        "system": [{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": request.prompt}],
    }
    if structured:
        arguments["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
    return arguments


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {type(value).__name__}")
    return value
