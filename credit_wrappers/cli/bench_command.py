"""`bench`: how right critics are, on frozen suites of episodes with a known truth."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from credit_wrappers.bench.answers_file import AnswersCritic
from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic, valid_critics
from credit_wrappers.bench.bench_table import bench_json, bench_table
from credit_wrappers.bench.benchmark import BenchSettings, PreparedSuite, bench_row
from credit_wrappers.bench.evaluation import BenchRow
from credit_wrappers.bench.suite import Suite, load_suite, suite_names
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.llm.budget import Budget, Prices
from credit_wrappers.llm.client import AnswerForm

ABOUT = "how right critics are, on frozen episodes with a known truth"


def add_bench(topics: Any) -> None:
    """Add the command to the subcommands of a command line."""
    command: argparse.ArgumentParser = topics.add_parser(
        "bench", help=f"measure {ABOUT}", description=f"Measure {ABOUT}. What the figures mean: docs/bench.md."
    )
    add = command.add_argument
    suites = f"of {', '.join(suite_names())}; answers:FILE (the episodes of a file of judgements); or a .json file"
    add("--suite", nargs="+", default=[], metavar="NAME", help=f"{suites}. Default: those of the answers:FILE critics")
    add("--critic", nargs="+", required=True, metavar="CRITIC", help=f"of {valid_critics()}")
    add("--half", choices=("choose", "report", "all"), default="report",
        help="episodes for choosing settings, or those for figures that are published (report)")  # fmt: skip
    add("--limit", type=int, metavar="N", help="at most N episodes of each suite")
    add("--episodes-per-query", type=int, default=6, metavar="N", help="episodes that are compared in one query (6)")
    add("--form", choices=get_args(AnswerForm), default="events", help="form of the answers (events)")
    add("--order-drift", type=int, default=0, metavar="N",
        help="ask models about N episodes once more, with the agents in another order (0; scripted: 8)")  # fmt: skip
    add("--in-flight", type=int, default=8, metavar="N", help="queries of a model under way at a time (8)")
    add("--draws", type=int, default=200, metavar="N", help="of episodes, for 95 %% intervals; 0: none (200)")
    add("--base-url", metavar="URL", help="address of a model server of your own")
    add("--prices", type=float, nargs="+", metavar="P",
        help="per million tokens: read, written, read from the cache, put into the cache")  # fmt: skip
    add("--max-cost", type=float, metavar="M", help="stop before this is exceeded; needs --prices")
    add("--max-calls", type=int, metavar="N", help="stop after N calls")
    add("--out-ledger", type=Path, metavar="FILE",
        help="records every answer; the same command again goes on from there, and ledger:FILE replays it")  # fmt: skip
    add("--client", metavar="NAME", help="whose answers ledger:FILE replays, where several clients answered")
    add("--estimate", action="store_true", help="print what models would cost, and ask nothing")
    add("--json", type=Path, metavar="FILE", help="write all figures with their intervals")
    add("--markdown", action="store_true", help="print the table in Markdown, between the markers of docs/bench.md")
    command.set_defaults(run=bench)


def bench(options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the table; errors name the word that is wrong before anything is asked."""
    for name, path in (("--json", options.json), ("--out-ledger", options.out_ledger)):
        _check_file(name, path)
    prices = None if options.prices is None else _prices(options.prices)
    budget = None
    if prices is not None or options.max_calls is not None or options.max_cost is not None:
        budget = Budget(max_calls=options.max_calls, max_cost=options.max_cost, prices=prices)
    settings = BenchSettings(
        half=options.half,
        limit=options.limit,
        episodes_per_query=options.episodes_per_query,
        in_flight=options.in_flight,
        order_drift=options.order_drift,
        draws=options.draws,
        prices=prices,
        progress=sys.stderr.isatty(),
    )
    chosen = CriticOptions(
        {"answer_format": options.form}, options.out_ledger, budget, options.base_url, options.client
    )
    critics = {word: bench_critic(word, chosen) for word in options.critic}
    words = options.suite or [word for word in options.critic if word.startswith("answers:")]
    if not words:
        raise ValueError(f"--suite is missing; valid: {', '.join(suite_names())}, answers:FILE, or a .json file")
    suites = [suite for word in words for suite in _suites(word)]
    for suite in suites:
        suite.choose(options.half, options.limit)
    rows: list[BenchRow] = []
    for suite in suites:
        print(f"suite {suite.name}: replaying {len(suite.episodes)} episodes of {suite.world} ...", file=sys.stderr)
        if options.estimate:
            yield from _estimates(suite, critics, settings)
            continue
        prepared = PreparedSuite.of(suite)
        for word, make in critics.items():
            print(f"suite {suite.name}: {word} ...", file=sys.stderr)
            rows.append(bench_row(prepared, word, make, settings))
            if options.json is not None:  # after every row, so that nothing is lost when the next one is interrupted
                _write(options.json, rows, options)
    if not options.estimate:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        yield from bench_table(rows, markdown=options.markdown, width=width)


def _check_file(option: str, path: Path | None) -> None:
    """Raise ValueError where a file cannot be written, before anything is asked."""
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{option}: there is no folder {path.parent}")
    if path is not None and path.is_dir():
        raise ValueError(f"{option}: {path} is a folder; give the name of a file")


def _prices(given: list[float]) -> Prices:
    if not 2 <= len(given) <= 4:
        raise ValueError(f"--prices takes 2 to 4 numbers (read, written, cached, put into the cache), got {len(given)}")
    return Prices(*given)


def _suites(word: str) -> list[Suite]:
    kind, _, rest = word.partition(":")
    return AnswersCritic(rest).suites if kind == "answers" and rest else [load_suite(word)]


def _estimates(suite: Suite, critics: Any, settings: BenchSettings) -> Iterator[str]:
    """Yield what each critic that asks a model would cost."""
    episodes = suite.replay()
    chosen = [episodes[k] for k in suite.choose(settings.half, settings.limit)]
    for word, make in critics.items():
        if isinstance(critic := make(suite), LLMCritic):
            yield f"{suite.name}, {word}: {critic.estimate(chosen, settings.episodes_per_query)}"


def _write(path: Path, rows: list[BenchRow], options: argparse.Namespace) -> None:
    names = ("half", "limit", "episodes_per_query", "form", "prices")
    asked = {name: getattr(options, name) for name in names}
    path.write_text(json.dumps(bench_json(rows, asked), indent=1) + "\n", encoding="utf-8")
