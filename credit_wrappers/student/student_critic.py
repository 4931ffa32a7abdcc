"""The student: credits at once, in numpy, what its teacher would have been asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.agreement import Agreement
from credit_wrappers.student.dataset import (
    as_float32,
    check_actions,
    check_finite,
    check_reward,
    check_shapes,
    steps_of,
    whole_numbers,
)
from credit_wrappers.student.network import Parameters, credits, credits_of, normalised, one_hot
from credit_wrappers.student.student_settings import StudentSettings
from credit_wrappers.student.team_spec import Team


@dataclass(frozen=True, eq=False)
class StudentCritic:
    """A critic that was fitted on another critic's credits; `fit` and `load` make one. It never changes.

    The credit of agent i in a step with team reward r, in the form "potential":

        c_i = gamma * phi_i(after) - phi_i(before) + w_i * u * r,    w_i >= 0, the w_i of a step sum to 1

    The potential phi reads what an agent and its team observe, the share w also the agent's own action. The unit u is
    learned: what the teacher makes of a unit of reward, and what of a unit of cost (r < 0), which is no less. With
    gamma=1 a way through states that ends where it began earns nothing but its shares of the team reward, all agents
    together at most u times what the team was paid on it, and an episode adds up to `phi(end) - phi(start)` and such
    shares, however long it is: it cannot be farmed. A teacher that pays for what no state shows cannot be followed in
    this form.

    Ends: phi is told whether the world has ended (terminated), so that an end has a potential of its own; running out
    of time (truncated) changes nothing. Shaping that must not change what is optimal wants a potential of zero where
    the world ends (Grzes 2017), but then an episode adds up to `-phi(start)`, whatever was done in it: progress would
    be paid, and taken back in the last step. Here an end is worth what the teacher says. No loop leads through it.

    Networks: the agents of a role share one; the others enter as mean and maximum of their encodings, so that the order
    of agents changes nothing but the order of credits. What never varied in the labels is ignored.

    Attributes:
        settings: Form, gamma, sizes.
        team: For whom: agents, roles, sizes of observations, numbers of actions.
        parameters: Weights of the ensemble, and the statistics of the observations.
        scale: Size of the teacher's credits, root mean square.
        agreement: With the teacher, on the held-out episodes. They also decide when fitting stops.
        labels: Labelled episodes it was fitted on, held-out ones included.
        env_id: Name of the environment that they are of, version included; "" where they have none, or several. In
            another one the numbers that agents observe may mean something else, so it is refused there;
            `dataclasses.replace(student, env_id="")` is for whoever knows that they mean the same.

    Example:
        >>> from credit_wrappers import CreditWrapper, Deferred, EqualSplitCritic, Student, StudentCritic
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env, labels = CreditWrapper(CorridorEnv(), EqualSplitCritic(), record_observations=True), []
        >>> env.add_listener(lambda episode, credit: labels.append((episode, credit)))
        >>> for seed in range(4):
        ...     observations, infos = env.reset(seed=seed)
        ...     while env.agents:
        ...         *_, infos = env.step({agent: 2 for agent in env.agents})
        ...     settled = env.store.settle([infos["walker_0"]["episode_id"]])
        >>> student = StudentCritic.fit(labels, epochs=2)
        >>> student.labels, student.agreement.episodes
        (4, 1)
        >>> student.score([labels[0][0]])[0].source
        'student'
    """

    settings: StudentSettings
    team: Team
    parameters: Parameters
    scale: float
    agreement: Agreement
    labels: int
    env_id: str = ""

    label = "student"

    @classmethod
    def fit(
        cls,
        labels: Iterable[tuple[Episode, Credit]],
        settings: StudentSettings | None = None,
        *,
        roles: Mapping[str, str] | None = None,
        n_actions: int | Mapping[str, int] | None = None,
        start: StudentCritic | None = None,
        **changes: Any,
    ) -> StudentCritic:
        """Return a student of some labels, with PyTorch (the extra `tianshou`); deterministic.

        Args:
            labels: Episodes with observations, each with its credit; one whose source is "fallback" is no label.
            settings: Form, size and fitting.
            roles: Role by agent; None: one role for all agents that observe equally many numbers.
            n_actions: How many actions there are, for all or by agent; None: as many as the labels show.
            start: Student to begin with, for labels appended to those that it was fitted on: which are held out, and
                what each network learns from, stays as it was. Roles and numbers of actions are its own unless given.
            changes: Single settings by name, instead of or on top of `settings`: `form="free"`, ...

        Raises:
            CreditError: Too few labels, or they do not fit each other; numbers that are not finite; `start` has another
                team, form or size.
            ImportError: PyTorch is missing.
            TypeError: Actions are not whole numbers, observations no arrays of numbers; an unknown setting.
            ValueError: A setting, a role or a number of actions is not possible.
        """
        known = [field.name for field in fields(StudentSettings)]
        if unknown := sorted(set(changes) - set(known)):
            raise TypeError(f"unknown setting {', '.join(unknown)}; there are: {', '.join(known)}")
        from credit_wrappers.student.fitting import fit_student  # brings PyTorch

        return fit_student(list(labels), replace(settings or StudentSettings(), **changes), roles, n_actions, start)

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return one credit for each episode, with values as `step` pays them.

        Raises:
            CreditError: An episode is of another environment, has other agents, sizes or actions, no observations or
                numbers that are not finite.
            TypeError: Actions are not whole numbers, observations no arrays of numbers.
        """
        for episode in episodes:
            self._check_name(episode.env_id)
        return [Credit(values.mean(axis=0), source="student") for values in self._each(episodes)]

    def disagreement(self, episodes: Sequence[Episode]) -> np.ndarray:
        """Return (E,) float64, how far the networks are apart on each episode, in units of credit.

        The standard deviation over the networks, root mean square over steps and agents. Raises what `score` does.
        """
        return np.array([np.sqrt(values.var(axis=0, dtype=np.float64).mean()) for values in self._each(episodes)])

    def compare(self, labels: Iterable[tuple[Episode, Credit]]) -> Agreement:
        """Return the agreement with further labels, at least one; raise what `score` does."""
        pairs = list(labels)
        if not pairs:
            raise CreditError("agreement needs at least 1 labelled episode, got 0")
        own = [values.mean(axis=0) for values in self._each([episode for episode, _ in pairs])]
        return Agreement.of([credit.values for _, credit in pairs], own)

    def check_env(self, agents: Sequence[str], sizes: Sequence[int], actions: Sequence[int], env_id: str) -> None:
        """Raise CreditError, naming both, unless it can pay in an environment.

        Args:
            agents: `possible_agents`.
            sizes: How many numbers each observes.
            actions: How many actions each chooses from.
            env_id: Name of the environment; "" is any.
        """
        self.team.check(agents, sizes, actions, "the environment")
        self._check_name(env_id)

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
            next_observations: (E, N, F), after it: at the end of an episode the last ones, not those of the next reset.
            team_reward: (E,).
            terminated: (E,) bool, whether the world ended with this step; running out of time is no matter.

        Raises:
            CreditError: Shapes or actions are not those it was fitted for; a number is not finite.
            TypeError: Actions are not whole numbers.
        """
        acted, reward = whole_numbers(actions), as_float32(team_reward)
        before, after = as_float32(observations), as_float32(next_observations)
        ended = np.asarray(terminated, np.float32)
        self._check(before, after, acted, reward, ended)
        return credits(
            np,
            self.parameters,
            self.team,
            self.settings,
            self.scale,
            normalised(self.parameters, self.team, np.concatenate([before, after])),
            np.arange(len(before)),
            np.arange(len(before), 2 * len(before)),
            one_hot(self.team, acted),
            reward,
            ended[:, None, None],
        ).mean(axis=0)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one npz file of arrays and JSON, without pickle; a file that is there is replaced."""
        from credit_wrappers.student.student_file import save_student

        save_student(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> StudentCritic:
        """Return a student that `save` wrote; needs numpy only.

        Raises:
            CreditError: Not a student, a damaged one, or one of another format version (both are named).
            FileNotFoundError: There is no such file.
        """
        from credit_wrappers.student.student_file import load_student

        return load_student(path)

    def _each(self, episodes: Sequence[Episode]) -> list[np.ndarray]:
        """Return the credits of all networks, (K, T, N), for each episode, in the order of its own agents."""
        found = []
        for episode in episodes:
            steps = steps_of(self.team, [episode])
            values = credits_of(self.parameters, self.team, self.settings, self.scale, steps)
            found.append(values[:, :, np.argsort(self.team.order(episode.agents, f"episode {episode.id}"))])
        return found

    def _check_name(self, env_id: str) -> None:
        if self.env_id and env_id and env_id != self.env_id:
            raise CreditError(
                f"the student is fitted for {self.env_id!r}, this is {env_id!r}; if agents observe the same there: "
                'dataclasses.replace(student, env_id="")'
            )

    def _check(
        self, before: np.ndarray, after: np.ndarray, actions: np.ndarray, reward: np.ndarray, ended: np.ndarray
    ) -> None:
        arrays = {"observations": before, "next_observations": after}
        check_shapes(self.team, len(before), **arrays, actions=actions, team_reward=reward, terminated=ended)
        for name, array in arrays.items():
            check_finite(self.team, array, name, "environment")
        check_reward(reward)
        check_actions(self.team, actions, "actions", "environment")
