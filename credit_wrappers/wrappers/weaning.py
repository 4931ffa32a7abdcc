"""How agents are weaned off their tasks while they learn, so that in the end they need no critic (LLM-TACA)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[float], float]


@dataclass(frozen=True)
class Weaning:
    """How much of the task input is hidden as the training goes on (paper: LLM-TACA).

    With probability `hidden` all of an agent's task input is zero in a step. Otherwise each number is set to zero with
    probability `dropped`; the others are not scaled up, so that they keep their meaning. Both grow with the schedule.

    Attributes:
        steps: Steps of one environment (not of all that run in parallel) after which the task input is always zero. 0:
            it is zero from the start.
        schedule: Function from the progress to the probability of hiding, both in [0, 1]. None: they are equal.
        dropout: The largest probability of dropping (paper: 0.9).

    Raises:
        ValueError: `steps` is negative, or `dropout` not in [0, 1]; from `hidden` and `dropped`: the schedule
            returned no probability.

    Examples:
        >>> weaning = Weaning(steps=1000)
        >>> [round(weaning.hidden(progress), 2) for progress in (0.0, 0.25, 1.0)]
        [0.0, 0.25, 1.0]
        >>> [round(weaning.dropped(progress), 3) for progress in (0.0, 0.25, 1.0)]
        [0.0, 0.225, 0.9]
    """

    steps: int
    schedule: Schedule | None = None
    dropout: float = 0.9

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"the weaning takes 0 or more steps, got {self.steps}")
        if not 0.0 <= self.dropout <= 1.0:
            raise ValueError(f"dropout must be in [0, 1], got {self.dropout}")

    def progress(self, taken: int) -> float:
        """Return the progress, in [0, 1], after that many steps of the environment."""
        return min(1.0, taken / self.steps) if self.steps else 1.0

    def hidden(self, progress: float) -> float:
        """Return the probability with which an agent's task input is zero in a step; 1 at the end in any case."""
        if self.schedule is None or progress >= 1.0:
            return min(1.0, progress)
        probability = float(self.schedule(progress))
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"the weaning schedule returned {probability} at progress {progress:g}; [0, 1] is needed")
        return probability

    def dropped(self, progress: float) -> float:
        """Return the probability with which a number of a task input that is not hidden is set to zero."""
        return self.dropout * self.hidden(progress)
