"""The card of a data set: README.md, whose head Hugging Face reads, and a histogram of the returns."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from credit_wrappers.dataset.dataset_card import DatasetCard

HISTOGRAM = "returns.svg"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MAIN = ("rank time difference", "sums time shapley")  # of single steps, and of each agent's sum over an episode


def card_page(name: str, form: str, card: DatasetCard, figures: Mapping[str, Any]) -> str:
    """Return README.md.

    Args:
        name: Name of the data set.
        form: Its form.
        card: What its maker says.
        figures: What was counted, see `DatasetTotals.figures`.
    """
    agents = figures["agents"]
    lines = [
        *_head(card, form, figures["transitions"]),
        f"# {card.title or name}",
        "",
        *([card.description, ""] if card.description else []),
        f"{figures['episodes']:,} episodes, {figures['transitions']:,} transitions of a team of {len(agents)}, with a "
        "credit for each agent and step.",
        "",
        "| | |",
        "|---|---|",
        *_rows(card, figures),
        "",
        "## Returns",
        "",
        "| | mean | std | min | max |",
        "|---|---|---|---|---|",
        *(_spread(what, figures[key]) for what, key in (("return", "returns"), ("steps", "lengths"))),
        "",
        _bars(figures["histogram"]) if form == "compact" else f"![Histogram of the returns]({HISTOGRAM})",
        "",
        "## Credit",
        "",
        *_credit(card, figures),
    ]
    return "\n".join(lines) + "\n"


def histogram(figures: Mapping[str, Any]) -> str:
    """Return the histogram of the returns, an SVG that is readable on light and dark ground."""
    counts, edges = figures["histogram"]["counts"], figures["histogram"]["edges"]
    width, height, low = 480, 160, 130
    most = max([*counts, 1])
    step = (width - 40) / max(len(counts), 1)
    bars = "".join(
        f'<rect x="{20 + k * step:.1f}" y="{low - 110 * count / most:.1f}" width="{step - 1:.1f}" '
        f'height="{110 * count / most:.1f}"><title>{count:g}: {edges[k]:.3g} to {edges[k + 1]:.3g}</title></rect>'
        for k, count in enumerate(counts)
    )
    ends = (edges[0], edges[-1]) if len(edges) else (0, 0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="Histogram of returns from {ends[0]:.3g} to {ends[1]:.3g}">'
        f'<g fill="#3b82f6">{bars}</g><g fill="#808080" font-family="sans-serif" font-size="12">'
        f'<text x="20" y="{low + 18}">{ends[0]:.3g}</text>'
        f'<text x="{width - 20}" y="{low + 18}" text-anchor="end">{ends[1]:.3g}</text>'
        f'<text x="20" y="14">episodes (at most {most:g})</text>'
        f'<text x="{width / 2}" y="{low + 18}" text-anchor="middle">return</text></g></svg>\n'
    )


def _bars(counted: Mapping[str, Any]) -> str:
    """Return the histogram as text, for a data set that is one file: a picture would be another one."""
    counts, edges = counted["counts"], counted["edges"]
    most = max([*counts, 1])
    bars = "".join("_▁▂▃▄▅▆▇█"[math.ceil(8 * count / most)] for count in counts)
    ends = (edges[0], edges[-1]) if len(edges) else (0, 0)
    return f"Histogram of the returns, {ends[0]:.4g} to {ends[1]:.4g}: `{bars}` (the highest bar: {most:g} episodes)"


def summary(name: str, form: str, card: DatasetCard, figures: Mapping[str, Any]) -> list[str]:
    """Return the lines that `dataset info` prints."""
    returns, lengths = figures["returns"], figures["lengths"]
    rows = [
        ("data set", f"{name} ({form})"),
        ("title", card.title),
        *_facts(card, figures),
        ("episodes", f"{figures['episodes']:,}, of {_range(lengths)} steps; {_counts(figures['ends'])}"),
        ("transitions", f"{figures['transitions']:,}"),
        ("return", f"{returns['mean']:.3f} +- {returns['std']:.3f}, {_range(returns)}" if returns else ""),
        ("unique state-actions", _share(figures["unique_state_actions"])),
        ("credit by", _counts(figures["sources"])),
        ("model", _counts(figures["models"])),
        ("events", _reasons(figures)),
        ("questions and answers", f"of {figures['asked']:,} episodes" if figures.get("asked") else ""),
        *((f"  {what}", _number(value)) for what, value in sorted(figures["agreement"].items(), key=_main_first)),
    ]
    width = max(len(what) for what, said in rows if said)
    explained = ["what the figures mean: docs/bench.md"] if figures["agreement"] else []
    return [f"{what:<{width}}  {said}".rstrip() for what, said in rows if said] + explained


def _main_first(figure: tuple[str, float | None]) -> bool:
    return figure[0] not in _MAIN  # the others keep their order


def _head(card: DatasetCard, form: str, transitions: int) -> list[str]:
    """Return the YAML between two lines of dashes."""
    size = next((size for most, size in _SIZES if transitions < most), "n>1M")
    lines = ["---"]
    if card.licence:
        lines.append(f"license: {_plain(card.licence.lower())}")
    if card.title:
        lines.append(f"pretty_name: {_yaml(card.title)}")
    lines += ["task_categories:", "- reinforcement-learning", "tags:"]
    lines += [f"- {tag}" for tag in ("multi-agent", "credit-assignment", "offline-rl")]
    lines += ["size_categories:", f"- {size}"]
    if form == "parquet":
        lines += ["configs:", "- config_name: steps", "  data_files: steps/*.parquet", "  default: true"]
        lines += ["- config_name: episodes", "  data_files: episodes/*.parquet"]
    return [*lines, "---", ""]


def _plain(text: str) -> str:
    """Return an SPDX identifier as it is, and anything else between quotation marks."""
    return text if re.fullmatch(r"[\w.+-]+", text) else _yaml(text)


def _yaml(text: str) -> str:
    return "'" + " ".join(text.split()).replace("'", "''") + "'"


def _facts(card: DatasetCard, figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    limit = f", max_cycles={card.max_cycles}" if card.max_cycles else ""
    more = "".join(f", {name}={value!r}" for name, value in card.arguments.items())
    return [
        ("environment", f"{figures['env_id']}" + (f" ({card.world}{limit}{more})" if card.world else "")),
        ("agents", ", ".join(figures["agents"])),
        ("play", card.play),
        ("credited by", card.credited_by),
        ("wording", card.wording),
        ("made with", card.made_with),
        ("command", card.command),
        ("licence", card.licence),
    ]


def _rows(card: DatasetCard, figures: Mapping[str, Any]) -> list[str]:
    facts = [*_facts(card, figures), ("unique state-actions", _share(figures["unique_state_actions"]))]
    facts += [(f"space of {name}", f"`{space}`") for name, space in figures.get("spaces", {}).items()]
    return [f"| {what} | {said.replace('|', chr(92) + '|')} |" for what, said in facts if said]


def _credit(card: DatasetCard, figures: Mapping[str, Any]) -> list[str]:
    lines = [f"Source: {_counts(figures['sources'])}. Events: {_reasons(figures)}."]
    if figures["models"]:
        lines[0] += f" Model: {_counts(figures['models'])}."
    if not figures["agreement"]:
        return [*lines, "", "The exact credit of these episodes is not known, so nothing can be said of agreement."]
    table = [f"| {name} | {_number(value)} |" for name, value in figures["agreement"].items()]
    heading = "Agreement with exact credit, by the figures of the benchmark:"
    if card.truth == "estimate":
        heading = "Agreement with credit that a simulator estimated, by plans or rollouts (figures of the benchmark):"
    return [*lines, "", heading, "", "| figure | |", "|---|---|", *table]


def _spread(what: str, values: Mapping[str, float] | None) -> str:
    cells = ["", "", "", ""] if values is None else [f"{values[key]:.4g}" for key in ("mean", "std", "min", "max")]
    return f"| {what} | {' | '.join(cells)} |"


def _reasons(figures: Mapping[str, Any]) -> str:
    """Return how many events there are and how many have a reason; older data sets did not count the latter."""
    events, reasons = figures["events"], figures.get("reasons")
    return f"{events:,}" + ("" if reasons is None else f"; {reasons:,} with a reason")


def _range(values: Mapping[str, float] | None) -> str:
    return "" if values is None else f"{values['min']:.4g} to {values['max']:.4g}"


def _counts(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in values.items())


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"
