"""Scripted events, written in the answer form `curve`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from functools import lru_cache
from typing import Any

from credit_wrappers.llm.client import STEP_WORTH

_DIGITS = 6  # of a number of steps


def curves_of(
    agents: Iterable[str], events: Sequence[dict[str, Any]], length: int, explain: bool
) -> list[dict[str, Any]]:
    """Return one curve for each agent, of which the credit is the sum of the events.

    Faults (see `EventLog`) become `extra`, all other events the steps left, counted so that they never fall below 0.

    Args:
        agents: The agents' names in the prompt.
        events: The events of an episode, as `EpisodeRules.judge` returns them.
        length: Steps of the episode.
        explain: Whether reasons are asked for.
    """
    return [_curve(agent, [e for e in events if e["agent"] == agent], length, explain) for agent in agents]


def _curve(agent: str, events: Sequence[dict[str, Any]], length: int, explain: bool) -> dict[str, Any]:
    saved: list[float] = [0] * (length + 1)  # steps saved in each step, and none after the end
    extra, reasons = [], []
    for event in events:
        start, stop, why = event["start"], event["stop"], event["why"]
        each = _number(event["amount"] / STEP_WORTH / (stop - start))
        if "fault" in event:
            extra.append({"step": start, "amount": each, "why": why})
        else:
            for t in range(start, stop):
                saved[t] += each
            reasons.append({"step": start, "why": why})
    points = _points(saved, {reason["step"] for reason in reasons} if explain else set())
    start = max(0, -min((left for _, left in points), default=0))
    curve: dict[str, Any] = {
        "agent": agent,
        "start": _number(start),
        "left": [[t, max(0, _number(start + left))] for t, left in points],  # sums of fractions may end just below 0
        "extra": extra if explain else [{"step": e["step"], "amount": e["amount"]} for e in extra],
    }
    if explain:
        curve["reasons"] = reasons
    return curve


def _points(saved: Sequence[float], begun: Set[int]) -> list[tuple[int, float]]:
    """Return the points (step, steps left since the start) that say what was saved.

    They are the ends of runs, and of waits before a change by more than one a step.

    Args:
        saved: Steps saved in each step, and a 0.
        begun: Steps with a reason of their own: a run ends before each of them.
    """
    points: list[tuple[int, float]] = []
    left: float = 0
    for t, after in enumerate(saved[1:]):
        steps = saved[t]
        left -= steps
        if steps:
            if steps != after or -1 < steps < 1 or t + 1 in begun:
                points.append((t, left))
        elif not -1 <= after <= 1:
            points.append((t, left))
    return points


@lru_cache(maxsize=4096)  # the same numbers come again and again
def _number(steps: float) -> float:
    """Return a number of steps as it is written: rounded, and whole if it can be."""
    steps = round(steps, _DIGITS)
    return int(steps) if steps == int(steps) else steps
