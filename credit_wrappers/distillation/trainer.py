"""Labels that go on arriving, and the students that are fitted to them, each from the one before."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.student.agreement import Agreement
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import Team

_LOG = logging.getLogger("credit_wrappers")


class Apprentice:
    """What a distillation has learned so far; its caller sees to it that one thread at a time uses it.

    Args:
        settings: Form, size and fitting of the students.
        threshold: Error on held-out labels over that on new ones, below which agreement is low.
        least_rank: Rank correlation of the sums on held-out labels, below which it is low, too.
        roles: See `StudentCritic.fit`.
        background: Whether students are fitted in a thread.

    Attributes:
        newest: The newest student and its version, from 1; None and 0 before the first fit.
        labels: All labels, in order.
        fresh: Agreement with the newest labels before anything was learned from them; None before there are some.
        fit_seconds: Spent fitting.
    """

    def __init__(
        self,
        settings: StudentSettings,
        threshold: float,
        least_rank: float,
        roles: Mapping[str, str] | None,
        background: bool,
    ) -> None:
        self.settings, self.roles = settings, roles
        self.threshold, self.least_rank = threshold, least_rank
        self.newest: tuple[StudentCritic | None, int] = (None, 0)
        self.labels: list[tuple[Episode, Credit]] = []
        self.fresh: Agreement | None = None
        self.fit_seconds = 0.0
        self._usual = 0.0  # mean error of sums on held-out labels when `fresh` was measured
        self._learned = 0  # labels that `learn` has seen
        self._said = False  # that labels are too few
        self._team: tuple[Any, ...] | None = None
        self._fitting: Future[StudentCritic] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="student") if background else None

    def join(self, agents: tuple[str, ...], sizes: tuple[int, ...], n_actions: tuple[int, ...]) -> None:
        """Say whose steps are to be paid.

        Raises:
            CreditError: The student that was restored is fitted for another team.
            ValueError: Another team is paid, or roles do not fit it.
        """
        team = (agents, sizes, n_actions)
        Team.of(agents, sizes, n_actions, self.roles, dict(zip(agents, n_actions, strict=True)))
        if self._team is not None and self._team != team:
            raise ValueError(
                "environments of one distillation have the same agents, observations and actions; "
                f"got {_named(team)} after {_named(self._team)}"
            )
        if (student := self.newest[0]) is not None:
            student.team.check(*team, "the environment")
        self._team = team

    @property
    def low(self) -> bool:
        """Whether agreement is low: on held-out labels, or on the newest ones compared with the held-out ones then."""
        student = self.newest[0]
        if student is not None and student.agreement.sums.rank < self.least_rank:
            return True
        return self.fresh is not None and self._usual < self.threshold * self.fresh.sums.error

    @property
    def fitting(self) -> bool:
        """Whether a student is being fitted."""
        return self._fitting is not None

    @property
    def behind(self) -> bool:
        """Whether there are labels that `learn` has not seen."""
        return self._learned < len(self.labels)

    def learn(self, left: int) -> None:
        """Measure agreement with the labels that came; fit a student, or begin to, where they are enough.

        Args:
            left: How many more may come.
        """
        student, new = self.newest[0], self.labels[self._learned :]
        self._learned = len(self.labels)
        told = [(episode, credit) for episode, credit in new if credit.source != "fallback"]
        if student is not None and told:
            self.fresh, self._usual = student.compare(told), student.agreement.sums.error
        usable = [credit for _, credit in self.labels if credit.source != "fallback"]
        if len(usable) < 2 or not any(np.any(credit.values) for credit in usable):
            self.say(
                f"too few labels to fit a student: {len(usable)} of {len(self.labels)} are usable, and some credit "
                "must not be zero; every step goes on being paid the team reward until there are more "
                f"({left} may still be bought)"
            )
        elif self._thread is None:
            self._adopt(self._fitted(list(self.labels), student))
        else:
            self._fitting = self._thread.submit(self._fitted, list(self.labels), student)

    def say(self, too_few: str) -> None:
        """Warn, once, that labels are too few."""
        if not self._said:
            self._said = True
            _LOG.warning("%s", too_few)

    def collect(self, wait: bool) -> None:
        """Take over a student that is ready, or, with `wait`, will be; raise what its fit raised."""
        if self._fitting is not None and (wait or self._fitting.done()):
            done, self._fitting = self._fitting, None
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
        numbers: dict[str, float] = {
            "version": version,
            "labels": len(self.labels),
            "fit_seconds": self.fit_seconds,
        }
        for prefix, part in (("", "sums"), ("step_", "steps")):
            match = None if student is None else getattr(student.agreement, part)
            for name in ("rank", "sign", "error"):
                numbers[prefix + name] = math.nan if match is None else getattr(match, name)
        for name in ("rank", "error"):
            numbers[f"fresh_{name}"] = math.nan if self.fresh is None else getattr(self.fresh.sums, name)
        return numbers

    def state(self) -> dict[str, Any]:
        """Return what is known, for a checkpoint."""
        return {
            "newest": self.newest,
            "labels": list(self.labels),
            "fresh": self.fresh,
            "fit_seconds": self.fit_seconds,
            "usual": self._usual,
            "learned": self._learned,
            "said": self._said,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned; raise CreditError where its student is fitted for another team."""
        student = state["newest"][0]
        if student is not None and self._team is not None:
            student.team.check(*self._team, "the environment")
        self.newest, self.labels, self.fresh = state["newest"], list(state["labels"]), state["fresh"]
        self.fit_seconds, self._usual, self._learned = state["fit_seconds"], state["usual"], state["learned"]
        self._said = state.get("said", False)

    def _fitted(self, labels: list[tuple[Episode, Credit]], start: StudentCritic | None) -> StudentCritic:
        began = time.perf_counter()
        actions = None if self._team is None else dict(zip(self._team[0], self._team[2], strict=True))
        try:
            return StudentCritic.fit(labels, self.settings, roles=self.roles, n_actions=actions, start=start)
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


def _named(team: tuple[Any, ...]) -> str:
    agents, sizes, actions = team
    return f"agents {list(agents)} with {list(sizes)} observed numbers and {list(actions)} actions"
