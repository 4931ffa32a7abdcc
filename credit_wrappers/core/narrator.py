"""The protocol of what turns an environment's history into text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Narrator(Protocol):
    """Turns an environment's history into text. Must pickle.

    An environment brings its own as `env.unwrapped.narrator`. A narrator that keeps its live environment (for a cheap
    `capture`) may have a method `detached()`, which returns a copy without the environment, for episodes.
    """

    def capture(self, observations: Mapping[str, Any]) -> object:
        """Return what must be kept of the present state. Called at every step, so it must be cheap."""
        ...

    def frames(self, moments: Sequence[object], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return one short text for each moment: the first state whole, then only what changed.

        A later text may be "" when nothing changed. A clause of the form `name: text`, between "; " and without a
        second ": ", is appended to that agent's action, so its name is not repeated: `agent_A west (2,3)`.

        Args:
            moments: T+1 values that `capture` returned.
            order: Agent indices, in the order in which to list the agents.
            names: The names to use; `names[k]` is that of agent `order[k]`.
        """
        ...

    def describe(self) -> str:
        """Return part 1 of the base prompt: world, rules, goal, what each action does, the team."""
        ...

    def notation(self) -> str:
        """Return part 2 of the base prompt: how frames, actions and rewards are written down."""
        ...

    def examples(self) -> Mapping[str, str]:
        """Return part 3 of the base prompt: worked examples by `temporal`, `structural`, `under_collaboration`, ...."""
        ...

    def action_name(self, agent: str, action: Any) -> str:
        """Return what an action of `agent` is called in the prompt: an int, or a row (A,); see `Episode.actions`."""
        ...

    def tasks(self) -> Sequence[str]:
        """Return the tasks that agents can be given; empty when the environment names none."""
        ...
