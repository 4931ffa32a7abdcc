"""The client for chat completions: OpenAI, and the servers that speak as it does (vLLM, Ollama, llama.cpp, ...)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Unpack
from urllib.parse import urlsplit

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.errors import CreditError
from credit_wrappers.llm.client import Completion, Request
from credit_wrappers.llm.providers.base import ConnectionOptions, RemoteClient, clean, count

_STOP = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


class OpenAICompatibleClient(RemoteClient):
    """Asks a model over chat completions, with the official SDK (the extra `openai`).

    Local servers hold a model to the schema only here, not over the Messages API. The key comes from OPENAI_API_KEY.
    The text of a refusal is returned as the answer's. The limit of an answer is sent as `max_tokens`, which every
    self-hosted server accepts, but to OpenAI and Azure as `max_completion_tokens`, which their newer models require.

    Args:
        model: Model name.
        **options: `base_url` (usually with `/v1` at its end; OPENAI_BASE_URL is honoured too), `timeout`,
            `max_retries` and `http_client`; see `RemoteClient`, which also says what happens to failures and keys.

    Raises:
        CreditError: The SDK is not installed, or neither a key nor a server was given.
        ValueError: `base_url` is no http(s) address.
    """

    api = "OpenAI"
    protocol = "chat completions API (most servers have it under /v1)"
    example = "http://127.0.0.1:8080/v1"
    key_variables = ("OPENAI_API_KEY",)
    address_variable = "OPENAI_BASE_URL"

    def __init__(self, model: str, **options: Unpack[ConnectionOptions]) -> None:
        if find_spec("openai") is None:
            raise CreditError('this client needs the openai SDK: pip install "llm-credit-wrappers[openai]"')
        super().__init__(model, **options)

    def _schema_names(self) -> tuple[str, ...]:
        return ("response_format", "json_schema")

    def _send(self, sdk: Any, request: Request, structured: bool) -> Any:
        arguments = chat_arguments(request, self.model, _limit_name(self.base_url), structured)
        return sdk.chat.completions.with_raw_response.create(**arguments)

    def _completion(self, reply: Any, seconds: float) -> Completion:
        return chat_completion(reply, seconds, self.model)

    def _connect(self, **options: Any) -> Any:
        import openai

        # A local server needs no key, but the SDK insists on one.
        [key] = self._keys() or ["none"]
        return openai.OpenAI(api_key=key, **options)


def chat_arguments(request: Request, model: str, limit_name: str, structured: bool) -> dict[str, Any]:
    """Return a question as the arguments of a chat completion, which are the body of its HTTP request.

    Args:
        request: The question.
        model: Model name for the server.
        limit_name: What the server calls the limit of the answer.
        structured: Whether the server is to hold the model to the schema.
    """
    arguments: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": request.prompt}],
        limit_name: request.max_tokens,
    }
    if structured:
        form = {"name": "credit", "schema": request.schema, "strict": True}
        arguments["response_format"] = {"type": "json_schema", "json_schema": form}
    if request.temperature is not None:
        arguments["temperature"] = request.temperature
    return arguments


def chat_completion(reply: Any, seconds: float, model: str) -> Completion:
    """Return the answer in a chat completion.

    Args:
        reply: The completion, whose fields are attributes.
        seconds: How long it took.
        model: The model that was asked, where the reply names none.

    Raises:
        AttributeError, TypeError, ValueError: It is no chat completion.
    """
    if not isinstance(reply.choices, list) or not reply.choices:
        raise ValueError("no list of choices")
    choice = reply.choices[0]
    if getattr(choice, "error", None):
        raise ValueError("an error instead of an answer")
    content = choice.message.content
    refusal = getattr(choice.message, "refusal", None) or _text(content, "refusal")
    stop = str(choice.finish_reason or "stop")
    usage = getattr(reply, "usage", None)
    cached = count(getattr(usage, "prompt_tokens_details", None), "cached_tokens")
    return Completion(
        text=clean(refusal or _text(content, "text", "output_text")),
        usage=Usage(
            calls=1,
            input_tokens=max(0, count(usage, "prompt_tokens") - cached),
            output_tokens=count(usage, "completion_tokens"),
            cached_tokens=cached,
            seconds=seconds,
        ),
        model=clean(str(getattr(reply, "model", None) or model)),
        stop_reason="refusal" if refusal else clean(_STOP.get(stop, stop)),
    )


def _text(content: Any, *kinds: str) -> str:
    """Return the chunks of these kinds, joined: servers send the content as one string, or as a list of chunks.

    Other kinds, such as reasoning, are no part of the answer.
    """
    chunks = content if isinstance(content, list) else [content or ""]
    found = []
    for chunk in chunks:
        fields = {"text": chunk} if isinstance(chunk, str) else chunk if isinstance(chunk, dict) else vars(chunk)
        kind = fields.get("type") or "text"
        if kind in kinds:
            found.append(fields["refusal" if kind == "refusal" else "text"] or "")
    return "".join(found)


def _limit_name(base_url: str | None) -> str:
    host = "api.openai.com" if base_url is None else urlsplit(base_url).hostname or ""
    own = host == "api.openai.com" or host.endswith((".openai.com", ".openai.azure.com"))
    return "max_completion_tokens" if own else "max_tokens"
