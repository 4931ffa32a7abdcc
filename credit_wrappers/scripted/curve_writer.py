"""Scripted events, written in the answer form `curve`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

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
    saved = np.zeros(length)  # steps saved in each step
    extra, reasons = [], []
    for event in events:
        start, stop, steps = event["start"], event["stop"], event["amount"] / STEP_WORTH
        if event.get("fault"):
            extra.append({"step": start, "amount": round(steps, _DIGITS), "why": event["why"]})
        else:
            saved[start:stop] += steps / (stop - start)
            reasons.append({"step": start, "why": event["why"]})
    saved = saved.round(_DIGITS)
    left = -np.cumsum(saved)
    first = max(0.0, -float(left.min(initial=0.0)))
    turns = _turns(saved.tolist())
    curve: dict[str, Any] = {
        "agent": agent,
        "start": _number(first),
        "left": [[t, _number(first + float(left[t]))] for t in turns],
        "extra": extra if explain else [{"step": e["step"], "amount": e["amount"]} for e in extra],
    }
    if explain:
        curve["reasons"] = reasons
    return curve


def _turns(saved: Sequence[float]) -> list[int]:
    """Return the steps of the points that say what was saved: the ends of runs, and of waits before a large change."""
    turns = set()
    for t, steps in enumerate(saved):
        if not steps:
            continue
        if abs(steps) != 1 or t + 1 == len(saved) or saved[t + 1] != steps:
            turns.add(t)
        if abs(steps) > 1 and t:
            turns.add(t - 1)
    return sorted(turns)


def _number(steps: float) -> float | int:
    steps = max(0.0, round(steps, _DIGITS))  # sums of fractions may end just below 0
    return int(steps) if steps.is_integer() else steps
