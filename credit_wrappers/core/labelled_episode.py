"""A label: an episode with its credit, and what is known of how the credit came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from numbers import Integral, Real

import numpy as np

from credit_wrappers.core.credit import Credit, CreditEvent
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
            or len(tasks) != episode.n_agents
            or not all(isinstance(task, str) for task in tasks)
        ):
            raise ValueError(f"tasks of {where} are {tasks!r}, but its {episode.n_agents} agents have one text each")


def _fault(event: CreditEvent, episode: Episode) -> str:
    """Return why an event cannot be one of an episode; "" if it can."""
    start, stop, amount = event.start, event.stop, event.amount
    if event.agent not in episode.agents:
        return f"its agent is {event.agent!r}, and the agents are {', '.join(episode.agents)}"
    whole = all(isinstance(step, Integral) and not isinstance(step, bool) for step in (start, stop))
    if not (whole and 0 <= start < stop <= episode.length):
        return f"it covers the steps from {start!r} up to {stop!r}, and the episode has {episode.length}"
    if not isinstance(amount, Real) or not isfinite(amount):
        return f"its amount is {amount!r}"
    return "" if isinstance(event.why, str) else f"its reason is {event.why!r}"
