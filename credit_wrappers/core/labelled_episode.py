"""A label: an episode with its credit, and what is known of how the credit came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from credit_wrappers.core.credit import Credit
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
        for name, values in {"credit": self.credit.values, **self.exact}.items():
            if values.shape != shape:
                raise ValueError(
                    f"{name} of episode {episode.id} (seed {episode.seed}) has shape {values.shape}, but the episode "
                    f"has {shape[0]} steps and {shape[1]} agents: these are not of one episode"
                )
