"""The data sets that come with the package: judgements of a strong language model, in the compact form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from os import PathLike
from pathlib import Path

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.dataset.compact_form import SUFFIX, compact_card, read_compact, write_compact
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.format_header import package_version
from credit_wrappers.dataset.label_sources import labels_of_answers, with_exact
from credit_wrappers.llm.providers.folder import FolderClient

FOLDER = Path(str(files("credit_wrappers") / "dataset" / "published"))
MODEL = "Claude, asked through files"
_TOGETHER = 8  # episodes of a question of `publish_again`

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


def publish_again(folder: str | PathLike[str], out: str | PathLike[str] = FOLDER) -> Iterator[str]:
    """Make `duet-claude-curve` again: the episodes of `duet-claude`, judged in the form curve; yield a line about it.

    Args:
        folder: With the questions and answers, eight episodes each (`FolderClient`).
        out: The folder of the data sets.

    Raises:
        CreditError: A question has no answer, or the wording is another one by now.
    """
    before = load_published("duet-claude")
    client = FolderClient(folder, read_only=True)
    critic = LLMCritic(client, answer_format="curve", fallback="raise")
    labels: list[LabelledEpisode] = []
    for at in range(0, len(before), _TOGETHER):
        old = before[at : at + _TOGETHER]
        together = [label.episode for label in old]
        [question] = critic.questions(together)
        answer = client.complete(question.request).text
        labels += [
            replace(
                label, credit=replace(credit, source="model", usage=Usage()), question=question.request.prompt,
                answer=answer, query=at // _TOGETHER, note="",
            )
            for label, credit in zip(old, critic.score(together), strict=True)
        ]  # fmt: skip
    card = published_card("duet-claude")
    labels, _ = with_exact(labels, card.make_env)
    card = replace(
        card,
        title="spaceworld:duet, credited by Claude in steps saved",
        description=(
            "The episodes of duet-claude, judged anew in the form curve, in a wording that counts in steps saved, "
            "eight episodes a question. A strong language model read each question, word for word, and answered it by "
            "reading alone, without programs. All answers parsed at the first try; nothing was edited. The version of "
            "the model was not recorded. One unit holds in all queries: a step saved is 0.05."
        ),
        wording=f"digest {critic.wording(before[0].episode)}, answer form curve, neutral names",
        command="python -m credit_wrappers dataset publish --judged tests/bench/judged/duet-curve-mixed",
        made_with=f"llm-credit-wrappers {package_version()}",
    )
    path = published_file("duet-claude-curve") if Path(out) == FOLDER else Path(out) / f"duet-claude-curve{SUFFIX}"
    yield f"{path.name}: {write_compact(path, labels, card)} episodes, {path.stat().st_size:,} bytes"


def load_published(name: str) -> list[LabelledEpisode]:
    """Return the labels of a published data set, played again."""
    return list(read_compact(published_file(name), replay=True))


def published_card(name: str) -> DatasetCard:
    """Return the card of a published data set."""
    return compact_card(published_file(name))


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
        numbered, _ = with_exact(numbered, card.make_env)
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
            wording="commit a498dcc, answer form events, neutral names",
            licence="CC0-1.0",
            command="python -m credit_wrappers dataset publish ANSWERS",
            made_with=f"llm-credit-wrappers {package_version()}",
        )
        path = Path(out) / f"{name}{SUFFIX}"
        count = write_compact(path, numbered, described)
        yield f"{path.name}: {count} episodes, {path.stat().st_size:,} bytes"
