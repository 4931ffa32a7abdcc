"""What distances or a map beside the text are worth: `python -m tests.benchmarks.telling_gain pair today=DIR ...`.

Each folder holds questions about the same episodes of a suite, and the answers of one model, read by itself:

    python -m credit_wrappers bench --suite pair --half choose --critic folder:asked/distances --beside distances
    python -m tests.benchmarks.telling_gain pair today=asked/today distances=asked/distances map=asked/map

The names are what was told beside: `today` (nothing), `distances`, `map`, `distances+map`. Printed are a row for each,
and by how much the others are more right than the first in the same episodes, with intervals from the same draws.
Folders with the scripted critic's answers show that the command works: `--fill` writes them where answers are missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from credit_wrappers import FolderClient, ScriptedClient
from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic
from credit_wrappers.bench.bench_table import bench_table
from credit_wrappers.bench.benchmark import BenchSettings, PreparedSuite, bench_row
from credit_wrappers.bench.paired import compared
from credit_wrappers.bench.suite import load_suite


def gains(prepared: PreparedSuite, folders: Mapping[str, Path], size: int = 6, draws: int = 200) -> Iterator[str]:
    """Yield the lines of the tables.

    Args:
        prepared: The episodes and the truth about them.
        folders: Folders with answers, by what was told beside; the others are compared with the first.
        size: Episodes in a query, as they were asked.
        draws: Of episodes, for the intervals.
    """
    rows = []
    for name, folder in folders.items():
        told = () if name == "today" else tuple(name.split("+"))
        critic = bench_critic(f"answered:{folder}", CriticOptions({}))
        rows.append(bench_row(prepared, name, critic, BenchSettings(episodes_per_query=size, draws=draws, beside=told)))
    yield from bench_table(compared(rows, next(iter(folders)), draws))


def fill(folder: Path) -> None:
    """Answer the open questions of a folder by the scripted rules."""
    questions = FolderClient(folder).questions
    for key, request in questions.open_questions():
        questions.answer_file(key).write_text(ScriptedClient().complete(request).text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("folders", nargs="+", metavar="TOLD=DIR", help="today=DIR, distances=DIR, map=DIR")
    parser.add_argument("--half", default="choose")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--edition", type=int)
    parser.add_argument("--episodes-per-query", type=int, default=6)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--fill", action="store_true", help="first answer what is open by the scripted rules")
    options = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (word.partition("=") for word in options.folders)}
    for folder in folders.values() if options.fill else ():
        fill(folder)
    prepared = PreparedSuite.of(load_suite(options.suite), options.half, options.limit, options.edition)
    for line in gains(prepared, folders, options.episodes_per_query, options.draws):
        print(line)


if __name__ == "__main__":
    main()
