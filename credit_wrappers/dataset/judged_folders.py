"""Published data sets made of a folder with questions to a language model and its answers, in the form curve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.dataset.compact_form import SUFFIX, compact_card, read_compact, write_compact
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.format_header import package_version
from credit_wrappers.dataset.label_sources import labels_of_answers, with_exact
from credit_wrappers.dataset.published import FOLDER, MODEL, published_file
from credit_wrappers.llm.providers.folder import FolderClient

EPISODES = "episodes.jsonl"  # in a folder: its episodes, as lines of judgements; else they are those of duet-claude
_TOGETHER = 8  # episodes of a question
_ASKED = (
    "A strong language model read each question, word for word, eight episodes each, and answered it by reading alone, "
    "without programs. All answers parsed at the first try; nothing was edited. The version of the model was not "
    "recorded. One unit holds in all queries: a step saved is 0.05."
)
_TEAMS = (
    "two teams in the middle of their training on duet-claude-curve, after some 150,000 and 200,000 steps: a third "
    "sampled, a third sampled and mixed with chance, a third greedy"
)
_TRAINED = (
    "four teams at the end of their training on duet-claude-curve and duet-claude-teams, 600,000 steps (mean greedy "
    "return 0.83, the weakest team 0.57): a fourth greedy, a fourth sampled, half greedy with 10 to 50 % chance; the "
    "weakest team plays three eighths of the episodes"
)
_STUCK = (
    "four teams at the end of their training on duet-claude-curve, duet-claude-teams and duet-claude-trained, 600,000 "
    "steps (mean greedy return 0.93): 28 episodes greedy and stuck, the others greedy with 10 to 50 % chance: 34 "
    "where greedy play is stuck, 34 where the student's networks disagree most of 480, and 16 at random"
)
# By the folder's name: the data set's, what it is, and how the team played ("": as in duet-claude).
_SETS = {
    "duet-curve-mixed": ("duet-claude-curve", "The episodes of duet-claude, judged anew, counted in steps saved.", ""),
    "duet-curve-teams": ("duet-claude-teams", "Play of teams that are half trained, counted in steps saved.", _TEAMS),
    "duet-curve-stuck": ("duet-claude-stuck", "Where trained teams get stuck, counted in steps saved.", _STUCK),
    "duet-curve-trained": (
        "duet-claude-trained",
        "Play of trained teams, counted in steps saved.",
        _TRAINED,
    ),
}


def publish_judged(folder: str | PathLike[str], out: str | PathLike[str] = FOLDER) -> Iterator[str]:
    """Make a published data set again from questions and answers; yield a line about it.

    Args:
        folder: With the questions and answers (`FolderClient`); its name says which data set it is.
        out: The folder of the data sets.

    Raises:
        CreditError: A question has no answer, or the wording is another one by now.
        ValueError: There is no data set of a folder of that name.
    """
    folder = Path(folder)
    if folder.name not in _SETS:
        raise ValueError(f"{folder}: data sets are made of folders called {', '.join(_SETS)}")
    name, about, play = _SETS[folder.name]
    before, card = _episodes(folder)
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
                answer=answer, model=MODEL, query=at // _TOGETHER, note="",
            )
            for label, credit in zip(old, critic.score(together), strict=True)
        ]  # fmt: skip
    labels, truth = with_exact(labels, card.make_env)
    card = replace(
        card,
        title="spaceworld:duet, credited by Claude in steps saved",
        description=f"{about} {_ASKED}",
        play=play or card.play,
        credited_by=f"{MODEL}, November 2026",
        truth=truth.quality,
        wording=f"digest {critic.wording(before[0].episode)}, answer form curve, neutral names",
        licence="CC0-1.0",
        command=f"python -m credit_wrappers dataset publish --judged tests/bench/judged/{folder.name}",
        made_with=f"llm-credit-wrappers {package_version()}",
    )
    path = Path(out) / f"{name}{SUFFIX}"
    yield f"{path.name}: {write_compact(path, labels, card)} episodes, {path.stat().st_size:,} bytes"


def _episodes(folder: Path) -> tuple[list[LabelledEpisode], DatasetCard]:
    """Return the episodes that were judged, with any credit, and a card of their world."""
    if (folder / EPISODES).exists():
        return labels_of_answers(folder / EPISODES)
    return list(read_compact(published_file("duet-claude"), replay=True)), compact_card(published_file("duet-claude"))
