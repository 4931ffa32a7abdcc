"""Questions and answers as OpenAI batch files, which OpenAI's batch API and vLLM's `run-batch` read and write."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from credit_wrappers.core.errors import CreditError
from credit_wrappers.llm.client import Completion, Request
from credit_wrappers.llm.providers.openai_compatible import chat_arguments, chat_completion
from credit_wrappers.llm.providers.question_files import QuestionFolder, add_left_over

_URL = "/v1/chat/completions"
_LONGEST = 200  # characters of a quotation


@dataclass(frozen=True)
class ImportReport:
    """What became of the lines of a file with answers.

    Attributes:
        answered: Answers that are now in the folder.
        known: Answers that were in the folder already, word for word.
        left: Each line that was not used, as (number of the line, why).
        left_file: Where these lines are kept, with the reasons; None: there are none.
        still_open: Questions of the folder that have no answer yet.
    """

    answered: int
    known: int
    left: tuple[tuple[int, str], ...] = ()
    left_file: Path | None = None
    still_open: int = 0


@dataclass
class _Import:
    """The running count."""

    answered: int = 0
    known: int = 0
    left: list[tuple[int, str, str]] = field(default_factory=list)  # number, why, the line


def export_questions(
    folder: str | PathLike[str],
    out: str | PathLike[str],
    *,
    model: str,
    structured: bool = True,
    limit_name: str = "max_tokens",
    requests: Iterable[Request] = (),
) -> int:
    """Write the unanswered questions of a folder as a batch file; return how many they are.

    One line is `{"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": {...}}`.

    Args:
        folder: The folder of a `FolderClient`.
        out: The batch file, which must not exist.
        model: Name of the model for the server that answers.
        structured: Ask the server to hold the model to the form of the answer (`response_format`).
        limit_name: What the server calls the limit of an answer: "max_tokens", or "max_completion_tokens" for OpenAI's
            newer models.
        requests: More questions, which are put into the folder first, such as those that a ledger has no answer to.

    Raises:
        CreditError: There is no such folder, or a question in it is damaged.
        FileExistsError: `out` exists.
        ValueError: There is nothing to ask: every question is answered.
    """
    questions = QuestionFolder(folder)
    for request in requests:
        questions.put(request)
    _require(questions)
    waiting = questions.open_questions()
    if not waiting:
        raise ValueError(f"every question in {folder} is answered: there is nothing to export")
    path = Path(out)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            for key, request in waiting:
                body = chat_arguments(request, model, limit_name, structured and request.schema is not None)
                line = {"custom_id": key, "method": "POST", "url": _URL, "body": body}
                file.write(json.dumps(line) + "\n")
    except FileExistsError:
        raise FileExistsError(f"{path} is there already; it was left as it is") from None
    except BaseException:
        path.unlink(missing_ok=True)  # half a batch looks like a whole one
        raise
    return len(waiting)


def import_answers(folder: str | PathLike[str], file: str | PathLike[str]) -> ImportReport:
    """Write the answers of a batch's output into a folder, where the next run finds them.

    One line is `{"custom_id": key, "response": {"status_code": 200, "body": {a chat completion}}, "error": null}`.
    Whatever can be used is used. All other lines are listed and kept in `requests/FILE.left.jsonl`: failed requests,
    lines that break off, ids that are no question of the folder, second answers. An answer in the folder is never
    replaced, and importing a file twice changes nothing.

    Args:
        folder: The folder of a `FolderClient`.
        file: The output of the batch; a file of errors, as OpenAI writes it, will do, too.

    Raises:
        CreditError: There is no such folder, or a question in it is damaged.
        OSError: The file cannot be read.
    """
    questions = QuestionFolder(folder)
    _require(questions)
    asked = dict(questions.requests())
    source, done = Path(file), _Import()
    for number, line in _lines(source):
        try:
            _take(questions, asked, line, done)
        except _LeftOver as reason:
            done.left.append((number, str(reason), line))
    kept = questions.path / "requests" / f"{source.name}.left.jsonl"
    add_left_over(kept, [{"line": number, "why": why, "text": line} for number, why, line in done.left])
    return ImportReport(
        done.answered,
        done.known,
        tuple((number, why) for number, why, _ in done.left),
        kept if done.left else None,
        sum(_is_open(questions, key, request) for key, request in asked.items()),
    )


def import_lines(report: ImportReport) -> Iterator[str]:
    """Yield what became of a file, for a person."""
    yield f"{counted(report.answered, 'answer')} imported" + (
        f", {report.known:,} known already" if report.known else ""
    )
    for why, count in Counter(why for _, why in report.left).most_common():
        lines = [str(number) for number, reason in report.left if reason == why]
        more = ", ..." if count > 5 else ""
        yield f"not used: line{'s' * (count > 1)} {', '.join(lines[:5])}{more}: {why}"
    if report.left_file is not None:
        yield f"these lines are kept in {report.left_file}"
    if report.still_open:
        yield f"{counted(report.still_open, 'question')} still open"
    else:
        yield "no question is open: run the command that asked. Where an answer does not fit, it asks once more"


def counted(count: int, what: str) -> str:
    """Return a number with its noun: "1 question", "2 questions"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class _LeftOver(Exception):
    """Why a line is not used."""


def _take(questions: QuestionFolder, asked: dict[str, Request], line: str, done: _Import) -> None:
    """Write the answer of one line into the folder; raise _LeftOver where it has none that can be used."""
    key, completion = _answer(line, asked)
    if questions.put_answer(key, completion):
        done.answered += 1
        return
    try:
        present, fault = questions.answer(key, asked[key])
    except CreditError as error:
        raise _LeftOver(str(error)) from None
    if present is not None and present.text == completion.text:
        done.known += 1
        return
    name = questions.question_file(key).name
    raise _LeftOver(f"another answer to {name} is in the folder already" + (f" ({fault})" if fault else ""))


def _answer(line: str, asked: dict[str, Request]) -> tuple[str, Completion]:
    """Return the key of the question and the answer in a line."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise _LeftOver("no complete JSON: the line is cut off or damaged") from None
    if not isinstance(value, dict) or not isinstance(key := value.get("custom_id"), str):
        raise _LeftOver("no custom_id: this is no line of a batch's output")
    if key not in asked:
        raise _LeftOver(f"custom_id {key[:16]!r} is no question of this folder")
    response = value.get("response")
    if value.get("error") or not isinstance(response, dict):
        what = value.get("error") or ("no response" if "body" not in value else "the question, not an answer")
        raise _LeftOver(f"the request failed: {_words(what)}")
    body = response.get("body")
    if response.get("status_code", 200) != 200 or not isinstance(body, dict) or body.get("error"):
        raise _LeftOver(f"the request failed with status {response.get('status_code')}: {_words(body)}")
    try:
        reply = json.loads(json.dumps(body), object_hook=lambda fields: SimpleNamespace(**fields))
        completion = chat_completion(reply, 0.0, asked[key].model)
    except AttributeError as error:
        raise _LeftOver(f"the body is no chat completion: it has no {error.name!r}") from None
    except (TypeError, ValueError) as error:
        raise _LeftOver(f"the body is no chat completion: {error}") from None
    text = completion.text.removeprefix("\ufeff")
    if not text.strip():
        raise _LeftOver(f"the answer is empty (stopped because of {completion.stop_reason})")
    return key, replace(completion, text=text)


def _words(value: Any) -> str:
    """Return what an error says, in one line."""
    for name in ("error", "message", "code"):
        if isinstance(value, dict) and value.get(name):
            return _words(value[name])
    text = " ".join((value if isinstance(value, str) else json.dumps(value)).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line.strip()


def _is_open(questions: QuestionFolder, key: str, request: Request) -> bool:
    try:
        return questions.answer(key, request)[0] is None
    except CreditError:  # several answers, of which nobody knows which is right
        return True


def _require(questions: QuestionFolder) -> None:
    if not (questions.path / "requests").is_dir():
        raise CreditError(
            f"{questions.path} is no folder of questions: FolderClient({str(questions.path)!r}) makes it when the "
            "critic asks for the first time"
        )
