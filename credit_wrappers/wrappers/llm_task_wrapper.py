"""LLM-TACA: the critic credits the agents and gives each a task, which its policy sees and is weaned off."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic, check_critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.keywords import check_keywords, keywords_of
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.delivery.store import CreditStore
from credit_wrappers.narration.fallback_narrators import ActionNames, FeatureNames, narrator_for
from credit_wrappers.narration.task_vocabulary import OtherTasks, tasks_of_narrator
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.wrappers.llm_credit_wrapper import LLMCreditWrapper, known_options
from credit_wrappers.wrappers.task_observation import TaskObservationWrapper
from credit_wrappers.wrappers.weaning import Schedule, Weaning


class LLMTaskWrapper(TaskObservationWrapper):
    """LLM-TACA around any parallel environment: credits as with `LLMCreditWrapper`, and tasks in the observations.

    The critic's answer about an episode carries one task for each agent. They are the agents' tasks from the next
    reset of this environment on, until an answer about a later episode of it brings others; a fallback brings none.
    (With `delivery="immediate"` the critic is asked in every step, and its tasks hold starting with the observation
    that the same step returns.) Over the first `wean_steps` steps they fade, and then the task input is always
    zero: the policies need no critic any more. See `TaskObservationWrapper` for what agents see of a task, and for
    `eval()`, which zeroes it, `task_metrics` and `infos`.

    Args:
        env: As for `LLMCreditWrapper`.
        wean_steps: Steps of this environment until the task input is always zero; with E environments side by side
            the training's steps divided by E.
        schedule: See `Weaning`.
        dropout: See `Weaning`.
        tasks: The tasks there are; default: those that the narrator names, which for an environment without a
            narrator are the names of its actions: the recommended action.
        critic: A critic that assigns tasks, such as `LLMCritic(client, tasks=True)`.
        store: A store of such a critic, to share with other environments.
        narrator: See `LLMCreditWrapper`.
        describe: See `LLMCreditWrapper`.
        action_names: See `LLMCreditWrapper`.
        feature_names: See `LLMCreditWrapper`.
        options: All other arguments of `LLMCreditWrapper`.

    Raises:
        ValueError: The critic assigns no tasks; labels or a distillation are asked for, whose students assign none.
        CreditError, TypeError: See `TaskObservationWrapper` and `LLMCreditWrapper`.

    Examples:
        >>> from credit_wrappers import LLMTaskWrapper, ScriptedClient
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env = LLMTaskWrapper(CorridorEnv(length=2), client=ScriptedClient(), wean_steps=1000, episodes_per_query=1)
        >>> observations, infos = env.reset(seed=1)
        >>> while env.agents:
        ...     observations, rewards, *_, infos = env.step({agent: 2 for agent in env.agents})
        >>> ((episode, credit),) = env.store.settle([infos["walker_0"]["episode_id"]])
        >>> credit.tasks
        ('walk to the end', 'walk to the end')
        >>> observations, infos = env.reset()
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
            raise ValueError("a student assigns no tasks: without labels= and distillation= the critic itself is asked")
        if tasks is not None:
            narrator = OtherTasks(narrator, tasks)
        if critic is None and store is None:
            options["tasks"] = True
        else:
            _check_critic(critic if critic is not None else getattr(store, "critic", None))
        inner = LLMCreditWrapper(env, critic=critic, store=store, narrator=narrator, **options)
        super().__init__(inner, tasks_of_narrator(narrator), weaning=Weaning(wean_steps, schedule, dropout))
        # The newest tasks, and when the critic gave them: after which episode, and which step of it.
        self._newest: tuple[tuple[int, int], dict[str, str]] = ((-1, -1), {})
        self._adopted = (-1, -1)  # when those were given that the agents have now
        self._warned = False
        inner.add_listener(self._remember)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin a new episode, with the newest tasks."""
        self._adopt()
        return super().reset(seed=seed, options=options)

    def _adopt(self) -> None:
        time, tasks = self._newest  # may be replaced by another thread
        if time > self._adopted:
            self._adopted = time
            self.assign(tasks)

    def _remember(self, episode: Episode, credit: Credit) -> None:
        """Remember the tasks of a scored episode; those of older ones that come late are passed over."""
        if credit.tasks is None:
            if credit.source != "fallback" and not self._warned:
                self._warned = True
                warnings.warn(
                    f"the critic's credit (source {credit.source!r}) carries no tasks: the task input stays as it is. "
                    "A critic that assigns some: LLMCritic(client, tasks=True)",
                    RuntimeWarning,
                    stacklevel=2,
                )
        elif (time := (episode.id, episode.start + episode.length)) > self._newest[0]:
            self._newest = time, {span.agent: span.task for span in credit.tasks if span.stop == episode.length}
            if self.env.source.pays:
                self._adopt()


def _check_critic(critic: Any) -> None:
    """Raise ValueError for a critic that is known to assign no tasks; a store in a worker process has none to show."""
    if isinstance(critic, StudentCritic):
        raise ValueError("a student assigns no tasks: give the critic that it learned from")
    if not getattr(getattr(critic, "settings", None), "tasks", True):
        raise ValueError(f"the critic {critic.label!r} assigns no tasks; make it with tasks=True")
