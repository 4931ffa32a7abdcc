"""The report's file: template, style sheet, scripts and data in one HTML file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from string import Template
from typing import Any

from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.core.whole_characters import whole_characters
from credit_wrappers.llm.budget import Prices
from credit_wrappers.report.episode_values import SharedTexts, episode_values, exact_scale, judgement_values
from credit_wrappers.report.replayed import drawable

VERSION = 1  # of the data in the page
SCRIPTS = ("dom.js", "world.js", "timeline.js", "reasons.js", "texts.js", "viewer.js")  # each uses those before it


@dataclass(frozen=True)
class ReportOptions:
    """What a report shows beside its labels.

    Attributes:
        title: Its heading; "": the environment's name.
        compare: What another critic said of the same episodes; it stands beside the first.
        make_env: Makes the environment. Episodes without moments are replayed in it, so that they can be drawn.
        prices: What tokens cost, for the cost of each query.
        sources: Names of where the labels and `compare` come from; they are shown if both critics have the same name.
        indices: The place of each label in its data set, from 0.
        total: How many episodes there are, of which the labels are the last; None: these are all.
        note: A sentence above everything; "": none.
    """

    title: str = ""
    compare: Sequence[LabelledEpisode] = ()
    make_env: Callable[[], ParallelEnv] | None = None
    prices: Prices | None = None
    sources: Sequence[str] = ()
    indices: Sequence[int] = ()
    total: int | None = None
    note: str = ""


def write_report(
    labels: Sequence[LabelledEpisode], path: str | PathLike[str], options: ReportOptions | None = None
) -> Path:
    """Write a report of labels as one HTML file, and return its path; an earlier file is replaced.

    Args:
        labels: What is shown.
        path: The file.
        options: What is shown beside them.

    Raises:
        ValueError: There are no labels, or those to compare have none of their episodes.
        OSError: There is no such folder, or the file cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}")
    return write_values(report_values(labels, options), path)


def write_values(values: dict[str, Any], path: Path) -> Path:
    """Write the page that shows what `report_values` or `read_report` returned, and return its path."""
    page = report_page(values)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)  # who opens it meanwhile sees a whole one
    finally:
        part.unlink(missing_ok=True)
    return path


def report_values(labels: Sequence[LabelledEpisode], options: ReportOptions | None = None) -> dict[str, Any]:
    """Return what a page shows, as values that JSON has; see `write_report`."""
    options = options or ReportOptions()
    if not labels:
        raise ValueError("a report needs at least one episode with its credit")
    shown = drawable(labels, options.make_env)
    sides = [shown]
    notes = [options.note] if options.note else []
    if options.compare:
        others = {place: label for label in options.compare for place in _places(label)}
        second = [next((others[place] for place in _places(label) if place in others), None) for label in shown]
        if not any(second):
            raise ValueError("the two have no episode in common, so there is nothing to compare")
        missing = sum(label is None for label in second)
        notes += [f"The second critic has not judged {missing} of {len(shown)} episodes."] if missing else []
        sides.append(second)  # type: ignore[arg-type]  # None where it has not judged
    texts = SharedTexts()
    episodes = []
    for k, (label, index) in enumerate(zip_longest(shown, options.indices[: len(shown)])):
        judged = [None if side[k] is None else judgement_values(side[k], texts, options.prices) for side in sides]
        exact = {name: [[_number(x) for x in row] for row in values] for name, values in label.exact.items()}
        episodes.append(episode_values(label.episode) | {"index": index, "judged": judged, "exact": exact})
    names = list(dict.fromkeys(name for label in shown for name in label.exact))
    pairs = [
        [(judged.credit.values, first) for judged, first in zip(side, shown, strict=True) if judged] for side in sides
    ]
    scales = [
        {name: exact_scale([(values, x.exact[name]) for values, x in side if name in x.exact]) for name in names}
        for side in pairs
    ]
    critics = [_critic([label for label in side if label is not None]) for side in sides]
    alike = len(critics) > len(set(critics)) and len(options.sources) == len(critics)
    return {
        "version": VERSION,
        "title": options.title or next((label.episode.env_id for label in shown if label.episode.env_id), "Credit"),
        "critics": list(options.sources) if alike else critics,
        "sources": list(options.sources) if alike else [],
        "total": options.total or len(shown),
        "notes": notes,
        "scales": scales,
        "episodes": episodes,
        "texts": texts.texts,
    }


def _places(label: LabelledEpisode) -> tuple[object, object]:
    """Return what identifies an episode, whoever recorded it."""
    episode = label.episode
    played = episode.env_id, episode.seed, episode.agents, episode.actions.shape, episode.actions.tobytes()
    return episode.key, played if episode.seed is not None else episode.key


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _critic(labels: Sequence[LabelledEpisode]) -> str:
    """Return the name of whoever gave most of the credits."""
    names = [label.model or label.credit.source for label in labels]
    return max(dict.fromkeys(names), key=names.count)


def report_page(values: dict[str, Any]) -> str:
    """Return the page that shows what `report_values` returned."""
    folder = files(__package__) / "page"
    style = (folder / "report.css").read_text(encoding="utf-8")
    script = "\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS)
    guard = (folder / "guard.js").read_text(encoding="utf-8")
    template = Template((folder / "report.html").read_text(encoding="utf-8"))
    data = whole_characters(json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    page = template.substitute(
        title=escape(values["title"]),
        policy=escape(
            f"default-src 'none'; img-src data:; script-src {_digest(guard)} {_digest(script)}; "
            f"style-src {_digest(style)}"
        ),
        style=style,
        guard=guard,
        script=script,
        data=base64.b64encode(zlib.compress(data.encode(), 9)).decode(),
        plain=_plain(values),
    )
    return whole_characters(page)


def _digest(text: str) -> str:
    """Return the name under which the page's policy allows one script or style sheet."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _plain(values: dict[str, Any]) -> str:
    """Return the episodes as a plain list, for browsers without scripts."""
    items = []
    for number, episode in enumerate(values["episodes"], 1):
        said = episode["judged"][0]
        place = "" if episode["index"] is None else f", index {episode['index']} of the data set"
        sums = [sum(row[i] or 0 for row in said["values"]) for i in range(len(episode["agents"]))]
        totals = ", ".join(f"{agent} {total:+.3f}" for agent, total in zip(episode["agents"], sums, strict=True))
        paid = sum(reward or 0 for reward in episode["reward"])
        head = f"Episode {number}{place}: {episode['length']} steps, return {paid:+.3f}"
        reasons = [
            f"{episode['agents'][i]}, steps {start} to {stop - 1}, {amount or 0:+.3f}: {why}"
            for i, start, stop, amount, why in said["events"]
        ]
        items.append(
            f"<h2>{escape(head)}</h2><p>Credit ({escape(said['source'])}): {escape(totals)}</p>"
            f"<p>{escape(said['summary'])}</p><ul>{''.join(f'<li>{escape(reason)}</li>' for reason in reasons)}</ul>"
        )
    return "".join(items)
