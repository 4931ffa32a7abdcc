"""What a study of team size leaves for a person: a table with laws of growth, an outlook, JSON and a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tianshou_examples.experiment.power_law import PowerLaw

Results = Mapping[int, Mapping[str, Mapping[str, float]]]  # size -> part -> measure

# Part, measure, what a reader is told, digits, and whether a law of growth is fitted.
ROWS = (
    ("team", "steps", "steps of the scripted team", 1, True),
    ("team", "completed", "share completed", 2, False),
    ("team", "collisions", "collisions an episode", 2, False),
    ("team", "features", "numbers that a robot observes", 0, True),
    ("team", "observed bytes a step", "bytes that the team observes in a step", 0, True),
    ("text", "steps", "steps of a disturbed episode", 1, True),
    ("text", "base prompt", "tokens of the base prompt", 0, True),
    ("text", "of an episode's text", "tokens read, of an episode", 0, True),
    ("text", "tokens written", "tokens written, of an episode", 0, True),
    ("text", "price", "price of an episode", 3, True),
    ("text", "critic CPU s", "CPU s of the scripted critic, of an episode", 3, True),
    ("culprit", "others above", "others paid more than the culprit (chance 0.5)", 2, False),
    ("culprit", "named first", "the culprit is paid least (chance 1/N)", 2, False),
    ("truth", "rank", "rank of steps, critic and planner", 2, False),
    ("truth", "sign", "sign of steps, critic and planner", 2, False),
    ("truth", "rank in a mirror", "rank of steps, planner and planner in a mirror", 2, False),
    ("truth", "values", "credits compared", 0, False),
    ("student", "rank", "student: rank of steps", 2, False),
    ("student", "sign", "student: sign of steps", 2, False),
    ("student", "error", "student: error (0 credit for all: 1)", 2, True),
    ("student", "fit CPU s", "student: CPU s of a fit", 0, False),
    ("student", "weights", "student: weights", 0, True),
    ("train", "mca", "training steps to 50 % docked, mca", 0, True),
    ("train", "shared", "training steps to 50 % docked, shared reward", 0, True),
)

# Part, measure, limit, and what breaks there.
LIMITS = (
    ("text", "tokens written", 16_000, "an answer about one episode is longer than the critic allows (16,000 tokens)"),
    ("text", "of an episode's text", 200_000, "one episode no longer fits a context of 200,000 tokens"),
    ("text", "of an episode's text", 1_000_000, "one episode no longer fits a context of 1,000,000 tokens"),
    ("text", "price", 1.0, "one episode costs 1"),
    ("team", "observed bytes a step", 1e6, "the team observes 1 MB in a step"),
    ("team", "observed bytes a step", 1e9 / 128 / 100, "128 environments record 1 GB in 100 steps"),
    ("student", "error", 1.0, "a student of so many labels is no better than none"),
)


def laws_of(results: Results) -> dict[tuple[str, str], PowerLaw]:
    """Return the law of growth of each measure that has one and was taken at three sizes or more."""
    laws = {}
    for part, name, _, _, grows in ROWS:
        points = [(n, parts[part][name]) for n, parts in sorted(results.items()) if name in parts.get(part, {})]
        if grows and len(points) > 2 and all(value > 0 for _, value in points):
            laws[part, name] = PowerLaw.of(*zip(*points, strict=True))
    return laws


def write_scale_report(results: Results, folder: Path, outlook: int) -> str:
    """Write table.md, results.json and growth.png into the folder, and return the text of the table."""
    laws = laws_of(results)
    text = scale_table(results, laws, outlook)
    (folder / "table.md").write_text(text, encoding="utf-8")
    saved: dict[str, Any] = {
        "measures": results, "laws": {f"{part}: {name}": asdict(law) for (part, name), law in laws.items()}
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(saved, indent=1), encoding="utf-8")
    draw_growth(results, laws, folder / "growth.png")
    return text


def scale_table(results: Results, laws: Mapping[tuple[str, str], PowerLaw], outlook: int) -> str:
    """Return the measures of each size, their exponents, and what they would be at the outlook; then the limits."""
    sizes = sorted(results)
    lines = [
        f"| | {' | '.join(f'{n} robots' for n in sizes)} | exponent | at {outlook:,}, on paper |",
        "|---|" + "---|" * (len(sizes) + 2),
    ]
    for part, name, title, digits, _ in ROWS:
        values = [results[n].get(part, {}).get(name) for n in sizes]
        if all(value is None for value in values):
            continue
        told = ["-" if value is None or value != value else f"{value:,.{digits}f}" for value in values]
        law = laws.get((part, name))
        exponent, ahead = ("", "") if law is None else (exponent_text(law), large_number(law.at(outlook)))
        lines.append(f"| {title} | {' | '.join(told)} | {exponent} | {ahead} |")
    lines += ["", "| what breaks, if the law goes on | robots |", "|---|---|"]
    limits = [(laws[part, name].reaches(limit), title) for part, name, limit, title in LIMITS if (part, name) in laws]
    for reached, title in sorted(limits):
        lines.append(f"| {title} | {'never' if reached == float('inf') else large_number(reached)} |")
    return "\n".join(lines) + "\n"


def exponent_text(law: PowerLaw) -> str:
    """Return an exponent with its interval."""
    sure = "" if law.low != law.low else f" ({law.low:.2f} to {law.high:.2f})"
    return f"{law.exponent:.2f}{sure}"


def large_number(value: float) -> str:
    """Return a number with two digits that count."""
    return f"{float(f'{value:.2g}'):,.10g}"


def draw_growth(results: Results, laws: Mapping[tuple[str, str], PowerLaw], path: Path) -> None:
    """Draw what grows, over the number of robots, both on logarithmic axes; and how right credit is."""
    from matplotlib.figure import Figure  # takes long to import
    from matplotlib.ticker import NullFormatter

    sizes = sorted(results)
    figure = Figure(figsize=(11.5, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    grown = {
        ("text", "of an episode's text"): "tokens read", ("text", "tokens written"): "tokens written",
        ("team", "features"): "numbers observed", ("team", "steps"): "steps",
    }  # fmt: skip
    for (which, label), marker in zip(grown.items(), "osd^", strict=True):
        points = [(n, results[n][which[0]][which[1]]) for n in sizes if which[0] in results[n]]
        if points and which in laws:
            law = laws[which]
            left.plot(*zip(*points, strict=True), marker, label=f"{label}, exponent {law.exponent:.2f}")
            left.plot(sizes, [law.at(n) for n in sizes], color=left.lines[-1].get_color(), linewidth=1)
    left.set_yscale("log")
    left.set_ylabel("of an episode, or of a robot")
    judged = {
        ("culprit", "others above"): "others paid more than the culprit",
        ("student", "rank"): "rank, student and critic", ("truth", "rank"): "rank, critic and planner",
        ("truth", "rank in a mirror"): "rank, planner and planner in a mirror",
    }  # fmt: skip
    for (which, label), style in zip(judged.items(), ("o-", "s-", "d-", "^:"), strict=True):
        points = [(n, results[n][which[0]][which[1]]) for n in sizes if which[0] in results[n]]
        if points:
            right.plot(*zip(*points, strict=True), style, label=label)
    right.set_ylim(-0.1, 1.05)
    right.set_ylabel("how right")
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_xticks(sizes, [str(n) for n in sizes])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("robots")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        if axis.lines:
            axis.legend(frameon=False, fontsize=9)
    figure.suptitle("Fleets of equal density, scripted critic (not an LLM)", fontsize=10)
    figure.savefig(path, dpi=130)
