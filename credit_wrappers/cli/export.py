"""`ledger export`: the dataset of episodes with a credit for each agent and step, and the reasons."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from credit_wrappers.cli.reading import Reading, read
from credit_wrappers.llm.ledger.entry import LedgerEntry
from credit_wrappers.llm.ledger.ledger import Ledger


def export(ledger: Ledger, out: str, *, good_only: bool = False, client: str | None = None) -> str:
    """Write the dataset, one entry at a time; return a line that says what was written.

    `.jsonl`: one line for each judgement of an episode, see `record`. `.npz`: for each episode that has a usable
    judgement, the newest one as `KEY/values`, (T, N) float32, and `KEY/agents`, the N names of its columns.

    Args:
        ledger: The ledger to export.
        out: A file that does not exist yet and ends in .jsonl or .npz.
        good_only: Leave out episodes without a usable answer; .npz never has them.
        client: Export only this client's answers.

    Raises:
        ValueError: The ending is another one, there is no such client, or an .npz file would mix several.
        OSError: The file exists, or cannot be written.
    """
    path, clients = Path(out), ledger.clients()
    if path.suffix not in (".jsonl", ".npz"):
        raise ValueError(f"--out {out}: the ending must be one of .jsonl, .npz")
    if client is not None and client not in clients:
        raise ValueError(f"ledger {ledger.path} has no client {client!r}; it has {', '.join(clients) or 'none'}")
    if path.suffix == ".npz" and client is None and len(clients) > 1:
        raise ValueError(f"several clients judged the same episodes: choose one of {', '.join(clients)} (--client)")
    entries = (entry for entry in ledger.entries() if client in (None, entry.client))
    written = 0
    try:
        if path.suffix == ".jsonl":
            with path.open("x", encoding="utf-8") as file:
                written = _lines(entries, file, good_only)
        else:
            with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
                written = _arrays(ledger, client, archive)
    except FileExistsError:
        raise FileExistsError(f"{path} is there already; it was left as it is") from None
    except BaseException:
        path.unlink(missing_ok=True)  # half a dataset looks like a whole one
        raise
    return f"wrote {written:,} judged episodes to {path}"


def record(entry: LedgerEntry, reading: Reading) -> dict[str, Any]:
    """Return one line of the dataset.

    `text` is what the model read: there `agents[0]` is called agent_A, `agents[1]` agent_B, and so on.
    `values[t][k]` is the credit of `agents[k]` for step t: the events, spread evenly over their steps. `tasks` says
    which task each agent should have had when, [] if no tasks were asked for.
    """
    judged = reading.judged
    return {
        "episode": judged.key,
        "agents": judged.agents,
        "values": None if judged.values is None else _short(judged.values),
        "events": [asdict(event) for event in reading.events],
        "summary": reading.summary,
        "tasks": [asdict(span) for span in reading.tasks or ()],
        "text": reading.text,
        "client": entry.client,
        "model": entry.model,
        "time": entry.time,
        "question": entry.key,
        "failure": entry.failure,
    }


def _lines(entries: Iterator[LedgerEntry], file: TextIO, good_only: bool) -> int:
    written = 0
    for entry in entries:
        if good_only and entry.failure:
            continue
        for reading in read(entry):
            if good_only and reading.judged.values is None:
                continue
            file.write(json.dumps(record(entry, reading), ensure_ascii=False) + "\n")
            written += 1
    return written


def _arrays(ledger: Ledger, client: str | None, archive: zipfile.ZipFile) -> int:
    written: set[str] = set()
    for entry in ledger.entries(newest_first=True):
        if client not in (None, entry.client):
            continue
        for judged in reversed(entry.episodes):
            if judged.values is None or judged.key in written:
                continue
            written.add(judged.key)
            for name, array in (("values", judged.values), ("agents", np.array(judged.agents))):
                with archive.open(f"{judged.key}/{name}.npy", "w") as file:
                    np.save(file, array, allow_pickle=False)
    return len(written)


def _short(values: np.ndarray) -> list[list[float]]:
    """Return the table with the shortest decimals that read back as the same float32 numbers."""
    different, place = np.unique(values, return_inverse=True)
    short = np.array([float(str(value)) for value in different])
    table: list[list[float]] = short[place].reshape(values.shape).tolist()
    return table
