"""The student: a critic that was fitted to another critic's credits and needs only numpy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, NoReturn

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import check_labels
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.agreement import Agreement, AgreementScores
from credit_wrappers.student.input_checks import checked_actions, checked_ends, checked_observations
from credit_wrappers.student.network import (
    NetworkInputs,
    Parameters,
    StudentNetwork,
    initial,
    inputs_of,
    normalised,
    one_hot,
    statistics,
)
from credit_wrappers.student.step_arrays import steps_of
from credit_wrappers.student.student_file import read_student, write_student
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import TeamSpec


@dataclass(frozen=True, eq=False)
class StudentCritic:
    """A critic that was fitted to another critic's credits. `fit_student` and `load` make one; it never changes.

    In the potential-based form the credit of agent i in a step with team reward r is

        c_i = gamma * phi_i(after) - phi_i(before) + w_i * u * r,    w_i >= 0, the w_i of a step sum to 1

    The potential phi depends on what the agent and its team observe, and on whether the world has ended; the share w
    depends on the agent's own action, too. The unit u is learned: the critic's credit for a unit of reward, and for a
    unit of cost (r < 0), which never counts less. With gamma=1 a path that ends where it began earns only its shares of
    the team reward, so the credit cannot be farmed; docs/student.md explains it.

    Agents of one role share a network. It reads the team as the mean and the maximum of all encodings, so reordering
    the agents reorders the credits and changes nothing else. A feature that never varied in the labels is ignored.

    Attributes:
        settings: Form, gamma, sizes.
        team: Agents, roles, sizes of observations, numbers of actions.
        parameters: Weights of the ensemble, and the statistics of the observations.
        scale: Root mean square of the critic's credits.
        agreement: With the critic, on the held-out episodes, which also decide which pass of the fit is kept.
        labels: How many labelled episodes it was fitted to, held-out ones included.
        env_id: Name and version of their environment; "" where they have none, or several. Another environment is
            refused, because its numbers may mean something else; if not, `dataclasses.replace(student, env_id="")`.
    """

    settings: StudentSettings
    team: TeamSpec
    parameters: Parameters
    scale: float
    agreement: Agreement
    labels: int
    env_id: str = ""

    label = "student"

    @classmethod
    def fit(cls, *_: Any, **__: Any) -> NoReturn:
        """Raise AttributeError; use `fit_student`."""
        raise AttributeError("StudentCritic.fit(labels, ...) is now credit_wrappers.fit_student(labels, ...)")

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return one credit for each episode, with the values that `step` returns.

        Raises:
            CreditError: An episode is of another environment, has other agents, sizes or actions, no observations, or
                numbers that are not finite.
            TypeError: Actions are not whole numbers, or observations are not arrays of numbers.
        """
        for episode in episodes:
            self._check_env_id(episode.env_id)
        return [Credit(values.mean(axis=0), source="student") for values in self._each(episodes)]

    def disagreement(self, episodes: Sequence[Episode]) -> np.ndarray:
        """Return the networks' standard deviation on each episode, (E,) float64, in units of credit.

        It is the root mean square over steps and agents. Raises what `score` raises.
        """
        return np.array([np.sqrt(values.var(axis=0, dtype=np.float64).mean()) for values in self._each(episodes)])

    def compare(self, labels: Iterable[tuple[Episode, Credit]]) -> Agreement:
        """Return the agreement with other labels, at least one; raise what `score` raises."""
        pairs = list(labels)
        check_labels(pairs, "compare")
        if not pairs:
            raise CreditError("agreement needs at least 1 labelled episode, got 0")
        own = [values.mean(axis=0) for values in self._each([episode for episode, _ in pairs])]
        return Agreement.of([credit.values for _, credit in pairs], own)

    def check_env(self, agents: Sequence[str], sizes: Sequence[int], actions: Sequence[int], env_id: str) -> None:
        """Raise CreditError, naming both, unless the student fits an environment's agents and name ("" is any)."""
        self.team.check(agents, sizes, actions, "the environment")
        self._check_env_id(env_id)

    def step(
        self,
        observations: np.ndarray,
        actions: np.ndarray,
        next_observations: np.ndarray,
        team_reward: np.ndarray,
        terminated: np.ndarray,
    ) -> np.ndarray:
        """Return the credits of one step of E environments, (E, N) float32, agents in the order of `team.agents`.

        Args:
            observations: (E, N, F), flat, before the step; F is the longest observation, shorter ones end in zeros.
            actions: (E, N), whole numbers.
            next_observations: (E, N, F), after the step; at the end of an episode not those of the next reset.
            team_reward: (E,).
            terminated: (E,) bool, whether the world ended with this step (truncation does not count).

        Raises:
            CreditError: The student was fitted for other shapes or actions; a number is not finite.
            TypeError: Actions are not whole numbers.
        """
        envs = np.arange(len(observations))
        acted = checked_actions(self.team, actions, envs)
        before = checked_observations(self.team, observations, "observations", envs)
        after = checked_observations(self.team, next_observations, "next_observations", envs)
        reward, ended = checked_ends(self.team, team_reward, terminated, envs)
        states = normalised(self.parameters, self.team, np.concatenate([before, after]))
        over = ended[:, None, None].astype(np.float32)
        inputs = NetworkInputs(states, envs, envs + len(envs), one_hot(self.team, acted), reward, over)
        return self._network.credits(np, self.parameters, inputs).mean(axis=0)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one npz file of arrays and JSON, without pickle; an existing file is replaced."""
        about = asdict(self)
        del about["parameters"]
        write_student(path, about, self.parameters)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> StudentCritic:
        """Return a student that `save` wrote; this needs numpy only.

        Raises:
            CreditError: The file is not a student, is damaged, or has another format version.
            FileNotFoundError: There is no such file.
        """
        about, arrays = read_student(path)
        try:
            agreement = about["agreement"]
            student = cls(
                settings=StudentSettings(**about["settings"]),
                team=TeamSpec(**{name: tuple(values) for name, values in about["team"].items()}),
                parameters=arrays,
                scale=float(about["scale"]),
                agreement=Agreement(
                    agreement["episodes"], *(AgreementScores(**agreement[name]) for name in ("steps", "sums"))
                ),
                labels=int(about["labels"]),
                env_id=str(about["env_id"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CreditError(f"{path} is a damaged student ({type(error).__name__}: {error})") from error
        team = student.team
        expected = initial(team, student.settings, np.random.default_rng(0)) | statistics(
            team, np.zeros((1, len(team.agents), max(team.sizes)))
        )
        if {name: array.shape for name, array in arrays.items()} != {
            n: a.shape for n, a in expected.items()
        } or not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays.values()):
            raise CreditError(f"{path} is a damaged student: its weights are not those that its settings ask for")
        return student

    @property
    def _network(self) -> StudentNetwork:
        return StudentNetwork(self.team, self.settings, self.scale)

    def _each(self, episodes: Sequence[Episode]) -> list[np.ndarray]:
        """Return the credits of all networks, (K, T, N), for each episode, in the order of its own agents."""
        found = []
        for episode in episodes:
            inputs = inputs_of(self.parameters, self.team, steps_of(self.team, [episode]))
            values = self._network.score(self.parameters, inputs)
            found.append(values[:, :, np.argsort(self.team.order(episode.agents, f"episode {episode.id}"))])
        return found

    def _check_env_id(self, env_id: str) -> None:
        if self.env_id and env_id and env_id != self.env_id:
            raise CreditError(
                f"the student is fitted for {self.env_id!r}, this is {env_id!r}; if agents observe the same there: "
                'dataclasses.replace(student, env_id="")'
            )
