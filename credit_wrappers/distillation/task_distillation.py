"""Task students while a team trains: a critic says of some episodes which tasks would have been best."""

from __future__ import annotations

import logging
import math
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import fields, replace
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.keywords import check_keywords, keywords_of
from credit_wrappers.core.process_registry import reference, share, shared
from credit_wrappers.student.task_fitting import fit_task_student
from credit_wrappers.student.task_student import TaskStudent, TaskStudentSettings

_LOG = logging.getLogger("credit_wrappers")
_FIRST = 16  # labels of the first fit
_DENSE = 5  # one part in so many of the labels is of the very first episodes
_GROWTH = 1.5  # labels at a fit, divided by those at the one before, at least
_STATE = ("newest", "labels", "fit_seconds", "_learned", "_next", "_wanted")


class TaskDistillation:
    """Fits better and better task students to the tasks that a critic names while teams train.

    A label is an episode whose credit names tasks. `wants` says which episodes these are: the first fifth of the labels
    (at least those of the first fit) comes from the very first episodes, the others at growing distances from later
    ones, so that the student also learns what the team does when it can do more. Students are fitted when the first
    labels are there, whenever there are half as many again, and when the last one has come; each fit continues from the
    last student's weights. The newest student assigns all tasks.

    Environments share it, as they share a `CreditStore`. Its copies and pickles are the same one, in the process that
    made it.

    Args:
        labels: Most episodes that it learns from.
        settings: Size and fitting of the students.
        first: Labels of the first fit; default 16, or all where they are fewer.
        roles: See `fit_task_student`.
        changes: Single settings of the students by name: `hidden=32`, ...

    Attributes:
        newest: The newest student and its version, from 1; None and 0 before the first fit.
        labels: Those that came, in order.

    Raises:
        TypeError: A setting is unknown.
        ValueError: A number is not possible.

    Examples:
        >>> from credit_wrappers import TaskDistillation
        >>> students = TaskDistillation(labels=500)
        >>> students.newest, students.left
        ((None, 0), 500)
    """

    learns = True

    def __init__(
        self,
        labels: int = 300,
        settings: TaskStudentSettings | None = None,
        *,
        first: int | None = None,
        roles: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> None:
        known = [*keywords_of(TaskDistillation.__init__), *(field.name for field in fields(TaskStudentSettings))]
        check_keywords("TaskDistillation", changes, known)
        if not isinstance(labels, int | np.integer) or labels < 2:
            raise ValueError(
                f"labels must be a whole number from 2, one to learn from and one to measure on, got {labels!r}"
            )
        if first is not None and not 2 <= first <= labels:
            raise ValueError(f"first must be from 2 to labels={labels}, got {first}")
        self.settings = replace(settings or TaskStudentSettings(), **changes)
        self.most, self.roles = int(labels), roles
        self.newest: tuple[TaskStudent | None, int] = (None, 0)
        self.labels: list[tuple[Episode, Credit]] = []
        self.fit_seconds = 0.0
        self._next = first or min(_FIRST, self.most)  # labels at which a fit is due
        self._dense = max(self._next, self.most // _DENSE)  # so many episodes are labelled as they come
        self._learned = 0  # labels of the last fit
        self._begun = 0  # episodes of earlier sessions
        self._last = -1  # number of the latest episode that came
        self._wanted: set[int] = set()  # numbers of the labels
        self._team: tuple[Any, ...] | None = None
        self._warned = False
        self._lock = threading.RLock()
        self._number = share(self)

    def join(self, agents: Sequence[str], sizes: Sequence[int], tasks: Sequence[str], env_id: str) -> None:
        """Set the team and the tasks, the same for every environment.

        Raises:
            CreditError: The student that was restored is fitted for others.
            ValueError: An earlier environment had others.
        """
        team = tuple(agents), tuple(sizes), tuple(tasks)
        if self._team not in (None, team):
            raise ValueError(
                "environments of one task distillation must have the same agents, observations and tasks; got "
                f"{team} after {self._team}"
            )
        if (student := self.newest[0]) is not None:
            student.check_env(*team, env_id)
        self._team = team

    @property
    def left(self) -> int:
        """How many labels are still to come."""
        return self.most - len(self.labels)

    def wants(self, episode: Episode) -> bool:
        """Return whether an episode is to be a label, so that a critic is asked for its tasks.

        Its number decides, whenever it is asked about: so a repeated run asks the same.
        """
        number = self._begun + episode.id
        with self._lock:
            if len(self._wanted) < self.most and self._label(number) < self._label(number + 1):
                self._wanted.add(number)
            return number in self._wanted

    def learn(self, episode: Episode, credit: Credit) -> None:
        """Take an episode that was scored; it is a label if it is wanted, and if the credit names tasks.

        Nothing is fitted here, because stores call it while they are locked; see `refresh`.
        """
        with self._lock:
            self._last = max(self._last, episode.id)
            if not self.wants(episode) or credit.source == "fallback":
                return
            if credit.tasks:
                self.labels.append((episode.without_narration(), credit))
            elif not self._warned:
                self._warned = True
                warnings.warn(
                    f"the critic's credit (source {credit.source!r}) carries no tasks: the task input stays zero. "
                    "A critic that names some: LLMCritic(client, tasks=True)",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def refresh(self) -> None:
        """Fit the next student if it is due.

        Raises:
            CreditError, TypeError: The labels do not fit each other; see `fit_task_student`.
        """
        with self._lock:
            many = len(self.labels)
            if self._team is None or many < self._next or many == self._learned:
                return
            began = time.perf_counter()
            start, version = self.newest
            self._learned = many
            self._next = min(max(many + 1, math.ceil(_GROWTH * many)), max(self.most, many + 1))
            student = fit_task_student(list(self.labels), self._team[2], self.settings, roles=self.roles, start=start)
            self.newest = student, version + 1
            self.fit_seconds += time.perf_counter() - began
            found = student.agreement
            _LOG.info(
                "task student %d: %d labels; of held-out tasks %.2f are the critic's (%.2f by its usual task)",
                version + 1, many, found.right, found.usual,
            )  # fmt: skip

    def assign(self, observations: np.ndarray, there: np.ndarray) -> np.ndarray | None:
        """Return the number of each agent's task, (E, N); None before the first student. See `TaskStudent.assign`."""
        student = self.newest[0]
        return None if student is None else student.assign(observations, there)

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers to log: `tasks/version`, `labels`, `fit_seconds`, and on held-out episodes `right` and `usual`."""
        student, version = self.newest
        numbers = {"version": version, "labels": len(self.labels), "fit_seconds": self.fit_seconds}
        if student is not None:
            numbers |= {"right": student.agreement.right, "usual": student.agreement.usual}
        return {f"tasks/{name}": value for name, value in numbers.items()}

    def state(self) -> dict[str, Any]:
        """Return what is known so far, for a checkpoint."""
        with self._lock:
            return {name: copy(getattr(self, name)) for name in _STATE} | {"begun": self._begun + self._last + 1}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned, before the first episode; raise CreditError if it has another team."""
        with self._lock:
            student = state["newest"][0]
            if student is not None and self._team is not None:
                student.check_env(*self._team, student.env_id)
            for name in _STATE:
                setattr(self, name, copy(state[name]))
            self._begun, self._last = state["begun"], -1

    def _label(self, number: int) -> int:
        """Return how many of the first so many episodes are labels."""
        dense = self._dense
        return number if number <= dense else math.floor(dense * (1.0 + math.log(number / dense)))

    def __reduce__(self) -> tuple[Callable[[int, int], TaskDistillation], tuple[int, int]]:
        return _distillation_of, reference(self._number)

    def __repr__(self) -> str:
        return f"TaskDistillation({len(self.labels)} of {self.most} labels, student {self.newest[1]})"


class FixedTaskStudent:
    """A task student that was fitted before, in the place of a `TaskDistillation`."""

    learns = False

    def __init__(self, student: TaskStudent) -> None:
        self.student = student

    @property
    def metrics(self) -> dict[str, float]:
        """Nothing: the student does not change."""
        return {}

    def join(self, agents: Sequence[str], sizes: Sequence[int], tasks: Sequence[str], env_id: str) -> None:
        """Raise CreditError, naming both, unless the student fits an environment."""
        self.student.check_env(agents, sizes, tasks, env_id)

    def learn(self, episode: Episode, credit: Credit) -> None:
        """Do nothing."""

    def refresh(self) -> None:
        """Do nothing."""

    def assign(self, observations: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Return the number of each agent's task, (E, N); see `TaskStudent.assign`."""
        return self.student.assign(observations, there)


def _distillation_of(process: int, number: int) -> TaskDistillation:
    distillation = shared(process, number)
    if distillation is None:
        raise CreditError(
            "a task distillation lives in the process that made it: make the environment, with its own, in each "
            "process, or give a student that was fitted before"
        )
    return distillation
