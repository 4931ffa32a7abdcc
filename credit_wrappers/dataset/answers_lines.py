"""A data set as a file of judgements, the form that the benchmark reads (`credit_wrappers.bench.answers_file`)."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

from credit_wrappers.core.errors import DatasetError
from credit_wrappers.dataset.loading import iterate, load_card


def write_answers(dataset: str | PathLike[str], out: str | PathLike[str]) -> None:
    """Write a data set as lines of judgements.

    Args:
        dataset: Its path, or the name of a published one.
        out: The file to write.

    Raises:
        DatasetError: An episode cannot be played again from its seed, or the card names no world.
    """
    card = load_card(dataset)
    if not card.world:
        raise DatasetError(f"the card of {dataset} names no world, so its episodes cannot be played again")
    with Path(out).open("w", encoding="utf-8") as file:
        for label in iterate(dataset, replay=False):
            episode, credit = label.episode, label.credit
            if episode.seed is None or episode.start:
                why = "it has no seed" if episode.seed is None else f"it begins at step {episode.start}"
                raise DatasetError(f"episode {episode.id} of {dataset} cannot be played again: {why}")
            line = {
                "world": card.world,
                "max_cycles": card.max_cycles,
                "seed": episode.seed,
                "actions": episode.actions.tolist(),
                "credit": [[float(value) for value in row] for row in credit.values],
                "events": [[e.agent, e.start, e.stop, e.amount, e.why] for e in credit.events],
                "summary": credit.summary,
                "question": label.query,
            }
            file.write(json.dumps(line) + "\n")
