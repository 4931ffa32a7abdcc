"""What an offline comparison leaves for a person: tables with intervals, and a JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import stdtrit  # type: ignore[import-untyped]

from tianshou_examples.experiment.evaluation import MEASURES, PLAY
from tianshou_examples.experiment.offline_study import BLIND, OfflineStudy

OVER = {"team": "the team reward", "bc": "behaviour cloning"}
OTHERS = {"success": "success", "collisions": "collisions", "steps": "length"}


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, 95 % interval of the mean (Student's t; None for fewer than two values) and number of the values."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return {"mean": mean, "low": None, "high": None, "seeds": count}
    half = float(stdtrit(count - 1, 0.975) * np.std(values, ddof=1) / count**0.5)
    return {"mean": mean, "low": mean - half, "high": mean + half, "seeds": count}


def rows_of_table(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each data, method and reward: each measure of each play, over the seeds."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in records:
        cell = record["cell"]
        groups.setdefault((cell["data"], cell["method"], cell["reward"]), []).append(record)
    return [
        {
            "data": data, "method": method, "reward": reward,
            **{how: {key: interval([r[how][key] for r in group]) for key in MEASURES} for how in PLAY},
        }
        for (data, method, reward), group in groups.items()
    ]  # fmt: skip


def gains_of_table(records: Sequence[dict[str, Any]], over: str) -> list[dict[str, Any]]:
    """Return by how much the return is higher than another team's, seed by seed, on the same data.

    Args:
        records: Of finished cells.
        over: "team": the same method with the team reward; "bc": behaviour cloning.
    """
    by_cell = {tuple(record["cell"][key] for key in ("data", "method", "reward", "seed")): record for record in records}
    groups: dict[tuple[str, ...], list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for (data, method, reward, seed), record in by_cell.items():
        other = by_cell.get((data, method, "team", seed) if over == "team" else (data, "bc", "none", seed))
        if other is not None and other is not record:
            groups.setdefault((data, method, reward), []).append((record, other))
    return [
        {
            "data": data, "method": method, "reward": reward, "over": over,
            **{how: interval([a[how]["team_return"] - b[how]["team_return"] for a, b in pairs]) for how in PLAY},
        }
        for (data, method, reward), pairs in groups.items()
    ]  # fmt: skip


def write_offline_report(
    study: OfflineStudy, folder: Path, records: Sequence[dict[str, Any]], console: Console
) -> None:
    """Write results.json and table.txt into the folder, and print the tables."""
    rows, gains = rows_of_table(records), [gain for over in OVER for gain in gains_of_table(records, over)]
    saved = {"study": asdict(study), "rows": rows, "gains": gains, "cells": list(records)}
    (folder / "results.json").write_text(json.dumps(saved, indent=1), encoding="utf-8")
    with (folder / "table.txt").open("w", encoding="utf-8") as file:
        for to in (console, Console(file=file, width=150)):
            for name in study.data:
                _print_data(study, [r for r in records if r["cell"]["data"] == name], to)


def _print_data(study: OfflineStudy, records: Sequence[dict[str, Any]], console: Console) -> None:
    first, name = records[0], records[0]["cell"]["data"]
    own = [r["data_return"] for r in records if r["cell"]["method"] == first["cell"]["method"]]
    where = f"{first['cell']['env']}, " if "env" in first["cell"] else ""
    table = Table(
        title=f"{where}{name}: {first['data_episodes']} episodes, {first['data_rows']:,} rows, mean return "
        f"{np.mean(own):.3f}, credit by {first['credited_by']}; {study.eval_episodes} unseen layouts; mean and 95 % "
        f"interval over {study.seeds} seeds",
        title_justify="left",
    )
    columns = ["method", "reward", *(f"{how} return" for how in PLAY), *OTHERS.values()]
    for column in columns:
        table.add_column(column, justify="left" if column in ("method", "reward") else "right")
    for row in rows_of_table(records):
        others = [" / ".join(f"{row[how][key]['mean']:.2f}" for how in PLAY) for key in OTHERS]
        table.add_row(row["method"], row["reward"], *(_told(row[how]["team_return"]) for how in PLAY), *others)
    console.print(table)
    console.print("success, collisions and length: greedy / sampled, means")
    for over, title in OVER.items():
        gains = gains_of_table(records, over)
        table = Table(title=f"{name}: gain in return over {title}, paired by seed", title_justify="left")
        for column in ("method", "reward", *PLAY):
            table.add_column(column, justify="left" if column in ("method", "reward") else "right")
        for gain in gains:
            table.add_row(gain["method"], gain["reward"], *(_told(gain[how], "+") for how in PLAY))
        if gains:
            console.print(table)


def _told(found: dict[str, Any], sign: str = "") -> str:
    """Return a mean with its interval."""
    text = f"{found['mean']:{sign}.3f}"
    return text if found["low"] is None else f"{text} [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"


def one_line(record: dict[str, Any]) -> str:
    """Return what is printed when a cell is finished."""
    cell = record["cell"]
    paid = "" if cell["method"] in BLIND else f", {cell['reward']}"
    returns = ", ".join(f"{how} {record[how]['team_return']:.3f}" for how in PLAY)
    return f"{cell['data']}: {cell['method']}{paid}, seed {cell['seed']}: {returns}"
