"""`bench`: how right critics are, on frozen suites of episodes with a known truth."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from credit_wrappers.bench.answers_file import AnswersCritic
from credit_wrappers.bench.bench_critics import CriticOptions, bench_critic, valid_critics
from credit_wrappers.bench.bench_table import bench_json, bench_table, read_rows
from credit_wrappers.bench.benchmark import BenchSettings, PreparedSuite, bench_row, told_beside
from credit_wrappers.bench.evaluation import BenchRow
from credit_wrappers.bench.paired import compared
from credit_wrappers.bench.suite import Suite, load_suite, suite_names
from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.core.narrator import telling
from credit_wrappers.critics.llm_critic import LLMCritic
from credit_wrappers.dataset import published_names
from credit_wrappers.dataset.answers_lines import write_answers
from credit_wrappers.llm.budget import Budget, Prices
from credit_wrappers.llm.client import AnswerForm
from credit_wrappers.report.report_file import ReportOptions, write_report
from credit_wrappers.report.written_report import is_report

_SHOWN = 20  # episodes in a report
ABOUT = "how right critics are, on frozen episodes with a known truth"


def add_bench(topics: Any) -> None:
    """Add the command to the subcommands of a command line."""
    command: argparse.ArgumentParser = topics.add_parser(
        "bench", help=f"measure {ABOUT}", description=f"Measure {ABOUT}. What the figures mean: docs/bench.md."
    )
    add = command.add_argument
    suites = f"of {', '.join(suite_names())}; answers:FILE (the episodes of a file of judgements); or a .json file"
    add("--suite", nargs="+", default=[], metavar="NAME", help=f"{suites}. Default: those of the answers:FILE critics")
    add("--critic", nargs="+", default=[], metavar="CRITIC",
        help=f"of {valid_critics()}. {{suite}} in a DIR is the suite's name")  # fmt: skip
    add("--name", nargs="+", default=[], metavar="NAME", help="what the table calls the first critics")
    add("--against", default="", metavar="CRITIC",
        help="also by how much the other critics are more right than this one, in the same episodes")  # fmt: skip
    add("--show", nargs="+", type=Path, metavar="FILE",
        help="measure nothing, and print the rows of files of --json, or those of --suite and --critic; with --against "
        "only by how much they are more right")  # fmt: skip
    add("--half", choices=("choose", "report", "all"), default="report",
        help="episodes for choosing settings, or those for figures that are published (report)")  # fmt: skip
    add("--limit", type=int, metavar="N", help="at most N episodes of each suite")
    add("--edition", type=int, metavar="N", help="only the episodes of a suite's first N editions (all)")
    add("--episodes-per-query", type=int, default=6, metavar="N", help="episodes that are compared in one query (6)")
    add("--form", choices=get_args(AnswerForm), default="curve", help="form of the answers (curve)")
    add("--beside", nargs="+", default=[], metavar="WHAT",
        help="what narrators tell beside to critics that read: distances, map, in Spaceworld (nothing)")  # fmt: skip
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
    add("--report", type=Path, metavar="FILE",
        help="write a report of the first critic's credit, with that of the second beside it and the truth over both; "
        "with several suites one for each, FILE-SUITE.html")  # fmt: skip
    add("--markdown", action="store_true", help="print the table in Markdown, between the markers of docs/bench.md")
    command.set_defaults(run=bench)


def bench(options: argparse.Namespace) -> Generator[str, None, int]:
    """Yield the lines of the table; errors name the word that is wrong before anything is asked.

    Returns:
        The exit code: 0, 1 where a row has no usable answer, 3 where one waits for answers.
    """
    with TemporaryDirectory() as folder:
        options.words = options.critic  # as they were written, the names of the rows
        words = list(dict.fromkeys([*options.critic, *options.suite]))  # a folder each: two sets may have one name
        files = {word: _with_file(word, Path(folder) / str(k)) for k, word in enumerate(words)}
        options.critic = [files[word] for word in options.critic]
        options.suite = [files[word] for word in options.suite]
        return (yield from _bench(options))


def _with_file(word: str, folder: Path) -> str:
    """Return the word, with a file of judgements for a data set that it names: `answers:duet-claude`."""
    kind, _, name = word.partition(":")
    if kind != "answers" or name.endswith(".jsonl") or (Path(name).is_dir() and any(Path(name).glob("*.jsonl"))):
        return word
    if not Path(name).exists() and name not in published_names():
        raise ValueError(f"{word}: there is no {name}; published data sets are {', '.join(published_names())}")
    folder.mkdir()
    path = folder / f"{Path(name).name}.jsonl"
    write_answers(name, path)
    return f"answers:{path}"


def _bench(options: argparse.Namespace) -> Generator[str, None, int]:
    if options.show:
        kept = [row for file in options.show for row in read_rows(file)]
        kept = [row for row in kept if not options.suite or row.suite in options.suite]
        kept = [row for row in kept if not options.critic or row.critic in options.critic]
        rows = [row if row.against == options.against else replace(row, gains={}) for row in kept]
        if options.against and not any(row.gains for row in rows):
            raise ValueError(
                f"--against {options.against}: none of these rows was measured beside that critic; measure with "
                f"--against {options.against}, and show that file"
            )
    else:
        rows = yield from _measured(options)
    if options.estimate:
        return 0
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    only_gains = bool(options.show and options.against)
    yield from bench_table(rows, markdown=options.markdown, width=width, only_gains=only_gains)
    return 3 if any(row.waiting for row in rows) else int(any(row.usable == 0 for row in rows))


def _measured(options: argparse.Namespace) -> Generator[str, None, list[BenchRow]]:
    """Return the rows of all suites and critics; with --estimate yield what they would cost instead."""
    for name, path in (("--json", options.json), ("--out-ledger", options.out_ledger), ("--report", options.report)):
        _check_file(name, path)
    settings, critics = _settings(options), _critics(options)
    words = options.suite or [word for word in options.critic if word.startswith("answers:")]
    if not words:
        raise ValueError(f"--suite is missing; valid: {', '.join(suite_names())}, answers:FILE, or a .json file")
    suites = [suite for word in words for suite in _suites(word)]
    for suite in suites:
        suite.choose(options.half, options.limit, options.edition)
        _check_beside(suite, settings.beside)
        place = _report_place(options.report, suite, suites)
        if place is not None and place.exists() and not is_report(place):
            raise ValueError(f"--report: {place} exists and is no report, so it is not replaced; give another file")
    rows: list[BenchRow] = []
    for suite in suites:
        print(f"suite {suite.name}: replaying {len(suite.episodes)} episodes of {suite.world} ...", file=sys.stderr)
        if options.estimate:
            yield from _estimates(suite, critics, settings)
            continue
        prepared = PreparedSuite.of(suite, options.half, options.limit, options.edition)
        mine: list[BenchRow] = []
        for name, make in critics.items():
            print(f"suite {suite.name}: {name} ...", file=sys.stderr)
            mine.append(bench_row(prepared, name, make, settings))
            if options.json is not None:  # after every row, so that nothing is lost when the next one is interrupted
                _write(options.json, rows + mine, options)
        if place := _report_place(options.report, suite, suites):
            prices = None if options.prices is None else _prices(options.prices)
            print(f"suite {suite.name}: {_report(place, prepared, mine, prices)}", file=sys.stderr)
        rows += compared(mine, options.against, options.draws) if options.against else mine
    if options.json is not None:
        _write(options.json, rows, options)
    ledger = options.out_ledger
    if ledger is not None and ledger.exists() and not options.estimate:
        hint = f"to see what was credited, and why: python -m credit_wrappers report {ledger} --env {suites[0].world}"
        print(hint, file=sys.stderr)
    return rows


def _report_place(given: Path | None, suite: Suite, suites: list[Suite]) -> Path | None:
    """Return where a suite's report is written; with several suites each has one."""
    if given is None or len(suites) == 1:
        return given
    return given.with_name(f"{given.stem}-{suite.name.replace('/', '-')}{given.suffix}")


def _settings(options: argparse.Namespace) -> BenchSettings:
    return BenchSettings(
        half=options.half,
        limit=options.limit,
        edition=options.edition,
        episodes_per_query=options.episodes_per_query,
        in_flight=options.in_flight,
        order_drift=options.order_drift,
        draws=options.draws,
        prices=None if options.prices is None else _prices(options.prices),
        progress=sys.stderr.isatty(),
        beside=tuple(options.beside),
    )


def _critics(options: argparse.Namespace) -> dict[str, Callable[[Suite], Critic]]:
    """Return the functions that make the critics, by their names in the table."""
    prices = None if options.prices is None else _prices(options.prices)
    budget = None
    if prices is not None or options.max_calls is not None or options.max_cost is not None:
        budget = Budget(max_calls=options.max_calls, max_cost=options.max_cost, prices=prices)
    chosen = CriticOptions(
        {"answer_format": options.form},
        options.out_ledger,
        budget,
        options.base_url,
        options.client,
        asks=not options.estimate,
    )
    if not options.critic:
        raise ValueError(f"--critic is missing; valid: {valid_critics()}")
    names = [*options.name, *options.words[len(options.name) :]]
    if len(options.name) > len(options.critic) or len(set(names)) < len(names):
        raise ValueError(f"--name: the critics need names of their own, at most one each, got {', '.join(names)}")
    if options.against and options.against not in names:
        raise ValueError(f"--against {options.against}: no such critic here; valid: {', '.join(names)}")
    return {name: bench_critic(word, chosen) for name, word in zip(names, options.critic, strict=True)}


def _check_file(option: str, path: Path | None) -> None:
    """Raise ValueError where a file cannot be written, before anything is asked."""
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{option}: there is no folder {path.parent}")
    if path is not None and path.is_dir():
        raise ValueError(f"{option}: {path} is a folder; give the name of a file")


def _check_beside(suite: Suite, beside: Sequence[str]) -> None:
    """Raise ValueError where the narrator of a suite's world cannot tell that beside."""
    if beside:
        try:
            telling(getattr(suite.make_env().unwrapped, "narrator", None), beside)
        except CreditError as error:
            raise ValueError(f"--beside: {error} (suite {suite.name})") from error


def _prices(given: list[float]) -> Prices:
    if not 2 <= len(given) <= 4:
        raise ValueError(f"--prices takes 2 to 4 numbers (read, written, cached, put into the cache), got {len(given)}")
    return Prices(*given)


def _suites(word: str) -> list[Suite]:
    kind, _, rest = word.partition(":")
    return AnswersCritic(rest).suites if kind == "answers" and rest else [load_suite(word)]


def _estimates(suite: Suite, critics: Any, settings: BenchSettings) -> Iterator[str]:
    """Yield what each critic that asks a model would cost."""
    episodes = told_beside(suite.replay(), settings.beside)
    parts = suite.parts(suite.choose(settings.half, settings.limit, settings.edition))
    for word, make in critics.items():
        try:
            critic = make(suite)
        except CreditError as error:  # the others are estimated all the same, as they are judged
            yield f"{suite.name}, {word}: nothing usable: {error}"
            continue
        if isinstance(critic, LLMCritic):
            for part in parts:
                whole = suite.name if len(parts) == 1 else f"{suite.name}, edition {suite.episodes[part[0]].edition}"
                estimate = critic.estimate([episodes[k] for k in part], settings.episodes_per_query)
                yield f"{whole}, {word}: {estimate}"


def _report(path: Path, prepared: PreparedSuite, rows: list[BenchRow], prices: Prices | None) -> str:
    """Write the report of a suite's first episodes, as at most two critics credited them; return where it is."""
    sides = [
        [(k, _label(prepared, k, credit, row)) for k, credit in sorted(row.credits.items())]
        for row in rows
        if row.credits
    ][:2]
    if not sides:
        return "no report, because no critic has a usable answer"
    labels = [label for _, label in sides[0][:_SHOWN]]
    shown = {k for k, _ in sides[0][:_SHOWN]}
    others = [label for side in sides[1:] for k, label in side if k in shown]
    title = f"{prepared.suite.name} · {prepared.suite.world}"
    write_report(labels, path, ReportOptions(title=title, compare=others, prices=prices))
    return f"report in {path}"


def _label(prepared: PreparedSuite, number: int, credit: Credit, row: BenchRow) -> LabelledEpisode:
    """Return one episode of the suite with a critic's credit and the truth."""
    truth = {f"{value} {kind}": values[number] for (value, kind), values in prepared.truth.credits.items()}
    return LabelledEpisode(prepared.episodes[number], credit, truth, model=row.label)


def _write(path: Path, rows: list[BenchRow], options: argparse.Namespace) -> None:
    names = ("suite", "critic", "half", "limit", "edition", "episodes_per_query", "form", "beside", "draws", "prices")
    asked = {name: getattr(options, name) for name in names}
    path.write_text(json.dumps(bench_json(rows, asked), indent=1) + "\n", encoding="utf-8")
