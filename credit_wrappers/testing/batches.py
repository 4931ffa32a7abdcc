"""The Message Batches API of the loopback server: create, list, retrieve, cancel, results."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from credit_wrappers.testing.forms import message, problem
from credit_wrappers.testing.replies import Reply

_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_BORN = "2026-01-01T00:00:00Z"
_DIES = "2026-01-02T00:00:00Z"


@dataclass
class _Batch:
    id: str
    requests: list[dict[str, Any]]
    polls: int  # retrievals left before it has ended
    canceling: bool = False
    lines: list[dict[str, Any]] | None = field(default=None)  # the results, once it has ended


class Batches:
    """Batches by id; all methods return a reply whose body is the JSON that the API would send.

    Args:
        answer: Answers one request.
        count: Is told how many were answered.
        address: Returns the server's URL.
    """

    def __init__(
        self,
        answer: Callable[[dict[str, Any]], Reply],
        count: Callable[[int], None],
        address: Callable[[], str],
    ) -> None:
        self.answer = answer
        self.count = count
        self.address = address
        self.polls = 0
        self.outcomes: dict[str, str] = {}
        self._batches: dict[str, _Batch] = {}
        self._lock = threading.Lock()

    def create(self, body: dict[str, Any]) -> Reply:
        """Begin a batch of `body["requests"]`."""
        requests = body.get("requests") or []
        names = [str(item.get("custom_id")) for item in requests]
        wrong = [name for name, count in Counter(names).items() if count > 1 or not _ID.fullmatch(name)]
        problems = [found for item in requests if (found := problem(item.get("params")))]
        if not requests or wrong or problems:
            reason = f"custom_id {wrong[0]!r}: not unique, or not 1 to 64 of a-z, A-Z, 0-9, _, -" if wrong else ""
            return _error(400, "invalid_request_error", f"requests: {reason or (problems or ['none'])[0]}")
        with self._lock:
            batch = _Batch(f"msgbatch_{len(self._batches) + 1:04d}", requests, self.polls)
            self._batches[batch.id] = batch
            return _json(self._state(batch))

    def end(self) -> None:
        """Let every batch, also those to come, have ended when it is looked at next."""
        with self._lock:
            self.polls = 0
            for batch in self._batches.values():
                batch.polls = 0

    def list(self, limit: int = 20, after: str = "") -> Reply:
        """Return one page of all batches, the youngest first, beginning behind the batch `after`."""
        with self._lock:
            states = [self._state(batch) for batch in reversed(self._batches.values())]
        begin = next((k + 1 for k, state in enumerate(states) if state["id"] == after), 0)
        page = states[begin : begin + limit]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return _json({"data": page, "has_more": begin + limit < len(states), **ends})

    def retrieve(self, id: str) -> Reply:
        """Return the state of one batch, and bring it nearer to its end."""
        return self._with(id, lambda batch: _json(self._state(self._advance(batch))))

    def cancel(self, id: str) -> Reply:
        """Cancel what was not answered yet: with the next retrieval the batch has ended."""

        def stop(batch: _Batch) -> Reply:
            batch.canceling, batch.polls = True, 0
            return _json(self._state(batch))

        return self._with(id, stop)

    def results(self, id: str) -> Reply:
        """Return the results as JSON lines, in another order than the requests."""

        def read(batch: _Batch) -> Reply:
            if batch.lines is None:
                return _error(404, "not_found_error", f"batch {id} has no results yet")
            lines = "".join(json.dumps(line) + "\n" for line in reversed(batch.lines))
            return Reply(body=lines, content_type="application/x-jsonl")

        return self._with(id, read)

    def _with(self, id: str, use: Callable[[_Batch], Reply]) -> Reply:
        with self._lock:
            batch = self._batches.get(id)
            return use(batch) if batch is not None else _error(404, "not_found_error", f"no batch {id}")

    def _advance(self, batch: _Batch) -> _Batch:
        if batch.polls > 0:
            batch.polls -= 1
        elif batch.lines is None:
            batch.lines = [self._line(item, batch.canceling) for item in batch.requests]
            self.count(sum(line["result"]["type"] == "succeeded" for line in batch.lines))
        return batch

    def _line(self, item: dict[str, Any], canceled: bool) -> dict[str, Any]:
        outcome = "canceled" if canceled else self.outcomes.get(item["custom_id"], "succeeded")
        result: dict[str, Any] = {"type": outcome}
        if outcome in ("succeeded", "errored"):
            reply = Reply("it went wrong", status=500) if outcome == "errored" else self.answer(item["params"])
            kind, name = ("succeeded", "message") if reply.status == 200 else ("errored", "error")
            result = {"type": kind, name: message(reply, item["params"])}
        return {"custom_id": item["custom_id"], "result": result}

    def _state(self, batch: _Batch) -> dict[str, Any]:
        ended = batch.lines is not None
        counts = Counter(line["result"]["type"] for line in batch.lines or [])
        names = ("succeeded", "errored", "expired", "canceled")
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "canceling" if batch.canceling else "in_progress",
            "request_counts": {
                "processing": 0 if ended else len(batch.requests),
                **{name: counts[name] for name in names},
            },
            "created_at": _BORN,
            "expires_at": _DIES,
            "ended_at": _BORN if ended else None,
            "cancel_initiated_at": _BORN if batch.canceling else None,
            "archived_at": None,
            "results_url": f"{self.address()}/v1/messages/batches/{batch.id}/results" if ended else None,
        }


def _json(value: dict[str, Any]) -> Reply:
    return Reply(body=json.dumps(value), content_type="application/json")


def _error(status: int, kind: str, text: str) -> Reply:
    return Reply(text, status=status, error=kind)
