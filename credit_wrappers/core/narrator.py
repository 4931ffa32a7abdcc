"""The protocol of what turns an environment's history into text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from credit_wrappers.core.errors import CreditError

DEFINITIONS = ("temporal", "structural", "under_collaboration", "over_collaboration", "agreement")
_NEEDED = ("capture", "frames", "describe", "notation", "examples", "action_name")  # without tasks(): none are named


class Narrator(Protocol):
    """Turns an environment's history into text. Must pickle.

    An environment brings its own as `env.unwrapped.narrator`. A narrator that keeps its live environment (for a cheap
    `capture`) may have a method `detached()`, which returns a copy without the environment, for episodes. A further
    method may be there, `worths() -> str`: what a step saved is in this environment, how much its faults cost, and how
    its doubtful cases are judged. The base prompt quotes it, so that a deed is worth the same in all queries. A third
    one, `scene(moment) -> dict`, gives the grid and the shapes of one moment, from which a report draws it
    (docs/report.md). `telling(*what)` returns a narrator that tells more beside, such as "distances"; see `telling`.
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
        """Return part 3 of the base prompt: a worked example of each of the five `DEFINITIONS`, by its name."""
        ...

    def action_name(self, agent: str, action: Any) -> str:
        """Return what an action of `agent` is called in the prompt: an int, or a row (A,); see `Episode.actions`."""
        ...

    def tasks(self) -> Sequence[str]:
        """Return the tasks that agents can be given; empty when the environment names none."""
        ...


def check_narrator(narrator: object, *, told: bool = True) -> None:
    """Raise an error that names what is missing, unless an object follows `Narrator`.

    Args:
        narrator: The object.
        told: Whether a critic has episodes told; else only `capture` is needed.

    Raises:
        TypeError: It is a class, or lacks methods.
        CreditError: It has no example of some definition.
    """
    if isinstance(narrator, type):
        raise TypeError(f"the narrator is the class {narrator.__name__}; give an object, {narrator.__name__}(...)")
    missing = [name for name in (_NEEDED if told else _NEEDED[:1]) if not callable(getattr(narrator, name, None))]
    if missing:
        raise TypeError(
            f"the narrator, {type(narrator).__name__}, lacks {', '.join(f'{name}()' for name in missing)}: follow "
            "credit_wrappers.Narrator, or have the environment told by its numbers, narrator=ArrayNarrator(env)"
        )
    if told:
        checked_examples(narrator)  # type: ignore[arg-type]


def telling(narrator: Narrator | None, beside: Sequence[str]) -> Narrator | None:
    """Return a narrator that tells more beside; the same one where that is nothing.

    Raises:
        CreditError: It cannot tell that.
    """
    if not beside:
        return narrator
    more = getattr(narrator, "telling", None)
    if not callable(more):
        whose = "an environment without a narrator" if narrator is None else type(narrator).__name__
        raise CreditError(f"{whose} cannot tell {', '.join(beside)} beside: it has no method telling()")
    try:
        found: Narrator = more(*beside)
    except ValueError as error:
        raise CreditError(str(error)) from error
    return found


def checked_examples(narrator: Narrator) -> Mapping[str, str]:
    """Return a narrator's examples; raise CreditError, which names those that it lacks."""
    examples = narrator.examples()
    whose = f"{type(narrator).__name__}.examples()"
    if not isinstance(examples, Mapping):
        raise CreditError(f"{whose} returns a {type(examples).__name__}; a mapping is needed, from each definition")
    missing = [name for name in DEFINITIONS if not examples.get(name)]
    if missing:
        raise CreditError(f"{whose} lacks {', '.join(missing)}")
    return examples
