"""Narrators that read the live environment, and leave it behind when an episode is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Self


class LiveNarrator:
    """The part of a narrator that captures states from its environment."""

    def __init__(self, source: Callable[[], Any] | None) -> None:
        self._source = source  # returns the present state; None when detached
        self._detached: Self | None = None

    def detached(self) -> Self:
        """Return the same narrator without its environment, for episodes that are kept; always the same object."""
        if self._detached is None:
            self._detached = copy.copy(self)
            self._detached._source = None
        return self._detached

    def capture(self, observations: Mapping[str, Any]) -> Any:
        """Return the present state, without a look at the observations."""
        assert self._source is not None, "a detached narrator cannot capture"
        return self._source()
