"""Distillation while a team trains: a critic labels some of its episodes, and students learn from the labels."""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic, check_critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import BudgetExceeded, CreditError
from credit_wrappers.core.keywords import check_keywords, keywords_of
from credit_wrappers.core.process_registry import reference, share, shared
from credit_wrappers.delivery.store import CreditStore
from credit_wrappers.distillation.acquisition import Pool, choose, contents
from credit_wrappers.distillation.trainer import StudentTrainer
from credit_wrappers.recording.team_reward import TeamRewardDecision
from credit_wrappers.student.agreement import Agreement
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings

_LOG = logging.getLogger("credit_wrappers")
_ROOM = 128  # candidates of each kind that are kept
_LEAST = 4  # labels in a round, at least
_SHARE = 0.10  # of the remaining labels, requested in a round
_CHOICE = 2  # candidates for each label, at least
_FIRST = 16  # labels of the first fit, at least


class Distillation:
    """Requests labels from a critic while teams train, and fits a new student after each round of labels.

    Acquisition, the choice of the episodes to label, works like this:

    1. The first episodes are labelled as they come, except repetitions. Then the first student is fitted: to fewer
       labels than `first`, if after `spacing` more episodes there are no others.
    2. Then there are rounds. One is due when `growth` times as many episodes were played as at the last round, and at
       least `spacing` more.
    3. A round requests 10 % of the remaining labels, at least 4, for episodes played since the last round. Half of them
       go to the episodes with the rarest changes in what agents observe, half to all kinds of outcome, either where the
       student's networks disagree most or at random; see `acquisition.choose`.
    4. The current student predicts the new labels before the next one learns from them. Agreement is low if its error
       is a quarter larger on them than on held-out labels (`threshold`), or if it ranks the held-out labels badly
       (`least_rank`): the team does something new, or the critic is hard to imitate. Then the next round comes after
       half the time.
    5. The next student is fitted to all labels, starting from the last student's weights.

    So most labels are used early, and some remain for late in the training unless agreement stays low.

    Environments share a distillation as they share a `CreditStore`. Its copies and pickles are the same distillation,
    in the process that made it. An error of the critic is raised by the next `offer` (in the step that ends an
    episode), and no label that was paid for is lost. When the critic's budget is used up, no more labels are requested,
    and the last student continues to credit.

    Args:
        critic: Gives the labels.
        labels: Most episodes that it may label.
        settings: Form, size and fitting of the students.
        first: Labels of the first fit; default a sixteenth, at least 16.
        threshold: Least error of agents' sums on held-out labels, divided by that on new ones, before agreement is low.
        least_rank: Least rank correlation of agents' sums on held-out labels before agreement is low.
        growth: Factor from the episodes at one round to those at the next, above 1.
        spacing: Fewest episodes between two rounds (half of it when agreement is low); default half of `labels`.
        episodes_per_query: See `CreditStore`.
        workers: See `CreditStore`; with workers, students are fitted in a thread, too. With 0, the default unless the
            critic is a model, all is done in the caller's thread and is reproducible.
        roles: See `fit_student`.
        seed: Of the choice of episodes.
        progress: See `CreditStore`.
        changes: Single settings of the students by name: `form="free"`, ...

    Attributes:
        episodes: Number of episodes that were offered.
        requested: Number of labels that were requested.
        team_reward: What the team reward of its environments is, where they do not say it.

    Raises:
        TypeError: `critic` is no critic, or a setting is unknown.
        ValueError: A number is not possible.

    Examples:
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
        check_critic(critic, "Distillation takes a critic")
        known = [*keywords_of(Distillation.__init__), *(field.name for field in fields(StudentSettings))]
        check_keywords("Distillation", changes, known)
        for name, number in (("labels", labels), ("first", first), ("spacing", spacing)):
            if number is not None and not isinstance(number, int | np.integer):
                raise ValueError(f"{name} must be a whole number, got {number!r}")
        for valid, message in (
            (labels >= 2, f"labels must be at least 2, one to learn from and one to measure on, got {labels}"),
            (first is None or 2 <= first <= labels, f"first must be from 2 to labels={labels}, got {first}"),
            (growth > 1.0, f"growth must be above 1, got {growth}"),
            (threshold >= 0.0, f"threshold must be 0 or more, got {threshold}"),
            (-1.0 <= least_rank <= 1.0, f"least_rank must be from -1 to 1, got {least_rank}"),
            (spacing is None or spacing >= 0, f"spacing must be 0 or more, got {spacing}"),
        ):
            if not valid:
                raise ValueError(message)
        if workers is None:
            workers = 4 if getattr(critic, "source", "") == "model" else 0
        self.critic = critic
        self.most, self.first = labels, first if first is not None else min(labels, max(_FIRST, labels // 16))
        self.growth, self.spacing = growth, max(1, labels // 2) if spacing is None else spacing
        self.episodes = self.requested = 0
        self._trainer = StudentTrainer(
            replace(settings or StudentSettings(), **changes), threshold, least_rank, roles, background=workers > 0
        )
        self._store = CreditStore(critic, episodes_per_query=episodes_per_query, workers=workers, progress=progress)
        self._rng = np.random.default_rng(seed)
        self._pool = Pool(_ROOM, self._rng)
        self._ids = itertools.count()
        self.team_reward = TeamRewardDecision()
        self._pending: dict[int, Episode] = {}  # episodes whose labels were requested and have not arrived
        self._next = 0  # number of episodes at which the next round is due
        self._exhausted = self._closed = False  # whether the critic's budget is used up
        self._lock = threading.RLock()
        self._number = share(self)

    def join(self, agents: tuple[str, ...], sizes: tuple[int, ...], n_actions: tuple[int, ...]) -> None:
        """Set the team, the same for every environment.

        Raises:
            CreditError: The student that was restored is fitted for another team.
            ValueError: An earlier environment had another team, or the agents need other roles.
        """
        self._trainer.join(agents, sizes, n_actions)

    @property
    def newest(self) -> tuple[StudentCritic | None, int]:
        """The newest student and its version, from 1; None and 0 before the first fit."""
        return self._trainer.newest

    @property
    def labels(self) -> list[tuple[Episode, Credit]]:
        """The labels that arrived, in order."""
        return self._trainer.labels

    @property
    def fresh(self) -> Agreement | None:
        """The agreement with the newest labels before the student learned from them; None without any."""
        return self._trainer.fresh

    def open(self) -> int:
        """Return a new episode id."""
        return next(self._ids)

    @property
    def left(self) -> int:
        """Number of labels that may still be requested."""
        return 0 if self._exhausted else self.most - self.requested

    def offer(self, episode: Episode) -> None:
        """Take a finished episode; request labels and fit a student when it is time.

        An episode without observations is only counted.

        Raises:
            CreditError: The critic raised it, or a label is not valid.
        """
        with self._lock:
            self.episodes += 1
            self._collect(wait=False)
            if episode.observations is None or self._closed:
                return
            if self.left and self.requested < self.first:
                if contents(episode) not in map(contents, self._labelled()):
                    self._request([episode])
                elif self.episodes >= self.first + self.spacing:
                    self.first = self.requested  # too few episodes differ: the first student learns from these
            elif self.left:
                self._pool.add(episode)
                due = self.episodes >= self._next and not self._pending and not self._trainer.fitting
                many = min(self.left, max(_LEAST, math.ceil(_SHARE * self.left)))
                if due and len(self._pool.episodes) >= min(_ROOM, _CHOICE * many):
                    self._round(many)

    def wait(self) -> None:
        """Wait until the requested labels have arrived and a student is fitted to them; raise what `offer` raises."""
        with self._lock:
            self._collect(wait=True)

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers to log, by name; NaN where there is none yet.

        `student/version`, `labels`, `labels_left`, `fit_seconds`; on held-out episodes `rank`, `sign` and `error` of
        the agents' sums and `step_rank`, `step_sign` and `step_error` of single steps; `fresh_rank` and `fresh_error`
        of the sums of the newest labels before the student learned from them. See `AgreementScores`.
        """
        numbers = {**self._trainer.metrics, "labels_left": self.left}
        return {f"student/{name}": value for name, value in numbers.items()}

    def state(self) -> dict[str, Any]:
        """Return what is known so far, for a checkpoint; pending labels count as not requested."""
        with self._lock:
            return {
                "trainer": self._trainer.state(),
                "episodes": self.episodes,
                "requested": self.requested - len(self._pending),
                "next": self._next,
                "rng": self._rng.bit_generator.state,
            }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned, before the first episode; raise CreditError if it has another team."""
        with self._lock:
            self._trainer.restore(state["trainer"])
            self.episodes, self.requested, self._next = state["episodes"], state["requested"], state["next"]
            self._rng.bit_generator.state = state["rng"]
            if self.newest[0] is not None:
                self.first = min(self.first, self.requested)  # the first student may have learned from fewer
            self._ids = itertools.count(self.episodes)
            self._pool.clear(self._labelled())

    def close(self) -> None:
        """Stop requesting labels and fitting; wait for a running query. The newest student stays."""
        self.warn_if_unfitted()
        self._closed = True
        self._store.close()
        self._trainer.close()

    def warn_if_unfitted(self) -> None:
        """Warn once if too few episodes were labelled for a first student."""
        if self.newest[0] is None and self.episodes and self.requested < self.first and not self._exhausted:
            self._trainer.warn_once(
                f"no student was fitted: of {self.episodes} episodes {self.requested} were labelled, the first student "
                f"learns from {self.first} (first=); every step was paid the team reward"
            )

    def __enter__(self) -> Distillation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[int, int], Distillation], tuple[int, int]]:
        return _distillation_of, reference(self._number)

    def __repr__(self) -> str:
        return (
            f"Distillation({self.critic.label!r}, {len(self.labels)} of {self.most} labels, student {self.newest[1]})"
        )

    def _labelled(self) -> list[Episode]:
        """Return the episodes that have labels or will have them."""
        return [episode for episode, _ in self.labels] + list(self._pending.values())

    def _round(self, many: int) -> None:
        """Choose among the candidates and request labels: none, if all candidates are like labelled ones."""
        candidates, student = self._pool.episodes, self.newest[0]
        disagreement = np.zeros(len(candidates)) if student is None else student.disagreement(candidates)
        chosen = choose(candidates, many, disagreement, self._labelled(), self._rng)
        self._schedule()
        self._request([candidates[place] for place in chosen])

    def _request(self, episodes: list[Episode]) -> None:
        self.requested += len(episodes)
        for episode in episodes:
            self._pending[episode.id] = episode
            self._store.submit(episode)
        self._pool.clear(self._labelled())
        self._collect(wait=False)

    def _collect(self, *, wait: bool) -> None:
        """Take the labels that arrived and the student that was fitted; fit the next one when a round is complete."""
        begun = self.requested >= self.first  # then episodes that do not fill a query are sent, too
        try:
            if self._exhausted or self._closed or not (begun or wait):
                self._take(self._store.ready())
            else:
                self._take(self._store.settle(list(self._pending), timeout=None if wait else 0))
        except BudgetExceeded as error:
            if not self._exhausted:
                self._exhausted = True
                _LOG.warning("no more labels for the student: %s", error)
            return self._collect(wait=wait)  # labels that arrived before the error
        self._trainer.collect(wait)
        complete = not self._closed and (self._exhausted or (begun and not self._pending))
        if complete and not self._trainer.fitting and self._trainer.has_new_labels:
            try:
                self._trainer.train(self.left)
            finally:  # also after a failure
                self._schedule()
            if wait:
                self._trainer.collect(wait)

    def _take(self, credits: list[tuple[int, Credit]]) -> None:
        for id, credit in credits:
            # Only the critic needs the moments, which may be large.
            self._trainer.labels.append((self._pending.pop(id).without_narration(), credit))

    def _schedule(self) -> None:
        """Set when the next round is due."""
        gap = max((self.growth - 1.0) * self.episodes, self.spacing)
        self._next = self.episodes + math.ceil(gap / 2 if self._trainer.agreement_is_low else gap)


def _distillation_of(process: int, number: int) -> Distillation:
    distillation = shared(process, number)
    if distillation is None:
        raise CreditError(
            "a distillation lives in the process that made it: make the environment, with its critic, in each process"
        )
    return distillation
