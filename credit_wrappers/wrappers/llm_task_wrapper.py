"""LLM-TACA: the critic credits the agents and gives each a task, which its policy sees and is weaned off."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic, check_critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.keywords import check_keywords, keywords_of
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.delivery.store import CreditStore
from credit_wrappers.distillation.task_distillation import FixedTaskStudent, TaskDistillation
from credit_wrappers.narration.fallback_narrators import ActionNames, FeatureNames, narrator_for
from credit_wrappers.narration.task_vocabulary import OtherTasks, tasks_of_narrator
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.student.inputs import TeamInputs
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.task_student import TaskStudent
from credit_wrappers.wrappers.llm_credit_wrapper import LLMCreditWrapper, known_options
from credit_wrappers.wrappers.task_observation import TaskObservationWrapper
from credit_wrappers.wrappers.weaning import Schedule, Weaning

# The default distillation of each store: environments that share a store learn together.
_OF_STORES: WeakKeyDictionary[Any, TaskDistillation] = WeakKeyDictionary()


class LLMTaskWrapper(TaskObservationWrapper):
    """LLM-TACA around any parallel environment: credits as with `LLMCreditWrapper`, and tasks in the observations.

    The critic's answer about an episode says which task each agent should have had when. A **task student** learns from
    these labels, and assigns tasks from what the agents observe, at once: each observation shows the tasks that the
    student gives for this very state. Before the first student is fitted there are no tasks.

    Over the first `wean_steps` steps the tasks fade, and then the task input is always zero: the policies need neither
    critic nor student any more. See `TaskObservationWrapper` for what agents see of a task, and for `eval()`, which
    zeroes it, `task_metrics` and `infos`. When the input is zero in any case, no tasks are assigned.

    With `delivery="immediate"` the critic is asked in every step about the last `window` steps. What it names for the
    last one is the agents' task starting with the observation that the same step returns; no student is needed, unless
    you give one.

    Args:
        env: As for `LLMCreditWrapper`.
        wean_steps: Steps of this environment until the task input is always zero; with E environments side by side
            the training's steps divided by E.
        schedule: See `Weaning`.
        dropout: See `Weaning`.
        tasks: The tasks there are; default: those that the narrator names, which for an environment without a
            narrator are the names of its actions: the recommended action.
        students: Assigns the tasks: a `TaskDistillation`, which environments that share a store share as well; or a
            `TaskStudent` that was fitted before. Default: a distillation, one for all environments of a store.
        task_labels: Episodes that the default one learns from; 300 if it is not given. A critic that is made here is
            asked for tasks in these alone.
        critic: A critic that names tasks, such as `LLMCritic(client, tasks=True)`.
        store: A store of such a critic, to share with other environments.
        narrator: See `LLMCreditWrapper`.
        describe: See `LLMCreditWrapper`.
        action_names: See `LLMCreditWrapper`.
        feature_names: See `LLMCreditWrapper`.
        options: All other arguments of `LLMCreditWrapper`.

    Attributes:
        students: What assigns the tasks; None where the critic does it in every step.

    Raises:
        ValueError: The critic names no tasks; labels or a distillation of credit are asked for; arguments exclude each
            other; an earlier environment of the students had other agents, observations or tasks.
        CreditError, TypeError: See `TaskObservationWrapper` and `LLMCreditWrapper`; the student does not fit, or cannot
            read the observations.

    Examples:
        >>> from credit_wrappers import LLMTaskWrapper, ScriptedClient
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env = LLMTaskWrapper(
        ...     CorridorEnv(length=2), client=ScriptedClient(), wean_steps=1000, episodes_per_query=1, task_labels=2
        ... )
        >>> for seed in range(2):
        ...     observations, infos = env.reset(seed=seed)
        ...     while env.agents:
        ...         observations, rewards, *_, infos = env.step({agent: 2 for agent in env.agents})
        >>> ((episode, credit), _) = env.store.settle([infos["walker_0"]["episode_id"]])
        >>> credit.tasks[0]
        TaskSpan(agent='walker_0', start=0, stop=1, task='walk to the end', why='was done when the team was paid most')
        >>> observations, infos = env.reset()  # a student is fitted
        >>> infos["walker_0"]["task"]
        'walk to the end'
    """

    def __init__(
        self,
        env: ParallelEnv,
        *,
        wean_steps: int,
        schedule: Schedule | None = None,
        dropout: float = 0.9,
        tasks: Sequence[str] | None = None,
        students: TaskDistillation | TaskStudent | None = None,
        task_labels: int | None = None,
        critic: Critic | None = None,
        store: CreditStore | None = None,
        narrator: Narrator | None = None,
        describe: str | None = None,
        action_names: ActionNames | None = None,
        feature_names: FeatureNames | None = None,
        **options: Any,
    ) -> None:
        require_parallel(env)
        check_keywords("LLMTaskWrapper", options, [*keywords_of(LLMTaskWrapper.__init__), *known_options()])
        if critic is not None:
            check_critic(critic, "critic= takes a critic")
        narrator = narrator_for(
            env, narrator, describe=describe, action_names=action_names, feature_names=feature_names
        )
        if any(options.get(name) is not None for name in ("labels", "distillation")):
            raise ValueError(
                "labels= and distillation= are of a student of credit, which names no tasks: without them the critic "
                "itself credits, and students= or task_labels= say who assigns the tasks"
            )
        if tasks is not None:
            narrator = OtherTasks(narrator, tasks)
        self.students = _students(students, task_labels, options.get("delivery") == "immediate", store)
        learning = self.students if isinstance(self.students, TaskDistillation) else None
        if learning is not None:
            options["record_observations"] = True
        if learning is not None or self.students is None:  # then the critic must name tasks
            if critic is None and store is None:
                options["tasks"] = True
                if learning is not None:
                    options.setdefault("asks_tasks", learning.wants)
            else:
                _check_critic(critic if critic is not None else getattr(store, "critic", None))
        inner = LLMCreditWrapper(env, critic=critic, store=store, narrator=narrator, **options)
        super().__init__(inner, tasks_of_narrator(narrator), weaning=Weaning(wean_steps, schedule, dropout))
        if self.students is not None:
            self._reads = TeamInputs(inner)
            name = inner.session.recorder.envs[0].env_id
            self.students.join(self._reads.agents, self._reads.sizes, self.tasks, name)
        if learning is not None:
            inner.add_listener(learning.learn)
        elif self.students is None:
            self._newest = (-1, -1)  # episode and step of the newest tasks
            self._warned = False
            inner.add_listener(self._adopt)

    def begin(self, seed: int | None) -> None:
        """Fit the next student if it is due; see `TaskObservationWrapper.begin`."""
        if self.students is not None:
            self.students.refresh()
        super().begin(seed)

    @property
    def task_metrics(self) -> dict[str, float]:
        """Numbers to log: those of `TaskObservationWrapper`, and those of the students; see `TaskDistillation`."""
        return {**super().task_metrics, **(self.students.metrics if self.students is not None else {})}

    def give(self, numbers: Sequence[int] | None) -> None:
        """Give all agents the tasks of these numbers; None takes their tasks away."""
        for i, agent in enumerate(self.env.possible_agents):
            self.assigned[agent] = "" if numbers is None else self.tasks[numbers[i]]

    def _told(
        self, observations: Mapping[str, Any], infos: Mapping[str, Mapping[str, Any]]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Give the tasks of the state that is observed; return widened observations, and infos."""
        if self.students is not None:
            numbers = None
            if self.shows_tasks:
                there = np.array([[agent in observations for agent in self._reads.agents]])
                numbers = self.students.assign(self._reads(observations)[None], there)
            self.give(None if numbers is None else numbers[0].tolist())
        return super()._told(observations, infos)

    def _adopt(self, episode: Episode, credit: Credit) -> None:
        """Give the tasks that the critic names for the last step; those of older steps that come late do not count."""
        if credit.tasks is None:
            if credit.source != "fallback" and not self._warned:
                self._warned = True
                warnings.warn(
                    f"the critic's credit (source {credit.source!r}) carries no tasks: the task input stays as it is. "
                    "A critic that names some: LLMCritic(client, tasks=True)",
                    RuntimeWarning,
                    stacklevel=2,
                )
        elif (time := (episode.id, episode.start + episode.length)) > self._newest:
            self._newest = time
            self.assign({span.agent: span.task for span in credit.tasks if span.stop == episode.length})


def _students(
    given: TaskDistillation | TaskStudent | None, labels: int | None, in_steps: bool, store: object
) -> TaskDistillation | FixedTaskStudent | None:
    """Return what assigns the tasks; None: the critic, in every step."""
    if labels is not None and (given is not None or in_steps):
        why = "students= brings its own" if given is not None else "delivery='immediate' asks the critic in every step"
        raise ValueError(f"task_labels={labels} would do nothing ({why}); remove it")
    if isinstance(given, TaskStudent):
        return FixedTaskStudent(given)
    if given is not None and not isinstance(given, TaskDistillation):
        raise TypeError(f"students= takes a TaskDistillation or a TaskStudent, got {type(given).__name__}")
    if in_steps:
        if given is not None:
            raise ValueError("a TaskDistillation learns from whole episodes; with delivery='immediate' leave it out")
        return None
    if given is not None:
        return given
    known = None if store is None else _OF_STORES.get(store)
    if known is not None and labels not in (None, known.most):
        raise ValueError(f"task_labels={labels}, but the first environment of this store has {known.most}")
    found = known or TaskDistillation(300 if labels is None else labels)
    if store is not None:
        _OF_STORES[store] = found
    return found


def _check_critic(critic: Any) -> None:
    """Raise ValueError for a critic that is known to name no tasks; a store in a worker process has none to show."""
    if isinstance(critic, StudentCritic):
        raise ValueError("a student of credit names no tasks: give the critic that it learned from")
    if not getattr(getattr(critic, "settings", None), "tasks", True):
        raise ValueError(f"the critic {critic.label!r} names no tasks; make it with tasks=True")
