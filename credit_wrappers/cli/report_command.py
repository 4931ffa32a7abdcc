"""`report`: one HTML file in which a person sees what a critic credited, and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from credit_wrappers.cli.report_source import page_of_run, read_source
from credit_wrappers.llm.budget import Prices
from credit_wrappers.report.replayed import drawable, replay_failures, with_exact
from credit_wrappers.report.report_file import ReportOptions, write_report, write_values
from credit_wrappers.report.written_report import is_report, read_report

ABOUT = "one HTML file in which to see what a critic credited, and why"


def add_report(topics: Any) -> None:
    """Add the command to the subcommands of a command line."""
    command: argparse.ArgumentParser = topics.add_parser(
        "report", help=f"write {ABOUT}", description=f"Write {ABOUT}. What it shows: docs/report.md."
    )
    add = command.add_argument
    add("source", metavar="SOURCE", type=Path,
        help="a ledger, the folder of a run of train.py, a data set, or a .jsonl file of judgements")  # fmt: skip
    add("--out", metavar="FILE", type=Path, default=Path("report.html"), help="the file to write (report.html)")
    add("--compare", metavar="OTHER", type=Path, help="what another critic said of the same episodes, shown beside it")
    add("--episodes", metavar="N", type=int, default=20, help="the newest N episodes (20)")
    add("--env", metavar="NAME",
        help="the environment, such as spaceworld:duet, where SOURCE does not say; then episodes with a seed are "
        "replayed")  # fmt: skip
    add("--max-cycles", metavar="N", type=int, help="its time limit, if it was not its own")
    add("--exact", action="store_true", help="compute exact credit too, where episodes can be replayed")
    add("--title", metavar="TEXT", default="", help="the heading")
    add("--prices", type=float, nargs="+", metavar="P",
        help="per million tokens: read, written, read from the cache, put into the cache")  # fmt: skip
    command.set_defaults(run=report)


def report(options: argparse.Namespace) -> Iterator[str]:
    """Write the report; yield a line that says where it is."""
    if options.episodes < 1:
        raise ValueError(f"--episodes must be at least 1, got {options.episodes}")
    if options.prices is not None and not 2 <= len(options.prices) <= 4:
        raise ValueError(f"--prices takes 2 to 4 numbers, got {len(options.prices)}")
    _check_out(options.out, [path for path in (options.source, options.compare) if path is not None])
    if (page := page_of_run(options.source)) is not None:
        yield _again(page, options)
        return
    # of another critic all episodes are read: the newest of the one need not be the newest of the other
    source = read_source(
        options.source, options.episodes if options.compare is None else sys.maxsize, options.env, options.max_cycles
    )
    others = None
    if options.compare is not None:
        others = read_source(options.compare, sys.maxsize, options.env, options.max_cycles)
    yield from (each.note for each in (source, others) if each is not None and each.note)
    compare = [] if others is None else others.labels
    places, total = list(range(len(source.labels))), source.total
    if compare:
        both = {label.episode.key for label in compare}
        places = [k for k in places if source.labels[k].episode.key in both] or places
        total = len(places)
    places = places[-options.episodes :]
    labels = [source.labels[k] for k in places]
    older = (source.total or 0) - len(source.labels)
    if options.exact:
        if source.make_env is None:
            raise ValueError("--exact replays the episodes, so it needs --env NAME")
        labels, why = with_exact(labels, source.make_env)
        if why:
            missing = sum(not label.exact for label in labels)
            of_which = f"for {missing} of {len(labels)} episodes" if missing else "in part"
            yield f"exact credit is missing {of_which}: {why}"
    if source.make_env is not None:
        labels = drawable(labels, source.make_env)
        if failed := replay_failures(labels, source.world, drawn=options.env is not None):
            yield failed
    prices = None if options.prices is None else Prices(*options.prices)
    shown = ReportOptions(
        title=options.title or source.title,
        compare=compare,
        prices=prices,
        sources=_two_names(options.source, options.compare) if compare else (),
        indices=[older + k for k in places] if source.indexed else (),
        total=total,
    )
    path = write_report(labels, options.out, shown)
    yield _wrote(path, len(labels), total, total)


def _check_out(out: Path, sources: Sequence[Path]) -> None:
    """Refuse to write into no folder, or over a source or anything else that is no report."""
    if not out.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {out.parent}")
    if out.is_dir():
        raise ValueError(f"--out {out} is a directory; give a file, such as {out / 'report.html'}")
    if not out.exists():
        return
    if any(path.exists() and path.samefile(out) for path in sources):
        raise ValueError(f"--out {out} is what the report is made of; give another file")
    if not is_report(out):
        raise ValueError(f"--out {out} exists and is no report, so it is not replaced; give another file")


def _again(page: Path, options: argparse.Namespace) -> str:
    """Write the page of a run without a ledger again, in today's form; return a line that says where it is."""
    given = {"--compare": options.compare, "--exact": options.exact, "--prices": options.prices, "--env": options.env}
    given["--max-cycles"] = options.max_cycles
    if refused := [name for name, value in given.items() if value]:
        raise ValueError(
            f"{', '.join(refused)}: {page.parent} has no ledger, because no model was asked. Its page "
            f"{page} is all that was kept, which takes --episodes and --title only"
        )
    values = read_report(page)
    episodes = values["episodes"][-options.episodes :]
    held = len(values["episodes"])
    if len(episodes) < held and options.out.exists() and options.out.samefile(page):
        raise ValueError(
            f"--episodes {options.episodes} would cut {page}, the only record of its {held} episodes; give another "
            f"--out, or --episodes {held}"
        )
    shown = values | {"title": options.title or values["title"], "episodes": episodes}
    return _wrote(write_values(shown, options.out), len(episodes), values["total"], held)


def _wrote(path: Path, count: int, total: int | None, held: int | None) -> str:
    """Return a line on what was written: `count` of `total` episodes, of which the source holds `held`."""
    shown = f"{count} episodes"
    if total is not None and total > count:
        shown = f"{count} of {total} episodes: the last"
        if held is not None and held > count:
            shown += f"; --episodes {held} for all" + (" that the page holds" if held < total else "")
    return f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB, {shown}): open it in a browser"


def _two_names(one: Path, other: Path) -> tuple[str, str]:
    """Return names of two sources: those of the files, or the paths where these are equal."""
    return (one.name, other.name) if one.name != other.name else (str(one), str(other))
