"""The client for chat completions: OpenAI, and the servers that speak as it does (vLLM, Ollama, llama.cpp, ...)."""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.errors import CreditError
from credit_wrappers.llm.client import Completion, Request
from credit_wrappers.llm.providers.base import RemoteClient, clean, count

_NO_SDK = 'OpenAICompatibleClient needs the openai SDK: pip install "llm-credit-wrappers[openai]"'
_NO_KEY = (
    "no key for the OpenAI API. Three ways out: (1) set OPENAI_API_KEY in the environment; "
    "(2) client=ScriptedClient(), the built-in stand-in that needs no key; "
    "(3) base_url='http://127.0.0.1:8080/v1', a local server that speaks chat completions"
)
_STOP = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


class OpenAICompatibleClient(RemoteClient):
    """Asks a model over chat completions, with the official SDK (the extra `openai`).

    Local servers hold a model to the schema only here, not over the Messages API. The key comes from
    OPENAI_API_KEY and from nowhere else; it is in no attribute, pickle, repr or message of this class. The SDK
    repeats failed calls and honours `retry-after`. What the model wrote is returned as it is, whatever its
    stop reason; a refusal's text is returned as the answer's. A server or model that rejects the schema
    (`response_format`) is asked again without it, from then on always.

    The limit of an answer is sent as `max_tokens`, which all servers of one's own take, but to OpenAI and Azure
    as `max_completion_tokens`, which their newer models insist on.

    Args:
        model: Model name.
        base_url: Another server than OpenAI's, usually with `/v1` at its end; OPENAI_BASE_URL is honoured too.
            A local one needs no key.
        timeout: Seconds a single try may take.
        max_retries: Repetitions after a transient failure.

    Raises:
        CreditError: The SDK is not installed, or neither a key nor a server was given.
        ValueError: `base_url` is no http(s) address.
    """

    protocol = "chat completions API (most servers have it under /v1)"
    key_variables = ("OPENAI_API_KEY",)

    def __init__(
        self, model: str, *, base_url: str | None = None, timeout: float = 600.0, max_retries: int = 4
    ) -> None:
        if find_spec("openai") is None:
            raise CreditError(_NO_SDK)
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        if base_url is None and not self._keys():
            raise CreditError(_NO_KEY)
        super().__init__(model, base_url, timeout, max_retries)

    def complete(self, request: Request) -> Completion:
        """Return the model's answer to `request`.

        Raises:
            ModelError: No answer; `transient` tells whether a later try may succeed.
        """
        started = time.perf_counter()
        return self._ask_structured(
            lambda structured: self._ask(
                lambda sdk: sdk.chat.completions.with_raw_response.create(**self._question(request, structured)),
                lambda reply: self._completion(reply, time.perf_counter() - started),
            ),
            request.schema is not None,
            ("response_format", "json_schema"),
        )

    def _question(self, request: Request, structured: bool) -> dict[str, Any]:
        """Return the arguments of `create`."""
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": request.system},
                {"role": "user", "content": request.prompt},
            ],
            _limit_name(self.base_url): request.max_tokens,
        }
        if structured:
            form = {"name": "credit", "schema": request.schema, "strict": True}
            arguments["response_format"] = {"type": "json_schema", "json_schema": form}
        if request.temperature is not None:
            arguments["temperature"] = request.temperature
        return arguments

    def _completion(self, reply: Any, seconds: float) -> Completion:
        choice = reply.choices[0]
        refusal = getattr(choice.message, "refusal", None)
        stop = str(choice.finish_reason or "stop")
        cached = count(getattr(getattr(reply, "usage", None), "prompt_tokens_details", None), "cached_tokens")
        return Completion(
            text=clean(refusal or choice.message.content or ""),
            usage=Usage(
                calls=1,
                input_tokens=max(0, count(reply.usage, "prompt_tokens") - cached),
                output_tokens=count(reply.usage, "completion_tokens"),
                cached_tokens=cached,
                seconds=seconds,
            ),
            model=clean(str(reply.model or self.model)),
            stop_reason="refusal" if refusal else clean(_STOP.get(stop, stop)),
        )

    def _connect(self) -> Any:
        import openai

        # A local server needs no key, but the SDK insists on one.
        [key] = self._keys() or ["none"]
        return openai.OpenAI(api_key=key, base_url=self.base_url, timeout=self.timeout, max_retries=self.max_retries)


def _limit_name(base_url: str | None) -> str:
    host = "api.openai.com" if base_url is None else urlsplit(base_url).hostname or ""
    own = host == "api.openai.com" or host.endswith((".openai.com", ".openai.azure.com"))
    return "max_completion_tokens" if own else "max_tokens"
