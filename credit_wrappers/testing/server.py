"""A loopback HTTP server that answers as model providers do, to test clients over real HTTP without a model."""

from __future__ import annotations

import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

from credit_wrappers.core.errors import ModelError
from credit_wrappers.llm.client import Request
from credit_wrappers.testing.batches import Batches
from credit_wrappers.testing.forms import question
from credit_wrappers.testing.handler import Handler
from credit_wrappers.testing.replies import Fault, Reply

Answer = Callable[[dict[str, Any]], "str | Reply"]


class MessagesServer:
    """Serves a model provider's API on 127.0.0.1, for the official SDKs.

    `POST /v1/messages`, `POST /v1/messages/count_tokens` and the Message Batches API as Anthropic has them,
    and `POST /v1/chat/completions` as OpenAI has it (its SDK's `base_url` is `server.url + "/v1"`).
    A batch with a request that `answer` gives an error for has an errored result; other outcomes are chosen
    with `batch_outcomes`.

    Args:
        answer: Gets the parsed body of a Messages or chat request, returns the text of the answer or a
            `Reply`. Called from the server's threads, several at once when several clients ask; `question`
            reads either kind of body. By default the rules of `ScriptedClient` answer.
        latency: Seconds before each answer of the model.
        batch_polls: How many retrievals find a batch in progress before it has ended.
        port: 0 takes a free one.

    Attributes:
        requests: Parsed bodies of all POST requests, as they came.
        headers: Their HTTP headers, names in lower case.
        answered: Answers that `answer` gave and nothing spoiled: messages, chat completions, results of batches.
        batch_outcomes: "errored", "expired" or "canceled" by `custom_id`, for requests in batches.

    Example:
        >>> from credit_wrappers.testing import MessagesServer
        >>> with MessagesServer(lambda body: "hello") as server:
        ...     server.url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self, answer: Answer | None = None, *, latency: float = 0.0, batch_polls: int = 0, port: int = 0
    ) -> None:
        self.answer = answer or scripted_answer
        self.latency = latency
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answered = 0
        self.batches = Batches(self.reply, self.count, lambda: self.url)
        self.batches.polls = batch_polls
        self.batch_outcomes = self.batches.outcomes
        self.stopped = threading.Event()
        self._faults: dict[str, deque[Fault | None]] = {"POST": deque(), "GET": deque()}
        self._forever = {"POST": False, "GET": False}
        self._lock = threading.Lock()
        self._http = _HTTPServer(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"  # the address to give a client as `base_url`
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def misbehave(self, *faults: Fault | None, forever: bool = False, method: Literal["POST", "GET"] = "POST") -> None:
        """Let each of the next requests meet one of `faults`, instead of what was set before.

        Args:
            faults: One for each request, in order; None: that one is answered as it should be. No fault at
                all: from now on the server behaves.
            forever: Repeat the last one for ever.
            method: Of the requests that are concerned; GET are the looks at batches.
        """
        with self._lock:
            self._faults[method] = deque(faults)
            self._forever[method] = forever

    def start(self) -> MessagesServer:
        """Begin to answer; `with` does it too."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection, for good. May be called twice, and inside `with`."""
        if self.stopped.is_set():
            return
        self.stopped.set()
        if self._thread.ident is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._http.hang_up()

    def fault(self, method: str) -> Fault | None:
        """Take the fault that the next request meets; for the handler."""
        with self._lock:
            queue = self._faults[method]
            if not queue:
                return None
            return queue[0] if len(queue) == 1 and self._forever[method] else queue.popleft()

    def arrived(self, body: dict[str, Any], headers: dict[str, str]) -> None:
        """Write down a request; for the handler."""
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)

    def reply(self, body: dict[str, Any]) -> Reply:
        """Return the model's answer; for the handler."""
        answered = self.answer(body)
        return Reply(answered) if isinstance(answered, str) else answered

    def count(self, answers: int) -> None:
        """Add to `answered`; for the handler."""
        with self._lock:
            self.answered += answers

    def __enter__(self) -> MessagesServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"MessagesServer({self.url!r})"


def scripted_answer(body: dict[str, Any]) -> str | Reply:
    """Answer by the rules of `ScriptedClient`; a request without episodes is a bad one."""
    from credit_wrappers.scripted.scripted_client import ScriptedClient

    system, prompt = question(body)
    limit = int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)
    try:
        return ScriptedClient().complete(Request(system, prompt, None, body["model"], limit)).text
    except ModelError as error:
        return Reply(str(error), status=400, error="invalid_request_error")


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections that arrive at the same moment; the standard library has 5

    def __init__(self, address: tuple[str, int], owner: MessagesServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

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
