"""How refusals are worded: the first few problems in one line, which can be quoted to the model."""

from __future__ import annotations

from credit_wrappers.core.errors import AnswerError, AnswerFailure

_SHOWN = 5
_QUOTED = 40


class Problems:
    """What is wrong with an answer: the first few problems, and the number of all.

    Args:
        kind: The class of failure, unless a problem of another class is added.
    """

    def __init__(self, kind: AnswerFailure) -> None:
        self.kind: AnswerFailure = kind
        self.count = 0
        self._shown: list[str] = []

    def add(self, problem: str, kind: AnswerFailure | None = None) -> None:
        """Add one problem; a kind given here becomes the kind of the refusal."""
        self.kind = kind or self.kind
        self.count += 1
        if self.count <= _SHOWN:
            self._shown.append(problem)

    def error(self) -> AnswerError:
        """Return the refusal."""
        more = self.count - len(self._shown)
        return AnswerError("; ".join(self._shown) + (f"; and {more} more" if more else ""), self.kind)

    def refuse(self) -> None:
        """Raise AnswerError if there is any problem."""
        if self.count:
            raise self.error()


def quoted(value: object) -> str:
    """Return what the model wrote, in quotes, on one line and cut to a length for messages."""
    text = value if isinstance(value, str) else repr(value)
    return repr(text) if len(text) <= _QUOTED else f"{text[:_QUOTED]!r}..."
