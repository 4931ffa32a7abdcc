"""The figures of a study: estimates over all tasks, learning curves, profiles and probabilities of improvement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tianshou_examples.comparison import estimates
from tianshou_examples.comparison.estimates import Estimate
from tianshou_examples.comparison.scores import StudyScores, task_curve
from tianshou_examples.comparison.study_folder import planned_steps

INK, FAINT, GRID = "#1e293b", "#64748b", "#e2e8f0"
STYLE = {
    "font.size": 10,
    "axes.edgecolor": "#94a3b8",
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
}


def draw_figures(scores: StudyScores, how: str, folder: Path) -> dict[str, str]:
    """Draw all figures of one way of playing; return their captions by the name of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    note = f"{how} play, {scores.seeds} seed{'s' * (scores.seeds != 1)} a task"
    bands = f"; bars and bands are 95 % stratified bootstrap intervals, {estimates.REPS:,} samples"
    note += bands if scores.seeds > 1 else ""
    drawn: dict[str, tuple[str, Callable[[StudyScores, str], Any]]] = {
        "aggregate": ("Estimates over all tasks, of the absolute metric", draw_aggregate),
        "sample-efficiency": ("Sample efficiency: IQM of all tasks while the teams train", draw_sample_efficiency),
        "performance-profile": ("Performance profile of the absolute metric", draw_profile),
        "probability-of-improvement": ("Probability of improvement, of the absolute metric", draw_improvement),
        "tasks": ("Learning curves of each task: IQM of the return", draw_tasks),
    }
    if len(scores.methods) < 2:
        del drawn["probability-of-improvement"]
    captions = {}
    for name, (caption, draw) in drawn.items():
        with _styled():
            figure = draw(scores, how)
            figure.suptitle(f"{scores.study.name}: {note}", fontsize=8.5, color=FAINT, x=0.012, ha="left")
            figure.savefig(folder / f"{name}-{how}.png", dpi=140, facecolor="white")
        captions[f"{name}-{how}.png"] = caption
    return captions


@contextmanager
def _styled() -> Any:
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # takes long to import

    return Figure(figsize=(width, height), layout="constrained")


def draw_aggregate(scores: StudyScores, how: str) -> Any:
    """Return a figure with the estimates over all tasks: a row for each method, a panel for each estimate."""
    matrices, colours = scores.absolute(how), scores.study.colours()
    names = list(estimates.AGGREGATES)
    figure = _figure(9.5, 1.25 + 0.42 * len(matrices))
    axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    rows = list(range(len(matrices)))[::-1]
    for axis, name in zip(axes, names, strict=True):
        found = estimates.aggregate(matrices, name)
        for row, method in zip(rows, matrices, strict=True):
            _interval_bar(axis, row, found[method], colours[method])
        axis.set_title(f"{name} (less is better)" if name == "optimality gap" else name, loc="left")
        axis.grid(axis="y", visible=False)
        axis.spines["left"].set_visible(False)
        axis.use_sticky_edges = False
        axis.margins(x=0.12)
    axes[0].set_yticks(rows, list(matrices), color=INK)
    axes[0].set_ylim(-0.6, len(rows) - 0.4)
    for axis in axes:
        axis.tick_params(axis="y", length=0)
    figure.supxlabel("score (1: the best that a team can reach)", fontsize=9, color=FAINT)
    return figure


def _interval_bar(axis: Any, row: float, estimate: Estimate, colour: str) -> None:
    value = float(estimate.value)
    if estimate.low is not None and estimate.high is not None:
        low, high = float(estimate.low), float(estimate.high)
        axis.barh(row, high - low, left=low, height=0.5, color=colour, alpha=0.3, linewidth=0)
    axis.plot([value, value], [row - 0.25, row + 0.25], color=colour, linewidth=2.4, solid_capstyle="butt")
    axis.annotate(f"{value:.2f}", (value, row + 0.27), ha="center", va="bottom", fontsize=7.5, color=INK)


def draw_sample_efficiency(scores: StudyScores, how: str) -> Any:
    """Return a figure with the IQM over all tasks at each evaluation."""
    points = scores.study.runs[0].settings.evaluations + 1
    shares = 100 * np.arange(1, points + 1) / points
    figure = _figure(7.2, 4.2)
    axis = figure.subplots()
    _lines(axis, shares, estimates.aggregate(scores.curves(how), "IQM"), scores.study.colours())
    axis.set_xlabel("share of a task's training steps, %")
    axis.set_ylabel("IQM of the score")
    axis.set_xlim(0, 100)
    _labels(figure, axis)
    return figure


def draw_profile(scores: StudyScores, how: str) -> Any:
    """Return a figure with the share of cells that score more than each threshold."""
    matrices = scores.absolute(how)
    lowest = min(0.0, *(float(values.min()) for values in matrices.values()))
    thresholds = np.linspace(max(lowest, -1.0), 1.0, 101)
    figure = _figure(7.2, 4.2)
    axis = figure.subplots()
    _lines(axis, thresholds, estimates.profiles(matrices, thresholds), scores.study.colours(), marker="")
    axis.set_xlabel("score τ")
    axis.set_ylabel("share of teams with a score above τ")
    axis.set_xlim(thresholds[0], 1.0)
    axis.set_ylim(-0.02, 1.02)
    _labels(figure, axis)
    return figure


def draw_improvement(scores: StudyScores, how: str) -> Any:
    """Return a figure with the probability, for each two methods, that the better one scores more."""
    found, colours = estimates.improvements(scores.absolute(how)), scores.study.colours()
    ordered = [_better_first(pair, estimate) for pair, estimate in found.items()]
    ordered.sort(key=lambda entry: float(entry[1].value))
    figure = _figure(7.2, 1.3 + 0.36 * len(ordered))
    axis = figure.subplots()
    for row, ((better, _), estimate) in enumerate(ordered):
        _interval_bar(axis, row, estimate, colours[better])
    axis.axvline(0.5, color=FAINT, linewidth=1, linestyle=(0, (3, 3)))
    axis.set_yticks(range(len(ordered)), [f"{x}  over  {y}" for (x, y), _ in ordered], color=INK)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    axis.spines["left"].set_visible(False)
    axis.set_xlim(min(0.4, _lowest(ordered) - 0.05), 1.04)
    axis.set_ylim(-0.6, len(ordered) - 0.3)
    axis.set_xlabel("P(the first scores more than the second), mean over tasks; 0.5: no difference")
    return figure


def _better_first(pair: tuple[str, str], found: Estimate) -> tuple[tuple[str, str], Estimate]:
    """Return a pair and its estimate so that the probability is at least a half."""
    if float(found.value) >= 0.5:
        return pair, found
    low = None if found.high is None else 1.0 - found.high
    high = None if found.low is None else 1.0 - found.low
    return (pair[1], pair[0]), Estimate(1.0 - found.value, low, high)


def _lowest(found: Sequence[tuple[Any, Estimate]]) -> float:
    return min(float(e.value if e.low is None else e.low) for _, e in found)


def draw_tasks(scores: StudyScores, how: str) -> Any:
    """Return a figure with a panel for each task: the IQM of the return over environment steps."""
    tasks, colours = scores.study.tasks, scores.study.colours()
    columns = 2 if len(tasks) == 4 else min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    figure = _figure(0.7 + 3.4 * max(columns, 2), 0.9 + 2.7 * rows)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    drawn: dict[str, Any] = {}
    for axis, task in zip(axes, tasks, strict=False):
        curves = {
            method: np.array([[task_curve(cell, how)] for cell in scores.cells[task.name, method]])
            for method in scores.study.methods
            if scores.cells[task.name, method]
        }
        run = next(run for run in scores.study.runs if run.task == task)
        _lines(axis, np.array(planned_steps(run.settings)), estimates.aggregate(curves, "IQM"), colours)
        if task.high is not None:
            axis.axhline(task.high, color="#94a3b8", linewidth=0.8, linestyle=":")
        axis.set_title(task.name, loc="left")
        axis.xaxis.set_major_formatter(lambda x, _: _short(x))
        axis.set_xlim(left=0)
        drawn |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    for k, axis in enumerate(axes):
        axis.set_visible(k < len(tasks))
        axis.set_xlabel("environment steps" if k + columns >= len(tasks) else "")
        axis.set_ylabel("" if k % columns else "return")
    figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=min(6, max(1, len(drawn))))
    return figure


def _short(steps: float) -> str:
    """Return a number of steps as it is written at an axis."""
    return f"{steps / 1e6:g}M" if steps >= 1e6 else f"{steps / 1e3:g}k" if steps else "0"


def _lines(
    axis: Any, xs: np.ndarray, found: Mapping[str, Estimate], colours: Mapping[str, str], marker: str = "o"
) -> None:
    """Draw a line with its band for each method."""
    for method, estimate in found.items():
        axis.plot(xs, estimate.value, color=colours[method], linewidth=1.9, label=method, marker=marker, markersize=3)
        if estimate.low is not None:
            axis.fill_between(xs, estimate.low, estimate.high, color=colours[method], alpha=0.16, linewidth=0)


def _labels(figure: Any, axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
