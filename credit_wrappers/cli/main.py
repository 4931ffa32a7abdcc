"""The command line: `credit-wrappers`, or `python -m credit_wrappers`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import NoReturn

from credit_wrappers.cli.bench_command import add_bench
from credit_wrappers.cli.dataset_command import add_dataset
from credit_wrappers.cli.diff import diff
from credit_wrappers.cli.export import export
from credit_wrappers.cli.output import printing
from credit_wrappers.cli.questions import add_questions
from credit_wrappers.cli.report_command import add_report
from credit_wrappers.cli.show import show
from credit_wrappers.cli.stats import stats
from credit_wrappers.core.errors import CreditError
from credit_wrappers.llm.budget import Prices
from credit_wrappers.llm.ledger.ledger import Ledger
from credit_wrappers.llm.prompts.templates import Templates

LEDGER_COMMANDS = ("stats", "show", "export", "diff")


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 2 bad input, 130 interrupted, or the command's own.

    Raises:
        SystemExit: With code 2 for arguments that cannot be parsed, with code 0 after --help.
    """
    with printing():
        try:
            options = _parser().parse_args(_with_topic(sys.argv[1:] if argv is None else argv))
            return _print_all(options.run(options))
        except BrokenPipeError:
            raise
        except (CreditError, ImportError, ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    return 0  # nobody reads on


def _print_all(lines: Iterator[str]) -> int:
    """Print lines; return what their generator returned, the exit code, or 0."""
    while True:
        try:
            print(next(lines))
        except StopIteration as end:
            return end.value or 0


def _with_topic(argv: list[str]) -> list[str]:
    """Return the arguments; raise ValueError, with the command that is meant, where `ledger` was left out."""
    if argv and argv[0] in LEDGER_COMMANDS:
        raise ValueError(f"{argv[0]} is a command of ledger: credit-wrappers ledger {' '.join(argv)}")
    return argv


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line; --help shows the usage."""

    def error(self, message: str) -> NoReturn:
        """End with code 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def _parser() -> OneLineParser:
    about = "The critic's ledgers, prompts and questions, data sets, reports to look at, and a benchmark of critics."
    parser = OneLineParser(prog="credit-wrappers", description=about)
    topics = parser.add_subparsers(required=True, metavar="bench | dataset | ledger | prompts | questions | report")
    add_bench(topics)
    add_dataset(topics, OneLineParser)
    about = "Reads ledgers, the SQLite files with every question to a model and every answer; changes none."
    ledger = topics.add_parser("ledger", help="read a ledger", description=about)
    commands = ledger.add_subparsers(required=True, metavar=" | ".join(LEDGER_COMMANDS))
    file = OneLineParser(add_help=False)
    file.add_argument("file", metavar="FILE", help="the ledger, such as ledger-llm-0.sqlite")

    about = "counts, failures, tokens, cost, latency, and how much credit depends on the order of the agents"
    command = commands.add_parser("stats", parents=[file], help=about, description=f"Print {about}.")
    for name, what in (
        ("input", "read at the usual price"),
        ("output", "written by the model"),
        ("cached", "read from the provider's prompt cache"),
        ("cache-write", "read and put into that cache"),
    ):
        command.add_argument(f"--{name}-price", type=float, metavar="P", help=f"currency per million tokens {what}")
    command.set_defaults(run=_stats)

    about = "a question and its answer: each agent's credit and the reasons, with the agents' own names"
    more = f"Print {about}. Default: the newest."
    command = commands.add_parser("show", parents=[file], help=about, description=more)
    command.add_argument("entry", nargs="?", metavar="N | KEY", help="its number, from 1, or the beginning of its key")
    command.add_argument("--episode", metavar="KEY", help="the newest entry about this episode, and only this episode")
    command.add_argument("--request", action="store_true", help="print the whole question too")
    command.set_defaults(run=_show)

    about = "the dataset: episodes with a credit for each agent and step, and the reasons"
    command = commands.add_parser("export", parents=[file], help=about, description=f"Write {about}.")
    about = (
        ".jsonl: one line for each judgement, with texts and reasons; .npz: KEY/values (T, N) float32 and "
        "KEY/agents, the newest judgement of each episode. The file must not exist"
    )
    command.add_argument("--out", required=True, metavar="FILE", help=about)
    about = "leave out episodes without a usable answer (.npz always does)"
    command.add_argument("--good-only", action="store_true", help=about)
    about = "only answers of this client (.npz: needed if there are several)"
    command.add_argument("--client", metavar="NAME", help=about)
    command.set_defaults(run=_export)

    about = "what two ledgers say about the same episodes"
    command = commands.add_parser("diff", help=about, description=f"Compare {about}.")
    command.add_argument("file", metavar="A", help="a ledger")
    command.add_argument("other", metavar="B", help="another one")
    command.set_defaults(run=_diff)

    about = "the prompt templates into a folder, to edit them and pass them as templates=FOLDER"
    command = topics.add_parser("prompts", help=f"write {about}", description=f"Write {about}.")
    command.add_argument("folder", metavar="FOLDER", help="a folder without templates; it is made if needed")
    command.set_defaults(run=_prompts)

    add_questions(topics, OneLineParser)
    add_report(topics)
    return parser


def _stats(options: argparse.Namespace) -> Iterator[str]:
    given = (options.input_price, options.output_price, options.cached_price, options.cache_write_price)
    if (given[0] is None) != (given[1] is None) or (given[0] is None and given[2:] != (None, None)):
        raise ValueError("prices: --input-price and --output-price are needed, the others may be added")
    prices = None if given[0] is None else Prices(*given)
    with Ledger(options.file, read_only=True) as ledger:
        yield from stats(ledger, prices)


def _prompts(options: argparse.Namespace) -> Iterator[str]:
    Templates.copy_to(options.folder)
    yield f"{options.folder}: edit the templates, then pass templates={options.folder!r} to the critic"


def _show(options: argparse.Namespace) -> Iterator[str]:
    with Ledger(options.file, read_only=True) as ledger:
        yield from show(ledger, options.entry, episode=options.episode, request=options.request)


def _export(options: argparse.Namespace) -> Iterator[str]:
    with Ledger(options.file, read_only=True) as ledger:
        yield export(ledger, options.out, good_only=options.good_only, client=options.client)


def _diff(options: argparse.Namespace) -> Iterator[str]:
    with Ledger(options.file, read_only=True) as ledger, Ledger(options.other, read_only=True) as other:
        yield from diff(ledger, other)
