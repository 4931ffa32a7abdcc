"""The compact form: one file, `NAME.jsonl.gz`, which keeps seeds and actions and leaves the rest to a replay.

The first line is the head with the card, the last one the number of labels. Each line between is a label, or a text
that labels share. Observations, action masks and moments are not in the file. They are made again when it is loaded,
and a digest in each line guards that they are the same ones.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.format_header import check_header, header
from credit_wrappers.dataset.label_lines import LabelLines, parsed, read_label_lines
from credit_wrappers.dataset.label_record import EXACT, LabelRecord, label_of, record_of
from credit_wrappers.dataset.replaying import replay_digest, replayed

SUFFIX = ".jsonl.gz"
_KEPT = ("actions", "credit", "team_reward", "cost")


def write_compact(path: Path, labels: Iterable[LabelledEpisode], card: DatasetCard) -> int:
    """Write a data set, one label at a time; return how many there were.

    Args:
        path: The file.
        labels: Labels whose episodes the card's environment makes again.
        card: Names the world.

    Raises:
        DatasetError: An episode cannot be played again.
    """
    count = 0
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:  # the same bytes every time
        out = TextIOWrapper(packed, encoding="utf-8")
        lines = LabelLines(out)
        lines.write(header("compact", card))
        kept: list[tuple[LabelledEpisode, LabelRecord]] = []

        def each() -> Iterator[LabelledEpisode]:
            for label in labels:
                kept.append((label, record_of(label, frames=False)))  # which names what no data set holds
                yield label

        for again in replayed(each(), card.make_env):
            label, record = kept.pop()
            arrays = {name: a for name, a in record.arrays.items() if name in _KEPT or name.startswith(EXACT)}
            lines.add(
                record,
                observed=label.episode.observations is not None,
                masked=label.action_masks is not None,
                replay=replay_digest(again),
                arrays={name: _plain(array) for name, array in arrays.items()},
            )
            count += 1
        lines.write({"labels": count})
        out.flush()
        out.detach()
    return count


def read_compact(path: Path, *, replay: bool = True) -> Iterator[LabelledEpisode]:
    """Yield the labels of a file.

    Args:
        path: The file.
        replay: Whether episodes are played again; else they have no observations, masks, frames or moments.

    Raises:
        DatasetError: The file is damaged, cut off or of another version, or the environment makes other episodes.
        ImportError: The environment's library is not installed.
    """
    lines = _lines(path)
    card = DatasetCard.from_json(check_header(next(lines, None), str(path))["card"])
    guards: list[dict[str, Any]] = []
    bare = _labels(_counted(lines, path), guards, path)
    if not replay:
        yield from bare
        return
    for label in replayed(bare, card.make_env):
        guard = guards.pop()
        if replay_digest(label) != guard["replay"]:
            raise DatasetError(
                f"{path}: the environment shows other observations or action masks of the episode of seed "
                f"{label.episode.seed} than when the file was written; load with replay=False, or install the versions "
                f"that made it ({card.made_with})"
            )
        if not guard["observed"]:
            label = replace(label, episode=replace(label.episode, observations=None))
        yield label if guard["masked"] else replace(label, action_masks=None)


def compact_card(path: Path) -> DatasetCard:
    """Return the card of a file; raise DatasetError if it is no data set of this version."""
    return DatasetCard.from_json(check_header(next(_lines(path), None), str(path))["card"])


def _labels(lines: Iterator[dict[str, Any]], guards: list[dict[str, Any]], path: Path) -> Iterator[LabelledEpisode]:
    for facts, texts in read_label_lines(lines, path, first=2):
        try:
            arrays = {name: _array(plain) for name, plain in facts.pop("arrays").items()}
            guards.append({name: facts.pop(name) for name in ("replay", "observed", "masked")})
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise DatasetError(f"{path}: episode {facts.get('id')} cannot be read: {what}") from error
        yield label_of(LabelRecord(arrays, {**facts, "observed": None}, texts), path)


def _counted(lines: Iterator[Any], path: Path) -> Iterator[Any]:
    """Yield the lines between the first and the last; raise DatasetError unless they hold as many labels as it says."""
    count, said = 0, None
    for line in lines:
        if said is not None:
            raise DatasetError(f"{path} goes on after its last line")
        if isinstance(line, dict) and "labels" in line:
            said = line["labels"]
            if said != count:
                raise DatasetError(f"{path} has {count} labels, and {said} were written")
            continue
        count += not (isinstance(line, dict) and "text" in line)
        yield line
    if said is None:
        raise DatasetError(f"{path} was cut off: its last line, the number of labels, is missing")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from parsed(file, path)
    except zlib.error as error:
        raise DatasetError(f"{path} is damaged: {error}") from error


def _plain(array: np.ndarray) -> dict[str, Any]:
    """Return an array as JSON has it, with the shortest decimals that read back as the same numbers; null for NaN."""
    if array.dtype.kind == "f":
        bits, place = np.unique(np.ascontiguousarray(array).view(f"u{array.itemsize}"), return_inverse=True)
        short = [None if np.isnan(x) else float(str(x)) for x in bits.view(array.dtype)]
        values: Any = np.array(short, object)[place.reshape(array.shape)].tolist()
    else:
        values = array.tolist()
    return {"type": array.dtype.str, "shape": list(array.shape), "values": values}


def _array(plain: dict[str, Any]) -> np.ndarray:
    kind = np.dtype(plain["type"])
    values = np.array(plain["values"], np.float64 if kind.kind == "f" else kind)  # None becomes NaN
    return values.astype(kind).reshape(plain["shape"])
