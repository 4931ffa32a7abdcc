"""The protocol of critics, and the check of what they return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError


class Critic(Protocol):
    """Everything that can assign credit."""

    @property
    def label(self) -> str:
        """Short name for tables, such as "scripted" or "shared"."""
        ...

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return one credit for each episode, in the same order. May be called from several threads."""
        ...


def check_credits(query: Sequence[Episode], credits: Sequence[Credit]) -> None:
    """Raise CreditError unless there is one finite (T, N) credit for each episode."""
    if len(credits) != len(query):
        raise CreditError(f"the critic returned {len(credits)} credits for {len(query)} episodes")
    for episode, credit in zip(query, credits, strict=True):
        expected = (episode.length, episode.n_agents)
        if credit.values.shape != expected:
            raise CreditError(f"episode {episode.id}: credit has shape {credit.values.shape}, expected {expected}")
        if not np.isfinite(credit.values).all():
            raise CreditError(f"episode {episode.id}: credit contains NaN or infinity")
