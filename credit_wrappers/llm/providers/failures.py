"""Why there is no answer: the exceptions of the official SDKs, classified and with advice.

Both SDKs come from one generator and name their exceptions alike. This module classifies them by the names of their
classes, so that it imports neither the SDKs nor the HTTP library that they happen to use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from credit_wrappers.core.errors import ModelFailure

_LONGEST = 500  # characters

_STATUS: dict[int, ModelFailure] = {
    401: "auth",
    402: "permission",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "server_error",
    413: "too_large",
    429: "rate_limit",
    529: "overloaded",
}
# The types of the Messages API's errors, for the results of a batch, which have no status.
ERROR_TYPES: dict[str, ModelFailure] = {
    "authentication_error": "auth",
    "billing_error": "permission",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limit",
    "timeout_error": "timeout",
    "api_error": "server_error",
    "overloaded_error": "overloaded",
    "invalid_request_error": "bad_request",
}
ADVICE: dict[ModelFailure, str] = {
    "auth": "check {keys} in the environment",
    "permission": "check that the account of {keys} may use {model!r} and has credit left",
    "not_found": "check the model's name {model!r} and base_url, {server}",
    "too_large": "let a query hold fewer or shorter episodes (episodes_per_query)",
    "rate_limit": "use fewer workers or a larger max_retries",
    "overloaded": "it may pass: use fewer workers or a larger max_retries",
    "server_error": "it may pass: use a larger max_retries",
    "timeout": "raise the client's timeout ({timeout:g} s) or lower max_tokens",
    "connection": "check that {server} is running and can be reached",
    "bad_reply": "check that base_url, {server}, speaks the {protocol}",
    "setup": "check {keys} and base_url, {server}",
}
# Keys that people set because the SDK insists on one: nothing to hide, and words of messages.
_NO_KEYS = {"none", "null", "empty", "ollama", "lm-studio", "vllm", "local", "dummy", "fake", "test", "unused"}
_NO_KEYS |= {"no-key", "no_key", "api-key", "not-needed", "not-required", "placeholder", "sk-no-key-required"}
_TOO_LONG = re.compile(r"prompt is too long|input is too long|context[ _](length|window|size|limit)", re.IGNORECASE)


def classify(error: Exception) -> tuple[ModelFailure, str]:
    """Return the class of failure and an account of it, which may be long and may hold a key."""
    name, names = type(error).__name__, {base.__name__ for base in type(error).__mro__}
    if "APIStatusError" in names:
        status, said = error.status_code, _said(error.response.text)  # type: ignore[attr-defined]
        return _status_kind(status, said), f"{name} ({status}): {said}"
    if names & {"APITimeoutError", "TimeoutException"}:
        return "timeout", f"{name}: no complete answer in time"
    if names & {"APIConnectionError", "TransportError"}:
        cause = error.__cause__ or error  # the SDKs' own message is always "Connection error."
        # A header that cannot be sent will not be sent the next time either: a key with a line break in it.
        kind: ModelFailure = "setup" if type(cause).__name__ == "LocalProtocolError" else "connection"
        return kind, f"{name}: {cause}"
    return "setup", f"{name}: {error}"


def classify_reply(body: str, error: Exception) -> tuple[ModelFailure, str]:
    """Return the class of failure of a reply without an answer, though its status is 200, and an account of it.

    Args:
        body: The reply.
        error: What reading it led to; told only where the server itself says nothing.
    """
    said = _said(body)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        if said and said[0] not in "[{":  # no part of a JSON
            return "bad_reply", f"the reply is no JSON: {said}"
    else:
        given = _error(value)
        if given or _words(value):
            return _error_kind(given or value, said), f"the reply is an error: {said}"
    # What Python says of a missing field tells nothing; the reply itself does.
    why = said
    if isinstance(error, ValueError) and str(error):
        why = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
    return "bad_reply", f"the reply cannot be read: {why}"


def said_kind(kind: ModelFailure, text: str) -> ModelFailure:
    """Return the class of failure given the server's text: some bad requests are too long ones."""
    return "too_large" if kind == "bad_request" and _TOO_LONG.search(text) else kind


def redact(text: str, keys: Iterable[str]) -> str:
    """Return `text` without keys and without anything that looks like one, then cut to a length for messages."""
    for key in keys:
        for part in key.split():  # a key with a line break in it is quoted with an escape
            if len(part) >= 4 and part.lower() not in _NO_KEYS:
                text = text.replace(part, "[key]")
    text = re.sub(r"\bsk-[\w-]{6,}", lambda found: found[0] if found[0].lower() in _NO_KEYS else "[key]", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _status_kind(status: int, said: str) -> ModelFailure:
    if status == 429 and "insufficient_quota" in said:
        return "permission"  # OpenAI's word for an empty account: waiting does not fill it
    if status < 400:
        return "bad_reply"  # a redirection to nowhere
    return said_kind(_STATUS.get(status, "server_error" if status >= 500 else "bad_request"), said)


def _error_kind(error: object, said: str) -> ModelFailure:
    """Return the class of failure of an error that came with status 200, by its own status or type."""
    fields = error if isinstance(error, dict) else {}
    if isinstance(code := fields.get("code"), int) and 400 <= code < 600:
        return _status_kind(code, said)
    if said_kind("bad_request", said) == "too_large":
        return "too_large"
    return ERROR_TYPES.get(str(fields.get("type")), "bad_reply")


def _said(text: str) -> str:
    """Return what the server said, without tags."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        text = re.sub(r"<[^>]*>", " ", text)
    else:
        text = _words(body) or json.dumps(body, ensure_ascii=False)  # without escapes, behind which a key could hide
    return " ".join(text.split())


def _error(body: object) -> object:
    """Return the error in a reply, wherever servers put it: in the reply, in a list, or in a choice; None without."""
    if isinstance(body, list):
        return next(filter(None, map(_error, body)), None)
    if not isinstance(body, dict):
        return None
    found = next((body[name] for name in ("error", "errors", "detail") if body.get(name)), None)
    return found or _error(body.get("choices"))


def _words(body: object) -> str:
    """Return the message of an error in JSON, with its code; "" if there is none."""
    inner = _error(body) or body
    if isinstance(inner, list):
        return "; ".join(filter(None, (item if isinstance(item, str) else _words(item) for item in inner)))
    if isinstance(inner, str):
        return "" if inner is body else inner
    if not isinstance(inner, dict) or not isinstance(inner.get("message", inner.get("msg")), str):
        return ""
    return " ".join(str(inner[name]) for name in ("message", "msg", "code", "param") if inner.get(name))
