"""What a critic returns for one episode: a number for every agent and step, and the reasons for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from operator import add
from typing import Literal

import numpy as np

Source = Literal["model", "cache", "scripted", "exact", "fallback", "baseline", "student", "team"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What critic calls cost. Usages can be added; a credit read from the ledger costs nothing.

    Attributes:
        calls: Requests sent to the model.
        input_tokens: Tokens read at the usual price: not from the provider's prompt cache, not put into it.
        output_tokens: Tokens written by the model.
        cached_tokens: Tokens read from the provider's prompt cache (cheaper).
        seconds: Time spent waiting for the answers.
        cache_write_tokens: Tokens read and put into the provider's prompt cache (dearer).
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    cache_write_tokens: int = 0

    @property
    def tokens(self) -> int:
        """All tokens, read and written."""
        return self.input_tokens + self.output_tokens + self.cached_tokens + self.cache_write_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class CreditEvent:
    """One thing an agent did and what it is worth: the unit of explanation.

    Attributes:
        agent: The agent's own name in the environment.
        start: First step it covers.
        stop: One past the last step it covers.
        amount: Credit for the whole span, spread evenly over its steps; negative for blame.
        why: The critic's reason.
    """

    agent: str
    start: int
    stop: int
    amount: float
    why: str


@dataclass(frozen=True, slots=True)
class TaskSpan:
    """The task that an agent should have had during some steps of an episode, judged with hindsight.

    Attributes:
        agent: The agent's own name in the environment.
        start: First step it covers.
        stop: One past the last step it covers.
        task: In the words of the environment's vocabulary.
        why: The critic's reason; "" where none was asked for.
    """

    agent: str
    start: int
    stop: int
    task: str
    why: str = ""


@dataclass(frozen=True, eq=False)
class Credit:
    """The critic's judgement of one episode.

    Attributes:
        values: (T, N) float32; `values[t, i]` is what agent i learns from at step t, instead of the team reward.
        events: The reasons. For model critics `values` is the sum of the events, plus what conservation and
            blending added (see `CriticSettings`); empty for baselines.
        tasks: Which task each agent should have had when: spans that cover all steps of every agent; None when the
            critic names no tasks. `tasks_by_step` gives them as an array.
        summary: The critic's account of the episode.
        source: Where the numbers come from; `fallback` when the critic's answer was unusable.
        usage: What the query cost; all of it is on the query's first episode, so that sums are right.
    """

    values: np.ndarray
    events: tuple[CreditEvent, ...] = ()
    tasks: tuple[TaskSpan, ...] | None = None
    summary: str = ""
    source: Source = "baseline"
    usage: Usage = field(default_factory=Usage)

    def tasks_by_step(self, agents: Sequence[str]) -> np.ndarray:
        """Return (T, N) texts, `[t, i]` the task that agent i should have had at step t; "" where none is named.

        Args:
            agents: The agents in the order of the columns, `episode.agents`.
        """
        table = np.full((len(self.values), len(agents)), "", dtype=object)
        for span in self.tasks or ():
            table[span.start : span.stop, list(agents).index(span.agent)] = span.task
        return table
