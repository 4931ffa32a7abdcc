"""Rows of the benchmark as a table, in plain text or Markdown, and as JSON.

The Markdown table is the one of docs/bench.md: it always has the same columns, so rows of several runs fit together.
The plain table has more of them, and leaves out those that no row has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from math import isnan
from os import PathLike
from pathlib import Path
from platform import python_version
from typing import Any

from credit_wrappers.bench.evaluation import BenchRow, Figure
from credit_wrappers.bench.paired import PAIRED

# Heading, figure, whether the page has it, and whether its interval is shown there.
_COLUMNS = (
    ("time rank", "rank time difference", True, True),
    ("time sign", "sign time difference", True, False),
    ("work rank", "rank work difference", True, True),
    ("work sign", "sign work difference", True, False),
    ("time sums", "sums time shapley", True, False),
    ("work shares", "shares work shapley", True, False),
    ("who", "right agent", True, False),
    ("when", "right step", True, False),
    ("who+when", "right agent and step", True, False),
    ("idle", "paid to idle", True, False),
    ("loops", "paid in loops", True, False),
    ("scale", "scale drift", True, False),
    ("order", "order drift", False, False),
    ("conserve", "conservation error", False, False),
)
_HEADINGS = {figure: heading for heading, figure, _, _ in _COLUMNS}
_LIBRARIES = ("llm-credit-wrappers", "numpy", "pettingzoo", "gymnasium", "lbforaging", "rware")
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def bench_table(
    rows: Sequence[BenchRow], *, markdown: bool = False, width: int | None = None, only_gains: bool = False
) -> list[str]:
    """Return the lines of a table, a row for each suite and critic, and of one with the gains over another critic.

    A row without figures says why below. Markdown stands between two markers. A plain table that is wider than `width`
    characters goes on below, with the names of the rows once more.
    """
    rows = [row for suite in dict.fromkeys(row.suite for row in rows) for row in rows if row.suite == suite]
    shown = [
        (name, interval and markdown)
        for _, name, page, interval in _COLUMNS
        if (page if markdown else any(name in row.figures for row in rows))
    ]
    halves = len({row.half for row in rows}) > 1
    priced = not markdown and any(row.price is not None for row in rows)
    head = ["suite", "critic", *(["half"] if halves else []), "episodes", *(_HEADINGS[name] for name, _ in shown)]
    head += ["written"] if markdown else ["re-asks", "read", "written", *(["price"] if priced else [])]
    body = [_cells(row, shown, halves, priced, markdown) for row in rows]
    gains = _gains([row for row in rows if row.gains], halves, markdown)
    tables = gains if only_gains else [[head, *body], *gains]
    said = [say(row) for say in (_note, _error) for row in rows]
    notes = [] if only_gains else list(dict.fromkeys(filter(None, said)))
    if markdown:
        lines = [line for table in tables for line in ("", *_markdown(table))][1:]
        return [BEGIN, *lines, "", *(f"- {note}" for note in notes), *([""] if notes else []), END]
    return [*[line for table in tables for line in ("", *_columns(table, width))][1:], *notes]


def _gains(rows: Sequence[BenchRow], halves: bool, markdown: bool) -> list[list[list[str]]]:
    """Return the table of gains over another critic, if there are any; its figures always have intervals."""
    if not rows:
        return []
    head = ["suite", "critic", *(["half"] if halves else []), "against", "episodes", *(_HEADINGS[n] for n in PAIRED)]
    body = []
    for row in rows:
        first = [_suite(row, markdown), row.critic, *([row.half] if halves else []), row.against]
        figures = [row.gains.get(name) for name in PAIRED]
        counts = [figure.count or 0 for figure in figures if figure is not None]
        body.append([*first, str(max(counts, default=0)), *(_number(figure, True, "+", 3) for figure in figures)])
    return [[head, *body]]


def _markdown(table: list[list[str]]) -> list[str]:
    head, *body = table
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *body)]


def _columns(table: list[list[str]], width: int | None) -> list[str]:
    """Return the lines of a table, in as many parts as it takes to stay within a width."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    parts, used = [[0, 1]], widths[0] + 2 + widths[1]
    for c in range(2, len(widths)):
        if width is not None and used + 2 + widths[c] > width and len(parts[-1]) > 2:
            parts.append([0, 1])
            used = widths[0] + 2 + widths[1]
        parts[-1].append(c)
        used += 2 + widths[c]
    lines: list[str] = []
    for part in parts:
        lines += [""] if lines else []
        lines += ["  ".join(cells[c].ljust(widths[c]) for c in part).rstrip() for cells in table]
    return lines


def _note(row: BenchRow) -> str:
    """Return what is said below the table; all but a critic's failure is about the suite, so it is said once."""
    who = f"{row.suite}, {row.critic}" if row.note.startswith("nothing usable") else row.suite
    return row.note and f"{who}: {row.note}"


def _error(row: BenchRow) -> str:
    """Return how sure the estimated truth of a row is, where that is known."""
    differences = [(name.split()[0], error) for name, error in row.truth_error.items() if "difference" in name]
    told = ", ".join(f"{error:.2g} in {value}" for value, error in differences)
    return told and f"{row.suite} (est.): mean standard error of the truth's credits: {told}"


def _cells(row: BenchRow, shown: Sequence[tuple[str, bool]], halves: bool, priced: bool, markdown: bool) -> list[str]:
    first = [_suite(row, markdown), row.critic, *([row.half] if halves else []), f"{row.usable}/{row.episodes}"]
    figures = [_number(row.figures.get(name), interval) for name, interval in shown]
    read, written = (f"{row.read:,.0f}", f"{row.written:,.0f}") if row.usage.calls else ("-", "-")
    price = [] if not priced else ["-" if row.price is None else f"{row.price:.2f}"]
    return [*first, *figures, *([written] if markdown else [str(row.reasks), read, written, *price])]


def _suite(row: BenchRow, markdown: bool) -> str:
    """Return the suite's name, marked where its truth is an estimate."""
    return (f"`{row.suite}`" if markdown else row.suite) + (" (est.)" if row.truth == "estimate" else "")


def _number(figure: Figure | None, interval: bool, sign: str = "-", digits: int = 2) -> str:
    """Return a figure with its interval or, without one, with the number of episodes that it rests on."""
    if figure is None or isnan(figure.value):
        return "-"
    text = f"{round(figure.value, digits) + 0.0:{sign}.{digits}f}"  # + 0.0: no -0.00
    if interval and figure.interval is not None:
        low, high = (f"{round(end, digits) + 0.0:{sign}.{digits}f}" for end in figure.interval)
        return f"{text} ({low} to {high})"
    return text if interval or figure.count is None else f"{text} ({figure.count})"


def bench_json(rows: Sequence[BenchRow], asked: dict[str, Any]) -> dict[str, Any]:
    """Return what a JSON file of the rows holds; `asked` says how they were made."""
    versions = {"python": python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    made = {"date": date.today().isoformat(), "versions": versions}
    return {"made": made, "asked": asked, "rows": [row.as_json() for row in rows]}


def read_rows(path: str | PathLike[str]) -> list[BenchRow]:
    """Return the rows of a file that `bench --json` wrote.

    Raises:
        ValueError: It is no such file, or of an older version.
        OSError: It cannot be read.
    """
    try:
        return [BenchRow.from_json(row) for row in json.loads(Path(path).read_text(encoding="utf-8"))["rows"]]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} has no rows of this version: {type(error).__name__}: {error}") from error
