"""A label: an episode with its credit, and what is known of how the credit came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from numbers import Integral, Real

import numpy as np

from credit_wrappers.core.credit import Credit, CreditEvent, TaskSpan
from credit_wrappers.core.episode import Episode


@dataclass(frozen=True, eq=False)
class LabelledEpisode:
    """One episode with its credit, as data sets hold it and reports show it.

    Attributes:
        episode: What the team did.
        credit: What the critic said of it; `credit.values` has the shape of the episode's steps and agents.
        exact: Exact credit, where it is known, by value and kind, such as "work difference": (T, N) float64 each,
            NaN where a step cannot be valued.
        question: The text that the model read; "" where there was none or it was not kept.
        answer: The model's reply as it came; "" where there was none or it was not kept.
        model: Name of the model; "" where there was none.
        query: Number of the query in which the episode was judged, within one data set or ledger.
        action_masks: (T+1, N, A) bool, the actions that were possible in each state; None where that is not known.
        note: What else is known of how it was asked, for readers.
    """

    episode: Episode
    credit: Credit
    exact: Mapping[str, np.ndarray] = field(default_factory=dict)
    question: str = ""
    answer: str = ""
    model: str = ""
    query: int = 0
    action_masks: np.ndarray | None = None
    note: str = ""

    def __post_init__(self) -> None:
        episode = self.episode
        shape = (episode.length, episode.n_agents)
        where = f"episode {episode.id} (seed {episode.seed})"
        for name, values in {"credit": self.credit.values, **self.exact}.items():
            if values.shape != shape:
                raise ValueError(
                    f"{name} of {where} has shape {values.shape}, but the episode "
                    f"has {shape[0]} steps and {shape[1]} agents: these are not of one episode"
                )
        for number, event in enumerate(self.credit.events):
            if not isinstance(event, CreditEvent):
                raise ValueError(f"event {number} of {where} is {event!r}, no CreditEvent")
            fault = _fault(event, episode)
            if fault:
                raise ValueError(f"event {number} of {where} does not fit it: {fault}")
        tasks = self.credit.tasks
        if tasks is not None and (
            not isinstance(tasks, tuple | list)
            or not all(isinstance(span, TaskSpan) and not _span_fault(span, episode) for span in tasks)
            or (counted := _covered(tasks, episode)).min(initial=1) != 1
            or counted.max(initial=1) != 1
        ):
            raise ValueError(
                f"tasks of {where} are {tasks!r}, but they must be TaskSpans that give each of its agents one task in "
                f"each of its {episode.length} steps"
            )


def _fault(event: CreditEvent, episode: Episode) -> str:
    """Return why an event cannot be one of an episode; "" if it can."""
    if fault := _span_fault(event, episode):
        return fault
    return "" if isinstance(event.amount, Real) and isfinite(event.amount) else f"its amount is {event.amount!r}"


def _span_fault(span: CreditEvent | TaskSpan, episode: Episode) -> str:
    """Return why an event, or a task, cannot be one of an episode, its amount not looked at; "" if it can."""
    start, stop = span.start, span.stop
    if span.agent not in episode.agents:
        return f"its agent is {span.agent!r}, and the agents are {', '.join(episode.agents)}"
    whole = all(isinstance(step, Integral) and not isinstance(step, bool) for step in (start, stop))
    if not (whole and 0 <= start < stop <= episode.length):
        return f"it covers the steps from {start!r} up to {stop!r}, and the episode has {episode.length}"
    if isinstance(span, TaskSpan) and not isinstance(span.task, str):
        return f"its task is {span.task!r}"
    return "" if isinstance(span.why, str) else f"its reason is {span.why!r}"


def _covered(tasks: Sequence[TaskSpan], episode: Episode) -> np.ndarray:
    """Return how many tasks each agent has in each step, (T, N)."""
    counted = np.zeros((episode.length, episode.n_agents), np.int64)
    for span in tasks:
        counted[span.start : span.stop, episode.agents.index(span.agent)] += 1
    return counted
