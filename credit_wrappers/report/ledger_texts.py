"""Question and answer of episodes, found in the ledger of whoever credited them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.llm.ledger.entry import LedgerEntry
from credit_wrappers.llm.ledger.ledger import Ledger

_LOOKED_AT = 256  # entries of the ledger, newest first: labels are of late


def question_text(entry: LedgerEntry) -> str:
    """Return all that the model read: the base prompt, a line, and the episodes."""
    return f"{entry.request.system}\n\n{'=' * 80}\n\n{entry.request.prompt}"


def with_texts(labels: Sequence[LabelledEpisode], ledger: Ledger) -> list[LabelledEpisode]:
    """Return labels with question, answer, model and query, where one of the ledger's newest entries has them."""
    missing = {label.episode.key for label in labels}
    found: dict[str, LedgerEntry] = {}
    for looked_at, entry in enumerate(ledger.entries(newest_first=True)):
        if not missing or looked_at == _LOOKED_AT:
            break
        here = missing.intersection(judged.key for judged in entry.episodes if judged.values is not None)
        found.update(dict.fromkeys(here, entry))
        missing -= here
    return [_told(label, found.get(label.episode.key)) for label in labels]


def _told(label: LabelledEpisode, entry: LedgerEntry | None) -> LabelledEpisode:
    if entry is None or entry.completion is None:
        return label
    return replace(
        label, question=question_text(entry), answer=entry.completion.text, model=entry.model or entry.client,
        query=entry.number,
    )  # fmt: skip
