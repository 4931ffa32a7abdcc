"""Rows of the benchmark as a table, in plain text or Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

from credit_wrappers.bench.evaluation import BenchRow, Figure

# Heading, figure, and whether its interval is shown in Markdown.
_COLUMNS = (
    ("steps rank", "rank time difference", True),
    ("steps sign", "sign time difference", True),
    ("sums rank", "sums time shapley", True),
    ("shares", "shares work shapley", False),
    ("work rank", "rank work difference", False),
    ("work sign", "sign work difference", False),
    ("who", "right agent", False),
    ("when", "right step", False),
    ("who+when", "right agent and step", False),
    ("idle", "paid to idle", False),
    ("loops", "paid in loops", False),
    ("scale", "scale drift", False),
    ("order", "order drift", False),
    ("conserve", "conservation error", False),
)
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def bench_table(rows: Sequence[BenchRow], *, markdown: bool = False, width: int | None = None) -> list[str]:
    """Return the lines of a table, a row for each suite and critic.

    Figures that no row has are left out. A row without figures says why. Markdown stands between two markers. A plain
    table that is wider than `width` characters goes on below, with the names of the rows once more.
    """
    shown = [column for column in _COLUMNS if any(column[1] in row.figures for row in rows)]
    priced = any(row.price is not None for row in rows)
    head = ["suite", "critic", "usable", *(heading for heading, _, _ in shown), "re-asks", "read", "written"]
    body = [_cells(row, shown, priced, markdown) for row in rows]
    head += ["price"] if priced else []
    notes = list(dict.fromkeys(filter(None, map(_note, rows))))
    if markdown:
        lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *body)]
        return [BEGIN, *lines, "", *(f"- {note}" for note in notes), *([""] if notes else []), END]
    return [*_columns([head, *body], width), *notes]


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
    """Return what is said below the table; a missing truth is the same for all critics."""
    who = row.suite if row.note.startswith("no truth") else f"{row.suite}, {row.critic}"
    return row.note and f"{who}: {row.note}"


def _cells(row: BenchRow, shown: Sequence[tuple[str, str, bool]], priced: bool, markdown: bool) -> list[str]:
    figures = [
        _number(row.figures.get(name), interval and markdown) if name in row.figures else "-"
        for _, name, interval in shown
    ]
    tokens = [f"{row.read:,.0f}", f"{row.written:,.0f}"] if row.usage.calls else ["-", "-"]
    price = [] if not priced else ["-" if row.price is None else f"{row.price:.2f}"]
    return [row.suite, row.critic, f"{row.usable}/{row.episodes}", *figures, str(row.reasks), *tokens, *price]


def _number(figure: Figure | None, interval: bool) -> str:
    if figure is None or isnan(figure.value):
        return "-"
    text = f"{figure.value:.2f}"
    if interval and figure.interval is not None:
        text += f" ({figure.interval[0]:.2f} to {figure.interval[1]:.2f})"
    return text


def bench_json(rows: Sequence[BenchRow], asked: dict[str, Any]) -> dict[str, Any]:
    """Return what a JSON file of the rows holds; `asked` says how they were made."""
    return {"asked": asked, "rows": [row.as_json() for row in rows]}
