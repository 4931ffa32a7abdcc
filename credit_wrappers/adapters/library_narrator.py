"""What the narrators of library environments have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from string import Template
from typing import Any, ClassVar

from credit_wrappers.narration.live_narrator import LiveNarrator

ListedAgents = Sequence[tuple[int, str]]  # index and name of each agent, in the order in which they are listed


class LibraryNarrator(LiveNarrator, ABC):
    """A narrator that tells the first state whole, then what changed from one state to the next.

    The texts of the base prompt are in a file beside this one, each below its heading `## name`.
    """

    words: ClassVar[str]  # the name of that file

    def __init__(self, facts: Any, source: Callable[[], Any] | None = None) -> None:
        super().__init__(source)
        self.facts = facts  # what holds in all episodes

    def notation(self) -> str:
        """Return how an episode is written: part 2 of the base prompt."""
        return _sections(self.words)["notation"]

    def worths(self) -> str:
        """Return what a step saved is here, and how doubtful cases are judged."""
        return _sections(self.words)["worths"]

    def examples(self) -> Mapping[str, str]:
        """Return a worked example for each of the five definitions."""
        others = ("describe", "notation", "worths")
        return {name: text for name, text in _sections(self.words).items() if name not in others}

    def frames(self, moments: Sequence[Any], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return one text for each moment: the first whole, the others what changed; "" when nothing did."""
        team = list(zip(order, names, strict=True))
        changes = (self._change(before, now, team) for before, now in pairwise(moments))
        return ["; ".join(self._whole(moments[0], team)), *map("; ".join, changes)]

    def _filled(self, facts: Mapping[str, Any], **more: Any) -> str:
        """Return the description with its placeholders `$name` replaced."""
        return Template(_sections(self.words)["describe"]).substitute(facts, **more)

    @abstractmethod
    def _whole(self, moment: Any, team: ListedAgents) -> list[str]:
        """Return one moment whole, in clauses."""

    @abstractmethod
    def _change(self, before: Any, now: Any, team: ListedAgents) -> list[str]:
        """Return what changed, in clauses; a clause about an agent begins with its name and a colon."""


@cache
def _sections(file: str) -> dict[str, str]:
    """Return the texts of a file by their headings."""
    _, *parts = files(__package__).joinpath(file).read_text(encoding="utf-8").split("## ")
    return {head: text.strip() for head, _, text in (part.partition("\n") for part in parts)}
