"""What the loopback server sends: right answers, and the ways in which servers and networks go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

Sending = Literal["whole", "half", "stall", "reset", "reset_in_body"]

_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>nginx</p></body></html>"


@dataclass(frozen=True)
class Reply:
    """What the server answers.

    Attributes:
        text: The model's text, or the error's message; None: a message without any content.
        stop_reason: Why the model stopped, as the Messages API calls it.
        status: HTTP status; anything but 200 makes an error of it.
        error: The error's type, with a status other than 200.
        headers: Further HTTP headers, such as `retry-after`.
        body: Raw body to send instead of a message, for servers that misbehave.
        usage: Token counts by the names of the Messages API; by default one token for four characters.
        content_type: Of a raw body.
        sending: "whole"; "half": half of the body as if it were all; "stall": half of it, then `seconds` of
            silence; "reset": the connection is reset before the first byte; "reset_in_body": after half.
        seconds: Length of the silence.
    """

    text: str | None = ""
    stop_reason: str = "end_turn"
    status: int = 200
    error: str = "api_error"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    usage: dict[str, int] | None = None
    content_type: str = "text/plain"
    sending: Sending = "whole"
    seconds: float = 0.0


@dataclass(frozen=True)
class Fault:
    """One misbehaviour, for `MessagesServer.misbehave`. Build it with the constructors below.

    Attributes:
        name: What tables and messages call it.
        reply: Sent instead of the right answer, which is then not even asked for; None: the right answer is
            spoiled by the other fields.
        keep: Part of the right answer's text that is left.
        stop_reason: Replaces the right answer's.
        sending: How it is sent; see `Reply`.
        seconds: Length of a silence.
    """

    name: str
    reply: Reply | None = None
    keep: float = 1.0
    stop_reason: str | None = None
    sending: Sending = "whole"
    seconds: float = 0.0

    def spoil(self, answer: Callable[[], Reply]) -> Reply:
        """Return what is sent when `answer()` would have been right."""
        if self.reply is not None:
            return self.reply
        right = answer()
        text = right.text and right.text[: int(len(right.text) * self.keep)]
        stop = self.stop_reason or right.stop_reason
        return replace(right, text=text, stop_reason=stop, sending=self.sending, seconds=self.seconds)

    @classmethod
    def status(cls, status: int, error: str, message: str, retry_after: float | None = None) -> Fault:
        """An error of the API; `retry_after` in seconds (the SDKs take parts of a second) makes a header."""
        headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
        return cls(f"{status} {error}", Reply(message, status=status, error=error, headers=headers))

    @classmethod
    def rate_limit(cls, retry_after: float | None = None) -> Fault:
        """429."""
        return cls.status(429, "rate_limit_error", "too many requests, slow down", retry_after)

    @classmethod
    def overloaded(cls, retry_after: float | None = None) -> Fault:
        """529."""
        return cls.status(529, "overloaded_error", "Overloaded", retry_after)

    @classmethod
    def server_error(cls, status: int = 500, retry_after: float | None = None) -> Fault:
        """500 or another 5xx."""
        return cls.status(status, "api_error", "Internal server error", retry_after)

    @classmethod
    def bad_gateway(cls) -> Fault:
        """502 with a page of HTML, as gateways send it."""
        return cls.raw(_HTML.format("502 Bad Gateway"), "text/html", 502)

    @classmethod
    def unauthorized(cls) -> Fault:
        """401."""
        return cls.status(401, "authentication_error", "invalid x-api-key")

    @classmethod
    def forbidden(cls) -> Fault:
        """403."""
        return cls.status(403, "permission_error", "your key may not use this model")

    @classmethod
    def not_found(cls) -> Fault:
        """404."""
        return cls.status(404, "not_found_error", "no such model")

    @classmethod
    def too_large(cls) -> Fault:
        """413."""
        return cls.status(413, "request_too_large", "Request exceeds the maximum size")

    @classmethod
    def too_long(cls) -> Fault:
        """400 because the prompt does not fit the model's context."""
        return cls.status(400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum")

    @classmethod
    def bad_request(cls, message: str = "messages: wrong") -> Fault:
        """400 with any message."""
        return cls.status(400, "invalid_request_error", message)

    @classmethod
    def reset(cls) -> Fault:
        """The connection is reset before any byte."""
        return cls("reset", Reply(sending="reset"))

    @classmethod
    def reset_in_body(cls) -> Fault:
        """The connection is reset after half of the body."""
        return cls("reset in body", sending="reset_in_body")

    @classmethod
    def stalled(cls, seconds: float) -> Fault:
        """Half of the body, then silence, then the connection is closed."""
        return cls("stalled", sending="stall", seconds=seconds)

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
        """The model declined."""
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
        """Any body."""
        return cls(f"{status} {content_type}", Reply(body=body, content_type=content_type, status=status))
