"""Credit in every step from a student: one that is there, or the newest that a distillation has fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.delivery.intake import Listener
from credit_wrappers.delivery.source import CreditSource
from credit_wrappers.distillation.distillation import Distillation
from credit_wrappers.distillation.versioned_inference import FixedStudent, StudentProvider, VersionedInference
from credit_wrappers.recording.recorder import EpisodeRecorder, StepColumns
from credit_wrappers.recording.team_reward import TeamRewardDecision
from credit_wrappers.student.inputs import StudentInputs
from credit_wrappers.student.student_critic import StudentCritic


class Student:
    """A credit source that pays every step by a student, at once.

    Args:
        student: The student; it must fit the environment, see `StudentCritic`.

    Examples:
        >>> from credit_wrappers import CreditWrapper, Student, StudentCritic
        >>> def paid_at_once(env, path):
        ...     return CreditWrapper(env, Student(StudentCritic.load(path)))
    """

    store = None
    distillation = None
    pays = True
    takes_episodes = False
    reads_observations = False
    window = 1

    def __init__(self, student: StudentCritic) -> None:
        if isinstance(student, type) or not hasattr(student, "check_env"):
            raise TypeError(f"Student takes a StudentCritic, got {student!r}; for a critic: Deferred(critic)")
        self.critic = student
        self.team_reward = TeamRewardDecision()

    def joins(self, other: CreditSource) -> bool:
        """Return whether both have the same student."""
        return other.critic is self.critic

    def payer(self, env: ParallelEnv, name: str) -> StudentPayer:
        """Return a payer for one environment; see `CreditSource`.

        Raises:
            CreditError: The student is fitted for another environment, other agents, observations or actions.
            TypeError: A student cannot read the environment; see `StudentInputs`.
        """
        inputs = StudentInputs(env)
        self.critic.check_env(inputs.agents, inputs.sizes, inputs.n_actions, name)
        return StudentPayer(FixedStudent(self.critic), inputs)


class Distilled:
    """A credit source that pays every step by the newest student of a distillation, and gives it the episodes.

    Before the first student is fitted every agent is paid the team reward. An episode is paid by one student from its
    beginning to its end.

    Args:
        distillation: The distillation; environments share it.
    """

    store = None
    pays = True
    takes_episodes = True
    reads_observations = True
    window = 1

    def __init__(self, distillation: Distillation) -> None:
        if isinstance(distillation, type) or not hasattr(distillation, "offer"):
            raise TypeError(f"Distilled takes a Distillation, got {distillation!r}; for a student: Student(student)")
        self.distillation = distillation

    def joins(self, other: CreditSource) -> bool:
        """Return whether both have the same distillation."""
        return other.distillation is self.distillation

    @property
    def team_reward(self) -> TeamRewardDecision:
        """What the team reward of all environments of the distillation is, where they do not say it."""
        return self.distillation.team_reward

    @property
    def critic(self) -> Critic:
        """The critic that labels episodes."""
        return self.distillation.critic

    def payer(self, env: ParallelEnv, name: str) -> StudentPayer:
        """Return a payer for one environment; see `CreditSource`.

        Raises:
            TypeError: A student cannot read the environment; see `StudentInputs`.
            ValueError: The distillation belongs to another team; both are named.
        """
        inputs = StudentInputs(env)
        self.distillation.join(inputs.agents, inputs.sizes, inputs.n_actions)
        return StudentPayer(self.distillation, inputs, self.distillation)


class StudentPayer:
    """Pays the steps of E environments by students.

    Args:
        students: Has the newest student.
        inputs: How observations are read.
        distillation: Numbers the episodes and takes them when they are over; None: nobody does.
        begun: (E,) how many episodes were begun in each environment before.
    """

    def __init__(
        self,
        students: StudentProvider,
        inputs: StudentInputs,
        distillation: Distillation | None = None,
        begun: Sequence[int] = (0,),
    ) -> None:
        self.reads = inputs
        self._students, self._distillation = students, distillation
        self._episodes = list(begun)
        self._inference = VersionedInference(students, inputs.team, len(self._episodes))

    def open(self, k: int) -> int:
        """Return a fresh episode id for environment `k`."""
        if self._distillation is not None:
            return self._distillation.open()
        self._episodes[k] += 1
        return self._episodes[k] - 1

    def start(self, chosen: Sequence[int] | np.ndarray, rows: Any) -> None:
        """Begin episodes, each with the newest student."""
        self._inference.begin(np.asarray(chosen), rows)

    def pay(self, step: StepColumns, recorder: EpisodeRecorder) -> np.ndarray:
        """Return the credit of one step; see `Payer`.

        Raises:
            CreditError: An observation is not finite.
            TypeError: Actions are not whole numbers.
        """
        columns = (step.chosen, step.actions, step.rows, step.team_reward, step.terminated)
        return self._inference.pay(*(np.asarray(column) for column in columns))

    def credit(self, k: int, paid: np.ndarray) -> Credit:
        """Return the credit of the last step."""
        version = int(self._inference.version[k])
        summary, source = (f"student {version}", "student") if version else ("", "team")
        return Credit(paid[None], summary=summary, source=source)  # type: ignore[arg-type]

    def finish(self, episode: Episode, listener: Listener | None) -> None:
        """Offer the episode as a label."""
        if self._distillation is not None and episode.observations is not None:
            self._distillation.offer(replace(episode, observations=self.reads.columns(list(episode.observations))))

    def joined(self, payers: Sequence[StudentPayer]) -> StudentPayer:
        """Return a payer of the same students for the environments of several payers."""
        begun = [episodes for payer in payers for episodes in payer._episodes]
        return StudentPayer(self._students, self.reads, self._distillation, begun)
