"""The book in which the scripted rules enter credits before they are written as events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Book:
    """Collects credited steps and joins equal neighbours into spans."""

    def __init__(self, agents: Iterable[str]) -> None:
        self._open: dict[str, list[list[Any]]] = {a: [] for a in agents}  # [start, stop, amount a step, why]
        self._apart: list[dict[str, Any]] = []
        self.faults = 0

    def add(self, agent: str, t: int, amount: int, why: str) -> None:
        """Credits `amount` hundredths to `agent` for step t."""
        spans = self._open[agent]
        if spans and spans[-1][1] == t and spans[-1][2] == amount and spans[-1][3] == why:
            spans[-1][1] = t + 1
        else:
            spans.append([t, t + 1, amount, why])

    def single(self, agent: str, t: int, amount: int, why: str) -> None:
        """Credits a dock or a fault, which is never joined with others."""
        self.faults += amount < 0
        self._apart.append({"agent": agent, "start": t, "stop": t + 1, "amount": amount / 100, "why": why})

    def events(self) -> list[dict[str, Any]]:
        """All events, as the answer writes them."""
        spans = [
            {
                "agent": agent,
                "start": start,
                "stop": stop,
                "amount": (stop - start) * amount / 100,
                "why": why,
            }
            for agent, runs in self._open.items()
            for start, stop, amount, why in runs
        ]
        return spans + self._apart
