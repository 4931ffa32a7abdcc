"""What a run leaves for a person: table, learning curve, credited moments and animation."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from spaceworld.render.record import save_gif
from tianshou_examples.experiment.actors import load_actors
from tianshou_examples.experiment.curves import calls_at_end, draw_curves, steps_to
from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.evaluation import UNSEEN, record
from tianshou_examples.experiment.instructive_moments import LESSONS, Moment
from tianshou_examples.experiment.settings import PAGE, Settings, checkpoint_of

SHARES = {"steps_to_80": (0.8, "steps to 80 % of the maximum"), "steps_to_90": (0.9, "  to 90 %")}


def write_report(settings: Settings, folder: Path, results: Sequence[dict[str, Any]], seconds: float,
                 console: Console) -> None:  # fmt: skip
    """Write results, curve, moments, animation and table into the run's folder, and print the table.

    Numbers of the whole training are added to `results`: what the learners reported at their ends, at least one.
    """
    records = [json.loads(x) for x in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    maximum = family_of(settings.env).maximum
    for result in results:
        learner = result["method"], result["seed"]
        result["calls_at_end"] = calls_at_end(records, *learner)
        if maximum is not None:
            result |= {key: steps_to(records, *learner, maximum, share) for key, (share, _) in SHARES.items()}
    saved = {"wall_seconds": seconds, "results": results}
    (folder / "results.json").write_text(json.dumps(saved, indent=1), encoding="utf-8")
    draw_curves(settings, records, folder / "learning_curve.png")
    write_credits(settings, results, folder / "credits.txt")
    _animate(settings, folder, checkpoint_of(folder, results[0]["method"], results[0]["seed"]))
    print_table(settings, results, console)
    with (folder / "table.txt").open("w", encoding="utf-8") as file:
        print_table(settings, results, Console(file=file, width=150))
    ledgers = sum(f.stat().st_size for f in folder.glob("ledger-*.sqlite*"))
    page = f"{PAGE} (open it in a browser), " if (folder / PAGE).exists() else ""
    console.print(
        f"{seconds:.0f} s in all, ledger {ledgers / 1e6:.1f} MB. In {folder}: {page}learning_curve.png, team.gif, "
        "credits.txt, metrics.jsonl, tensorboard/"
    )


def _animate(settings: Settings, folder: Path, checkpoint: Path) -> None:
    """Show the greedy team of a learner in some unseen layouts."""
    make_env = environment_maker(settings.env, "rgb_array", **settings.world_options)
    actors = load_actors(settings, make_env(), checkpoint)
    episodes, steps = family_of(settings.env).film
    pictures = record(make_env, actors, range(UNSEEN, UNSEEN + episodes), most_steps=steps)
    save_gif(folder / "team.gif", pictures, fps=4)


def _mean(values: Sequence[float], digits: int) -> str:
    """Return the mean, and the standard deviation if there are several."""
    spread = f" ±{np.std(values):,.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):,.{digits}f}{spread}"


def _soon(steps: Sequence[int | None]) -> str:
    """Return the mean over the learners that got there, and how many did if not all."""
    there = [s for s in steps if s is not None]
    if not there:
        return "never"
    return _mean(there, 0) + (f" ({len(there)} of {len(steps)})" if len(there) < len(steps) else "")


def print_table(settings: Settings, results: Sequence[dict[str, Any]], console: Console) -> None:
    """Print how each method ended, as means (± standard deviation) over its seeds, and what it took."""
    by_kind = {kind: [r for r in results if r["method"] == kind] for kind in settings.method}
    by_kind = {kind: of_kind for kind, of_kind in by_kind.items() if of_kind}
    episodes = results[0]["greedy"]["episodes"]
    trained = "" if settings.reward == "own" else f"; trained on {settings.reward} rewards"
    table = Table(
        title=f"{settings.env}, {settings.algo}, {episodes} unseen layouts a seed; {settings.critic_note}{trained}",
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
    for kind, of_kind in by_kind.items():
        for how in ("greedy", "sampled"):
            table.add_row(
                kind if how == "greedy" else "",
                how,
                *(_mean([r[how][key] for r in of_kind], 1 if key == "steps" else 3) for key in means.values()),
                end_section=how == "sampled",
            )
    console.print(table)
    cost = Table(title="What it took (one learner; mean over the seeds)", title_justify="left")
    columns = [_cost(settings, of_kind) for of_kind in by_kind.values()]
    cost.add_column("method")
    for kind in by_kind:
        cost.add_column(kind, justify="right")
    for name in columns[0]:  # down the page, so that it fits in 80 characters
        cost.add_row(name, *(column[name] for column in columns))
    console.print(cost)


def _cost(settings: Settings, results: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return what the learners of one method took, on average."""
    times = {k: float(np.mean([r["times"][k] for r in results])) for k in results[0]["times"]}
    wall, steps = max(sum(times.values()), 1e-9), float(np.mean([r["steps"] for r in results]))
    speed = steps / max(wall - times["evaluation"], 1e-9)
    counts = {k: float(np.mean([r["critic"][k] for r in results])) for k in ("calls", "tokens", "fallbacks")}
    known = family_of(settings.env).maximum is not None
    return {
        "seeds": str(len(results)),
        "env steps": f"{steps:,.0f}",
        **({name: _soon([r.get(key) for r in results]) for key, (_, name) in SHARES.items()} if known else {}),
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
    """Write the five most instructive credited moments, with the critic's reasons."""
    best: dict[str, tuple[float, Moment]] = {}
    for result in results:
        for lesson, (clear, moment) in result["moments"].items():
            if clear > best.get(lesson, (0.0, None))[0]:
                best[lesson] = (clear, Moment(**moment))
    chosen = [(LESSONS[lesson], best[lesson][1]) for lesson in LESSONS if lesson in best]
    lines = [f"The most instructive credited moments of {settings.env}", settings.critic_note, ""]
    if not chosen:
        none = "No critic gave reasons in this run: baselines and exact credit pay without explaining."
        lines.append(settings.no_reasons_note or none)
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
