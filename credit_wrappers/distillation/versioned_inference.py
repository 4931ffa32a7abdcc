"""Credits for many environments, each from the student that was newest when its episode began."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from credit_wrappers.student.inference import StudentInference
from credit_wrappers.student.input_checks import checked_actions, checked_observations
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.team_spec import TeamSpec


class StudentProvider(Protocol):
    """An object that provides students, new ones from time to time."""

    @property
    def newest(self) -> tuple[StudentCritic | None, int]:
        """The newest student and its version, from 1; None and 0 before there is one."""


class FixedStudent:
    """A provider of one student, which is never replaced."""

    def __init__(self, student: StudentCritic) -> None:
        self.newest: tuple[StudentCritic | None, int] = (student, 1)


class VersionedInference:
    """Credits for the steps of E environments with N agents; without a student every agent gets the team reward.

    One student credits the whole of an episode, because a loop through two potentials might earn something.

    The team has the agents in the order of rows; the student may have them in another order.
    """

    def __init__(self, source: StudentProvider, team: TeamSpec, environments: int = 1) -> None:
        self.source, self._team, self._environments = source, team, environments
        self.version = np.zeros(environments, np.int64)  # of the student of each episode; 0 without a student
        self._students: dict[int, StudentInference] = {}  # by version

    def begin(self, chosen: np.ndarray, rows: np.ndarray) -> None:
        """Begin episodes of the chosen environments, (e,), with finite observations, (e, N, F), else CreditError."""
        student, version = self.source.newest
        self.version[chosen] = version
        if student is None:
            checked_observations(self._team, rows, "observations", chosen)
            return
        if version not in self._students:
            self._students = {v: still for v, still in self._students.items() if (self.version == v).any()}
            self._students[version] = StudentInference(student, self._environments, self._team.agents)
        self._students[version].begin(chosen, rows)

    def pay(
        self, chosen: np.ndarray, actions: np.ndarray, rows: np.ndarray, team_reward: np.ndarray, terminated: np.ndarray
    ) -> np.ndarray:
        """Return the credits of one step, (e, N) float64; see `StudentInference.pay`."""
        step, versions = (chosen, actions, rows, team_reward, terminated), self.version[chosen]
        if len(chosen) == 1 or (versions == versions[0]).all():  # nearly always
            return self._pay(int(versions[0]), *step)
        credits = np.empty(actions.shape)
        for version in np.unique(versions).tolist():
            part = versions == version
            credits[part] = self._pay(version, *(array[part] for array in step))
        return credits

    def _pay(self, version: int, *step: np.ndarray) -> np.ndarray:
        if version:
            return self._students[version].pay(*step).astype(np.float64)
        chosen, actions, rows, team_reward, _ = step
        # Refuse what no student could learn from before it becomes a label.
        checked_actions(self._team, actions, chosen)
        checked_observations(self._team, rows, "next_observations", chosen)
        return np.repeat(np.asarray(team_reward, np.float64)[:, None], len(self._team.agents), axis=1)
