"""What a critic did and where its time went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields

from credit_wrappers.core.credit import Usage


@dataclass
class CriticStats:
    """What a critic did and where its time went; seconds are added over threads.

    Attributes:
        queries: Queries scored.
        episodes: Episodes scored.
        calls: Requests sent to the model, corrective questions included.
        cache_hits: Requests answered from the ledger.
        reasks: Corrective questions.
        rejected: Answers that did not fit.
        placeholders: Those of them that only repeated the placeholders of the form.
        model_errors: Requests without an answer, refusals included.
        fallbacks: Episodes that got the fallback instead of the model's credit.
        zero_answers: Episodes to which the model gave no credit at all.
        drifting: Episodes that were judged in several orders of the agents (order="average-k").
        agent_drift: Largest spread of one agent's summed credit between these orders, added over the episodes.
        team_drift: The same for the team's total.
        usage: What the calls cost.
        narrate: Seconds for frames and agent order.
        prompt: Seconds for the text of the request and its hash.
        answer: Seconds waiting for the model.
        parse: Seconds from the answer to the credit.
        ledger: Seconds for looking up and recording.
    """

    queries: int = 0
    episodes: int = 0
    calls: int = 0
    cache_hits: int = 0
    reasks: int = 0
    rejected: int = 0
    placeholders: int = 0
    model_errors: int = 0
    fallbacks: int = 0
    zero_answers: int = 0
    drifting: int = 0
    agent_drift: float = 0.0
    team_drift: float = 0.0
    usage: Usage = field(default_factory=Usage)
    narrate: float = 0.0
    prompt: float = 0.0
    answer: float = 0.0
    parse: float = 0.0
    ledger: float = 0.0

    def add(self, other: CriticStats) -> None:
        """Add the figures of another one to this one."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time spent in the block to the seconds of `part`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, part, getattr(self, part) + time.perf_counter() - started)
