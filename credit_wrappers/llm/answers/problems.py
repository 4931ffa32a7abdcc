"""How refusals are worded: the first few findings in one line, fit to be quoted to the model."""

from __future__ import annotations

from credit_wrappers.core.errors import AnswerError, AnswerFailure

_SHOWN = 5
_QUOTED = 40


class Problems:
    """Collects what is wrong with an answer; keeps the first few and counts the others.

    Args:
        kind: The class of failure, unless a problem is added that is of another.
    """

    def __init__(self, kind: AnswerFailure) -> None:
        self.kind: AnswerFailure = kind
        self.count = 0
        self._shown: list[str] = []

    def add(self, problem: str, kind: AnswerFailure | None = None) -> None:
        """Note one problem; a kind given here is from now on that of all."""
        self.kind = kind or self.kind
        self.count += 1
        if self.count <= _SHOWN:
            self._shown.append(problem)

    def refuse(self) -> None:
        """Raise AnswerError if there is any problem."""
        if self.count:
            more = self.count - len(self._shown)
            raise AnswerError("; ".join(self._shown) + (f"; and {more} more" if more else ""), self.kind)


def quoted(value: object) -> str:
    """Return what the model wrote, in quotes, on one line and not longer than a message can bear."""
    text = value if isinstance(value, str) else repr(value)
    return repr(text) if len(text) <= _QUOTED else f"{text[:_QUOTED]!r}..."
