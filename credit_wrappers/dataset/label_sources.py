"""Where labels come from: files of judgements, ledgers, recordings; and the exact credit beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.bench.answers_file import AnswersCritic
from credit_wrappers.bench.truth import SuiteTruth, truth_of
from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.replaying import replayed

_ROUNDED = 1e-6  # rewards in files of judgements may be written with six decimals


def labels_of_answers(path: str | PathLike[str], *, model: str = "") -> tuple[list[LabelledEpisode], DatasetCard]:
    """Return the labels of a file of judgements (see `credit_wrappers.bench.answers_file`), and a card of their world.

    Args:
        path: The file; all its lines are of one world.
        model: Name of the model.

    Raises:
        DatasetError: The file has several worlds, or the world makes other episodes than those that were judged.
        ValueError: A line is no judgement.
    """
    path = Path(path)
    critic = AnswersCritic(path)
    if len(critic.suites) > 1:
        raise DatasetError(f"{path} has judgements of {len(critic.suites)} worlds; a data set is of one")
    suite = critic.suites[0]
    card = DatasetCard(world=suite.world, max_cycles=suite.max_cycles)
    episodes = suite.replay()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    credits, queries = critic.score(episodes), critic.queries(episodes)
    labels = [
        LabelledEpisode(episode, replace(credit, source="model"), model=model, query=query, note=_names(line))
        for episode, credit, query, line in zip(episodes, credits, queries, lines, strict=True)
    ]
    for episode, line in zip(episodes, lines, strict=True):
        paid = line.get("team_reward")
        if paid is not None and (len(paid) != episode.length or np.abs(episode.team_reward - paid).max() > _ROUNDED):
            raise DatasetError(f"{path}: {suite.world} pays other rewards in the episode of seed {episode.seed}")
    return list(replayed(labels, card.make_env)), card


def with_exact(
    labels: Sequence[LabelledEpisode], make_env: Callable[[], ParallelEnv]
) -> tuple[list[LabelledEpisode], SuiteTruth]:
    """Return the labels with the exact credit of their episodes, and the truth that it is of.

    The names are those of value and kind: "time difference", "work shapley". Episodes are played again for it.

    Raises:
        DatasetError: An episode cannot be played again.
    """
    played = [label.episode for label in replayed(labels, make_env, snapshots=True)]
    truth = truth_of(make_env, played)
    found = [
        replace(label, exact={f"{value} {kind}": arrays[k] for (value, kind), arrays in truth.credits.items()})
        for k, label in enumerate(labels)
    ]
    return found, truth


def as_label(label: object, number: int) -> LabelledEpisode:
    """Return a label, or a pair (episode, credit) as one; `number` is its place, which becomes the pair's query.

    Raises:
        DatasetError: The credit is not of the episode's shape.
        TypeError: It is neither.
    """
    if isinstance(label, LabelledEpisode):
        return label
    if isinstance(label, tuple | list) and len(label) == 2:
        episode, credit = label
        if isinstance(episode, Episode) and isinstance(credit, Credit):
            try:
                return LabelledEpisode(episode, credit, query=number)
            except ValueError as error:
                raise DatasetError(str(error)) from error
    raise TypeError(
        f"a data set holds labels: LabelledEpisode, or pairs (episode, credit); number {number} is {label!r}"
    )


def _names(line: dict[str, Any]) -> str:
    """Return which agent had which neutral name."""
    if "asked_as" not in line or "order" not in line:
        return ""
    own = [f"{name} was {line['agents'][i]}" for name, i in zip(line["asked_as"], line["order"], strict=True)]
    return f"Asked with neutral names: {', '.join(own)}."
