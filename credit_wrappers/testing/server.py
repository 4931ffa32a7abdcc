"""A loopback HTTP server that speaks the Messages API, to test clients over real HTTP without a model."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server answers.

    Attributes:
        text: The model's text, or the error's message.
        stop_reason: Why the model stopped.
        status: HTTP status; anything but 200 makes an error of it.
        error: The error's type, with a status other than 200.
        headers: Further HTTP headers, such as `retry-after`.
        body: Raw body to send instead of a message, for servers that misbehave.
        usage: Token counts; by default one token for four characters.
    """

    text: str = ""
    stop_reason: str = "end_turn"
    status: int = 200
    error: str = "api_error"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    usage: dict[str, int] | None = None


class MessagesServer:
    """Serves `POST /v1/messages` on 127.0.0.1, at a free port, with answers from a callable.

    Args:
        answer: Gets the parsed request body, returns the text of the answer or a `Reply`. Called from the
            server's threads, several at once when several clients ask.

    Example:
        >>> from credit_wrappers.testing.server import MessagesServer
        >>> with MessagesServer(lambda body: "hello") as server:
        ...     server.url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(self, answer: Callable[[dict[str, Any]], str | Reply]) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []  # parsed bodies, as they came
        self.headers: list[dict[str, str]] = []  # their HTTP headers, names in lower case
        self._http = _QuietServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The address to give a client as `base_url`."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> MessagesServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client hung up before its answer, as one does after a time-out."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(server: MessagesServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5.0  # an idle kept-alive connection ends by itself

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.requests.append(body)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            if self.path.split("?")[0] != "/v1/messages":
                reply = Reply(f"no such path: {self.path}", status=404, error="not_found_error")
            else:
                answered = server.answer(body)
                reply = Reply(answered) if isinstance(answered, str) else answered
            data = _body(reply, body).encode()
            self.send_response(reply.status)
            self.send_header("content-type", "application/json" if reply.body is None else "text/plain")
            self.send_header("content-length", str(len(data)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the tests' output belongs to the tests."""

    return Handler


def _body(reply: Reply, request: dict[str, Any]) -> str:
    if reply.body is not None:
        return reply.body
    if reply.status != 200:
        return json.dumps({"type": "error", "error": {"type": reply.error, "message": reply.text}})
    usage = reply.usage or {
        "input_tokens": len(json.dumps(request)) // 4,
        "output_tokens": len(reply.text) // 4,
    }
    return json.dumps(
        {
            "id": "msg_loopback",
            "type": "message",
            "role": "assistant",
            "model": request.get("model", ""),
            "content": [{"type": "text", "text": reply.text}],
            "stop_reason": reply.stop_reason,
            "stop_sequence": None,
            "usage": usage,
        }
    )
