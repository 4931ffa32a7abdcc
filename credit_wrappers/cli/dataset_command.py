"""`dataset`: data sets of labelled episodes from ledgers, judgements and recordings; what they hold; their cards."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic, valid_critics
from credit_wrappers.cli.ledger_labels import LedgerLabels, judged_labels
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.dataset.card_page import card_page, summary
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.judged_folders import publish_judged
from credit_wrappers.dataset.label_sources import labels_of_answers, with_exact
from credit_wrappers.dataset.large_set import TRANSITIONS, WORLDS, make_large_set
from credit_wrappers.dataset.loading import described, iterate, load_card, located
from credit_wrappers.dataset.published import FOLDER, publish, published_names
from credit_wrappers.dataset.recorded_play import Recording
from credit_wrappers.dataset.saving import SaveForm, check_can_save, save
from credit_wrappers.delivery.annotation import annotate
from credit_wrappers.llm.ledger.ledger import Ledger
from credit_wrappers.recording.recording_file import SUFFIX

_TEXTS = {
    "title": "one line",
    "description": "what it is for, and what to mind",
    "play": "how the team played",
    "credited_by": "who gave the credit",
    "licence": "SPDX identifier, such as CC0-1.0",
}
_ONLY_FOR = {  # options that not every source has a use for
    "episodes": "a ledger",
    "model": "a file of judgements",
    "world": "a ledger, a recording or a data set",
    "max_cycles": "a ledger, a recording or a data set",
}
_CREDIT_AGAIN = "load it, annotate its episodes and save them (docs/dataset.md, Credit a data set anew)"


def add_dataset(topics: Any, parser: type[argparse.ArgumentParser]) -> None:
    """Add the topic `dataset` to the command line; `parser` makes its parts."""
    about = "Data sets of episodes with a credit for each agent and step. What is in them: docs/dataset.md."
    topic = topics.add_parser("dataset", help="make, describe and convert data sets", description=about)
    commands = topic.add_subparsers(required=True, metavar="export | info | card | make | publish")

    about = "a ledger, a file of judgements (.jsonl), a recording, or another data set, as a data set"
    command = commands.add_parser("export", help=about, description=f"Save {about}.")
    add = command.add_argument
    add("source", metavar="SOURCE", help="the ledger, file, folder, or the name of a published data set")
    add("--out", required=True, metavar="PATH", help="the data set; there must be nothing there")
    add("--form", choices=get_args(SaveForm), default="minari", help="its form (minari); compact needs NAME.jsonl.gz")
    add("--world", metavar="WORLD", help="the environment, such as spaceworld:duet, which plays the episodes again")
    add("--max-cycles", type=_count, metavar="N", help="its time limit")
    add("--episodes", metavar="RECORDING", help="of a ledger: the episodes that were judged, as RecordEpisodes wrote")
    add("--critic", metavar="CRITIC", help=f"of a recording, which needs it: gives the credit; {valid_critics()}")
    add("--model", default="", metavar="NAME", help="of a file of judgements: the model that gave them")
    add("--exact", action="store_true", help="with the exact credit, where the environment has value functions")
    add("--no-frames", action="store_true", help="without the narrated text of each state")
    for name, what in _TEXTS.items():
        add(f"--{name.replace('_', '-')}", default="", metavar="TEXT", help=f"for the card: {what}")
    command.set_defaults(run=_export)

    for name, about, run in (("info", "what a data set holds", _info), ("card", "its card, README.md", _card)):
        command = commands.add_parser(name, help=about, description=f"Print {about}.")
        command.add_argument("path", metavar="PATH", help=f"a data set, or one of {', '.join(published_names())}")
        command.set_defaults(run=run)

    about = "the large data set: a million transitions, three qualities of play, credit by rules"
    more = f"Make {about}. Interrupted, the same command goes on with the data sets that are missing."
    command = commands.add_parser("make", help=f"make {about}", description=more)
    command.add_argument("folder", metavar="FOLDER", help="where to; each of its data sets is a folder in it")
    command.add_argument("--transitions", type=_count, default=TRANSITIONS, metavar="N", help=f"of all ({TRANSITIONS})")
    command.add_argument("--worlds", nargs="+", default=[], metavar="WORLD", help=f"only these, of {', '.join(WORLDS)}")
    command.add_argument("--jobs", type=_count, default=2, metavar="N", help="processes (2)")
    command.set_defaults(run=_make)

    about = "the data sets that come with the package, again, from files of judgements"
    command = commands.add_parser("publish", help=f"make {about}", description=f"Make {about}.")
    command.add_argument("answers", metavar="FOLDER", nargs="?", help="of duet.jsonl, pair.jsonl, pair2.jsonl, ...")
    command.add_argument(
        "--judged", metavar="FOLDER", help="of questions and answers, such as tests/bench/judged/duet-curve-mixed"
    )
    command.add_argument("--out", default=str(FOLDER), metavar="FOLDER", help="where to; the package's own by default")
    command.set_defaults(run=_publish)


def _count(word: str) -> int:
    """Return a number of things; raise ArgumentTypeError where it is none."""
    try:
        count = int(word)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"it is {word}, and must be a whole number, at least 1")
    return count


def _publish(options: argparse.Namespace) -> Iterator[str]:
    if options.answers is None and options.judged is None:
        raise ValueError("give the folder of the files of judgements, --judged FOLDER, or both")
    if options.answers is not None:
        yield from publish(options.answers, options.out)
    if options.judged is not None:
        yield from publish_judged(options.judged, options.out)


def _make(options: argparse.Namespace) -> Iterator[str]:
    shown = sys.stderr.isatty()
    yield from make_large_set(
        Path(options.folder), options.transitions, options.worlds, jobs=options.jobs, progress=shown
    )


def _info(options: argparse.Namespace) -> Iterator[str]:
    yield from summary(*described(options.path))


def _card(options: argparse.Namespace) -> Iterator[str]:
    yield card_page(*described(options.path)).rstrip("\n")


def _export(options: argparse.Namespace) -> Iterator[str]:
    check_can_save(Path(options.out), options.form)  # before anything is played again, or a critic is asked
    labels, card, note = _labels(options)
    given = {name: getattr(options, name) for name in _TEXTS if getattr(options, name)}
    card = replace(card, command=shlex.join(["credit-wrappers", *sys.argv[1:]]), **given)
    if options.exact:
        made, truth = with_exact(list(labels), card.make_env)
        labels, card = made, replace(card, truth=truth.quality)
        note += [f"no exact credit in {value}: {why}" for value, why in truth.missing.items()]
        estimated = dict.fromkeys(value for (value, _), error in truth.error.items() if error != 0)
        note += [f"exact credit in {value} is an estimate, by plans or rollouts: docs/exact.md" for value in estimated]
    bar = tqdm(labels, desc="episodes", unit="", disable=not sys.stderr.isatty())
    path = save(options.out, bar, card, form=options.form, frames=not options.no_frames)
    yield f"wrote {path}"
    for line in note:
        said = line() if callable(line) else line
        if said:
            yield said


def _labels(options: argparse.Namespace) -> tuple[Iterable[LabelledEpisode], DatasetCard, list[Any]]:
    """Return the labels of the source, a card, and what is to be said when they are written."""
    source = Path(options.source)
    world = DatasetCard(world=options.world or "", max_cycles=options.max_cycles)
    if source.is_dir() and any(source.glob(f"*{SUFFIX}")):
        if options.critic is None:
            raise ValueError(
                f"{source} is a recording, which holds no credit: say who gives it, --critic CRITIC, one of "
                f"{valid_critics()}"
            )
        _check_fits(options, "recording", "episodes", "model")
        recording, world = _recording(source, world)
        return _credited(recording, world, options.critic), replace(world, credited_by=options.critic), []
    if source.is_file() and _begins_with(source, b"SQLite format 3"):
        _check_no_critic(options, "ledger", "export the recording of its episodes with --critic")
        _check_fits(options, "ledger", "model")
        return _of_ledger(Ledger(source, read_only=True), options, world)
    if source.is_file() and source.name.endswith(".jsonl"):
        _check_no_critic(options, "file of judgements", _CREDIT_AGAIN)
        _check_fits(options, "file of judgements", "episodes", "world", "max_cycles")
        labels, card = labels_of_answers(source, model=options.model)
        return labels, replace(card, credited_by=options.model), []
    located(options.source)  # else the error lists what is published
    known = load_card(options.source)
    _check_no_critic(options, "data set", _CREDIT_AGAIN)
    _check_fits(options, "data set", "episodes", "model")
    told = {one.name: getattr(world, one.name) for one in fields(world) if getattr(world, one.name)}
    return iterate(options.source), replace(known, **told), []


def _check_no_critic(options: argparse.Namespace, what: str, way: str) -> None:
    if options.critic is not None:
        raise ValueError(
            f"{options.source} is a {what}, which holds credit already: leave --critic out; for the credit of "
            f"{options.critic}, {way}"
        )


def _check_fits(options: argparse.Namespace, what: str, *needless: str) -> None:
    for name in needless:
        if getattr(options, name):
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{options.source} is a {what}: leave {option} out, which is for {_ONLY_FOR[name]}")


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _recording(folder: Path, world: DatasetCard) -> tuple[Recording, DatasetCard]:
    """Return a recording and its world, which the command line may say instead."""
    if world.world:
        return Recording(folder, world.make_env), world
    if world.max_cycles:
        raise ValueError(
            f"{folder} tells its world and time limit itself: leave --max-cycles out, or give --world WORLD as well"
        )
    recording = Recording(folder)
    name, arguments = recording.world()
    limit = arguments.pop("max_cycles", None)
    return recording, replace(world, world=name, max_cycles=limit, arguments=arguments)


def _credited(recording: Recording, world: DatasetCard, critic: str) -> Iterator[LabelledEpisode]:
    """Yield the episodes of a recording with a critic's credit, a few at a time."""
    scorer = bench_critic(critic, CriticOptions({}))(world)  # type: ignore[arg-type]  # only its make_env is called
    waiting: list[Any] = []
    queries = 0
    for found in _and_none(recording):
        if found is not None:
            waiting.append(found)
        if waiting and (found is None or len(waiting) == 64):
            episodes = [episode for episode, _ in waiting]
            if type(scorer) is LLMCritic:
                labels, queries = judged_labels(scorer, episodes, queries)
            else:
                labels = list(map(LabelledEpisode, episodes, annotate(episodes, scorer)))
            for label, (_, masks) in zip(labels, waiting, strict=True):
                yield replace(label, action_masks=masks)
            waiting.clear()


def _and_none(recording: Recording) -> Iterator[Any]:
    """Yield what a recording holds, and None at its end."""
    yield from recording.with_masks()
    yield None


def _of_ledger(
    ledger: Ledger, options: argparse.Namespace, world: DatasetCard
) -> tuple[Iterable[LabelledEpisode], DatasetCard, list[Any]]:
    found = LedgerLabels(ledger)
    if options.episodes:
        recording, world = _recording(Path(options.episodes), world)
        labels = found.of_recorded(recording.with_masks())
    elif world.world:
        labels = found.of_world(world.make_env, world.world)
    else:
        raise ValueError(
            "a ledger holds no episodes: say --episodes RECORDING, which was judged, or --world WORLD, which plays "
            "them again from their seeds and texts"
        )
    by = ", ".join(ledger.clients())

    def missing() -> str:
        count = "1 judged episode was" if found.missing == 1 else f"{found.missing:,} judged episodes were"
        return f"{count} not found there, and left out" if found.missing else ""

    return labels, replace(world, credited_by=by), [missing]
