"""How refusals are worded: the first few problems in one line, which can be quoted to the model."""

from __future__ import annotations

from dataclasses import dataclass, field

from credit_wrappers.core.errors import AnswerError, AnswerFailure

_SHOWN = 5
_QUOTED = 40


@dataclass
class Problems:
    """What is wrong with an answer: the first few problems, and the number of all."""

    kind: AnswerFailure  # unless a problem of another kind is added
    count: int = 0
    _shown: list[str] = field(default_factory=list)

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
