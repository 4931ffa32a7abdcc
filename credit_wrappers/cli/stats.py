"""`ledger stats`: counts, failures, tokens, cost, latency, and how much credit depends on the agents' order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

import numpy as np

from credit_wrappers.cli.reading import is_reask
from credit_wrappers.core.credit import Usage
from credit_wrappers.critics.order import Drift, order_drift
from credit_wrappers.llm.budget import Prices
from credit_wrappers.llm.ledger.entry import LedgerEntry
from credit_wrappers.llm.ledger.ledger import Ledger

_NO_ANSWER = "(no answer)"

_Totals = dict[str, float]  # each agent's summed credit in an episode, judged in one order of the agents


@dataclass
class Counts:
    """The counts of one pass over a ledger."""

    answers: int = 0
    reasks: int = 0
    zero: int = 0  # judged episodes without any credit
    first: float = inf  # time of the first entry
    last: float = 0.0
    usage: Usage = field(default_factory=Usage)
    keys: set[str] = field(default_factory=set)
    episodes: set[str] = field(default_factory=set)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of answers that were waited for
    # By client and model: entries, failures, judged episodes.
    models: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    drifts: list[Drift] = field(default_factory=list)  # of the episodes that one client judged in several orders


def count(ledger: Ledger) -> Counts:
    """Return the counts of a ledger; credits are read one entry at a time."""
    counts = Counts()
    rejected: set[tuple[object, ...]] = set()  # client and episodes of questions whose answer was unusable
    first: dict[tuple[object, ...], tuple[tuple[str, ...], _Totals]] = {}
    several: dict[tuple[object, ...], dict[tuple[str, ...], _Totals]] = {}
    for entry in ledger.entries():
        _count(counts, entry)
        asked = (entry.client, *(episode.key for episode in entry.episodes))
        if asked in rejected and is_reask(entry.request.prompt):
            counts.reasks += 1
        if entry.answered and entry.failure:
            rejected.add(asked)
        for episode in entry.episodes:
            if (totals := episode.totals) is None:
                continue
            place = (entry.client, episode.key, *sorted(episode.agents))
            order, known = first.setdefault(place, (episode.agents, totals))
            if order != episode.agents or place in several:
                # The newest judgement in an order counts, as it does for the critic.
                several.setdefault(place, {order: known})[episode.agents] = totals
            else:
                first[place] = (order, totals)
    counts.drifts = [order_drift(list(orders.values())) for orders in several.values()]
    return counts


def _count(counts: Counts, entry: LedgerEntry) -> None:
    counts.first = min(counts.first, entry.time)
    counts.last = max(counts.last, entry.time)
    counts.answers += entry.answered
    counts.usage += entry.usage
    counts.keys.add(entry.key)
    counts.episodes.update(episode.key for episode in entry.episodes)
    if entry.answered and entry.source != "cache":
        counts.seconds.append(entry.usage.seconds)
    row = counts.models[entry.client, entry.model or _NO_ANSWER]
    row[0] += 1
    if entry.failure:
        counts.failures[entry.failure] += 1
        row[1] += 1
    else:
        row[2] += len(entry.episodes)
    counts.zero += sum(episode.values is not None and not episode.values.any() for episode in entry.episodes)


def stats(ledger: Ledger, prices: Prices | None) -> Iterator[str]:
    """Yield the lines of the report."""
    counts = count(ledger)
    yield f"ledger {ledger.path}, {_size(ledger.path.stat().st_size)}"
    if not counts.models:
        yield "empty"
        return
    entries, _, judged = map(sum, zip(*counts.models.values(), strict=True))
    yield f"{_when(counts.first)} to {_when(counts.last)}"
    yield f"questions          {len(counts.keys):,} in {entries:,} entries, {counts.answers:,} of them answered"
    yield f"episodes           {len(counts.episodes):,}, judged {judged:,} times"
    yield f"without any credit {counts.zero:,} of these judgements"
    yield f"asked again        {counts.reasks:,} of them, because the answer did not fit"
    failures = ", ".join(f"{kind} {number:,}" for kind, number in counts.failures.most_common())
    yield f"failures           {failures or 'none'}"
    yield from _tokens(counts.usage, prices)
    if counts.seconds:
        median, late, longest = np.percentile(counts.seconds, [50, 90, 100])
        yield f"latency            median {median:.3g} s, 90 % within {late:.3g} s, longest {longest:.3g} s"
    yield from _drift(counts.drifts)
    yield ""
    rows = [("client", "model", "entries", "failed", "episodes judged")]
    rows += [(*names, *(f"{n:,}" for n in row)) for names, row in sorted(counts.models.items())]  # type: ignore[misc]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(
            cell.ljust(width) if k < 2 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )


def _tokens(usage: Usage, prices: Prices | None) -> Iterator[str]:
    share = usage.cached_tokens / max(1, usage.tokens - usage.output_tokens)
    yield f"tokens read        {usage.input_tokens:,} at the usual price, {usage.cached_tokens:,} from the provider's"
    yield f"                   cache ({share:.1%} of all that was read), {usage.cache_write_tokens:,} written to it"
    yield f"tokens answered    {usage.output_tokens:,}"
    if prices is not None:
        yield f"cost               {prices.cost(usage):.4f} at the usual prices (message batches cost less)"


def _drift(drifts: list[Drift]) -> Iterator[str]:
    yield f"order drift        {len(drifts):,} episodes were judged in more than one order of the agents"
    for whose, values in (
        ("largest spread of an agent's total", [drift.agent for drift in drifts]),
        ("spread of the team's total", [drift.team for drift in drifts]),
    ):
        if values:
            yield f"                   {whose}: mean {np.mean(values):.3f}, max {max(values):.3f}"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
