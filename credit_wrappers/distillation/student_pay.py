"""Credit at once from a student, in one environment; its episodes may become labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.distillation.distillation import Distillation
from credit_wrappers.distillation.versioned_inference import FixedStudent, VersionedInference
from credit_wrappers.recording.recorder import EpisodeRecorder
from credit_wrappers.student.inputs import StudentInputs
from credit_wrappers.student.student_critic import StudentCritic


@dataclass(frozen=True, slots=True)
class Due:
    """A step that was made and is still to be paid: of which environment, what was seen after it, how it ended."""

    pay: StudentPay
    recorder: EpisodeRecorder
    after: np.ndarray
    over: bool
    ended: tuple[bool, bool]
    offers: bool  # whether its episode, if it is over, may become a label


class StudentPay:
    """Pays the steps of one environment.

    Args:
        source: A student, or the distillation that fits some.
        env: The environment.
        name: What it is called.

    Attributes:
        window, paid: See `Payer`.
        rows: How its observations are read.

    Raises:
        CreditError: The student is fitted for another environment, other agents, observations or actions; both are
            named.
        TypeError: See `StudentInputs`.
        ValueError: The distillation belongs to another team; both are named.
    """

    window = 1

    def __init__(self, source: StudentCritic | Distillation, env: ParallelEnv, name: str) -> None:
        self.rows = StudentInputs(env)
        self.distillation = source if isinstance(source, Distillation) else None
        if isinstance(source, Distillation):
            source.join(self.rows.agents, self.rows.sizes, self.rows.n_actions)
            self.payroll = VersionedInference(source, self.rows.team)
        else:
            source.check_env(self.rows.agents, self.rows.sizes, self.rows.n_actions, name)
            self.payroll = VersionedInference(FixedStudent(source), self.rows.team)
        self.place = np.zeros(1, np.int64)  # of the environment among those that the payroll pays
        self.due: list[Due] | None = None  # where steps wait that are paid together
        self.paid = np.zeros(0)
        self._episodes = 0
        self._seen: list[np.ndarray] = []  # rows of the running episode, where labels may be wanted
        self._offers = True

    def open(self) -> int:
        """Return a fresh episode id."""
        if self.distillation is not None:
            return self.distillation.open()
        self._episodes += 1
        return self._episodes - 1

    def begin(self, observations: Mapping[str, Any]) -> None:
        """Begin an episode, with the newest student."""
        self._offers, self._seen = False, []
        first = self.rows(observations)
        self.payroll.begin(self.place, first[None])
        self.paid = np.zeros(len(self.rows.agents))
        if self.distillation is not None:
            self._offers, self._seen = True, [first] if self.distillation.left else []

    def pay(
        self, recorder: EpisodeRecorder, observations: Mapping[str, Any], over: bool, ended: tuple[bool, bool]
    ) -> Credit:
        """Return the credit of the last step, and offer a finished episode as a label.

        While steps are to be paid together, it is nothing yet; see `Together`.

        Raises:
            CreditError: An observation is not finite, or an agent has left; what the teacher raised.
            TypeError: Actions are not whole numbers.
        """
        offers, self._offers = self._offers, False  # a step that is refused leaves a gap: no label
        due = Due(self, recorder, self.rows(observations), over, ended, offers)
        if self.due is not None:
            self.due.append(due)
            return self._credit(np.zeros((1, len(self.rows.agents))))
        values = paid([due])
        self.settle(due, values[0])
        return self._credit(values)

    def settle(self, due: Due, values: np.ndarray) -> None:
        """Book what a step was paid, (N,), and offer its episode if it is over."""
        self.paid = self.paid + values
        if self._seen:
            self._seen.append(due.after)
        self._offers = due.offers and not due.over
        if due.over and due.offers and self.distillation is not None:
            seen, self._seen = self._seen, []
            episode = due.recorder.finish(*due.ended)
            self.distillation.offer(replace(episode, observations=self.rows.columns(seen)) if seen else episode)

    def batch(self, environments: int) -> VersionedInference:
        """Return who pays that many environments of this team that are stepped together."""
        return VersionedInference(self.payroll.source, self.rows.team, environments)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._offers, self._seen, self.due = False, [], None  # a copy pays on; the episode is offered once

    def _credit(self, values: np.ndarray) -> Credit:
        version = int(self.payroll.version[self.place[0]])
        return Credit(values, summary=f"student {version}" if version else "", source="student" if version else "team")


class Together:
    """Pays the steps that several environments make one after another in one go: `with together: ...`, then `settle`.

    Args:
        pays: Of the environments, which have the same team and the same student or distillation; they share one payroll
            from now on.
    """

    def __init__(self, pays: Sequence[StudentPay]) -> None:
        self._pays = list(pays)
        self._due: list[Due] = []
        payroll = pays[0].batch(len(pays))
        for k, pay in enumerate(pays):
            pay.payroll, pay.place = payroll, np.array([k])

    def __enter__(self) -> None:
        self._due = []
        for pay in self._pays:
            pay.due = self._due

    def __exit__(self, *_: object) -> None:
        for pay in self._pays:
            pay.due = None

    def settle(self) -> np.ndarray:
        """Return the credits, (e, N) float64, of the steps made since it was entered, in their order.

        Raises:
            CreditError: An observation is not finite, and none of the steps was paid; what the teacher raised.
            TypeError: Actions are not whole numbers.
        """
        values = paid(self._due)
        for due, own in zip(self._due, values, strict=True):
            due.pay.settle(due, own)
        return values


def paid(steps: Sequence[Due]) -> np.ndarray:
    """Return the credits, (e, N) float64, of steps of different environments that share a payroll."""
    return steps[0].pay.payroll.pay(
        np.concatenate([due.pay.place for due in steps]),
        np.array([due.recorder.last_actions for due in steps]),
        np.stack([due.after for due in steps]),
        np.array([due.recorder.team_reward for due in steps]),
        np.array([due.ended[0] for due in steps]),
    )
