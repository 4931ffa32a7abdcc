"""The tasks of an environment: the words in which a critic says what an agent should do next (LLM-TACA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.narrator import Narrator


def tasks_of_narrator(narrator: Narrator) -> tuple[str, ...]:
    """Return the tasks that agents can be given; raise CreditError if there are none, or one cannot be used."""
    tasks = check_tasks(narrator.tasks() if hasattr(narrator, "tasks") else (), type(narrator).__name__)
    if not tasks:
        raise CreditError(
            f"{type(narrator).__name__} names no tasks, and the agents' actions do not all have the same names: "
            'give the tasks, LLMTaskWrapper(env, tasks=["...", ...])'
        )
    return tasks


def check_tasks(tasks: Sequence[str], whose: str) -> tuple[str, ...]:
    """Return a list of tasks as a tuple; raise CreditError, beginning with `whose`, for one that cannot be used."""
    if isinstance(tasks, str):
        raise CreditError(f"{whose}: {tasks!r} is one text; a list of them is needed, [{tasks!r}]")
    if not isinstance(tasks, Sequence):
        raise CreditError(f"{whose}: a list is needed, whose order numbers the tasks, not a {type(tasks).__name__}")
    for k, task in enumerate(tasks):
        if not isinstance(task, str) or not task.isprintable() or not task or task != task.strip(" .*`\"'"):
            raise CreditError(
                f"{whose}: {task!r} cannot be a task; one line of text is needed, without blanks, quotes or full stops "
                "at its ends"
            )
        if task in tasks[:k]:
            raise CreditError(f"{whose}: the task {task!r} is there twice")
    return tuple(tasks)


class OtherTasks:
    """A narrator with tasks of the user's choice instead of its own."""

    def __init__(self, narrator: Narrator, tasks: Sequence[str]) -> None:
        self._narrator = narrator
        self._tasks = check_tasks(tasks, "tasks=")
        self._detached: OtherTasks | None = None

    def tasks(self) -> Sequence[str]:
        """Return the tasks that were chosen."""
        return self._tasks

    def detached(self) -> OtherTasks:
        """Return the same narrator without its environment; always one object."""
        if self._detached is None:
            inner = self._narrator
            self._detached = OtherTasks(inner.detached() if hasattr(inner, "detached") else inner, self._tasks)
        return self._detached

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copying and unpickling ask before `_narrator` is set
            raise AttributeError(name)
        return getattr(self._narrator, name)
