"""The trade of a training: some of its episodes go to the critic, and students learn from what comes back."""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np

from ..credit import Credit
from ..episode import Episode
from ..errors import BudgetExceeded, CreditError
from ..protocols import Critic
from ..sharing import reference, share, shared
from ..store import CreditStore
from ..student import Agreement, StudentCritic, StudentSettings
from ..student.team import Team
from .choice import Pool, choose

_LOG = logging.getLogger("credit_wrappers")
_ROOM = 128  # candidates that are kept
_LEAST = 8  # labels of a round, at least
_SHARE, _MORE = 0.08, 0.15  # of the labels that are left, bought in a round; after agreement was low
_CHOICE = 2  # candidates for each label, at least
_FIRST = 16  # labels worth a first student
_NEWS = 0.1  # of the labels, learned from though agreement is high


class Distillation:
    """Buys labels from a critic while teams train, and fits students to them, newer and newer ones.

    The first episodes are labelled as they come, and a student is fitted. Then rounds follow, each when `growth`
    times as many episodes were played as at the last one, and `spacing` more: of those played since, some go to the
    critic (8 % of the labels that are left, at least 8), every outcome in turn, those on which the student's own
    networks disagree first, never two alike. The student must predict the new labels before anything is learned from
    them. Where its ranking of the agents' sums correlates less with the critic's than `threshold`, a new student is
    fitted to all labels, from the weights of the last one on, and the next round buys more (15 %); else that waits
    until a tenth of the labels is new. So labels last for trainings of any length.

    Environments share a distillation as they share a `CreditStore`; copies and pickles of them go on with the
    same one, in the process that made it. Errors of the critic are raised by the next `offer` (a step that
    ends an episode); labels that were paid for are kept. When the critic's budget is used up nothing more is
    bought, and the student pays on.

    Args:
        critic: The teacher.
        labels: Most episodes that it scores.
        settings: Form, size and fitting of the students.
        first: Labels of the first fit; default a tenth, at least 16.
        threshold: Rank correlation under which more labels are bought.
        growth: How many times as many episodes must have been played for the next round, above 1.
        spacing: Episodes between two rounds, at least; default `labels`.
        episodes_per_query: See `CreditStore`.
        workers: See `CreditStore`; students are fitted in a thread too. 0, the default for a critic that computes: all
            is done in the caller's thread, and everything is reproducible.
        roles: See `StudentCritic.fit`.
        seed: Of the choice of episodes.
        changes: Single settings of the students by name: `form="free"`, ...

    Attributes:
        newest: The newest student and its version, from 1; None and 0 before the first fit.
        episodes: How many were offered.
        bought: Labels that were asked for.
        labels: Those that came back, in order.
        fresh: The agreement with the newest labels before anything was learned from them; None before there are some.

    Raises:
        ValueError: A number that makes no sense.

    Example:
        >>> from credit_wrappers import CreditWrapper, Distillation, EqualSplitCritic
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> distillation = Distillation(EqualSplitCritic(), labels=8, first=4, epochs=1)
        >>> env = CreditWrapper(CorridorEnv(length=2), distillation=distillation)
        >>> rng = np.random.default_rng(0)
        >>> for seed in range(6):
        ...     observations, infos = env.reset(seed=seed)
        ...     while env.agents:
        ...         actions = {agent: int(rng.integers(3)) for agent in env.agents}
        ...         observations, rewards, *_, infos = env.step(actions)
        >>> infos["walker_0"]["credit_source"], distillation.metrics["student/version"]
        ('student', 1)
    """

    def __init__(
        self,
        critic: Critic,
        labels: int = 500,
        settings: StudentSettings | None = None,
        *,
        first: int | None = None,
        threshold: float = 0.8,
        growth: float = 1.25,
        spacing: int | None = None,
        episodes_per_query: int = 8,
        workers: int | None = None,
        roles: Mapping[str, str] | None = None,
        seed: int = 0,
        **changes: Any,
    ) -> None:
        if labels < 2:
            raise ValueError(f"labels must be at least 2, one to learn from and one to measure on, got {labels}")
        if first is not None and not 2 <= first <= labels:
            raise ValueError(f"first must be from 2 to labels={labels}, got {first}")
        if not growth > 1.0:
            raise ValueError(f"growth must be above 1, got {growth}")
        if workers is None:
            workers = 4 if getattr(critic, "source", "") == "model" else 0
        self.critic = critic
        self.settings = replace(settings or StudentSettings(), **changes)
        self.most, self.first = labels, first if first is not None else min(labels, max(_FIRST, labels // 10))
        self.threshold, self.growth, self.roles = threshold, growth, roles
        self.spacing = labels if spacing is None else spacing
        self.newest: tuple[StudentCritic | None, int] = (None, 0)
        self.episodes = self.bought = 0
        self.labels: list[tuple[Episode, Credit]] = []
        self.fresh: Agreement | None = None
        self.fit_seconds = 0.0
        self._store = CreditStore(critic, episodes_per_query=episodes_per_query, workers=workers)
        self._rng = np.random.default_rng(seed)
        self._pool = Pool(_ROOM, self._rng)
        self._ids = itertools.count()
        self._asked: dict[int, Episode] = {}  # at the critic
        self._measured = self._learned = 0  # labels whose agreement was measured; that the last fit was about
        self._next = 0  # episodes at which a round is due
        self._ended = self._closed = False  # nothing more is bought; nor fitted
        self._said = False  # that labels are too few
        self._team: tuple[Any, ...] | None = None
        self._fitting: Future[StudentCritic] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="student") if workers else None
        self._lock = threading.RLock()
        self._number = share(self)

    def join(self, agents: tuple[str, ...], sizes: tuple[int, ...], n_actions: tuple[int, ...]) -> None:
        """Say whose steps are to be paid; every environment of a distillation has the same team.

        Raises:
            ValueError: It is another team than that of the environments before, or its agents need other roles.
        """
        team = (agents, sizes, n_actions)
        Team.of(agents, sizes, n_actions, self.roles, dict(zip(agents, n_actions, strict=True)))
        if self._team is not None and self._team != team:
            raise ValueError(
                "environments of one distillation have the same agents, observations and actions; "
                f"got {_named(team)} after {_named(self._team)}"
            )
        self._team = team

    def open(self) -> int:
        """Return a fresh episode id."""
        return next(self._ids)

    @property
    def left(self) -> int:
        """Labels that may still be bought."""
        return 0 if self._ended else self.most - self.bought

    def offer(self, episode: Episode) -> None:
        """Take a finished episode; perhaps buy its label, perhaps fit a student.

        Args:
            episode: One without observations is counted only.

        Raises:
            CreditError: What the critic raised, or what is wrong with a label.
        """
        with self._lock:
            self.episodes += 1
            self._collect(wait=False)
            if episode.observations is None:
                return
            if self.left and self.bought < self.first:
                if not any(episode.key == other.key for other in self._everything()):
                    self._buy([episode])
            elif self.left:
                self._pool.add(episode)
                due = self.episodes >= self._next and not self._asked and self._fitting is None
                many = min(self.left, max(_LEAST, math.ceil((_MORE if self._low else _SHARE) * self.left)))
                if due and len(self._pool.episodes) >= min(_ROOM, _CHOICE * many):
                    self._round(many)

    def wait(self) -> None:
        """Wait until the labels that were asked for are there, and the student that they make.

        Raises:
            CreditError: See `offer`.
        """
        with self._lock:
            self._collect(wait=True)

    @property
    def metrics(self) -> dict[str, float]:
        """What there is to report, by name: numbers, NaN where there is none yet.

        `student/version`, `labels`, `labels_left`, `fit_seconds`; on held-out episodes `rank`, `sign` and `error` of
        the agents' sums and `step_rank`, `step_sign` and `step_error` of single steps; `fresh_rank` of the sums of
        the newest labels before they were learned from. See `Match`.
        """
        student, version = self.newest
        numbers: dict[str, float] = {
            "version": version,
            "labels": len(self.labels),
            "labels_left": self.left,
            "fit_seconds": self.fit_seconds,
        }
        for prefix, part in (("", "sums"), ("step_", "steps")):
            match = None if student is None else getattr(student.agreement, part)
            for name in ("rank", "sign", "error"):
                numbers[prefix + name] = math.nan if match is None else getattr(match, name)
        numbers["fresh_rank"] = math.nan if self.fresh is None else self.fresh.sums.rank
        return {f"student/{name}": value for name, value in numbers.items()}

    def state(self) -> dict[str, Any]:
        """Return what is known so far, for a checkpoint; labels that are at the critic count as not asked for."""
        with self._lock:
            return {
                "newest": self.newest,
                "episodes": self.episodes,
                "bought": self.bought - len(self._asked),
                "labels": list(self.labels),
                "fresh": self.fresh,
                "measured": self._measured,
                "learned": self._learned,
                "next": self._next,
                "fit_seconds": self.fit_seconds,
                "rng": self._rng.bit_generator.state,
            }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; to be called before the first episode begins."""
        with self._lock:
            self.newest, self.episodes, self.bought = state["newest"], state["episodes"], state["bought"]
            self.labels, self.fresh, self._learned = list(state["labels"]), state["fresh"], state["learned"]
            self._measured = state["measured"]
            self._next, self.fit_seconds = state["next"], state["fit_seconds"]
            self._rng.bit_generator.state = state["rng"]
            self._ids = itertools.count(self.episodes)

    def close(self) -> None:
        """Stop buying and fitting; the newest student stays. A running query is waited for."""
        self._ended = self._closed = True
        self._store.close()
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Distillation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[int, int], Distillation], tuple[int, int]]:
        return _distillation_of, reference(self._number)

    def __repr__(self) -> str:
        return (
            f"Distillation({self.critic.label!r}, {len(self.labels)} of {self.most} labels, student {self.newest[1]})"
        )

    def _everything(self) -> list[Episode]:
        return [episode for episode, _ in self.labels] + list(self._asked.values())

    def _round(self, many: int) -> None:
        """Choose among the candidates, and ask."""
        candidates, student = self._pool.episodes, self.newest[0]
        doubts = np.zeros(len(candidates)) if student is None else student.disagreement(candidates)
        chosen = choose(candidates, many, doubts, self._everything(), self._rng)
        picked = [candidates[place] for place in chosen]
        self._pool.clear()
        self._pace()
        if picked:  # else all of them are known
            self._buy(picked)

    def _buy(self, episodes: list[Episode]) -> None:
        self.bought += len(episodes)
        for episode in episodes:
            self._asked[episode.id] = episode
            self._store.submit(episode)
        self._collect(wait=False)

    def _collect(self, *, wait: bool) -> None:
        """Take the labels that came and the student that was fitted; fit the next one when a round is complete."""
        whole = self.bought >= self.first  # what makes no full query any more is sent too
        try:
            if self._ended or not (whole or wait):
                self._take(self._store.ready())
            else:
                self._take(self._store.settle(list(self._asked), timeout=None if wait else 0))
        except BudgetExceeded as error:
            if not self._ended:
                self._ended = True
                _LOG.warning("no more labels for the student: %s", error)
            return self._collect(wait=wait)  # what came before it
        if self._fitting is not None and (wait or self._fitting.done()):
            done, self._fitting = self._fitting, None
            if not done.cancelled():  # by `close`
                self._adopt(done.result())
        complete = not self._closed and (self._ended or (whole and not self._asked))
        if complete and self._fitting is None and self._measured < len(self.labels):
            self._learn()
            if wait and self._fitting is not None:
                self._collect(wait=True)

    def _take(self, credits: list[tuple[int, Credit]]) -> None:
        for id, credit in credits:
            # What the critic read is not needed any more, and may be large.
            self.labels.append((replace(self._asked.pop(id), moments=(), narrator=None), credit))

    def _learn(self) -> None:
        """Measure agreement with the labels of a complete round; fit a student where it is worth it."""
        student, new = self.newest[0], self.labels[self._measured :]
        self._measured = len(self.labels)
        self._pace()
        told = [(episode, credit) for episode, credit in new if credit.source != "fallback"]
        if student is not None and told:
            self.fresh = student.compare(told)
            news = len(self.labels) - self._learned
            if not self._low and self.left and news < _NEWS * len(self.labels):
                return
        self._learned = len(self.labels)
        usable = [credit for _, credit in self.labels if credit.source != "fallback"]
        if len(usable) < 2 or not any(np.any(credit.values) for credit in usable):
            if not self._said:
                self._said = True
                _LOG.warning(
                    "too few labels to fit a student: %d of %d are usable, and some credit must not be zero; "
                    "every step goes on being paid the team reward until there are more (%d may still be bought)",
                    len(usable), len(self.labels), self.left,
                )  # fmt: skip
        elif self._thread is None:
            self._adopt(self._fitted(list(self.labels), student))
        else:
            self._fitting = self._thread.submit(self._fitted, list(self.labels), student)

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
            "student %d of critic %s: %d labels after %d episodes; held-out sums: rank %.2f, sign %.2f, error %.3f%s",
            self.newest[1], self.critic.label, student.labels, self.episodes, sums.rank, sums.sign, sums.error,
            "" if fresh is None else f"; its predecessor ranked the new labels {fresh.sums.rank:.2f}",
        )  # fmt: skip

    def _pace(self) -> None:
        """Set when the next round is due."""
        self._next = self.episodes + math.ceil(max((self.growth - 1.0) * self.episodes, self.spacing))

    @property
    def _low(self) -> bool:
        return self.fresh is not None and self.fresh.sums.rank < self.threshold


def _named(team: tuple[Any, ...]) -> str:
    agents, sizes, actions = team
    return f"agents {list(agents)} with {list(sizes)} observed numbers and {list(actions)} actions"


def _distillation_of(process: int, number: int) -> Distillation:
    distillation = shared(process, number)
    if distillation is None:
        raise CreditError(
            "a distillation lives in the process that made it: make the environment, with its critic, in each process"
        )
    return distillation
