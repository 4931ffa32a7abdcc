"""The page that a run leaves for a person: its newest episodes with their credit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from credit_wrappers import Credit, Episode, Ledger, Prices
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.report import write_report
from credit_wrappers.report.ledger_texts import with_texts
from tianshou_examples.experiment.settings import Settings


def write_page(
    settings: Settings, learner: str, credited: Iterable[tuple[Episode, Credit]], ledger: Ledger | None, path: Path
) -> None:
    """Write the report of one learner's episodes; with a ledger it has questions and answers, too."""
    labels = [LabelledEpisode(episode, credit) for episode, credit in credited]
    if ledger is not None:
        labels = with_texts(labels, ledger)
    prices = None if settings.prices is None else Prices(*settings.prices)
    write_report(labels, path, title=f"{settings.env} · {learner}", prices=prices)
