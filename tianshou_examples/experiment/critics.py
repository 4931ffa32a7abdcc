"""Which critic pays the learners, and by what way; how long a learner waited for it is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from credit_wrappers import (
    Budget,
    Credit,
    CreditStore,
    Critic,
    CriticStats,
    Distillation,
    Episode,
    EqualSplitCritic,
    Ledger,
    LLMCritic,
    ModelClient,
    OpenAICompatibleClient,
    Prices,
    RecordedClient,
    ScriptedClient,
    SharedCritic,
    SummedCritic,
)
from tianshou_examples.experiment.faults import FAULTS, FaultyCritic
from tianshou_examples.experiment.instructive_moments import WatchingCritic
from tianshou_examples.experiment.methods import METHODS
from tianshou_examples.experiment.settings import Settings


def make_client(settings: Settings, arm: str = "") -> ModelClient:
    """The client that answers for the critic.

    Args:
        settings: the run.
        arm: which learner asks; a recorded critic answers from the ledger of the same one.

    Raises:
        CreditError: for a model without a key or a server, or a ledger that is not there.
    """
    if settings.critic.startswith("scripted"):
        return ScriptedClient()
    if settings.critic == "recorded":
        path = Path(settings.replay or "") / f"ledger-{arm}.sqlite"
        return RecordedClient(Ledger(path, read_only=True))
    if settings.critic == "openai":
        return OpenAICompatibleClient(settings.model or "", base_url=settings.base_url)
    from credit_wrappers.llm.providers.anthropic import DEFAULT_MODEL, AnthropicClient

    return AnthropicClient(settings.model or DEFAULT_MODEL, base_url=settings.base_url)


def make_budget(settings: Settings) -> Budget | None:
    """What one learner's critic may spend; None: no limit, and nothing to count money with."""
    prices = None if settings.prices is None else Prices(*settings.prices)
    if settings.max_calls is None and settings.max_cost is None and prices is None:
        return None
    return Budget(max_calls=settings.max_calls, max_cost=settings.max_cost, prices=prices)


def make_critic(
    settings: Settings, method: str, ledger: Path, arm: str = ""
) -> tuple[Critic, WatchingCritic, LLMCritic | None]:
    """The critic of one method, the watcher in it, and the language-model critic in that, if there is one."""
    if method in ("shared", "equal"):
        watch = WatchingCritic(SharedCritic() if method == "shared" else EqualSplitCritic(), settings.recent)
        return watch, watch, None
    fallback: Any = settings.fallback
    inner = LLMCritic(
        make_client(settings, arm),
        ledger=None if settings.critic == "recorded" else ledger,
        fallback=fallback,
        budget=make_budget(settings),
        tasks=METHODS[method].tasks,
    )
    # inside sums and faults: what is shown is what the critic said
    watch = WatchingCritic(inner, settings.recent, counts=METHODS[method].student is None)
    critic: Critic = watch if settings.critic not in FAULTS else FaultyCritic(watch, FAULTS[settings.critic])
    return (SummedCritic(critic) if method == "summed" else critic), watch, inner


def make_source(
    settings: Settings, method: str, critic: Critic, watch: WatchingCritic, asks_model: bool
) -> TimedStore | TimedDistillation:
    """Where the environments of one learner get their credits from.

    Args:
        settings: the run.
        method: what pays.
        critic: scores.
        watch: hears of every episode.
        asks_model: whether the critic waits for a server instead of computing.
    """
    workers = settings.in_flight if asks_model else 0
    queries: dict[str, Any] = {"episodes_per_query": settings.episodes_per_query, "workers": workers}
    form = METHODS[method].student
    if form is None:
        return TimedStore(critic, **queries)
    return TimedDistillation(critic, settings.labels, watch=watch, form=form, **queries)


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


class TimedDistillation(Distillation):
    """A Distillation that tells every episode to a watcher, and measures what the caller's thread spent in it.

    Attributes:
        in_submit: seconds during collection: labels and students.
        in_settle: zero; nothing is done during updates.
    """

    in_submit = 0.0
    in_settle = 0.0

    def __init__(self, critic: Critic, labels: int, *, watch: WatchingCritic, **options: Any) -> None:
        super().__init__(critic, labels, **options)
        self._watch = watch

    def offer(self, episode: Episode) -> None:
        """Takes a finished episode."""
        began = time.perf_counter()
        self._watch.count(episode)
        super().offer(episode)
        self.in_submit += time.perf_counter() - began


def critic_numbers(inner: LLMCritic | None) -> dict[str, Any]:
    """Counters of a language-model critic as JSON values; zeros for a baseline."""
    stats = inner.stats if inner is not None else CriticStats()
    prices = inner.budget.prices if inner is not None and inner.budget is not None else None
    return {
        "calls": stats.calls,
        "cache_hits": stats.cache_hits,
        "tokens": stats.usage.tokens,
        "reasks": stats.reasks,
        "fallbacks": stats.fallbacks,
        "cached_tokens": stats.usage.cached_tokens,
        "cost": 0.0 if prices is None else prices.cost(stats.usage),  # of this session
        "zero_answers": stats.zero_answers,
        "episodes": stats.episodes,
        "seconds": {k: getattr(stats, k) for k in ("narrate", "prompt", "answer", "parse", "ledger")},
    }
