"""The page that a run leaves for a person: its newest episodes with their credit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from credit_wrappers import Credit, CreditError, Episode, Ledger, Prices
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.report import ReportOptions, write_report
from credit_wrappers.report.ledger_texts import with_texts
from tianshou_examples.experiment.settings import Settings

MOST_ACTIONS = 50_000  # agents times steps in the page, so that large teams cost seconds, too


def write_page(
    settings: Settings, learner: str, credited: Iterable[tuple[Episode, Credit]], ledger: Ledger | None, path: Path
) -> None:
    """Write the report of one learner's episodes; with a ledger it has questions and answers, too.

    Credit that no report can show, of somebody else's critic, is left out with a warning: the team is trained all the
    same.
    """
    labels = []
    for episode, credit in _newest(credited):
        try:
            labels.append(LabelledEpisode(episode, credit))
        except (CreditError, ValueError) as error:
            warnings.warn(f"an episode is missing in {path}: {error}", stacklevel=2)
    if not labels:
        return
    if ledger is not None:
        labels = with_texts(labels, ledger)
    prices = None if settings.prices is None else Prices(*settings.prices)
    note = settings.no_reasons_note if any(label.credit.source == "student" for label in labels) else ""
    write_report(labels, path, ReportOptions(title=f"{settings.env} · {learner}", prices=prices, note=note))


def _newest(credited: Iterable[tuple[Episode, Credit]]) -> list[tuple[Episode, Credit]]:
    """Return as many of the newest episodes as the page holds, at least one."""
    everything = list(credited)
    sizes = np.cumsum([episode.length * episode.n_agents for episode, _ in reversed(everything)])
    return everything[-max(1, int((sizes <= MOST_ACTIONS).sum())) :]
