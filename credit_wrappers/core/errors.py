"""The exceptions of this package: one family, so that a caller can catch them all at once."""

from __future__ import annotations

from typing import Literal, get_args

ModelFailure = Literal[
    "rate_limit",  # 429: too many requests
    "overloaded",  # 529: the provider is overloaded
    "server_error",  # 500, 502, 503, ...
    "connection",  # refused, reset, no route
    "timeout",  # no complete answer in time
    "bad_reply",  # not an answer in the protocol: HTML, half a JSON
    "outage",  # not asked: the critic pauses because its last queries failed
    "refusal",  # the model declined
    "too_large",  # 413, or longer than the model's context
    "auth",  # 401: wrong key
    "permission",  # 403
    "not_found",  # 404: unknown model, wrong address
    "bad_request",  # any other 4xx
    "truncated",  # the server read a part of the question only
    "not_recorded",  # a replay, or a folder of answers, has none to this question
    "setup",  # the client cannot even ask
]
AnswerFailure = Literal[
    "empty",  # no text at all
    "cut_off",  # ended by max_tokens before it was complete
    "no_answer",  # nothing in the text has the form that was asked for
    "schema",  # it has the form, but fields are missing or of a wrong type
    "placeholder",  # it repeats the placeholders of the form
    "content",  # it has the form, but what it says does not fit the episodes
]

_TRANSIENT = frozenset(("rate_limit", "overloaded", "server_error", "connection", "timeout", "bad_reply", "outage"))
_ONE_QUERY = frozenset(("refusal", "too_large"))


class CreditError(Exception):
    """The base class of all errors of this package."""


class ModelError(CreditError):
    """The model could not be asked, or refused to answer.

    The critic answers with its fallback when an error concerns one query, or is transient but outlives the client's
    retries. A fatal error (wrong key, unknown model, questions cut to a short context) stops the run, because every
    later call would fail the same way.

    Args:
        message: What happened; never contains a key.
        kind: The class of failure, which the ledger keeps.
    """

    def __init__(self, message: str, kind: ModelFailure) -> None:
        _check_kind("ModelError", kind, get_args(ModelFailure))
        super().__init__(message)
        self.kind: ModelFailure = kind

    @property
    def transient(self) -> bool:
        """Whether asking again later may succeed."""
        return self.kind in _TRANSIENT

    @property
    def fatal(self) -> bool:
        """Whether every later call would fail the same way."""
        return not self.transient and self.kind not in _ONE_QUERY

    def __reduce__(self) -> tuple[type[ModelError], tuple[str, ModelFailure]]:
        return type(self), (str(self), self.kind)


class Unanswered(ModelError):
    """Questions were written for somebody to answer, and have no answer yet.

    The kind is "not_recorded": nothing failed, so the ledger keeps nothing of it.

    Args:
        message: Which questions wait, and how to go on.
        files: The files of all the questions that wait.
    """

    def __init__(self, message: str, files: tuple[str, ...] = ()) -> None:
        super().__init__(message, "not_recorded")
        self.files = files

    def __reduce__(self) -> tuple[type[Unanswered], tuple[str, tuple[str, ...]]]:  # type: ignore[override]
        return type(self), (str(self), self.files)


class AnswerError(CreditError):
    """The model answered, but not with credits that fit the episodes.

    Args:
        message: What is wrong and where; can be quoted to the model.
        kind: The class of failure, which the ledger keeps.
    """

    def __init__(self, message: str, kind: AnswerFailure = "content") -> None:
        _check_kind("AnswerError", kind, get_args(AnswerFailure))
        super().__init__(message)
        self.kind: AnswerFailure = kind


class BudgetExceeded(CreditError):
    """The next call would go over the limit the user set."""

    kind = "budget"


class LedgerError(CreditError):
    """The ledger file cannot be used: not a ledger, damaged, or not writable."""


class DatasetError(CreditError):
    """A data set or recording cannot be used: damaged, incomplete, of another version, or unlike its episodes."""


def _check_kind(error: str, kind: str, valid: tuple[str, ...]) -> None:
    if kind not in valid:
        raise ValueError(f"unknown kind of {error} {kind!r}; valid: {', '.join(valid)}")
