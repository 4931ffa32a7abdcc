"""The primary form: a folder that Minari's loader and TorchRL's `MinariExperienceReplay` read, and the texts beside it.

NAME-v0/data/main_data.hdf5    arrays: observations by agent, actions, rewards (the credit), infos (all the rest)
NAME-v0/data/metadata.json     what Minari must know
NAME-v0/labels.jsonl           everything else, a line for each label
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.core.optional import require
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.dataset_figures import DatasetTotals
from credit_wrappers.dataset.dataset_spaces import TeamShape, info_name, infos_of, quoted
from credit_wrappers.dataset.label_lines import LabelLines, parsed, read_label_lines
from credit_wrappers.dataset.label_record import EXACT, OBSERVATION, SEEN, LabelRecord, label_of, record_of

MINARI_VERSION = "0.5.4"  # the version of Minari whose layout is written
_ARRAYS = Path("data") / "main_data.hdf5"
_PACKED = 4096  # bytes from which an array is compressed


def write_minari(
    folder: Path, labels: Iterable[LabelledEpisode], card: DatasetCard, totals: DatasetTotals, name: str, frames: bool
) -> dict[str, str]:
    """Write the arrays and the texts, one label at a time.

    Args:
        folder: An empty folder.
        labels: The labels.
        card: The card.
        totals: Counts every label.
        name: What the data set will be called.
        frames: Whether the frames are kept.

    Returns:
        The spaces, by name, for readers.
    """
    h5py = require("h5py", "dataset")
    serialization = require("minari.serialization", "dataset")
    (folder / "data").mkdir()
    team: TeamShape | None = None
    with (
        h5py.File(folder / _ARRAYS, "w") as arrays,
        (folder / "labels.jsonl").open("w", encoding="utf-8") as out,
    ):
        lines = LabelLines(out)
        for k, label in enumerate(labels):
            record = record_of(label, frames=frames)
            team = team or TeamShape(record)
            team.check(record)
            team.check_observed(record)
            _write_episode(arrays.create_group(f"episode_{k}"), k, record)
            lines.add(record)
            totals.add(label)
        if team is None:
            raise DatasetError("there is no label to save")
        for group in arrays.values():
            _fill(group, team)
    metadata = {
        "dataset_id": dataset_id(name),
        "total_episodes": totals.episodes,
        "total_steps": totals.steps,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "observation_space": serialization.serialize_space(team.observation_space()),
        "action_space": serialization.serialize_space(team.action_space()),
        "dataset_size": round((folder / _ARRAYS).stat().st_size / 1e6, 1),
        "minari_version": MINARI_VERSION,
        "algorithm_name": card.play,
        "description": card.description or card.title,
    }
    (folder / "data" / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    return team.spaces()


def read_minari(folder: Path) -> Iterator[LabelledEpisode]:
    """Yield the labels of a folder.

    Raises:
        DatasetError: A file is damaged or missing.
    """
    h5py = require("h5py", "dataset")
    try:
        with (
            h5py.File(folder / _ARRAYS, "r") as arrays,
            (folder / "labels.jsonl").open(encoding="utf-8") as file,
        ):
            count = 0
            where = folder / "labels.jsonl"
            for k, (facts, texts) in enumerate(read_label_lines(parsed(file, where), where)):
                record = LabelRecord(_read_episode(arrays[f"episode_{k}"], facts), facts, texts)
                yield label_of(record, f"{folder} (labels.jsonl and {_ARRAYS})")
                count += 1
            if count != len(arrays):
                raise DatasetError(f"{folder} has arrays of {len(arrays)} episodes and texts of {count}")
    except (OSError, KeyError) as error:
        raise DatasetError(f"{folder} is damaged or was cut off: {error}") from error


def dataset_id(name: str) -> str:
    """Return a name as Minari wants it: letters, digits, - and _, with a version at its end."""
    plain = re.sub(r"[^\w-]", "-", name)
    return plain if re.search(r"-v\d+$", plain) else f"{plain}-v0"


def _write_episode(group: Any, number: int, record: LabelRecord) -> None:
    facts, arrays, steps = record.facts, record.arrays, record.steps
    group.attrs.update({"id": number, "total_steps": steps})
    if facts["seed"] is not None and facts["seed"] < 2**63:  # HDF5 holds no larger numbers; labels.jsonl does
        group.attrs["seed"] = facts["seed"]
    ends = np.zeros((2, steps), bool)
    ends[:, -1] = facts["terminated"], facts["truncated"]
    _put(group, "actions", arrays["actions"])
    _put(group, "rewards", arrays["credit"])
    _put(group, "terminations", ends[0])
    _put(group, "truncations", ends[1])
    infos = group.create_group("infos")
    for name, called in infos_of(record).items():
        _put(infos, called, arrays[name])
    observations = group.create_group("observations")
    for agent in facts["agents"]:
        if OBSERVATION + agent in arrays:
            _put(observations, quoted(agent), arrays[OBSERVATION + agent])


def _fill(group: Any, team: TeamShape) -> None:
    """Give an episode the arrays that only others have, of agents that are away in some: readers want all in each."""
    states = len(group["actions"]) + 1
    for name, (kind, shape) in team.sometimes().items():
        if name.startswith(SEEN):
            place, array = f"infos/{info_name(name)}", np.ones(states, bool)
        else:
            place = f"observations/{quoted(name.removeprefix(OBSERVATION))}"
            array = np.zeros((states, *shape), kind)
        if place not in group:
            _put(group, place, array)


def _put(group: Any, name: str, array: np.ndarray) -> None:
    packing = {}
    if array.nbytes >= _PACKED:
        packing = {"chunks": array.shape, "compression": "gzip", "compression_opts": 1, "shuffle": True}
    group.create_dataset(name, data=array, **packing)


def _read_episode(group: Any, facts: dict[str, Any]) -> dict[str, np.ndarray]:
    arrays = {"actions": group["actions"][()], "credit": group["rewards"][()]}
    known = {quoted(agent): agent for agent in facts["agents"]}
    for called, values in group["observations"].items():
        arrays[OBSERVATION + known[called]] = values[()]
    for called, values in group["infos"].items():
        name = called.replace("%2F", "/").replace("%25", "%")
        for beginning in (EXACT, SEEN):
            if name.startswith(beginning[:-1] + " "):
                name = beginning + name[len(beginning) :]
        arrays[name] = values[()]
    return arrays
