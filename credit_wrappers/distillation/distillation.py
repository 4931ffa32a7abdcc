"""The trade of a training: some of its episodes go to the critic, and students learn from what comes back."""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import BudgetExceeded, CreditError
from credit_wrappers.core.process_registry import reference, share, shared
from credit_wrappers.delivery.store import CreditStore
from credit_wrappers.distillation.acquisition import Pool, choose, contents
from credit_wrappers.distillation.trainer import Apprentice
from credit_wrappers.student.agreement import Agreement
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings

_LOG = logging.getLogger("credit_wrappers")
_ROOM = 128  # candidates that are kept
_LEAST = 4  # labels of a round, at least
_SHARE = 0.10  # of the labels that are left, bought in a round
_CHOICE = 2  # candidates for each label, at least
_FIRST = 16  # labels worth a first student


class Distillation:
    """Buys labels from a critic while teams train, and fits students to them, newer and newer ones.

    The first episodes are labelled as they come, those that are alike once, and a student is fitted (to fewer labels,
    when after `spacing` more episodes there are not enough that differ). Then rounds follow, each when `growth`
    times as many episodes were played as at the last one, and `spacing` more. Of those played since, some go to the
    critic (10 % of the labels that are left, at least 4): those in which the rarest things happened, and, every outcome
    in turn, those on which the student's own networks disagree; never two alike. The student must predict the new
    labels before anything is learned from them. Where its error is a quarter larger on them than on held-out labels
    (`threshold`), or where it ranks the held-out ones badly (`least_rank`), the team does something new, or the critic
    is hard to follow: the next round comes after half the time. After each round a new student is fitted to all
    labels, from the weights of the last one on. Some labels are left for long, but few where agreement stays low.

    Environments share a distillation as they share a `CreditStore`; copies and pickles of them go on with the
    same one, in the process that made it. Errors of the critic are raised by the next `offer` (a step that
    ends an episode); labels that were paid for are kept. When the critic's budget is used up nothing more is
    bought, and the student pays on.

    Args:
        critic: The teacher.
        labels: Most episodes that it scores.
        settings: Form, size and fitting of the students.
        first: Labels of the first fit; default a sixteenth, at least 16.
        threshold: More labels are bought when the error of agents' sums on held-out labels, over that on new ones, is
            below this.
        least_rank: They are also bought when the rank correlation of agents' sums on held-out labels is below this.
        growth: How many times as many episodes must have been played for the next round, above 1.
        spacing: Episodes between two rounds, at least, or half of them; default half of `labels`.
        episodes_per_query: See `CreditStore`.
        workers: See `CreditStore`; students are fitted in a thread too. 0, the default for a critic that computes: all
            is done in the caller's thread, and everything is reproducible.
        roles: See `StudentCritic.fit`.
        seed: Of the choice of episodes.
        progress: See `CreditStore`.
        changes: Single settings of the students by name: `form="free"`, ...

    Attributes:
        episodes: How many were offered.
        bought: Labels that were asked for.

    Raises:
        ValueError: A number that makes no sense.

    Example:
        >>> from credit_wrappers import CreditWrapper, Distillation, Distilled, EqualSplitCritic
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> distillation = Distillation(EqualSplitCritic(), labels=8, first=4, epochs=1)
        >>> env = CreditWrapper(CorridorEnv(length=2), Distilled(distillation))
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
        least_rank: float = 0.5,
        growth: float = 1.15,
        spacing: int | None = None,
        episodes_per_query: int = 8,
        workers: int | None = None,
        roles: Mapping[str, str] | None = None,
        seed: int = 0,
        progress: bool = False,
        **changes: Any,
    ) -> None:
        for name, number in (("labels", labels), ("first", first), ("spacing", spacing)):
            if number is not None and not isinstance(number, int | np.integer):
                raise ValueError(f"{name} must be a whole number, got {number!r}")
        if labels < 2:
            raise ValueError(f"labels must be at least 2, one to learn from and one to measure on, got {labels}")
        if first is not None and not 2 <= first <= labels:
            raise ValueError(f"first must be from 2 to labels={labels}, got {first}")
        if not growth > 1.0:
            raise ValueError(f"growth must be above 1, got {growth}")
        if not threshold >= 0.0:
            raise ValueError(f"threshold must be 0 or more, got {threshold}")
        if not -1.0 <= least_rank <= 1.0:
            raise ValueError(f"least_rank must be from -1 to 1, got {least_rank}")
        if spacing is not None and spacing < 0:
            raise ValueError(f"spacing must be 0 or more, got {spacing}")
        if workers is None:
            workers = 4 if getattr(critic, "source", "") == "model" else 0
        self.critic = critic
        self.most, self.first = labels, first if first is not None else min(labels, max(_FIRST, labels // 16))
        self.growth, self.spacing = growth, max(1, labels // 2) if spacing is None else spacing
        self.episodes = self.bought = 0
        self._apprentice = Apprentice(
            replace(settings or StudentSettings(), **changes), threshold, least_rank, roles, background=workers > 0
        )
        self._store = CreditStore(critic, episodes_per_query=episodes_per_query, workers=workers, progress=progress)
        self._rng = np.random.default_rng(seed)
        self._pool = Pool(_ROOM, self._rng)
        self._ids = itertools.count()
        self._asked: dict[int, Episode] = {}  # at the critic
        self._next = 0  # episodes at which a round is due
        self._ended = self._closed = False  # nothing more is bought; nor fitted
        self._lock = threading.RLock()
        self._number = share(self)

    def join(self, agents: tuple[str, ...], sizes: tuple[int, ...], n_actions: tuple[int, ...]) -> None:
        """Say whose steps are to be paid; every environment of a distillation has the same team.

        Raises:
            CreditError: The student that was restored is fitted for another team.
            ValueError: It is another team than that of the environments before, or its agents need other roles.
        """
        self._apprentice.join(agents, sizes, n_actions)

    @property
    def newest(self) -> tuple[StudentCritic | None, int]:
        """The newest student and its version, from 1; None and 0 before the first fit."""
        return self._apprentice.newest

    @property
    def labels(self) -> list[tuple[Episode, Credit]]:
        """The labels that came back, in order."""
        return self._apprentice.labels

    @property
    def fresh(self) -> Agreement | None:
        """The agreement with the newest labels before anything was learned from them; None before there are some."""
        return self._apprentice.fresh

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
            if episode.observations is None or self._closed:
                return
            if self.left and self.bought < self.first:
                if contents(episode) not in map(contents, self._everything()):
                    self._buy([episode])
                elif self.episodes >= self.first + self.spacing:
                    self.first = self.bought  # others there are not: a student of these
            elif self.left:
                self._pool.add(episode)
                due = self.episodes >= self._next and not self._asked and not self._apprentice.fitting
                many = min(self.left, max(_LEAST, math.ceil(_SHARE * self.left)))
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
        the agents' sums and `step_rank`, `step_sign` and `step_error` of single steps; `fresh_rank` and
        `fresh_error` of the sums of the newest labels before they were learned from. See `Match`.
        """
        numbers = {**self._apprentice.metrics, "labels_left": self.left}
        return {f"student/{name}": value for name, value in numbers.items()}

    def state(self) -> dict[str, Any]:
        """Return what is known so far, for a checkpoint; labels that are at the critic count as not asked for."""
        with self._lock:
            return {
                "apprentice": self._apprentice.state(),
                "episodes": self.episodes,
                "bought": self.bought - len(self._asked),
                "next": self._next,
                "rng": self._rng.bit_generator.state,
            }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; to be called before the first episode begins.

        Raises:
            CreditError: Its student is fitted for another team than that of the environments.
        """
        with self._lock:
            self._apprentice.restore(state["apprentice"])
            self.episodes, self.bought, self._next = state["episodes"], state["bought"], state["next"]
            self._rng.bit_generator.state = state["rng"]
            if self.newest[0] is not None:
                self.first = min(self.first, self.bought)  # of so many the first student was, where fewer differed
            self._ids = itertools.count(self.episodes)
            self._pool.clear(self._everything())

    def close(self) -> None:
        """Stop buying and fitting; the newest student stays. A running query is waited for."""
        self.say_if_too_few()
        self._closed = True
        self._store.close()
        self._apprentice.close()

    def say_if_too_few(self) -> None:
        """Warn, once, if no student was fitted for want of episodes that could be labelled."""
        if self.newest[0] is None and self.episodes and self.bought < self.first and not self._ended:
            self._apprentice.say(
                f"no student was fitted: of {self.episodes} episodes {self.bought} were labelled, the first student "
                f"learns from {self.first} (first=); every step was paid the team reward"
            )

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
        self._pace()
        self._buy(picked)  # none, if all of them are known

    def _buy(self, episodes: list[Episode]) -> None:
        self.bought += len(episodes)
        for episode in episodes:
            self._asked[episode.id] = episode
            self._store.submit(episode)
        self._pool.clear(self._everything())
        self._collect(wait=False)

    def _collect(self, *, wait: bool) -> None:
        """Take the labels that came and the student that was fitted; fit the next one when a round is complete."""
        whole = self.bought >= self.first  # what makes no full query any more is sent too
        try:
            if self._ended or self._closed or not (whole or wait):
                self._take(self._store.ready())
            else:
                self._take(self._store.settle(list(self._asked), timeout=None if wait else 0))
        except BudgetExceeded as error:
            if not self._ended:
                self._ended = True
                _LOG.warning("no more labels for the student: %s", error)
            return self._collect(wait=wait)  # what came before it
        self._apprentice.collect(wait)
        complete = not self._closed and (self._ended or (whole and not self._asked))
        if complete and not self._apprentice.fitting and self._apprentice.behind:
            try:
                self._apprentice.learn(self.left)
            finally:  # also of what fails
                self._pace()
            if wait:
                self._apprentice.collect(wait)

    def _take(self, credits: list[tuple[int, Credit]]) -> None:
        for id, credit in credits:
            # What the critic read is not needed any more, and may be large.
            self._apprentice.labels.append((replace(self._asked.pop(id), moments=(), narrator=None), credit))

    def _pace(self) -> None:
        """Set when the next round is due."""
        gap = max((self.growth - 1.0) * self.episodes, self.spacing)
        self._next = self.episodes + math.ceil(gap / 2 if self._apprentice.low else gap)


def _distillation_of(process: int, number: int) -> Distillation:
    distillation = shared(process, number)
    if distillation is None:
        raise CreditError(
            "a distillation lives in the process that made it: make the environment, with its critic, in each process"
        )
    return distillation
