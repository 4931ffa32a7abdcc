"""`ledger diff`: how much two ledgers agree about the episodes that both judged."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

from credit_wrappers.llm.ledger.ledger import Ledger

_Totals = dict[str, float]


def diff(a: Ledger, b: Ledger) -> Iterator[str]:
    """Yield the lines of the comparison, which uses each ledger's newest usable judgement of an episode."""
    (judged_a, answers_a), (judged_b, answers_b) = _gather(a), _gather(b)
    both = [key for key in judged_a if key in judged_b]
    yield f"A: {a.path}, B: {b.path}"
    yield (
        f"judged episodes: {len(judged_a) - len(both):,} only in A, {len(judged_b) - len(both):,} only in B, "
        f"{len(both):,} in both"
    )
    same = [key for key in answers_a if key in answers_b]
    other = sum(answers_a[key] != answers_b[key] for key in same)
    yield f"questions with the same key: {len(same):,}, of these with another answer: {other:,}"
    alike = [key for key in both if judged_a[key].keys() == judged_b[key].keys()]
    if len(alike) < len(both):
        yield f"{len(both) - len(alike):,} episodes have other agents in A than in B and are left out"
    pairs = [(key, agent) for key in alike for agent in judged_a[key]]
    if not pairs:
        return
    x = np.array([judged_a[key][agent] for key, agent in pairs])
    y = np.array([judged_b[key][agent] for key, agent in pairs])
    apart = np.abs(x - y)
    key, agent = pairs[k := int(apart.argmax())]
    yield f"totals of an agent in an episode ({len(pairs):,} pairs):"
    yield f"  mean absolute difference {apart.mean():.3f}"
    yield f"  largest difference {apart[k]:.3f}: {agent} in {key}, A {x[k]:+.3f}, B {y[k]:+.3f}"
    yield f"  Pearson correlation {_correlation(x, y)}, of the ranks {_correlation(ranks(x), ranks(y))}"
    yield f"  same sign {np.mean(np.sign(x) == np.sign(y)):.1%}"


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value, from 1; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _correlation(x: np.ndarray, y: np.ndarray) -> str:
    if not (np.ptp(x) and np.ptp(y)):
        return "undefined (all totals are equal)"
    return f"{np.corrcoef(x, y)[0, 1]:.3f}"


def _gather(ledger: Ledger) -> tuple[dict[str, _Totals], dict[str, bytes]]:
    """Return the agents' totals of each episode, and a digest of the answer to each question."""
    judged: dict[str, _Totals] = {}
    answers: dict[str, bytes] = {}
    for entry in ledger.entries():
        for episode in entry.episodes:
            if (totals := episode.totals) is not None:
                judged[episode.key] = totals
        if entry.completion is not None:
            answers[entry.key] = blake2b(entry.completion.text.encode(), digest_size=16).digest()
    return judged, answers
