"""The client for a model that no API reaches: questions go into files, and the answers come from files beside them."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from credit_wrappers.core.errors import CreditError, ModelError, Unanswered
from credit_wrappers.llm.client import Completion, Request
from credit_wrappers.llm.providers.question_files import QuestionFolder

_LOG = logging.getLogger("credit_wrappers")
DEFAULT_NAME = "model-by-files"
_NAMED = 5  # files that a message names
_REMIND = 60.0  # seconds between two messages about questions that wait


class FolderClient:
    """Asks by files: a chat window, a colleague's cluster or a batch service answers.

    Each question is written to `NAME.question.md`, which can be pasted into a chat window as it is. The reply is read
    from `NAME.answer.txt`; see `question_files`. A question that was written or answered before is found again. Ledger,
    checks and the corrective question are those of every model. The tokens of an answer are estimates, unless
    `import_answers` brought them.

    Args:
        folder: Where questions and answers are; it is made with the first question.
        name: Name of the model, for the ledger's keys and for tables; questions under another name are other ones.
        wait: Seconds to wait for an answer; `math.inf`: as long as it takes. None: do not wait. `annotate` then has all
            questions written, before it raises.
        poll: Seconds between two looks at the folder.
        read_only: Write nothing: a question that the folder has no answer to is a ModelError (kind "not_recorded").

    Raises:
        NotADirectoryError: The folder is a file.
        ValueError: `name` is empty, `wait` is negative, or `poll` is not positive.

    Examples:
        >>> import tempfile
        >>> from credit_wrappers import FolderClient, LLMCritic
        >>> critic = LLMCritic(FolderClient(tempfile.mkdtemp(), name="chat"))
        >>> critic.label
        'chat'
    """

    source: Literal["model"] = "model"

    def __init__(
        self,
        folder: str | PathLike[str],
        *,
        name: str = DEFAULT_NAME,
        wait: float | None = None,
        poll: float = 1.0,
        read_only: bool = False,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"name={name!r}: give the name of the model that answers, such as 'claude-by-files'")
        if wait is not None and not wait >= 0:
            raise ValueError(f"wait={wait!r}: give seconds, math.inf, or None, which does not wait")
        if not poll > 0:
            raise ValueError(f"poll={poll!r}: give seconds, more than 0")
        self.name, self.wait, self.poll, self.read_only = name, wait, poll, read_only
        self.questions = QuestionFolder(folder)
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        # By key, the question and why a file that is there is no answer to it yet.
        self._waiting: dict[str, tuple[Request, str]] = {}
        self._told: frozenset[str] = frozenset()  # the questions in the newest message about those that wait
        self._told_at = float("-inf")

    @property
    def folder(self) -> Path:
        """Where questions and answers are."""
        return self.questions.path

    def complete(self, request: Request) -> Completion:
        """Return the answer to a question, for which a file is written.

        Raises:
            Unanswered: There is none yet; the message names the files that wait and says how to go on.
            ModelError: The folder cannot be used (kind "setup"), or is only read and has no answer.
        """
        try:
            return self._recorded(request) if self.read_only else self._awaited(request)
        except ModelError:
            raise
        except (CreditError, OSError) as error:
            raise ModelError(f"{self.name}: {error}", "setup") from error

    def _recorded(self, request: Request) -> Completion:
        key = request.key()
        found, why = self.questions.answer(key, request)
        if found is None:
            raise ModelError(
                f"{self.folder} has no answer to question {self.questions.question_file(key).name}"
                f"{f' ({why})' if why else ''}; was it asked with other settings or about other episodes?",
                "not_recorded",
            )
        return found

    def _awaited(self, request: Request) -> Completion:
        """Write the question and look for the answer, until it is there or it was waited for long enough."""
        until = time.monotonic() + (self.wait or 0)
        key = self.questions.put(request)
        try:
            while True:
                found, why = self.questions.answer(key, request)
                if found is not None:
                    self._came(key)
                    return found
                with self._lock:
                    self._waiting[key] = request, why
                if time.monotonic() >= until:
                    raise self._unanswered(key)
                self._remind()
                time.sleep(min(self.poll, max(0.0, until - time.monotonic())))
        except Unanswered:
            raise
        except BaseException:
            self._came(key)  # nobody waits any more, for instance after Ctrl-C
            raise

    def _came(self, key: str) -> None:
        with self._lock:
            self._waiting.pop(key, None)

    def _remind(self) -> None:
        """Log what waits, when that has changed, and again from time to time."""
        now = time.monotonic()
        with self._lock:
            self._refresh()
            waiting = frozenset(self._waiting)
            if now < self._told_at + (self.poll if waiting != self._told else _REMIND):
                return
            self._told, self._told_at = waiting, now
            text = self._account()
        _LOG.warning("%s: %s", self.name, text)

    def _unanswered(self, key: str) -> Unanswered:
        with self._lock:
            self._refresh(key)
            files = tuple(str(self.questions.question_file(key)) for key in self._waiting)
            return Unanswered(f"{self.name}: {self._account()}, then run the same command again", files)

    def _refresh(self, looked_at: str = "") -> None:
        """Forget the questions that have been answered, but for the one that was just looked at.

        One whose file has just appeared is forgotten, too: it is looked at when it is needed.
        """
        bare = self.questions.without_files(self._waiting)
        for key, (request, why) in list(self._waiting.items()):
            if key == looked_at:
                continue
            if why:
                with suppress(CreditError):
                    found, why = self.questions.answer(key, request)
                    self._waiting[key] = request, why
                    if found is None:
                        continue
            if key not in bare:
                del self._waiting[key]

    def _account(self) -> str:
        count = len(self._waiting)
        named = [
            self.questions.question_file(key).name + (f" ({why})" if why else "")
            for key, (_, why) in sorted(self._waiting.items(), key=lambda item: not item[1][1])[:_NAMED]
        ]
        more = f" and {count - _NAMED} more" if count > _NAMED else ""
        asked = "1 question waits for its answer" if count == 1 else f"{count} questions wait for their answers"
        return (
            f"{asked} in {self.folder}: {', '.join(named)}{more}. Paste each into a chat with the model and save the "
            "reply beside it, as NAME.answer.txt (or use python -m credit_wrappers questions export and import)"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def __repr__(self) -> str:
        return f"FolderClient({str(self.folder)!r}, name={self.name!r})"
