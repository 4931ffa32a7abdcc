"""Tables that `datasets.load_dataset` reads: `steps`, a row for each state, and `episodes`, a row for each label.

The last state of an episode has a row, too, in which nothing was done: its actions, credit and rewards are empty. So
the row after a step's row holds the next observations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.core.optional import require
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.dataset_figures import DatasetTotals
from credit_wrappers.dataset.dataset_spaces import TeamShape
from credit_wrappers.dataset.label_record import LabelRecord, label_of, record_of

_STEPS, _EPISODES = Path("steps") / "train.parquet", Path("episodes") / "train.parquet"
_TEXT = ("env_id", "source", "summary", "model", "note", "question", "answer")
_WHOLE = ("id", "start", "steps", "query")
_FLAGS = ("terminated", "truncated")
_JSON = ("key", "seed", "agents", "observed", "frames", "tasks", "usage", "events", "arrays")


def write_parquet(
    folder: Path, labels: Iterable[LabelledEpisode], card: DatasetCard, totals: DatasetTotals, name: str, frames: bool
) -> dict[str, str]:
    """Write both tables, a row group for each label; see `write_minari`."""
    pa, pq = require("pyarrow", "dataset"), require("pyarrow.parquet", "dataset")
    team: TeamShape | None = None
    writers: list[Any] = []
    try:
        for k, label in enumerate(labels):
            record = record_of(label, frames=frames)
            team = team or TeamShape(record)
            team.check(record)
            tables = _step_table(pa, k, record), _episode_table(pa, k, record)
            if not writers:
                for place, table in zip((_STEPS, _EPISODES), tables, strict=True):
                    (folder / place).parent.mkdir()
                    writers.append(_writer(pq, folder / place, table.schema))
            if set(tables[0].column_names) - set(writers[0].schema.names):
                writers[0] = _wider(pa, pq, folder / _STEPS, writers[0], tables[0].schema)
            for writer, table in zip(writers, tables, strict=True):
                writer.write_table(_fitted(pa, table, writer.schema))
            totals.add(label)
    finally:
        for writer in writers:
            writer.close()
    if team is None:
        raise DatasetError("there is no label to save")
    return team.spaces()


def read_parquet(folder: Path) -> Iterator[LabelledEpisode]:
    """Yield the labels of a folder; raise DatasetError when a file is damaged or missing."""
    pa, pq = require("pyarrow", "dataset"), require("pyarrow.parquet", "dataset")
    try:
        with pq.ParquetFile(folder / _STEPS) as steps, pq.ParquetFile(folder / _EPISODES) as episodes:
            for k in range(episodes.num_row_groups):
                [row] = episodes.read_row_group(k).to_pylist()
                facts = {name: row[name] for name in (*_WHOLE, *_TEXT, *_FLAGS)}
                facts |= {name: json.loads(row[name]) for name in _JSON}
                texts = {name: facts.pop(name) for name in ("question", "answer")}
                table = steps.read_row_group(k)
                arrays = {name: _array(table[name], kind) for name, kind in facts.pop("arrays").items()}
                yield label_of(LabelRecord(arrays, facts, texts), f"{folder} ({_EPISODES} and {_STEPS})")
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DatasetError(f"{folder} is damaged or was cut off: {error}") from error


def _step_table(pa: Any, number: int, record: LabelRecord) -> Any:
    rows = record.steps + 1
    columns = {
        "episode": pa.array(np.full(rows, number)),
        "step": pa.array(np.arange(rows)),
        "is_last": pa.array(np.arange(rows) == rows - 1),
    }
    return pa.table(columns | {name: _column(pa, array, rows) for name, array in record.arrays.items()})


def _writer(pq: Any, path: Path, schema: Any) -> Any:
    return pq.ParquetWriter(path, schema, compression="zstd", write_statistics=False)


def _wider(pa: Any, pq: Any, path: Path, writer: Any, schema: Any) -> Any:
    """Write a table again with further columns, of an agent that was away until now; return its writer."""
    writer.close()
    narrow = path.rename(path.with_suffix(".narrow"))
    wider = _writer(pq, path, pa.unify_schemas([writer.schema, schema]))
    with pq.ParquetFile(narrow) as table:
        for k in range(table.num_row_groups):
            wider.write_table(_fitted(pa, table.read_row_group(k), wider.schema))
    narrow.unlink()
    return wider


def _fitted(pa: Any, table: Any, schema: Any) -> Any:
    """Return a table with empty columns for what an episode lacks: agents that were away all the time."""
    own = {name: table[name] if name in table.column_names else pa.nulls(len(table), kind) for name, kind in
           zip(schema.names, schema.types, strict=True)}  # fmt: skip
    return pa.table(own, schema=schema)


def _column(pa: Any, array: np.ndarray, rows: int) -> Any:
    """Return a column of numbers or of lists; one row short, it gets an empty one."""
    flat = np.ascontiguousarray(array).reshape(len(array), -1)
    short = rows - len(array)
    if array.ndim == 1:
        return pa.array([*array.tolist(), *[None] * short], type=pa.from_numpy_dtype(array.dtype))
    ends = np.arange(len(flat) + 1) * flat.shape[1]
    values = pa.array(flat.ravel())
    if short:
        mask = pa.array([False] * len(flat) + [True] * short)
        ends = np.append(ends, [ends[-1]] * short)
        return pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), values, mask=mask)
    return pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), values)


def _array(column: Any, kind: Mapping[str, Any]) -> np.ndarray:
    chunk = column.combine_chunks().drop_null()
    shape = tuple(kind["shape"])
    flat = chunk if len(shape) == 1 else chunk.flatten()
    return np.array(flat.to_numpy(zero_copy_only=False), kind["type"]).reshape(shape)


def _episode_table(pa: Any, number: int, record: LabelRecord) -> Any:
    facts: dict[str, Any] = {**record.facts, **record.texts}
    facts["arrays"] = {
        name: {"type": array.dtype.str, "shape": list(array.shape)} for name, array in record.arrays.items()
    }
    for name in _WHOLE:
        if not -(2**63) <= facts[name] < 2**63:
            raise DatasetError(
                f"label {number}: its {name} is {facts[name]}, and Parquet's whole numbers are below 2**63: give it a "
                "smaller one, or save in another form"
            )
    kinds = dict.fromkeys(_WHOLE, pa.int64()) | dict.fromkeys(_FLAGS, pa.bool_()) | dict.fromkeys(_TEXT, pa.string())
    columns = {name: pa.array([facts[name]], type=kind) for name, kind in kinds.items()}
    columns |= {name: pa.array([json.dumps(facts[name], ensure_ascii=False)]) for name in _JSON}
    reward = float(record.arrays["team_reward"].sum())
    return pa.table({"episode": pa.array([number]), "return": pa.array([reward]), **columns})
