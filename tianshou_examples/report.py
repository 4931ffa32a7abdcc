"""What a run leaves for a person: the table, the learning curve, the animation and the credited moments."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tianshou_examples.families import family_of
from tianshou_examples.methods import METHODS
from tianshou_examples.settings import Settings
from tianshou_examples.watch import LESSONS, Moment



def critic_note(settings: Settings) -> str:
    """Who the critic is, said plainly."""
    if settings.critic == "scripted":
        return "critic: scripted stand-in (rules that read the prompt's text), not an LLM"
    if settings.critic == "recorded":
        return f"critic: answers recorded in {settings.replay}"
    return f"critic: {settings.model or 'Anthropic default model'}" + (
        f" at {settings.base_url}" if settings.base_url else ""
    )


def _mean(results: Sequence[dict[str, Any]], how: str, key: str) -> str:
    values = [r[how][key] for r in results]
    mean, digits = float(np.mean(values)), 1 if key == "steps" else 3
    return f"{mean:.{digits}f}" + (f" ±{np.std(values):.{digits}f}" if len(values) > 1 else "")


def print_table(settings: Settings, results: Sequence[dict[str, Any]], console: Console) -> None:
    """Prints how each method ended: one row a method, means (± standard deviation) over its seeds."""
    kinds = [c for c in settings.method if any(r["method"] == c for r in results)]
    episodes = results[0]["greedy"]["episodes"]
    table = Table(
        title=f"{settings.env}, {settings.algo}, {episodes} unseen layouts a seed; {critic_note(settings)}",
        title_justify="left",
    )
    for column in ("method", "play", "return", "success", "collisions / episode", "length"):
        table.add_column(column, justify="left" if column in ("method", "play") else "right")
    for kind in kinds:
        of_kind = [r for r in results if r["method"] == kind]
        for how in ("greedy", "sampled"):
            table.add_row(
                kind if how == "greedy" else "",
                how,
                *(_mean(of_kind, how, key) for key in ("team_return", "success", "collisions", "steps")),
                end_section=how == "sampled",
            )
    console.print(table)
    cost = Table(title="What it took (one learner; mean over the seeds)", title_justify="left")
    columns = [_cost(settings, [r for r in results if r["method"] == kind]) for kind in kinds]
    cost.add_column("method")
    for kind in kinds:
        cost.add_column(kind, justify="right")
    for name in columns[0]:  # down the page, so that it fits in 80 characters
        cost.add_row(name, *(column[name] for column in columns))
    console.print(cost)


def _cost(settings: Settings, results: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What the learners of one method took."""
    times = {k: float(np.mean([r["times"][k] for r in results])) for k in results[0]["times"]}
    wall, steps = max(sum(times.values()), 1e-9), float(np.mean([r["steps"] for r in results]))
    speed = steps / max(wall - times["evaluation"], 1e-9)
    counts = {k: float(np.mean([r["critic"][k] for r in results])) for k in ("calls", "tokens", "fallbacks")}
    return {
        "seeds": str(len(results)),
        "env steps": f"{steps:,.0f}",
        "env steps / s, collect and learn": f"{speed:,.0f}",
        "wall time, s": f"{wall:,.1f}",
        **{f"  {k}": f"{times[k] / wall:.0%}" for k in ("environment", "critic", "learning", "evaluation")},
        "critic calls": f"{counts['calls']:,.0f}",
        "tokens": f"{counts['tokens']:,.0f}",
        "fallbacks, episodes": f"{counts['fallbacks']:,.0f}",
        **({} if settings.prices is None else {"cost": f"{np.mean([r['critic']['cost'] for r in results]):,.2f}"}),
    }


def draw_curves(settings: Settings, records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws team return and collisions over environment steps; the band is the range over seeds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    panels = (("return", "team return"), ("collisions", "collisions per episode"))
    for axis, (key, label) in zip(axes, panels, strict=True):
        for kind in settings.method:
            _draw_kind(axis, kind, key, records)
        axis.set_xlabel("environment steps")
        axis.set_ylabel(label)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.xaxis.set_major_formatter(lambda x, _: f"{x / 1e6:g}M" if x >= 1e6 else f"{x / 1e3:g}k")
        axis.set_xlim(left=0)
    axes[0].axhline(1.0, color="#94a3b8", linewidth=0.8, linestyle=":")
    if any(r["kind"] == "evaluation" for r in records):
        axes[0].plot([], [], "o", color="#64748b", markersize=3.5, label="greedy, unseen layouts")
    if axes[0].get_legend_handles_labels()[0]:  # a run may be stopped before there is anything to draw
        axes[0].legend(frameon=False, loc="best")
    seeds = f"{settings.seeds} seeds, line = mean, band = range" if settings.seeds > 1 else "one seed"
    figure.suptitle(f"{settings.env} ({settings.algo}, {settings.policy} policy, {seeds})\n{critic_note(settings)}",
                    fontsize=10)  # fmt: skip
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw_kind(axis: Any, kind: str, key: str, records: Sequence[dict[str, Any]]) -> None:
    train = [r for r in records if r["kind"] == "train" and r["method"] == kind]
    lines = [_line([r for r in train if r["seed"] == seed], key) for seed in sorted({r["seed"] for r in train})]
    if not lines:
        return
    last = min(steps[-1] for steps, _ in lines)
    first = min(last, max(steps[0] for steps, _ in lines))
    grid = np.linspace(first, last, 200)
    curves = [np.interp(grid, steps, values) for steps, values in lines]
    colour = METHODS[kind].colour
    axis.plot(grid, np.mean(curves, axis=0), color=colour, linewidth=1.8, label=METHODS[kind].title)
    if len(curves) > 1:
        axis.fill_between(grid, np.min(curves, axis=0), np.max(curves, axis=0), color=colour, alpha=0.18, linewidth=0)
    field = {"return": "team_return"}.get(key, key)
    greedy = [r for r in records if r["kind"] == "evaluation" and r["method"] == kind]
    if greedy:
        axis.plot([r["steps"] for r in greedy], [r["greedy"][field] for r in greedy], "o", color=colour, markersize=3.5)


def _line(records: Sequence[dict[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one learner, in the order of training."""
    line: list[tuple[int, float]] = []
    for r in records:
        while line and line[-1][0] >= r["steps"]:  # a learner that was killed went on from an older checkpoint
            line.pop()
        line.append((r["steps"], r[key]))
    steps, values = np.array(line).T
    return steps, values


def write_credits(settings: Settings, results: Sequence[dict[str, Any]], path: Path) -> None:
    """Writes the five most instructive credited moments, with the critic's reasons."""
    best: dict[str, tuple[float, Moment]] = {}
    for result in results:
        for lesson, (clear, moment) in result["moments"].items():
            if clear > best.get(lesson, (0.0, None))[0]:
                best[lesson] = (clear, Moment(**moment))
    chosen = [(LESSONS[lesson], best[lesson][1]) for lesson in LESSONS if lesson in best]
    lines = [f"The most instructive credited moments of {settings.env}", critic_note(settings), ""]
    if not chosen:
        lines.append("No critic gave reasons in this run: baselines pay without explaining.")
    for k, (lesson, m) in enumerate(chosen, 1):
        others = ", ".join(f"{a} {x:+.2f}" for a, x in m.others.items())
        lines += [
            f"{k}. {lesson}",
            f"   {m.agent} {m.amount:+.2f} for steps {m.start} to {m.stop - 1} (source: {m.source})",
            *textwrap.wrap(f"why: {m.why}", 100, initial_indent="   ", subsequent_indent="        "),
            f"   the team was paid {m.team_reward:+.2f} in these steps; credited beside: {others or 'nobody'}",
            f"   seen in training episode {m.episode}:",
            *textwrap.wrap(m.before, 100, initial_indent="      ", subsequent_indent="        "),
            *(f"      {line}" for line in m.lines),
            "",
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
