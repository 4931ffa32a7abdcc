"""What scripted rules produce for an episode: credits, collected step by step and written as events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from credit_wrappers.scripted.read_prompt import Step


class EpisodeRules(ABC):
    """Rules that judge the episodes of one environment, by the text that a model would read."""

    @staticmethod
    @abstractmethod
    def for_system(system: str) -> EpisodeRules | None:
        """Return the rules for the environment that a base prompt describes; None if it describes another kind."""

    @abstractmethod
    def judge(self, start: str, steps: Sequence[Step]) -> tuple[str, list[dict[str, Any]]]:
        """Return the summary and the events of an episode, given its first frame and its steps.

        An event that is a fault, apart from progress, has the further field "fault": True.
        """

    @abstractmethod
    def tasks(self, start: str, steps: Sequence[Step]) -> Iterator[dict[str, str]]:
        """Yield for each step a task for each agent: what the state before the step asks for."""

    @abstractmethod
    def reason(self, task: str) -> str:
        """Return why agents get a task."""


class EventLog:
    """Collects credited steps; equal neighbours become one event."""

    def __init__(self, agents: Iterable[str]) -> None:
        self._spans: dict[str, list[list[Any]]] = {a: [] for a in agents}  # [start, stop, amount a step, why]
        self._singles: list[dict[str, Any]] = []
        self.faults = 0

    def add(self, agent: str, t: int, amount: int, why: str) -> None:
        """Credit `amount` hundredths to `agent` for step t."""
        spans = self._spans[agent]
        if spans and spans[-1][1:] == [t, amount, why]:
            spans[-1][1] = t + 1
        else:
            spans.append([t, t + 1, amount, why])

    def single(self, agent: str, t: int, amount: int, why: str) -> None:
        """Credit a dock or a fault, which is never joined with others."""
        self.faults += amount < 0
        self._singles.append(_event(agent, t, t + 1, amount, why) | ({"fault": True} if amount < 0 else {}))

    def events(self) -> list[dict[str, Any]]:
        """Return all events, in the order in which the answer writes them."""
        spans = [
            _event(agent, start, stop, (stop - start) * amount, why)
            for agent, runs in self._spans.items()
            for start, stop, amount, why in runs
        ]
        return spans + self._singles


def _event(agent: str, start: int, stop: int, hundredths: int, why: str) -> dict[str, Any]:
    return {"agent": agent, "start": start, "stop": stop, "amount": hundredths / 100, "why": why}
