"""A folder with questions to a model and the answers to them: what its files are called and what counts as an answer.

| File | What it is |
|---|---|
| `README.txt` | for a person: how to answer |
| `NAME.question.md` | the whole question as one text, to be pasted into a chat window |
| `NAME.answer.txt` (or `.md`, `.json`) | the reply as it came, written by a person or by `import_answers` |
| `requests/NAME.json` | the question for programs: the fields of a `Request` |
| `requests/NAME.reply.json` | of an imported answer: the model, its tokens, why it stopped |

NAME is the beginning of the request's key, so a question always has the same files.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.errors import CreditError
from credit_wrappers.llm.client import Completion, Request
from credit_wrappers.llm.tokens import estimate_tokens

_NAME = 16  # characters of the key, 64 bits
_ENDINGS = (".txt", ".md", ".json")
_FRESH = 2.0  # seconds; a file that was changed since then may still be being written
_LOOK = 0.1  # seconds between two looks at such a file
_OBJECT = re.compile(r'\{\s*["}]')
_README = """\
Each NAME.question.md in this folder is a question to a language model.

1. Paste the whole file into a new chat with the model.
2. Save the whole reply beside it, as NAME.answer.txt. A code fence and words around the JSON do no harm.
3. When all are answered, run the command again that wrote them.

For many questions at once: python -m credit_wrappers questions --help
"""


class QuestionFolder:
    """The questions and answers of one folder, which is made when the first question is written.

    Args:
        path: The folder.

    Raises:
        NotADirectoryError: It is a file.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} is a file; the questions need a folder")

    def question_file(self, key: str) -> Path:
        """Return the file to paste."""
        return self.path / f"{key[:_NAME]}.question.md"

    def answer_file(self, key: str) -> Path:
        """Return the file to save the reply in."""
        return self.path / f"{key[:_NAME]}.answer.txt"

    def put(self, request: Request) -> str:
        """Write a question, unless it is there already; return its key."""
        key = request.key()
        kept, question = self._request_file(key), self.question_file(key)
        if not (kept.exists() and question.exists()):
            kept.parent.mkdir(parents=True, exist_ok=True)
            _write(self.path / "README.txt", _README, keep=True)
            _write(kept, json.dumps(asdict(request), indent=1), keep=True)
            _write(question, as_one_text(request), keep=True)
        return key

    def requests(self) -> Iterator[tuple[str, Request]]:
        """Yield all questions, oldest first, by key.

        Raises:
            CreditError: A file of `requests/` is damaged.
        """
        files = [file for file in (self.path / "requests").glob("*.json") if not file.name.endswith(".reply.json")]
        for file in sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name)):
            try:
                request = Request(**json.loads(file.read_text(encoding="utf-8")))
                key = request.key()
            except (ValueError, TypeError, AttributeError) as error:
                raise CreditError(f"{file} is no question ({error}); {_AGAIN}") from None
            if file != self._request_file(key):
                raise CreditError(f"{file} was changed: it is not the question that its name stands for; {_AGAIN}")
            yield key, request

    def open_questions(self) -> list[tuple[str, Request]]:
        """Return the questions without an answer, oldest first, by key."""
        return [(key, request) for key, request in self.requests() if self.answer(key, request)[0] is None]

    def answer(self, key: str, request: Request) -> tuple[Completion | None, str]:
        """Return the answer to a question; if there is none, None, and what is wrong with its file ("": no file).

        An empty file is none yet, and neither is one that is still being written, or whose JSON is not at its end.

        Raises:
            CreditError: There are several files with different answers.
        """
        found: dict[Path, str] = {}
        why = ""
        for file in self._answer_files(key):
            text, fault = _read(file)
            if text is None:
                why = why or fault
            else:
                found[file] = text
        if len(set(found.values())) > 1:
            names = " and ".join(file.name for file in found)
            raise CreditError(f"{self.path}: {names} answer the same question differently; delete those that are wrong")
        for file, text in found.items():
            reply = self._reply(key, text)
            if reply is not None:
                return reply, ""
            if request.schema is not None and breaks_off(text):
                return None, f"{file.name} ends in the middle of its JSON"
            read = estimate_tokens(request.system) + estimate_tokens(request.prompt)
            usage = Usage(calls=1, input_tokens=read, output_tokens=estimate_tokens(text))
            return Completion(text, usage, request.model), ""
        return None, why

    def without_files(self, keys: Iterable[str]) -> set[str]:
        """Return the questions beside which there is no answer file, not even one that is no answer yet."""
        names = set(os.listdir(self.path)) if self.path.exists() else set()
        return {key for key in keys if not any(file.name in names for file in self._named(key))}

    def put_answer(self, key: str, completion: Completion) -> bool:
        """Write an answer that a program brought; return False, and change nothing, if there is one already."""
        files = self._answer_files(key)
        if any(_content(file) for file in files):
            return False
        reply = {
            "sha256": _digest(completion.text),
            "model": completion.model,
            "stop_reason": completion.stop_reason,
            "usage": asdict(completion.usage),
        }
        _write(self._reply_file(key), json.dumps(reply, indent=1))
        for file in files:  # empty ones
            file.unlink()
        return _write(self.answer_file(key), completion.text, keep=True)

    def _answer_files(self, key: str) -> list[Path]:
        return [file for file in self._named(key) if file.exists()]

    def _named(self, key: str) -> list[Path]:
        return [self.answer_file(key).with_suffix(ending) for ending in _ENDINGS]

    def _request_file(self, key: str) -> Path:
        return self.path / "requests" / f"{key[:_NAME]}.json"

    def _reply_file(self, key: str) -> Path:
        return self.path / "requests" / f"{key[:_NAME]}.reply.json"

    def _reply(self, key: str, text: str) -> Completion | None:
        """Return an imported answer with what came with it; None if it was not imported, or was changed since."""
        try:
            reply = json.loads(self._reply_file(key).read_text(encoding="utf-8"))
            if reply["sha256"] == _digest(text):
                return Completion(text, Usage(**reply["usage"]), reply["model"], reply["stop_reason"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None


_AGAIN = "delete it, and run the command again that asked"


def as_one_text(request: Request) -> str:
    """Return a question as one text, for a chat window: base prompt, episodes, and what to answer with."""
    only = "the JSON" if request.schema is not None else "the answer"
    last = f"Answer now, in the form that is described above. Write {only} and nothing else."
    return f"{request.system.strip()}\n\n{request.prompt.strip()}\n\n{last}\n"


def breaks_off(text: str) -> bool:
    """Return whether the first JSON object in a text is not complete."""
    began = _OBJECT.search(text)
    if began is None:
        return False
    depth, inside, escaped = 0, False, False
    for character in text[began.start() :]:
        if inside:
            inside = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
            if depth <= 0:
                return False
    return True


def _read(file: Path) -> tuple[str | None, str]:
    """Return an answer file's text, or None and why there is none yet."""
    try:
        changed = file.stat().st_mtime
        data = file.read_bytes()
        if data.strip() and abs(time.time() - changed) < _FRESH:
            time.sleep(_LOOK)
            if file.read_bytes() != data:
                return None, f"{file.name} is being written"
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None, f"{file.name} is no UTF-8 text"
    except FileNotFoundError:
        return None, ""
    return (text, "") if text.strip() else (None, f"{file.name} is empty")


def _content(file: Path) -> bytes:
    with suppress(FileNotFoundError):
        return file.read_bytes().strip()
    return b""


def _write(file: Path, text: str, *, keep: bool = False) -> bool:
    """Write a file whole or not at all; `keep`: leave one that is there as it is, and return False."""
    if keep and file.exists():
        return False
    new = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        new.write_text(text, encoding="utf-8", newline="\n")
        if not keep:
            os.replace(new, file)
            return True
        try:
            os.link(new, file)  # fails where the file is there by now
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            os.replace(new, file)
        return True
    finally:
        new.unlink(missing_ok=True)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def add_left_over(file: Path, lines: list[dict[str, Any]]) -> None:
    """Write what could not be used, one line of JSON each, in place of what an earlier call wrote; nothing: no file."""
    if lines:
        _write(file, "".join(json.dumps(line) + "\n" for line in lines))
    else:
        file.unlink(missing_ok=True)
