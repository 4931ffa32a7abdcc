"""What each method of a study took: the share of every part in the wall time, and the money."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tianshou_examples.comparison.scores import CellScores, StudyScores
from tianshou_examples.experiment.methods import METHODS
from tianshou_examples.experiment.settings import Settings

PARTS = ("environment", "critic", "learning", "evaluation")


def overhead_table(scores: StudyScores) -> list[list[str]]:
    """Return a heading and a row for each method of each task: means over the seeds, for one learner."""
    priced = any(run.settings.prices is not None for run in scores.study.runs)
    heading = ["task", "method", "critic", "steps/s", "wall time, s", *(f"{part}, %" for part in PARTS)]
    heading += ["calls", "tokens", "fallbacks, %", *(["money", "money per million steps"] if priced else [])]
    rows = [heading]
    for run in scores.study.runs:
        if cells := scores.cells[run.task.name, run.method]:
            rows.append([run.task.name, f"`{run.method}`", who_judges(run.settings), *_numbers(cells, priced)])
    return rows


def _numbers(cells: Sequence[CellScores], priced: bool) -> list[str]:
    results = [cell.result for cell in cells]
    times = {part: float(np.mean([r["times"][part] for r in results])) for part in PARTS}
    wall, steps = max(sum(times.values()), 1e-9), float(np.mean([r["steps"] for r in results]))
    counts = {
        name: float(np.mean([r["critic"][name] for r in results]))
        for name in ("calls", "tokens", "cost", "fallbacks", "episodes")
    }
    fallbacks = 100 * counts["fallbacks"] / max(counts["episodes"], 1.0)
    told = [f"{steps / max(wall - times['evaluation'], 1e-9):,.0f}", f"{wall:,.1f}"]
    told += [f"{100 * times[part] / wall:.0f}" for part in PARTS]
    told += [f"{counts['calls']:,.0f}", f"{counts['tokens']:,.0f}", f"{fallbacks:.1f}" if counts["calls"] else "0"]
    if priced:
        told += [f"{counts['cost']:,.2f}", f"{1e6 * counts['cost'] / max(steps, 1.0):,.2f}"]
    return told


def who_judges(settings: Settings) -> str:
    """Return who gives the credit of a method, in a few words."""
    method = METHODS[settings.method[0]]
    if method.exact:
        return "a simulator"
    if not method.asks:
        return "none"
    name = settings.critic if settings.model is None else f"{settings.critic}, {settings.model}"
    return f"a student of {name}" if method.student else name
