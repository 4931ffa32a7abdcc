"""Shows credits in the pictures of an environment that has a place for them."""

from __future__ import annotations

from typing import Any

from .credit import Credit
from .episode import Episode


class CreditPanel:
    """Hands the newest scored episode to `set_overlay(credits=..., tasks=..., text=...)` of an environment.

    Credits come when an episode is over, from any thread; pictures show those of the last episode that was
    scored, each agent's total, until newer ones come.

    Args:
        environment: Has `set_overlay`, with agents' names as keys.
    """

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._newest: tuple[Episode, Credit] | None = None
        self._shown = -1  # id of the episode on show

    @staticmethod
    def of(environment: Any) -> CreditPanel | None:
        """Return the panel of an environment that renders and has `set_overlay`, else None."""
        renders = getattr(environment, "render_mode", None) is not None
        return CreditPanel(environment) if renders and hasattr(environment, "set_overlay") else None

    def tell(self, episode: Episode, credit: Credit) -> None:
        """Remember a scored episode; older ones that come late are passed over."""
        if self._newest is None or self._newest[0].id < episode.id:
            self._newest = episode, credit

    def show(self) -> None:
        """Show what is remembered, from the next picture on; once, so that an overlay set by hand stays."""
        if self._newest is None or self._newest[0].id == self._shown:
            return
        episode, credit = self._newest
        self._shown = episode.id
        self._environment.set_overlay(
            credits=dict(zip(episode.agents, credit.values.sum(axis=0).tolist(), strict=True)),
            tasks=dict(zip(episode.agents, credit.tasks, strict=True)) if credit.tasks else None,
            text=_words(credit),
        )


def _words(credit: Credit) -> str:
    """Return the critic's account of the episode and the last of its reasons."""
    said = [credit.summary] if credit.summary else []
    if credit.events:
        last = max(credit.events, key=lambda event: event.stop)
        said.append(f"{last.agent}, steps {last.start} to {last.stop - 1}, {last.amount:+.2f}: {last.why}")
    return " ".join(said)
