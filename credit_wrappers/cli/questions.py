"""`credit-wrappers questions`: questions go out and answers come in as batch files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from credit_wrappers.llm.client import Request
from credit_wrappers.llm.ledger.ledger import Ledger
from credit_wrappers.llm.providers.question_batches import counted, export_questions, import_answers, import_lines


def add_questions(topics: Any, parser: type[argparse.ArgumentParser]) -> None:
    """Add the topic `questions` to the command line; `parser` makes its parts."""
    about = "Questions of a FolderClient, and their answers, as batch files of OpenAI's form, which vLLM speaks too."
    topic = topics.add_parser(
        "questions", help="send questions as a batch file, and take the answers", description=about
    )
    commands = topic.add_subparsers(required=True, metavar="export | import")
    folder = parser(add_help=False)
    folder.add_argument("folder", metavar="FOLDER", help="the folder of the FolderClient")

    about = "the unanswered questions as a batch file"
    command = commands.add_parser("export", parents=[folder], help=about, description=f"Write {about}.")
    command.add_argument("--out", required=True, metavar="FILE", help="the batch file; it must not exist")
    command.add_argument("--model", required=True, metavar="NAME", help="what the server calls the model")
    about = "leave out response_format: the server cannot hold a model to a form"
    command.add_argument("--free-text", action="store_true", help=about)
    about = "write max_completion_tokens instead of max_tokens, as OpenAI's newer models need it"
    command.add_argument("--completion-tokens", action="store_true", help=about)
    about = "also the questions that this ledger has no answer to; then ask with FolderClient(FOLDER, name=...), the "
    about += "name of the client that had asked"
    command.add_argument("--ledger", metavar="FILE", help=about)
    command.set_defaults(run=_export)

    about = "the answers of a batch's output into the folder, where the next run finds them"
    command = commands.add_parser("import", parents=[folder], help=about, description=f"Write {about}.")
    command.add_argument("file", metavar="FILE", nargs="+", help="outputs of batches, .jsonl")
    command.set_defaults(run=_import)


def unanswered(ledger: Ledger) -> list[Request]:
    """Return the questions that a ledger has no answer to, each once, oldest first."""
    found = {entry.key: entry.request for entry in ledger.entries() if not entry.answered}
    return [request for key, request in found.items() if ledger.find(key) is None]


def _export(options: argparse.Namespace) -> Iterator[str]:
    requests: list[Request] = []
    if options.ledger is not None:
        with Ledger(options.ledger, read_only=True) as ledger:
            requests = unanswered(ledger)
    count = export_questions(
        options.folder,
        options.out,
        model=options.model,
        structured=not options.free_text,
        limit_name="max_completion_tokens" if options.completion_tokens else "max_tokens",
        requests=requests,
    )
    yield f"wrote {counted(count, 'question')} to {options.out}"
    yield f"when they are answered: credit-wrappers questions import {options.folder} OUTPUT.jsonl"


def _import(options: argparse.Namespace) -> Iterator[str]:
    for file in options.file:
        for line in import_lines(import_answers(options.folder, file)):
            yield f"{file}: {line}"
