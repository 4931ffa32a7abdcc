"""The task student: it was fitted to a critic's tasks, assigns tasks from observations, and needs only numpy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import check_labels
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.student.input_checks import checked_observations
from credit_wrappers.student.network import (
    Parameters,
    TeamNetwork,
    first_encoder,
    first_head,
    normalised,
    statistics,
)
from credit_wrappers.student.student_file import read_student, write_student
from credit_wrappers.student.student_settings import check_settings
from credit_wrappers.student.task_labels import TaskSteps, task_steps, usable_labels
from credit_wrappers.student.team_spec import TeamSpec

_KIND = "task student"
_HEAD = "task"


@dataclass(frozen=True)
class TaskStudentSettings:
    """Size and fitting of a task student.

    Attributes:
        networks: Size of the ensemble, whose scores are averaged.
        hidden: Width of each layer.
        held_out: Share of the labelled episodes, in (0, 1), that the student does not learn from; at least one.
        epochs: Passes over the other episodes. The weights after the pass with the smallest held-out error are kept.
        refit_epochs: Passes when fitting continues from another student.
        batch: Steps in an update, approximately, of whole episodes; fewer where a pass would have less than 8 updates.
        learning_rate: Of AdamW at first; it falls along a cosine to a fiftieth.
        weight_decay: Of AdamW.
        seed: Of the held-out split, the first weights and the order of the updates.

    Raises:
        ValueError: A value is not possible; the message names the setting and what is valid.
    """

    networks: int = 2
    hidden: int = 64
    held_out: float = 0.2
    epochs: int = 40
    refit_epochs: int = 15
    batch: int = 512
    learning_rate: float = 5e-3
    weight_decay: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, slots=True)
class TaskAgreement:
    """How often a task student gives an agent the task that its critic named for the step.

    Attributes:
        episodes: How many episodes were compared.
        count: How many tasks: one for each agent in each step in which it was there.
        right: Share of them that are the critic's.
        usual: Share that the critic's most frequent task has: what is right by always giving this one.
    """

    episodes: int
    count: int
    right: float
    usual: float


class TaskNetwork(TeamNetwork):
    """The ensemble's arithmetic; each call is given the weights."""

    def scores(self, ops: Any, parameters: Parameters, states: Any, there: Any) -> Any:
        """Return the score of each task for each agent, (K, M, N, tasks); `ops` is the module numpy or torch.

        Args:
            ops: Of the arrays, numpy or torch.
            parameters: The weights.
            states: (M, N, 2 * F), see `normalised`.
            there: (M, N, 1) float32, 1 for an agent that is there.
        """
        return self.head(ops, _HEAD, parameters, self.encode(ops, parameters, states), there)


@dataclass(frozen=True, eq=False)
class TaskStudent:
    """Assigns tasks from observations, as a critic would judge them with hindsight.

    `fit_task_student` and `load` make one; it never changes. Agents of one role share a network. It reads the team as
    the mean and the maximum of all encodings, so reordering the agents reorders the tasks and changes nothing else.

    Attributes:
        settings: Sizes and fitting.
        team: Agents, roles, sizes of observations.
        tasks: All tasks, in the order of their numbers.
        parameters: Weights of the ensemble, and the statistics of the observations.
        agreement: With the critic, on the held-out episodes, which also decide which pass of the fit is kept.
        labels: How many labelled episodes it was fitted to, held-out ones included.
        env_id: Name and version of their environment; "" where they have none, or several.
    """

    settings: TaskStudentSettings
    team: TeamSpec
    tasks: tuple[str, ...]
    parameters: Parameters
    agreement: TaskAgreement
    labels: int
    env_id: str = ""

    def assign(self, observations: npt.ArrayLike, there: npt.ArrayLike | None = None) -> np.ndarray:
        """Return the number of each agent's task in E environments, (E, N) int64, agents in the order of `team.agents`.

        Args:
            observations: (E, N, F), flat; F is the longest observation, shorter ones end in zeros.
            there: (E, N) bool, which agents act next, the others' tasks mean nothing; None: all of them.

        Raises:
            CreditError: The student was fitted for other shapes, or a number is not finite.
        """
        given = np.asarray(observations)
        seen = checked_observations(self.team, given, "observations", range(len(given)))
        present = np.ones(seen.shape[:2], bool) if there is None else np.asarray(there, bool)
        return self._numbers(seen, present)

    def tasks_of(self, episode: Episode) -> np.ndarray:
        """Return the task that it gives each agent in each step, (T, N) texts in the order of the episode's agents.

        Raises:
            CreditError: The episode has other agents or sizes, no observations, or numbers that are not finite.
            TypeError: Observations are not arrays of numbers.
        """
        whole = Credit(np.zeros((episode.length, episode.n_agents), np.float32))
        steps = task_steps(self.team, ("",), [(episode, whole)])
        order = np.argsort(self.team.order(episode.agents, f"episode {episode.id}"))
        return np.array(self.tasks, dtype=object)[self._numbers(steps.states, steps.there)[:, order]]

    def compare(self, labels: Iterable[tuple[Episode, Credit]]) -> TaskAgreement:
        """Return the agreement with other labels, of which at least one names tasks; raise what `tasks_of` raises."""
        pairs = list(labels)
        check_labels(pairs, "compare")
        usable = usable_labels(pairs)
        if not usable:
            raise CreditError(f"agreement needs at least 1 episode with tasks, got 0 of {len(pairs)}")
        steps = task_steps(self.team, self.tasks, usable)
        return agreement_of(steps, self._numbers(steps.states, steps.there))

    def check_env(self, agents: Sequence[str], sizes: Sequence[int], tasks: Sequence[str], env_id: str) -> None:
        """Raise CreditError, naming both, unless the student fits an environment; the name "" is any."""
        self.team.check(agents, sizes, None, "the environment")
        if tuple(tasks) != self.tasks:
            raise CreditError(f"the student assigns {', '.join(self.tasks)}, the environment has {', '.join(tasks)}")
        if self.env_id and env_id and env_id != self.env_id:
            raise CreditError(
                f"the student is fitted for {self.env_id!r}, this is {env_id!r}; if agents observe the same there: "
                'dataclasses.replace(student, env_id="")'
            )

    def save(self, path: str | PathLike[str]) -> None:
        """Write one npz file of arrays and JSON, without pickle; an existing file is replaced."""
        about = asdict(self)
        del about["parameters"]
        write_student(path, about, self.parameters, _KIND)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> TaskStudent:
        """Return a task student that `save` wrote; this needs numpy only.

        Raises:
            CreditError: The file is not a task student, is damaged, or has another format version.
            FileNotFoundError: There is no such file.
        """
        about, arrays = read_student(path, _KIND)
        try:
            student = cls(
                settings=TaskStudentSettings(**about["settings"]),
                team=TeamSpec(**{name: tuple(values) for name, values in about["team"].items()}),
                tasks=tuple(map(str, about["tasks"])),
                parameters=arrays,
                agreement=TaskAgreement(**about["agreement"]),
                labels=int(about["labels"]),
                env_id=str(about["env_id"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CreditError(f"{path} is a damaged task student ({type(error).__name__}: {error})") from error
        team = student.team
        expected = first_weights(team, student.settings, len(student.tasks), np.random.default_rng(0))
        expected |= statistics(team, np.zeros((1, len(team.agents), max(team.sizes))))
        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != {name: array.shape for name, array in expected.items()} or not all(
            array.dtype == np.float32 and np.isfinite(array).all() for array in arrays.values()
        ):
            raise CreditError(f"{path} is a damaged task student: its weights are not those that its settings ask for")
        return student

    def _numbers(self, seen: np.ndarray, there: np.ndarray) -> np.ndarray:
        states = normalised(self.parameters, self.team, seen)
        scores = TaskNetwork(self.team).scores(np, self.parameters, states, there[..., None].astype(np.float32))
        numbers: np.ndarray = scores.mean(axis=0).argmax(axis=-1)
        return numbers


def first_weights(team: TeamSpec, settings: TaskStudentSettings, tasks: int, rng: np.random.Generator) -> Parameters:
    """Return the first weights of a student of so many tasks."""
    parameters: Parameters = {}
    for number, group in enumerate(team.groups):
        parameters |= first_encoder(number, group, settings.networks, settings.hidden, rng)
        parameters |= first_head(f"{number}/{_HEAD}", 1, tasks, settings.networks, settings.hidden, rng)
    return parameters


def agreement_of(steps: TaskSteps, numbers: np.ndarray) -> TaskAgreement:
    """Return the agreement of the tasks that were given, (M, N), with those of labels."""
    meant = steps.tasks[steps.there]
    return TaskAgreement(
        episodes=int(steps.episode[-1]) + 1,
        count=meant.size,
        right=float((numbers[steps.there] == meant).mean()),
        usual=float(np.bincount(meant).max() / meant.size),
    )
