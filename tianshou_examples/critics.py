"""Which critic pays the learners, and a store that knows how long the learner waited for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from credit_wrappers import (
    Credit,
    CreditStore,
    Critic,
    CriticStats,
    Episode,
    EqualSplitCritic,
    LLMCritic,
    ModelClient,
    ScriptedClient,
    SharedCritic,
    SummedCritic,
)
from tianshou_examples.settings import Settings
from tianshou_examples.watch import WatchingCritic

MODEL_WORKERS = 8  # queries in flight to a real model


def make_client(settings: Settings) -> ModelClient:
    """The client that answers for the critic.

    Raises:
        CreditError: for an Anthropic model without a key or a server.
    """
    if settings.critic == "scripted":
        return ScriptedClient()
    from credit_wrappers.clients.anthropic import DEFAULT_MODEL, AnthropicClient

    return AnthropicClient(settings.model or DEFAULT_MODEL, base_url=settings.base_url)


def make_critic(settings: Settings, credit: str, ledger: Path) -> tuple[Critic, WatchingCritic, LLMCritic | None]:
    """The critic of one kind of credit, the watcher in it, and the language-model critic in that, if there is one."""
    if credit in ("shared", "equal"):
        watch = WatchingCritic(SharedCritic() if credit == "shared" else EqualSplitCritic())
        return watch, watch, None
    fallback: Any = settings.fallback
    inner = LLMCritic(make_client(settings), ledger=ledger, fallback=fallback)
    watch = WatchingCritic(inner)  # inside the sum: what is shown is what the critic said
    return (SummedCritic(watch) if credit == "summed" else watch), watch, inner


class TimedStore(CreditStore):
    """A CreditStore that measures what the caller's thread spent in it: scoring or waiting.

    Attributes:
        in_submit: seconds during collection.
        in_settle: seconds during updates.
    """

    in_submit = 0.0
    in_settle = 0.0

    def submit(self, episode: Episode, scored: Callable[[Episode, Credit], None] | None = None) -> None:
        """Takes a finished episode."""
        began = time.perf_counter()
        super().submit(episode, scored)
        self.in_submit += time.perf_counter() - began

    def settle(self, ids: Collection[int], timeout: float | None = None) -> list[tuple[int, Credit]]:
        """Waits for the credits of `ids`."""
        began = time.perf_counter()
        try:
            return super().settle(ids, timeout)
        finally:
            self.in_settle += time.perf_counter() - began

    def ready(self) -> list[tuple[int, Credit]]:
        """The credits that are there."""
        began = time.perf_counter()
        try:
            return super().ready()
        finally:
            self.in_settle += time.perf_counter() - began


def critic_numbers(inner: LLMCritic | None) -> dict[str, Any]:
    """Counters of a language-model critic as JSON values; zeros for a baseline."""
    stats = inner.stats if inner is not None else CriticStats()
    return {
        "calls": stats.calls,
        "cache_hits": stats.cache_hits,
        "tokens": stats.usage.tokens,
        "reasks": stats.reasks,
        "fallbacks": stats.fallbacks,
        "zero_answers": stats.zero_answers,
        "episodes": stats.episodes,
        "seconds": {k: getattr(stats, k) for k in ("narrate", "prompt", "answer", "parse", "ledger")},
    }
