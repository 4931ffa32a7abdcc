"""Shows credits in the pictures of an environment that has a place for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode


class CreditOverlay:
    """Hands the newest credited episode to `set_overlay(credits=..., tasks=..., text=...)` of an environment.

    Credits come when an episode is over, from any thread; pictures show those of the last episode that was
    credited, each agent's total, until newer ones come.

    Args:
        environment: Has `set_overlay`, with agents' names as keys.
        running: Whether episodes are credited while they run: then credits of the last steps come, and pictures show
            what each agent has been paid so far.

    Attributes:
        assigned: Agent -> the task that it has now, "" for none, kept up by who gives them; None: nobody does, and
            those of the last step of the newest credited episode are shown.
    """

    def __init__(self, environment: Any, *, running: bool = False) -> None:
        self._environment, self._running = environment, running
        self.assigned: Mapping[str, str] | None = None
        self._newest: tuple[Episode, Credit, np.ndarray] | None = None
        # What is on show: an episode, and its last step; the tasks.
        self._shown: tuple[tuple[int, int] | None, dict[str, str]] = (None, {})

    @staticmethod
    def of(environment: Any, *, running: bool = False) -> CreditOverlay | None:
        """Return the overlay of an environment that renders and has `set_overlay`, else None."""
        renders = getattr(environment, "render_mode", None) is not None
        return CreditOverlay(environment, running=running) if renders and hasattr(environment, "set_overlay") else None

    def tell(self, episode: Episode, credit: Credit) -> None:
        """Remember a credited episode, or the last steps of a running one; pass over older ones."""
        newest = self._newest
        if newest is not None and _time(newest[0]) >= _time(episode):
            return
        totals = credit.values[-1].astype(np.float64) if self._running else credit.values.sum(axis=0)
        if self._running and newest is not None and newest[0].id == episode.id:
            totals = newest[2] + totals
        self._newest = episode, credit, totals

    def show(self) -> None:
        """Show what is remembered, from the next picture on; once, so that an overlay set by hand stays."""
        newest = self._newest  # may be replaced by another thread
        tasks = {agent: task for agent, task in (self.assigned or {}).items() if task}
        now = (None if newest is None else _time(newest[0]), tasks)
        if now == self._shown:
            return
        self._shown = now
        if newest is None:
            self._environment.set_overlay(credits=None, tasks=tasks, text="")
            return
        episode, credit, totals = newest
        if self.assigned is None and credit.tasks:
            tasks = {span.agent: span.task for span in credit.tasks if span.stop == episode.length}
        self._environment.set_overlay(
            credits=dict(zip(episode.agents, totals.tolist(), strict=True)),
            tasks=tasks or None,
            text=_words(episode, credit),
        )


def _time(episode: Episode) -> tuple[int, int]:
    """Return what orders the episodes of one environment, and the windows of an episode."""
    return episode.id, episode.start + episode.length


def _words(episode: Episode, credit: Credit) -> str:
    """Return the critic's account of the episode and the last of its reasons, in steps of the whole episode."""
    said = [credit.summary] if credit.summary else []
    if credit.events:
        last = max(credit.events, key=lambda event: event.stop)
        start, stop = episode.start + last.start, episode.start + last.stop
        said.append(f"{last.agent}, steps {start} to {stop - 1}, {last.amount:+.2f}: {last.why}")
    return " ".join(said)
