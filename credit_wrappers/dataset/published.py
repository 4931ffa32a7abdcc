"""The data sets that come with the package: judgements of a strong language model, in the compact form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from os import PathLike
from pathlib import Path

from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset.compact_form import SUFFIX, write_compact
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.format_header import package_version
from credit_wrappers.dataset.label_sources import labels_of_answers, with_exact

FOLDER = Path(str(files("credit_wrappers") / "dataset" / "published"))
MODEL = "Claude, asked through files"
# Sets whose questions came one after another, each about the play of teams that had learned from those before.
ROUNDS = ("duet-claude-curve", "duet-claude-teams", "duet-claude-trained", "duet-claude-stuck")

_MIXED = (
    "the scripted team, each robot replaced by chance (possible actions) with a probability of its own, drawn for each "
    "episode"
)
_SCALE = (
    'Asked with one sentence more: "Use one scale in all files: about 0.02 for a step nearer, 0.1 for a useful grip, '
    '0.04 for a step of carrying, 0.3 for a dock, 0.06 for a collision".'
)
# By name: how the team played, and the files of judgements, each with the questions that had the further sentence.
_RECIPES: dict[str, tuple[str, dict[str, range]]] = {
    "duet-claude": (f"{_MIXED}; every fourth episode is chance alone", {"duet": range(0)}),
    "pair-claude": (
        f"{_MIXED}; every fourth episode is chance alone",
        {"pair": range(6, 12), "pair2": range(12)},
    ),
    "truss-claude": ("the scripted team mixed with up to 60 % chance", {"truss": range(0)}),
    "lbf-claude": ("walks to the nearest or the first food and loads, mixed with chance", {"lbf": range(0)}),
}


def published_names() -> list[str]:
    """Return the names of the data sets that come with the package, sorted."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def published_file(name: str) -> Path:
    """Return the file of a published data set; it may not exist."""
    return FOLDER / f"{name}{SUFFIX}"


def publish(answers: str | PathLike[str], out: str | PathLike[str] = FOLDER) -> Iterator[str]:
    """Make the published data sets again from files of judgements; yield a line for each.

    Args:
        answers: The folder of the files: duet.jsonl, pair.jsonl, pair2.jsonl, truss.jsonl, lbf.jsonl.
        out: The folder of the data sets.
    """
    for name, (play, sources) in _RECIPES.items():
        labels: list[LabelledEpisode] = []
        card = DatasetCard()
        for file, scaled in sources.items():
            first = max((label.query for label in labels), default=-1) + 1
            found, card = labels_of_answers(Path(answers) / f"{file}.jsonl", model=MODEL)
            for label in found:
                note = f"{label.note} {_SCALE}" if label.query in scaled else label.note
                labels.append(replace(label, query=label.query + first, note=note))
        numbered = [replace(label, episode=replace(label.episode, id=k)) for k, label in enumerate(labels)]
        numbered, truth = with_exact(numbered, card.make_env)
        described = replace(
            card,
            title=f"{card.world}, credited by Claude",
            description=(
                "A strong language model read each question of the package, word for word, and answered it by reading "
                "alone, without programs, several questions in a sitting. All answers parsed at the first try; nothing "
                "was edited. The version of the model was not recorded. Episodes of one query were compared with each "
                "other; each query has a scale of its own."
            ),
            play=play,
            credited_by=f"{MODEL}, November 2026",
            truth=truth.quality,
            wording="commit a498dcc, answer form events, neutral names",
            licence="CC0-1.0",
            command="python -m credit_wrappers dataset publish ANSWERS",
            made_with=f"llm-credit-wrappers {package_version()}",
        )
        path = Path(out) / f"{name}{SUFFIX}"
        count = write_compact(path, numbered, described)
        yield f"{path.name}: {count} episodes, {path.stat().st_size:,} bytes"
