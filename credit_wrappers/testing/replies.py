"""What a model provider sends: answers and errors, in the JSON of the Messages API and of chat completions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

_CHARACTERS_PER_TOKEN = 4
_FINISH = {"end_turn": "stop", "max_tokens": "length", "refusal": "stop"}


@dataclass(frozen=True)
class Reply:
    """One reply.

    Attributes:
        text: The model's text, or the error's message; None: a message without content.
        stop_reason: Why the model stopped, as the Messages API calls it.
        status: HTTP status; anything but 200 makes it an error.
        error: The error's type, with a status other than 200.
        headers: Further HTTP headers, such as `retry-after`.
        body: Raw body, sent instead of the JSON of a message or error.
        usage: Token counts by the names of the Messages API; None: one token for four characters.
        content_type: Of a raw body.
    """

    text: str | None = ""
    stop_reason: str = "end_turn"
    status: int = 200
    error: str = "api_error"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    usage: dict[str, int] | None = None
    content_type: str = "application/json"


def message(reply: Reply, request: dict[str, Any]) -> dict[str, Any]:
    """Return a reply as a message, or as an error of the Messages API."""
    if reply.status != 200:
        return {"type": "error", "error": {"type": reply.error, "message": reply.text}, "request_id": "req_loopback"}
    return {
        "id": "msg_loopback",
        "type": "message",
        "role": "assistant",
        "model": request.get("model", ""),
        "content": [] if reply.text is None else [{"type": "text", "text": reply.text}],
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        "usage": _usage(reply, request),
    }


def chat_completion(reply: Reply, request: dict[str, Any]) -> dict[str, Any]:
    """Return a reply as a chat completion, or as an error of that API."""
    if reply.status != 200:
        return {"error": {"message": reply.text, "type": reply.error, "param": None, "code": None}}
    usage = _usage(reply, request)
    cached = usage.get("cache_read_input_tokens", 0)
    read = usage["input_tokens"] + cached + usage.get("cache_creation_input_tokens", 0)
    refused = reply.stop_reason == "refusal"
    content, refusal = (None, reply.text) if refused else (reply.text, None)
    answer = {"role": "assistant", "content": content, "refusal": refusal}
    finish = _FINISH.get(reply.stop_reason, reply.stop_reason)
    return {
        "id": "chatcmpl-loopback",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model", ""),
        "choices": [{"index": 0, "message": answer, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": usage["output_tokens"],
            "total_tokens": read + usage["output_tokens"],
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


def question(body: dict[str, Any]) -> tuple[str, str]:
    """Return the system text and the user text of a request, in either protocol."""
    system, user = _text(body.get("system", "")), ""
    for item in body["messages"]:
        if item["role"] in ("system", "developer"):
            system += _text(item["content"])
        elif item["role"] == "user":
            user += _text(item["content"])
    return system, user


def schema_asked(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the JSON schema that a request holds the model to, in either protocol; None without one."""
    anthropic = body.get("output_config", {}).get("format", {})
    openai = body.get("response_format", {}).get("json_schema", {})
    schema: dict[str, Any] | None = anthropic.get("schema") or openai.get("schema")
    return schema


def tokens(body: dict[str, Any]) -> int:
    """Return the tokens of a request, at four characters each."""
    return len(json.dumps(body)) // _CHARACTERS_PER_TOKEN


def _usage(reply: Reply, request: dict[str, Any]) -> dict[str, int]:
    if reply.usage is not None:
        return reply.usage
    return {"input_tokens": tokens(request), "output_tokens": len(reply.text or "") // _CHARACTERS_PER_TOKEN}


def _text(content: Any) -> str:
    """Return the text of a string, or of a list of content blocks."""
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)
