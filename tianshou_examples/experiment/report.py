"""What a run leaves for a person to read: the table and the credited moments."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.instructive_moments import LESSONS, Moment
from tianshou_examples.experiment.settings import Settings


def critic_note(settings: Settings) -> str:
    """Who the critic is, said plainly."""
    if settings.critic.startswith("scripted"):
        fault = {
            "scripted-noisy": "; of its events 20 % are dropped and 20 % moved to a wrong agent, on purpose",
            "scripted-farmable": "; what it debits for letting go of a module is dropped, on purpose",
        }.get(settings.critic, "")
        return f"critic: scripted stand-in (rules that read the prompt's text), not an LLM{fault}"
    if settings.critic == "recorded":
        return f"critic: answers recorded in {settings.replay}"
    return f"critic: {settings.model or 'Anthropic default model'}" + (
        f" at {settings.base_url}" if settings.base_url else ""
    )


def _mean(results: Sequence[dict[str, Any]], how: str, key: str) -> str:
    values = [r[how][key] for r in results]
    mean, digits = float(np.mean(values)), 1 if key == "steps" else 3
    return f"{mean:.{digits}f}" + (f" ±{np.std(values):.{digits}f}" if len(values) > 1 else "")


SOON = {"steps_to_80": "steps to 80 % of the maximum", "steps_to_90": "  to 90 %"}


def _soon(steps: Sequence[int | None]) -> str:
    """The mean (± standard deviation) over the learners that got there, and how many did if not all."""
    there = [s for s in steps if s is not None]
    if not there:
        return "never"
    spread = f" ±{np.std(there):,.0f}" if len(there) > 1 else ""
    return f"{np.mean(there):,.0f}{spread}" + (f" ({len(there)} of {len(steps)})" if len(there) < len(steps) else "")


def print_table(settings: Settings, results: Sequence[dict[str, Any]], console: Console) -> None:
    """Prints how each method ended: one row a method, means (± standard deviation) over its seeds."""
    kinds = [c for c in settings.method if any(r["method"] == c for r in results)]
    episodes = results[0]["greedy"]["episodes"]
    table = Table(
        title=f"{settings.env}, {settings.algo}, {episodes} unseen layouts a seed; {critic_note(settings)}",
        title_justify="left",
    )
    family = family_of(settings.env)
    means = {"return": "team_return", "success": "success", "collisions / episode": "collisions", "length": "steps"}
    if not family.success:
        del means["success"]
    if not family.collisions:
        del means["collisions / episode"]
    for column in ("method", "play", *means):
        table.add_column(column, justify="right" if column in means else "left")
    for kind in kinds:
        of_kind = [r for r in results if r["method"] == kind]
        for how in ("greedy", "sampled"):
            table.add_row(
                kind if how == "greedy" else "",
                how,
                *(_mean(of_kind, how, key) for key in means.values()),
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
    known = family_of(settings.env).maximum is not None
    return {
        "seeds": str(len(results)),
        "env steps": f"{steps:,.0f}",
        **({name: _soon([r.get(key) for r in results]) for key, name in SOON.items()} if known else {}),
        "env steps / s, collect and learn": f"{speed:,.0f}",
        "wall time, s": f"{wall:,.1f}",
        **{f"  {k}": f"{times[k] / wall:.0%}" for k in ("environment", "critic", "learning", "evaluation")},
        "critic calls": f"{counts['calls']:,.0f}",
        "  per million steps, last fifth": f"{np.mean([r.get('calls_at_end', 0.0) for r in results]):,.0f}",
        "tokens": f"{counts['tokens']:,.0f}",
        "fallbacks, episodes": f"{counts['fallbacks']:,.0f}",
        **({} if settings.prices is None else {"cost": f"{np.mean([r['critic']['cost'] for r in results]):,.2f}"}),
    }


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
