"""A provider that misbehaves on request, behind the HTTP client of the official SDKs: no network, no waiting."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import httpx2

from credit_wrappers.testing import Reply
from credit_wrappers.testing.provider import BATCHES, QUESTIONS, Answer, Provider
from credit_wrappers.testing.replies import message, tokens

COUNT = "/v1/messages/count_tokens"
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>nginx</p></body></html>"


@dataclass(frozen=True)
class SentReply(Reply):
    """A reply, and how it is sent.

    Attributes:
        sending: "whole"; "half": half of the body as if it were all; "stalled": half of it, then silence until the
            client's patience ends; "reset": the connection is reset before the first byte; "reset_in_body": after half.
    """

    sending: str = "whole"


@dataclass(frozen=True)
class Fault:
    """One misbehaviour, for `FaultyProvider.misbehave`. Build it with the constructors below.

    Attributes:
        name: What tables and messages call it.
        reply: Sent instead of the right answer, which is then not even asked for; None: the right answer is
            spoiled by the other fields.
        keep: Part of the right answer's text that is left.
        stop_reason: Replaces the right answer's.
        sending: How it is sent; see `SentReply`.
    """

    name: str
    reply: Reply | None = None
    keep: float = 1.0
    stop_reason: str | None = None
    sending: str = "whole"

    def spoil(self, answer: Callable[[], Reply]) -> Reply:
        """Return what is sent when `answer()` would have been right."""
        if self.reply is not None:
            return self.reply
        right = answer()
        text = right.text and right.text[: int(len(right.text) * self.keep)]
        kept = asdict(right) | {"text": text, "stop_reason": self.stop_reason or right.stop_reason}
        return SentReply(**kept, sending=self.sending)

    @classmethod
    def status(cls, status: int, error: str, message: str, retry_after: float | None = None) -> Fault:
        """An error of the API; `retry_after` in seconds (the SDKs take parts of a second) makes a header."""
        headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
        return cls(f"{status} {error}", Reply(message, status=status, error=error, headers=headers))

    @classmethod
    def rate_limit(cls, retry_after: float | None = None) -> Fault:
        return cls.status(429, "rate_limit_error", "too many requests, slow down", retry_after)

    @classmethod
    def overloaded(cls, retry_after: float | None = None) -> Fault:
        return cls.status(529, "overloaded_error", "Overloaded", retry_after)

    @classmethod
    def server_error(cls, status: int = 500, retry_after: float | None = None) -> Fault:
        return cls.status(status, "api_error", "Internal server error", retry_after)

    @classmethod
    def bad_gateway(cls) -> Fault:
        """502 with a page of HTML, as gateways send it."""
        return cls.raw(_HTML.format("502 Bad Gateway"), "text/html", 502)

    @classmethod
    def unauthorized(cls) -> Fault:
        return cls.status(401, "authentication_error", "invalid x-api-key")

    @classmethod
    def forbidden(cls) -> Fault:
        return cls.status(403, "permission_error", "your key may not use this model")

    @classmethod
    def not_found(cls) -> Fault:
        return cls.status(404, "not_found_error", "no such model")

    @classmethod
    def too_large(cls) -> Fault:
        return cls.status(413, "request_too_large", "Request exceeds the maximum size")

    @classmethod
    def too_long(cls) -> Fault:
        """400 because the prompt does not fit the model's context."""
        return cls.bad_request("prompt is too long: 250000 tokens > 200000 maximum")

    @classmethod
    def bad_request(cls, message: str = "messages: wrong") -> Fault:
        return cls.status(400, "invalid_request_error", message)

    @classmethod
    def reset(cls) -> Fault:
        """The connection is reset before any byte."""
        return cls("reset", SentReply(sending="reset"))

    @classmethod
    def reset_in_body(cls) -> Fault:
        return cls("reset in body", sending="reset_in_body")

    @classmethod
    def stalled(cls) -> Fault:
        """Half of the body, then silence."""
        return cls("stalled", sending="stalled")

    @classmethod
    def half_json(cls) -> Fault:
        """Right HTTP with half of a JSON in it."""
        return cls("half a JSON", sending="half")

    @classmethod
    def cut_off(cls, keep: float = 0.5) -> Fault:
        """The model reached max_tokens; `keep` of its text is there."""
        return cls("cut off", keep=keep, stop_reason="max_tokens")

    @classmethod
    def refusal(cls) -> Fault:
        return cls("refusal", Reply("I will not judge this.", stop_reason="refusal"))

    @classmethod
    def empty(cls) -> Fault:
        """A message without content."""
        return cls("empty", Reply(None))

    @classmethod
    def text(cls, text: str) -> Fault:
        """The model says this, whatever it was asked."""
        return cls("text", Reply(text))

    @classmethod
    def html(cls) -> Fault:
        """200 with a page of HTML, as login pages of proxies are sent."""
        return cls.raw(_HTML.format("Welcome"), "text/html")

    @classmethod
    def raw(cls, body: str, content_type: str = "application/json", status: int = 200) -> Fault:
        return cls(f"{status} {content_type}", Reply(body=body, content_type=content_type, status=status))


class FaultyProvider(Provider):
    """A provider that meets each request with a fault, if one is due.

    Attributes:
        batch_outcomes: "errored", "expired" or "canceled" by `custom_id`, for requests in batches.
    """

    url = "http://provider.test"

    def __init__(self, answer: Answer | None = None, *, batch_polls: int = 0) -> None:
        super().__init__(answer, batch_polls=batch_polls)
        self.batch_outcomes: dict[str, str] = {}
        self._faults: dict[str, deque[Fault | None]] = {"POST": deque(), "GET": deque()}
        self._forever = {"POST": False, "GET": False}
        self._faults_lock = threading.Lock()

    def __enter__(self) -> FaultyProvider:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def http_client(self) -> httpx2.Client:
        """Return an HTTP client, for an SDK, whose every request comes here."""
        return httpx2.Client(transport=httpx2.MockTransport(self._handle), follow_redirects=True)

    def misbehave(self, *faults: Fault | None, forever: bool = False, method: str = "POST") -> None:
        """Let each of the next requests meet one of `faults`, instead of what was set before.

        Args:
            faults: One for each request, in order; None: that one is answered as it should be. No fault at
                all: from now on the provider behaves.
            forever: Repeat the last one for ever.
            method: Of the requests that are concerned; GET are the looks at batches.
        """
        with self._faults_lock:
            self._faults[method] = deque(faults)
            self._forever[method] = forever

    def route(self, method: str, path: str, body: Any) -> Reply:
        fault = self._next_fault(method)
        if fault is None:
            return self._checked(method, path, body)
        reply = fault.spoil(lambda: self._checked(method, path, body))
        if path in QUESTIONS and reply.status == 200:
            self.count(-1)  # `respond` adds one, but this answer is not a good one
        return reply

    def batch_result(self, item: dict[str, Any]) -> dict[str, Any]:
        outcome = self.batch_outcomes.get(item["custom_id"])
        if outcome is None:
            return super().batch_result(item)
        return {"type": outcome, "error": message(Reply("it went wrong", status=500), item["params"])}

    def _checked(self, method: str, path: str, body: Any) -> Reply:
        """Answer as providers do, which reject bodies with faults, and count tokens."""
        asked = [item["params"] for item in body["requests"]] if path == BATCHES else [body]
        if path in (*QUESTIONS, BATCHES, COUNT) and method == "POST":
            needed = {"model", "messages"} | ({"max_tokens"} if path in (QUESTIONS[0], BATCHES) else set())
            ids = Counter(item["custom_id"] for item in body.get("requests", ()))
            wrong = [name for name, count in ids.items() if count > 1 or not ID.fullmatch(name)]
            if wrong or not asked or any(needed - one.keys() for one in asked):
                return Reply(f"something lacks {needed}, or custom_id: {wrong}", status=400)
            if path == COUNT:
                return Reply(body=json.dumps({"input_tokens": tokens(body)}))
        return super().route(method, path, body)

    def _next_fault(self, method: str) -> Fault | None:
        with self._faults_lock:
            queue = self._faults[method]
            if not queue:
                return None
            return queue[0] if len(queue) == 1 and self._forever[method] else queue.popleft()

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        reply = self.respond(request.method, request.url.path, request.content, dict(request.headers))
        sending = getattr(reply, "sending", "whole")
        if sending == "reset":
            raise httpx2.ReadError("connection reset", request=request)
        body = (reply.body or "").encode("utf-8", "surrogatepass")
        headers = {"content-type": reply.content_type, **reply.headers}
        if sending == "half":
            body = body[: len(body) // 2]
        elif sending != "whole":
            return httpx2.Response(reply.status, headers=headers, stream=_Broken(body[: len(body) // 2], sending))
        return httpx2.Response(reply.status, headers=headers, content=body)


class _Broken(httpx2.SyncByteStream):
    """A body that ends in an error of the network."""

    def __init__(self, data: bytes, sending: str) -> None:
        self.data = data
        self.error = httpx2.ReadTimeout("silence") if sending == "stalled" else httpx2.ReadError("connection reset")

    def __iter__(self) -> Iterator[bytes]:
        yield self.data
        raise self.error
