"""What the narrators of library environments have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from credit_wrappers.narration.live_narrator import LiveNarrator

ListedAgents = Sequence[tuple[int, str]]  # index and name of each agent, in the order in which they are listed


class LibraryNarrator(LiveNarrator):
    """Tells an environment by its states: the first whole, then what changed from one to the next."""

    def frames(self, moments: Sequence[Any], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return one text for each moment: the first whole, the others what changed; "" when nothing did."""
        team = list(zip(order, names, strict=True))
        changes = (self._change(before, now, team) for before, now in pairwise(moments))
        return ["; ".join(self._whole(moments[0], team)), *map("; ".join, changes)]

    @abstractmethod
    def _whole(self, moment: Any, team: ListedAgents) -> list[str]:
        """Return everything about one moment, in clauses."""

    @abstractmethod
    def _change(self, before: Any, now: Any, team: ListedAgents) -> list[str]:
        """Return what changed, in clauses; those of an agent begin with its name and a colon."""
