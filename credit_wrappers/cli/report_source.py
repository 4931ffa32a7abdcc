"""What a report is made of: a ledger, the folder of a training run, a data set or a file of judgements, as labels."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.bench.answers_file import AnswersCritic
from credit_wrappers.bench.environments import make_environment
from credit_wrappers.cli.reading import Reading, read
from credit_wrappers.cli.told_episodes import told_episode
from credit_wrappers.core.credit import Credit, Source, Usage
from credit_wrappers.core.errors import CreditError, DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset import iterate, load_card, published_names, replayed
from credit_wrappers.llm.ledger.entry import LedgerEntry
from credit_wrappers.llm.ledger.ledger import Ledger
from credit_wrappers.recording.recording_file import SUFFIX as RECORDING
from credit_wrappers.report.ledger_texts import question_text
from credit_wrappers.scripted.read_prompt import Transcript, read_transcripts

MakeEnv = Callable[[], ParallelEnv]
PAGE = "report.html"  # in the folder of a run
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class ReportSource:
    """Labels, oldest first, with a title.

    Attributes:
        labels: The labels.
        title: What they are of.
        make_env: Makes the environment that recorded them; None where it is not known.
        total: How many labels there are, of which these are the last; None where that is not known.
        indexed: Whether labels have places that a reader knows, as in a data set: the last one's is `total` - 1.
        note: What the source has beside them; "" if it has nothing more.
        world: Name of that environment; "" where it is not known.
    """

    labels: list[LabelledEpisode]
    title: str
    make_env: MakeEnv | None = None
    total: int | None = None
    indexed: bool = False
    note: str = ""
    world: str = ""


def read_source(path: Path, most: int, world: str | None = None, max_cycles: int | None = None) -> ReportSource:
    """Return the newest labels of a path.

    Args:
        path: A ledger, the folder of a run of `train.py`, a data set, or a .jsonl file of judgements.
        most: At most so many episodes.
        world: The environment's name, as `make_environment` takes it, where the path does not say.
        max_cycles: Its time limit; None: its own.

    Raises:
        CreditError: It is no ledger, or a damaged one.
        ValueError: It is nothing of these, or has no episode with a usable answer.
        OSError: There is no such path.
    """
    if not path.exists() and str(path) not in published_names():
        published = ", ".join(published_names())
        raise FileNotFoundError(f"there is no {path}, and it is no published data set; these are {published}")
    if path.is_dir() and _ledgers(path):
        shown, *others = _ledgers(path)
        found = _ledger(shown, most, world or _world_of_run(path), max_cycles)
        if others:
            note = f"of the {len(others) + 1} ledgers of {path}, {shown.name} is shown; each of the others can be given"
            found = replace(found, note=f"{note} in place of the folder: {', '.join(map(str, others))}")
    elif path.is_dir() and _world_of_run(path) is not None and not (path / PAGE).exists():
        raise ValueError(
            f"{path} has no report yet, because its run did not finish; go on with "
            f"python -m tianshou_examples.train --resume {path}"
        )
    elif path.is_dir() and _world_of_run(path) is not None:
        raise ValueError(
            f"{path} has no ledger, because no model was asked, so it cannot be compared; "
            f"its page {path / PAGE} is all that was kept"
        )
    elif path.is_dir() and any(path.glob(f"*{RECORDING}")):
        raise ValueError(
            f"{path} is a recording, which has no credit; credit it first: python -m credit_wrappers dataset export "
            f"{path} --critic CRITIC --out DATASET, then report DATASET"
        )
    elif path.suffix == ".jsonl":
        found = _answers(path, most)
    elif path.is_file() and (_begins_with_sqlite(path) or path.suffix == ".sqlite"):
        found = _ledger(path, most, world or _world_of_run(path.parent), max_cycles)
    else:
        found = dataset_source(path, most, world, max_cycles)
    if not found.labels:
        raise ValueError(f"{path} has no episode with a usable answer")
    return found


def page_of_run(path: Path) -> Path | None:
    """Return the page of a run that has nothing else to make a report of; None for everything else."""
    bare = path.is_dir() and _world_of_run(path) is not None and not _ledgers(path)
    return path / PAGE if bare and (path / PAGE).exists() else None


def dataset_source(path: Path, most: int, world: str | None, max_cycles: int | None = None) -> ReportSource:
    """Return the newest labels of a data set, as texts where the environment of its card cannot be made.

    Args:
        path: The data set.
        most: At most so many.
        world: The environment, in place of the card's.
        max_cycles: Its time limit, in place of the card's.

    Raises:
        ValueError: The path is no data set; or `world` cannot be made.
    """
    try:
        card = load_card(path)
    except DatasetError as error:
        raise ValueError(
            f"{path} is neither a ledger (an SQLite file), nor the folder of a run (with ledger-*.sqlite), nor a data "
            f"set, nor a .jsonl file of judgements ({error})"
        ) from error
    total, newest = 0, deque[LabelledEpisode](maxlen=most)
    for total, label in enumerate(iterate(path), 1):  # noqa: B007  # the last one counts
        newest.append(label)
    labels = list(newest)
    if world is not None and world != card.world:
        card = replace(card, world=world, max_cycles=None, arguments={})
    if max_cycles is not None:
        card = replace(card, max_cycles=max_cycles)
    note, make_env = "", card.make_env if card.world else None
    if make_env is not None:
        try:
            make_env()
        except (CreditError, ImportError) as error:
            if world is not None:
                raise ValueError(str(error)) from error
            note, make_env = f"its episodes are shown as text, because {error}", None
    if make_env is not None and not all(label.episode.moments for label in labels):
        labels = [_drawable(label, make_env) for label in labels]
    shown = card.world if make_env else ""
    return ReportSource(labels, card.title or path.name, make_env, total, indexed=True, note=note, world=shown)


def _drawable(label: LabelledEpisode, make_env: MakeEnv) -> LabelledEpisode:
    """Return the label with its episode played again, where that can be done; else it is shown as text."""
    try:
        return next(replayed([label], make_env))
    except DatasetError:
        return label


def ledger_labels(ledger: Ledger, most: int, env: ParallelEnv | None = None) -> list[LabelledEpisode]:
    """Return the newest usable judgement of the newest episodes of a ledger, oldest first.

    Args:
        ledger: The ledger.
        most: At most so many episodes.
        env: The environment that recorded them, if it is known; see `told_episode`.
    """
    found: dict[str, LabelledEpisode] = {}
    for entry in ledger.entries(newest_first=True):
        transcripts = read_transcripts(entry.request.prompt) if not entry.failure else []
        if len(transcripts) != len(entry.episodes):
            continue
        for place, (reading, transcript) in reversed(list(enumerate(zip(read(entry), transcripts, strict=True)))):
            judged = reading.judged
            if judged.values is not None and judged.length == len(transcript.steps) and judged.key not in found:
                found[judged.key] = _label(entry, reading, transcript, place == 0, env)
        if len(found) >= most:
            break
    return list(found.values())[:most][::-1]


def _label(
    entry: LedgerEntry, reading: Reading, transcript: Transcript, first: bool, env: ParallelEnv | None
) -> LabelledEpisode:
    """Return one episode of an entry; the usage is on the query's first one."""
    episode, judged = told_episode(entry.request.system, reading, transcript, env), reading.judged
    assert judged.values is not None
    order = [judged.agents.index(agent) for agent in episode.agents]
    source: Source = "scripted" if entry.source == "scripted" else "cache" if entry.source == "cache" else "model"
    credit = Credit(
        np.ascontiguousarray(judged.values[:, order]), reading.events, reading.tasks, reading.summary, source,
        entry.usage if first else Usage(),
    )  # fmt: skip
    answer = entry.completion
    return LabelledEpisode(
        episode,
        credit,
        {},
        question_text(entry),
        answer.text if answer else "",
        entry.model or entry.client,
        entry.number,
    )


def _ledger(path: Path, most: int, world: str | None, max_cycles: int | None) -> ReportSource:
    make_env = None if world is None else partial(make_environment, world, max_cycles)
    with Ledger(path, read_only=True) as ledger:
        labels = ledger_labels(ledger, most, None if make_env is None else make_env())
    run = f"{path.parent.name}/" * (path.parent / "config.json").exists()
    return ReportSource(labels, f"{world or 'Credit'} · {run}{path.name}", make_env, world=world or "")


def _ledgers(folder: Path) -> list[Path]:
    return sorted(folder.glob("ledger-*.sqlite"))


def _world_of_run(folder: Path) -> str | None:
    """Return the environment's name from a run's settings, if there are some."""
    try:
        world = json.loads((folder / "config.json").read_text(encoding="utf-8"))["env"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return world if isinstance(world, str) else None


def _begins_with_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _answers(path: Path, most: int) -> ReportSource:
    """Return the judgements of a .jsonl file, replayed."""
    critic = AnswersCritic(path)
    suite = critic.suites[0]
    critic = critic.of(suite.world)
    try:
        episodes = suite.replay()
    except CreditError as error:
        raise ValueError(f"{path}: {error}") from error
    credits, queries = critic.score(episodes), critic.queries(episodes)
    labels = [
        LabelledEpisode(e, c, model=critic.label, query=q) for e, c, q in zip(episodes, credits, queries, strict=True)
    ]
    return ReportSource(labels[-most:], f"{suite.world} · {path.name}", suite.make_env, len(labels), world=suite.world)
