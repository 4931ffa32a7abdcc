"""A model provider on this machine: real HTTP, to run whole programs without a model."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from credit_wrappers.testing.provider import QUESTIONS, Answer, Provider
from credit_wrappers.testing.replies import Reply


class MessagesServer(Provider):
    """Serves a model provider's API on 127.0.0.1, for the official SDKs and for programs of any kind.

    It has `POST /v1/messages` and the Message Batches API of Anthropic (without listing and canceling), and
    `POST /v1/chat/completions` of OpenAI.

    Args:
        answer: Gets the parsed body of a question (`question` reads either kind), and returns the text of the answer
            or a `Reply`, such as an error. Several threads may call it at once. None: `scripted_answer`.
        latency: Seconds before each answer of the model.
        batch_polls: How many retrievals find a batch in progress before it ends.
        port: The port; 0 takes a free one.

    Attributes:
        requests: Parsed bodies of all POST requests, as they came.
        headers: Their HTTP headers, names in lower case.
        answered: Number of good answers: messages, chat completions, results of batches.
        url: The address to give a client as `base_url`; for chat completions with `/v1` at its end.

    Examples:
        >>> from credit_wrappers.testing import MessagesServer
        >>> with MessagesServer(lambda body: "hello") as server:
        ...     server.url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self, answer: Answer | None = None, *, latency: float = 0.0, batch_polls: int = 0, port: int = 0
    ) -> None:
        super().__init__(answer, batch_polls=batch_polls)
        self.latency = latency
        self._stopped = threading.Event()
        self._http = _HTTPServer(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> MessagesServer:
        """Begin to answer; `with` does it too."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection, for good; a second call does nothing."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._thread.ident is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._http.hang_up()

    def route(self, method: str, path: str, body: Any) -> Reply:
        """Return the reply to a request, a model's answer after the latency."""
        if path in QUESTIONS and self._stopped.wait(self.latency):
            raise ConnectionAbortedError("the server was stopped before it answered")
        return super().route(method, path, body)

    def __enter__(self) -> MessagesServer:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"MessagesServer({self.url!r})"


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection, request by request."""

    protocol_version = "HTTP/1.1"
    timeout = 5.0  # an idle kept-alive connection ends by itself
    disable_nagle_algorithm = True  # headers and body are two writes
    server: _HTTPServer

    def do_POST(self) -> None:
        """Answer a question, or begin a batch."""
        length = int(self.headers.get("content-length", 0))
        data = self.rfile.read(length)
        if len(data) < length:  # the client hung up, or was killed, in mid-question: nothing was asked
            self.close_connection = True
            return
        self._respond(data)

    def do_GET(self) -> None:
        """Show a batch."""
        self._respond(b"")

    def _respond(self, data: bytes) -> None:
        owner = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = owner.respond(self.command, self.path.partition("?")[0], data, headers)
        sent = (reply.body or "").encode()
        self.send_response(reply.status)
        self.send_header("content-type", reply.content_type)
        self.send_header("content-length", str(len(sent)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the output belongs to the program that runs the server."""


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections that arrive at the same moment; the standard library has 5

    def __init__(self, address: tuple[str, int], owner: MessagesServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Remember the connection: the clients' pools keep it open, and `stop` has to end it."""
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every connection; their threads end with them."""
        for connection in list(self._open):
            with suppress(OSError):  # it ended by itself just now
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client hung up before its answer, as one does after a time-out."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
