"""The learning curve: its picture, and how soon it rises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.methods import METHODS
from tianshou_examples.experiment.settings import Settings


def steps_to(
    records: Sequence[dict[str, Any]], method: str, seed: int, maximum: float, share: float = 0.8
) -> int | None:
    """Return the environment steps after which the training return first was that share of the maximum; None: never.

    It is the return of the environment's own reward while the team explores, averaged over `Settings.recent` episodes.
    """
    steps, values = _line(_of(records, "train", method, seed), "return")
    there = np.flatnonzero(values >= share * maximum)
    return int(steps[there[0]]) if len(there) else None


def calls_at_end(records: Sequence[dict[str, Any]], method: str, seed: int, last: float = 0.2) -> float:
    """Return the calls of a learner's critic per million environment steps, over the last part of its training."""
    steps, calls = _line(_of(records, "train", method, seed), "calls")
    if len(steps) < 2:  # a run may be stopped before its first step
        return 0.0
    before = min(int(np.searchsorted(steps, (1.0 - last) * steps[-1])), len(steps) - 2)
    return float(1e6 * (calls[-1] - calls[before]) / (steps[-1] - steps[before]))


def draw_curves(settings: Settings, records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw team return and, if there are any, collisions over environment steps; the band is the range over seeds."""
    from matplotlib.figure import Figure  # takes long to import

    family = family_of(settings.env)
    panels = [("return", "team return")] + [("collisions", "collisions per episode")] * family.collisions
    figure = Figure(figsize=(1.5 + 4.75 * len(panels), 4.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (key, label) in zip(axes, panels, strict=True):
        for kind in settings.method:
            _draw_kind(axis, kind, key, records)
        axis.set_xlabel("environment steps")
        axis.set_ylabel(label)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.xaxis.set_major_formatter(lambda x, _: f"{x / 1e6:g}M" if x >= 1e6 else f"{x / 1e3:g}k")
        axis.set_xlim(left=0)
    if family.maximum is not None:
        axes[0].axhline(family.maximum, color="#94a3b8", linewidth=0.8, linestyle=":")
    if any(r["kind"] == "evaluation" for r in records):
        played = "greedy, unseen layouts" + (" (mean)" if settings.seeds > 1 else "")
        axes[0].plot([], [], "o:", color="#64748b", markersize=3.5, linewidth=0.8, label=played)
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:  # a run may be stopped before there is anything to draw
        figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2 * len(panels), fontsize=9)
    seeds = f"{settings.seeds} seeds, line = mean, band = range" if settings.seeds > 1 else "one seed"
    figure.suptitle(f"{settings.env} ({settings.algo}, {settings.policy} policy, {seeds})\n{settings.critic_note}",
                    fontsize=10)  # fmt: skip
    figure.savefig(path, dpi=130)


def _draw_kind(axis: Any, kind: str, key: str, records: Sequence[dict[str, Any]]) -> None:
    seeds = sorted({r["seed"] for r in records if r["kind"] == "train" and r["method"] == kind})
    if not seeds:
        return
    lines = [_line(_of(records, "train", kind, seed), key) for seed in seeds]
    last = min(steps[-1] for steps, _ in lines)
    first = min(last, max(steps[0] for steps, _ in lines))
    grid = np.linspace(first, last, 200)
    curves = [np.interp(grid, steps, values) for steps, values in lines]
    colour = METHODS[kind].colour
    axis.plot(grid, np.mean(curves, axis=0), color=colour, linewidth=1.8, label=METHODS[kind].title)
    if len(curves) > 1:
        axis.fill_between(grid, np.min(curves, axis=0), np.max(curves, axis=0), color=colour, alpha=0.18, linewidth=0)
    field = "team_return" if key == "return" else key
    played = [
        np.array([[r["steps"], r["greedy"][field]] for r in _of(records, "evaluation", kind, seed)]).reshape(-1, 2)
        for seed in seeds
    ]
    means = np.mean([line[: min(map(len, played))] for line in played], axis=0)  # the k-th of each, over the seeds
    if len(means):
        axis.plot(means[:, 0], means[:, 1], "o:", color=colour, markersize=3.5, linewidth=0.8)


def _of(records: Sequence[dict[str, Any]], kind: str, method: str, seed: int) -> list[dict[str, Any]]:
    """Return one learner's records of one kind."""
    return [r for r in records if (r["kind"], r["method"], r["seed"]) == (kind, method, seed)]


def _line(records: Sequence[dict[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return steps and values of one learner's records, in the order of training."""
    line: list[tuple[int, float]] = []
    for r in records:
        while line and line[-1][0] >= r["steps"]:  # a killed learner went on from an older checkpoint
            line.pop()
        line.append((r["steps"], r[key]))
    steps, values = np.array(line).reshape(-1, 2).T
    return steps, values
