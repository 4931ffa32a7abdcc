"""Fitting students to labels that keep arriving, each starting from the last student's weights."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.student.agreement import Agreement
from credit_wrappers.student.fitting import fit_student
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import TeamSpec

_LOG = logging.getLogger("credit_wrappers")
_STATE = ("newest", "labels", "fresh", "fit_seconds", "_usual", "_learned", "_warned")


@dataclass
class StudentTrainer:
    """The labels and students of a distillation. Without a lock: one thread at a time may use it."""

    settings: StudentSettings
    threshold: float  # this and the next: see `Distillation`
    least_rank: float
    roles: Mapping[str, str] | None  # see `fit_student`
    background: InitVar[bool]  # whether students are fitted in a thread
    newest: tuple[StudentCritic | None, int] = (None, 0)  # and its version, from 1
    labels: list[tuple[Episode, Credit]] = field(default_factory=list)
    fresh: Agreement | None = None  # with the newest labels before the student learned from them
    fit_seconds: float = 0.0
    _usual: float = 0.0  # mean error of sums on held-out labels when `fresh` was measured
    _learned: int = 0  # labels that `train` has used
    _warned: bool = False
    _team: tuple[Any, ...] | None = None
    _fit: Future[StudentCritic] | None = None

    def __post_init__(self, background: bool) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="student") if background else None

    def join(self, agents: tuple[str, ...], sizes: tuple[int, ...], n_actions: tuple[int, ...]) -> None:
        """Set the team; see `Distillation.join`."""
        team = (agents, sizes, n_actions)
        TeamSpec.of(agents, sizes, n_actions, self.roles, dict(zip(agents, n_actions, strict=True)))
        if self._team is not None and self._team != team:
            first, second = (
                f"agents {list(names)} with {list(observed)} observed numbers and {list(actions)} actions"
                for names, observed, actions in (self._team, team)
            )
            raise ValueError(
                "environments of one distillation must have the same agents, observations and actions; "
                f"got {second} after {first}"
            )
        if (student := self.newest[0]) is not None:
            student.team.check(*team, "the environment")
        self._team = team

    @property
    def agreement_is_low(self) -> bool:
        """Whether agreement is low on held-out labels, or on the newest ones compared with those."""
        student = self.newest[0]
        if student is not None and student.agreement.sums.rank < self.least_rank:
            return True
        return self.fresh is not None and self._usual < self.threshold * self.fresh.sums.error

    @property
    def fitting(self) -> bool:
        """Whether a student is being fitted."""
        return self._fit is not None

    @property
    def has_new_labels(self) -> bool:
        """Whether there are labels that `train` has not used."""
        return self._learned < len(self.labels)

    def train(self, left: int) -> None:
        """Measure agreement with the new labels; fit a student if there are enough. `left` more may be requested."""
        student, new = self.newest[0], _usable(self.labels[self._learned :])
        self._learned = len(self.labels)
        if student is not None and new:
            self.fresh, self._usual = student.compare(new), student.agreement.sums.error
        usable = _usable(self.labels)
        if len(usable) < 2 or not any(np.any(credit.values) for _, credit in usable):
            self.warn_once(
                f"too few labels to fit a student: {len(usable)} of {len(self.labels)} are usable, and some credit "
                "must not be zero; every step is paid the team reward until there are more "
                f"({left} may still be requested)"
            )
        elif self._thread is None:
            self._adopt(self._fitted(list(self.labels), student))
        else:
            self._fit = self._thread.submit(self._fitted, list(self.labels), student)

    def warn_once(self, message: str) -> None:
        """Log a warning that there is no student, unless there was one before."""
        if not self._warned:
            self._warned = True
            _LOG.warning("%s", message)

    def collect(self, wait: bool) -> None:
        """Adopt the student that was fitted, with `wait` after waiting for it; raise what the fit raised."""
        if self._fit is not None and (wait or self._fit.done()):
            done, self._fit = self._fit, None
            if not done.cancelled():  # by `close`
                self._adopt(done.result())

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    @property
    def metrics(self) -> dict[str, float]:
        """See `Distillation.metrics`."""
        student, version = self.newest
        numbers: dict[str, float] = {"version": version, "labels": len(self.labels), "fit_seconds": self.fit_seconds}
        agreement = None if student is None else student.agreement
        for prefix, part, found, names in (
            ("", "sums", agreement, ("rank", "sign", "error")),
            ("step_", "steps", agreement, ("rank", "sign", "error")),
            ("fresh_", "sums", self.fresh, ("rank", "error")),
        ):
            for name in names:
                numbers[prefix + name] = math.nan if found is None else getattr(getattr(found, part), name)
        return numbers

    def state(self) -> dict[str, Any]:
        """Return what is known, for a checkpoint."""
        return {name: copy(getattr(self, name)) for name in _STATE}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned; raise CreditError if its student is fitted for another team."""
        student = state["newest"][0]
        if student is not None and self._team is not None:
            student.team.check(*self._team, "the environment")
        for name in _STATE:
            setattr(self, name, copy(state[name]))

    def _fitted(self, labels: list[tuple[Episode, Credit]], start: StudentCritic | None) -> StudentCritic:
        began = time.perf_counter()
        actions = None if self._team is None else dict(zip(self._team[0], self._team[2], strict=True))
        try:
            return fit_student(labels, self.settings, roles=self.roles, n_actions=actions, start=start)
        finally:
            self.fit_seconds += time.perf_counter() - began

    def _adopt(self, student: StudentCritic) -> None:
        self.newest = student, self.newest[1] + 1
        sums, fresh = student.agreement.sums, self.fresh
        _LOG.info(
            "student %d: %d labels; held-out sums: rank %.2f, sign %.2f, error %.3f%s",
            self.newest[1], student.labels, sums.rank, sums.sign, sums.error,
            "" if fresh is None else f"; its predecessor ranked the new labels {fresh.sums.rank:.2f}",
        )  # fmt: skip


def _usable(labels: list[tuple[Episode, Credit]]) -> list[tuple[Episode, Credit]]:
    return [label for label in labels if label[1].source != "fallback"]
