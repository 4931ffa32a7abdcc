"""Who pays the steps of many environments: the student that was newest when each episode began, or nobody yet."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from credit_wrappers.student.dataset import check_actions, check_finite, check_shapes, placed, whole_numbers
from credit_wrappers.student.inference import Payer
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.team_spec import Team


class Source(Protocol):
    """Has students."""

    @property
    def newest(self) -> tuple[StudentCritic | None, int]:
        """The newest one and its version, or None and 0."""


class Ready:
    """A source whose student is there from the start and stays."""

    def __init__(self, student: StudentCritic) -> None:
        self.newest: tuple[StudentCritic | None, int] = (student, 1)


class Payroll:
    """Pays each step of E environments with N agents: the student's credit, before the first student the team reward.

    An episode is paid by one student from its beginning to its end: a loop through two potentials might earn.

    Args:
        source: Has the students.
        team: The agents in the order of rows; the student may have them in another.
        environments: E.

    Attributes:
        source: As given.
        version: (E,) of the student that pays each environment's episode; 0: nobody yet.
    """

    def __init__(self, source: Source, team: Team, environments: int = 1) -> None:
        self.source, self._team, self._environments = source, team, environments
        self.version = np.zeros(environments, np.int64)
        self._clerks: dict[int, _Clerk | _TeamClerk] = {0: _TeamClerk(team, environments)}  # by version

    def begin(self, chosen: np.ndarray, rows: np.ndarray) -> None:
        """Begin episodes of the chosen environments, (e,), with the first rows, (e, N, F).

        Raises:
            CreditError: A number is not finite; the message names agent and feature.
        """
        student, version = self.source.newest
        self.version[chosen] = version
        if student is not None and version not in self._clerks:
            self._clerks = {v: clerk for v, clerk in self._clerks.items() if (self.version == v).any()}
            self._clerks[version] = _Clerk(student, self._team.agents, self._environments)
        self._clerks[version].start(chosen, rows)

    def pay(
        self,
        chosen: np.ndarray,
        actions: np.ndarray,
        rows: np.ndarray,
        team_reward: np.ndarray,
        terminated: np.ndarray,
    ) -> np.ndarray:
        """Return the credits of one step, (e, N) float64.

        Args:
            chosen: (e,) environments.
            actions: (e, N) int.
            rows: (e, N, F), after the step.
            team_reward: (e,).
            terminated: (e,) bool, whether the world ended.

        Raises:
            CreditError: A number is not finite; the message names agent and feature. An agent has left.
            TypeError: Actions are not whole numbers.
        """
        step, versions = (chosen, actions, rows, team_reward, terminated), self.version[chosen]
        if len(chosen) == 1 or (versions == versions[0]).all():  # nearly always
            return self._clerks[int(versions[0])].pay(*step)
        credits = np.empty(actions.shape)
        for version in np.unique(versions).tolist():
            part = versions == version
            credits[part] = self._clerks[version].pay(*(array[part] for array in step))
        return credits


class _TeamClerk:
    """Pays everyone the team reward, and refuses what no student could learn from before it is a label."""

    def __init__(self, team: Team, environments: int) -> None:
        self._team, self._environments = team, environments

    def start(self, chosen: np.ndarray, rows: np.ndarray) -> None:
        check_finite(self._team, placed(self._environments, chosen, rows), "observations", "environment")

    def pay(
        self,
        chosen: np.ndarray,
        actions: np.ndarray,
        rows: np.ndarray,
        team_reward: np.ndarray,
        terminated: np.ndarray,
    ) -> np.ndarray:
        acted = whole_numbers(actions)
        check_shapes(self._team, len(chosen), actions=acted)
        check_actions(self._team, placed(self._environments, chosen, acted), "actions", "environment")
        check_finite(self._team, placed(self._environments, chosen, rows), "next_observations", "environment")
        return np.repeat(np.asarray(team_reward, np.float64)[:, None], len(self._team.agents), axis=1)


class _Clerk:
    """A student's payer, with the environment's order of agents."""

    def __init__(self, student: StudentCritic, agents: tuple[str, ...], environments: int) -> None:
        order = student.team.order(agents, "the environment")
        self._payer = Payer(student, environments)
        self._order = None if order == sorted(order) else np.array(order)
        self._back = np.argsort(order)

    def start(self, chosen: np.ndarray, rows: np.ndarray) -> None:
        self._payer.start(chosen, rows if self._order is None else rows[:, self._order])

    def pay(
        self,
        chosen: np.ndarray,
        actions: np.ndarray,
        rows: np.ndarray,
        team_reward: np.ndarray,
        terminated: np.ndarray,
    ) -> np.ndarray:
        if self._order is None:
            return self._payer.pay(chosen, actions, rows, team_reward, terminated).astype(np.float64)
        paid = self._payer.pay(chosen, actions[:, self._order], rows[:, self._order], team_reward, terminated)
        return paid[:, self._back].astype(np.float64)
