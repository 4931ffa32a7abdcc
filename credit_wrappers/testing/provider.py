"""A model provider without a network: it turns requests into replies, and `MessagesServer` serves it over HTTP."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from credit_wrappers.core.errors import ModelError
from credit_wrappers.llm.client import Request
from credit_wrappers.scripted.scripted_client import ScriptedClient
from credit_wrappers.testing.replies import Reply, chat_completion, message, question, schema_asked

Answer = Callable[[dict[str, Any]], "str | Reply"]

_MESSAGES = "/v1/messages"
_CHAT = "/v1/chat/completions"
QUESTIONS = (_MESSAGES, _CHAT)  # the paths at which a model is asked
BATCHES = f"{_MESSAGES}/batches"
_CREATED, _EXPIRES = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@dataclass
class _Batch:
    id: str
    requests: list[dict[str, Any]]
    polls: int  # retrievals left before it ends
    results: list[dict[str, Any]] | None = None  # once it has ended


class Provider:
    """Answers HTTP requests; `MessagesServer` explains which, and the arguments and attributes."""

    url: str

    def __init__(self, answer: Answer | None = None, *, batch_polls: int = 0) -> None:
        self.answer = answer or scripted_answer
        self.batch_polls = batch_polls
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.answered = 0
        self._batches: dict[str, _Batch] = {}
        self._lock = threading.Lock()

    def respond(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> Reply:
        """Return the reply to an HTTP request; its `body` is what is to be sent."""
        body: Any = {}
        if method == "POST":
            try:
                body = json.loads(data or b"{}")
            except ValueError:
                body = None
            with self._lock:
                self.requests.append(body)
                self.headers.append(headers)
        reply = self.route(method, path, body)
        if path in QUESTIONS and reply.status == 200:
            self.count(1)
        if reply.body is not None:
            return reply
        form = chat_completion if path == _CHAT else message
        return replace(reply, body=json.dumps(form(reply, body if isinstance(body, dict) else {})))

    def route(self, method: str, path: str, body: Any) -> Reply:
        """Return the reply to a request, before it takes the protocol's form."""
        if method == "GET" and path.startswith(f"{BATCHES}/"):
            name, _, part = path.removeprefix(f"{BATCHES}/").partition("/")
            batch = self._batches.get(name)
            if batch is not None and part in ("", "results"):
                with self._lock:
                    return self._results(batch) if part else self._state(self._advance(batch))
        elif method == "POST" and path in (*QUESTIONS, BATCHES):
            needed = "requests" if path == BATCHES else "messages"
            if not isinstance(body, dict) or needed not in body:
                return Reply(f"{needed}: Field required", status=400, error="invalid_request_error")
            return self._create_batch(body["requests"]) if path == BATCHES else self._answer(body)
        return Reply(f"no such path: {path}", status=404, error="not_found_error")

    def end_batches(self) -> None:
        """Let every batch, future ones included, end when it is retrieved next."""
        with self._lock:
            self.batch_polls = 0
            for batch in self._batches.values():
                batch.polls = 0

    def count(self, answers: int) -> None:
        """Add to `answered`."""
        with self._lock:
            self.answered += answers

    def batch_result(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return the result of one request of a batch."""
        reply = self._answer(item["params"])
        kind, name = ("succeeded", "message") if reply.status == 200 else ("errored", "error")
        return {"type": kind, name: message(reply, item["params"])}

    def _answer(self, body: dict[str, Any]) -> Reply:
        answered = self.answer(body)
        return Reply(answered) if isinstance(answered, str) else answered

    def _create_batch(self, requests: list[dict[str, Any]]) -> Reply:
        with self._lock:
            batch = _Batch(f"msgbatch_{len(self._batches) + 1:04d}", requests, self.batch_polls)
            self._batches[batch.id] = batch
            return self._state(batch)

    def _advance(self, batch: _Batch) -> _Batch:
        """Bring a batch nearer to its end."""
        if batch.polls > 0:
            batch.polls -= 1
        elif batch.results is None:
            batch.results = [{"custom_id": r["custom_id"], "result": self.batch_result(r)} for r in batch.requests]
            self.answered += sum(line["result"]["type"] == "succeeded" for line in batch.results)
        return batch

    def _results(self, batch: _Batch) -> Reply:
        """Return the results as JSON lines, in another order than the requests."""
        if batch.results is None:
            return Reply(f"batch {batch.id} has no results yet", status=404, error="not_found_error")
        lines = "".join(json.dumps(line) + "\n" for line in reversed(batch.results))
        return Reply(body=lines, content_type="application/x-jsonl")

    def _state(self, batch: _Batch) -> Reply:
        ended = batch.results is not None
        counts = dict.fromkeys(("succeeded", "errored", "expired", "canceled"), 0)
        counts |= Counter(line["result"]["type"] for line in batch.results or [])
        state = {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": {"processing": 0 if ended else len(batch.requests), **counts},
            "created_at": _CREATED,
            "expires_at": _EXPIRES,
            "ended_at": _CREATED if ended else None,
            "results_url": f"{self.url}{BATCHES}/{batch.id}/results" if ended else None,
        }
        return Reply(body=json.dumps(state))


def scripted_answer(body: dict[str, Any]) -> str | Reply:
    """Return the answer of `ScriptedClient`, in the form asked for; a request without episodes is a bad one."""
    system, prompt = question(body)
    limit = int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)
    try:
        return ScriptedClient().complete(Request(system, prompt, schema_asked(body), body["model"], limit)).text
    except ModelError as error:
        return Reply(str(error), status=400, error="invalid_request_error")
