"""How the loopback server reads one HTTP request and sends, or fails to send, the reply."""

from __future__ import annotations

import json
import os
import socket
import struct
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from credit_wrappers.testing.forms import chat_completion, message, problem, tokens
from credit_wrappers.testing.replies import Reply

if TYPE_CHECKING:
    from credit_wrappers.testing.server import MessagesServer

_BATCHES = "/v1/messages/batches"
_CHAT = "/v1/chat/completions"


class Handler(BaseHTTPRequestHandler):
    """Serves one connection, request by request."""

    protocol_version = "HTTP/1.1"
    timeout = 5.0  # an idle kept-alive connection ends by itself
    disable_nagle_algorithm = True  # headers and body are two writes

    def setup(self) -> None:
        """Find the server that the connection belongs to."""
        super().setup()
        self.owner: MessagesServer = self.server.owner  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        """Answer a question, or begin or cancel a batch."""
        length = int(self.headers.get("content-length", 0))
        data = self.rfile.read(length)
        if len(data) < length:  # the client hung up, or was killed, in mid-question: nothing was asked
            self.close_connection = True
            return
        try:
            body = json.loads(data or b"{}")
        except ValueError:
            body = None
        self.owner.arrived(body, {name.lower(): value for name, value in self.headers.items()})
        self._respond(body)

    def do_GET(self) -> None:
        """Show batches."""
        self._respond({})

    def _respond(self, body: Any) -> None:
        path = urlsplit(self.path).path
        asked = self.command == "POST" and path in ("/v1/messages", _CHAT)
        if asked:
            self.owner.stopped.wait(self.owner.latency)
        fault = self.owner.fault(self.command)
        reply = self._right(path, body) if fault is None else fault.spoil(lambda: self._right(path, body))
        if reply.body is None:
            form = chat_completion if path == _CHAT else message
            text, kind = json.dumps(form(reply, body if isinstance(body, dict) else {})), "application/json"
        else:
            text, kind = reply.body, reply.content_type
        if asked and fault is None and reply.status == 200:
            self.owner.count(1)  # before it is sent: who has the answer finds it counted
        self._send(reply, text.encode(), kind)

    def _right(self, path: str, body: Any) -> Reply:
        """Return the reply of a server that behaves."""
        batches = self.owner.batches
        place, _, id = path.partition(f"{_BATCHES}/")
        if self.command == "GET":
            if path == _BATCHES:
                query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                return batches.list(int(query.get("limit", 20)), query.get("after_id", ""))
            if not place and id:
                name, _, what = id.partition("/")
                return {"": batches.retrieve, "results": batches.results}.get(what, _missing)(name)
        elif path in ("/v1/messages", _CHAT, "/v1/messages/count_tokens"):
            wrong = problem(body, path)
            if wrong:
                return Reply(wrong, status=400, error="invalid_request_error")
            if path.endswith("count_tokens"):
                return Reply(body=json.dumps({"input_tokens": tokens(body)}), content_type="application/json")
            return self.owner.reply(body)
        elif path == _BATCHES:
            return batches.create(body or {})
        elif not place and id.endswith("/cancel"):
            return batches.cancel(id.removesuffix("/cancel"))
        return _missing(path)

    def _send(self, reply: Reply, data: bytes, content_type: str) -> None:
        """Send the reply, in the way it asks for."""
        half = len(data) // 2
        if reply.sending == "half":
            data = data[:half]
        if reply.sending != "reset":
            self.send_response(reply.status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(data)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[:half] if reply.sending in ("stall", "reset_in_body") else data)
        if reply.sending == "stall":
            self.owner.stopped.wait(reply.seconds)
            self.close_connection = True
        elif reply.sending in ("reset", "reset_in_body"):
            self._reset()

    def _reset(self) -> None:
        """End the connection with a reset: closed at once, with nothing lingering."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())  # `close` would wait for the files made from the socket
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the tests' output belongs to the tests."""


def _missing(path: str) -> Reply:
    return Reply(f"no such path: {path}", status=404, error="not_found_error")
