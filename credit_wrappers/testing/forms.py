"""The JSON of the two protocols that the loopback server speaks: Messages and chat completions."""

from __future__ import annotations

import json
from typing import Any

from credit_wrappers.testing.replies import Reply

_CHARACTERS_PER_TOKEN = 4
_FINISH = {"end_turn": "stop", "max_tokens": "length", "refusal": "stop"}


def message(reply: Reply, request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer as a message, or as an error of the Messages API."""
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
    """Return the answer as a chat completion, or as an error of that API."""
    if reply.status != 200:
        return {"error": {"message": reply.text, "type": reply.error, "param": None, "code": None}}
    usage = _usage(reply, request)
    cached = usage.get("cache_read_input_tokens", 0)
    read = usage["input_tokens"] + cached + usage.get("cache_creation_input_tokens", 0)
    refused = reply.stop_reason == "refusal"
    return {
        "id": "chatcmpl-loopback",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model", ""),
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None if refused else reply.text,
                    "refusal": reply.text if refused else None,
                },
                "logprobs": None,
                "finish_reason": _FINISH.get(reply.stop_reason, reply.stop_reason),
            }
        ],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": usage["output_tokens"],
            "total_tokens": read + usage["output_tokens"],
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


def question(body: dict[str, Any]) -> tuple[str, str]:
    """Return the system text and the user text of a request, in either protocol."""
    parts: dict[str, list[str]] = {"system": [_text(body.get("system", ""))], "user": []}
    for item in body["messages"]:
        role = "system" if item["role"] in ("system", "developer") else item["role"]
        parts.setdefault(role, []).append(_text(item["content"]))
    return "".join(parts["system"]), "".join(parts["user"])


def problem(body: Any, path: str = "/v1/messages") -> str:
    """Return what is wrong with the body of a request to `path`; "" for nothing."""
    if not isinstance(body, dict):
        return "the body is no JSON object"
    needed = ("model", "messages", "max_tokens") if path == "/v1/messages" else ("model", "messages")
    missing = [name for name in needed if name not in body]
    return f"{missing[0]}: Field required" if missing else ""


def tokens(body: dict[str, Any]) -> int:
    """Return the tokens of a request, by a usual estimate."""
    return len(json.dumps(body)) // _CHARACTERS_PER_TOKEN


def _usage(reply: Reply, request: dict[str, Any]) -> dict[str, int]:
    if reply.usage is not None:
        return reply.usage
    return {"input_tokens": tokens(request), "output_tokens": len(reply.text or "") // _CHARACTERS_PER_TOKEN}


def _text(content: Any) -> str:
    """Return the text of a string, or of a list of content blocks."""
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)
