"""What a person sees of a critic at work: one line with episodes, calls, tokens, cost and cache share."""

from __future__ import annotations

from typing import Any

from credit_wrappers.critics.critic_stats import CriticStats
from credit_wrappers.llm.budget import Budget


def progress_line(stats: CriticStats, budget: Budget | None = None) -> str:
    """Return calls, tokens, cost and cache share in one line; a budget's cost includes what the ledger held before."""
    usage = stats.usage
    parts = [f"{stats.calls:,} calls"]
    if stats.cache_hits:
        parts.append(f"{stats.cache_hits:,} from the ledger")
    parts.append(f"{short(usage.tokens)} tokens")
    if usage.cached_tokens:
        parts.append(f"{usage.cached_tokens / (usage.tokens - usage.output_tokens):.0%} of the reading cached")
    if budget is not None and budget.prices is not None:
        limit = "" if budget.max_cost is None else f" of {budget.max_cost:.2f}"
        parts.append(f"cost {budget.cost:.2f}{limit}")
    if stats.fallbacks:
        parts.append(f"{stats.fallbacks:,} fallbacks")
    return ", ".join(parts)


def short(count: int) -> str:
    """Return a count with three digits: 950, 12.3k, 4.56M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)


class CreditProgress:
    """A bar of scored episodes on standard error, followed by the critic's figures.

    Args:
        critic: The critic; its `stats` and `budget` are shown, when it has them.
        total: Episodes to come, if known.
    """

    def __init__(self, critic: Any, total: int | None = None) -> None:
        from tqdm import tqdm

        self._critic = critic
        self._bar = tqdm(total=total, unit=" episodes", desc=f"critic {critic.label}", dynamic_ncols=True)

    def add(self, episodes: int) -> None:
        """Show that this many more episodes are scored."""
        stats = getattr(self._critic, "stats", None)
        if stats is not None:
            self._bar.set_postfix_str(progress_line(stats, getattr(self._critic, "budget", None)), refresh=False)
        self._bar.update(episodes)

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._bar.close()
