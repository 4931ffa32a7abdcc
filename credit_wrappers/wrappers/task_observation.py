"""The wrapper that shows every agent its task, less and less often as the training goes on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Space
from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.narration.fallback_narrators import narrator_for
from credit_wrappers.narration.task_vocabulary import check_tasks, tasks_of_narrator
from credit_wrappers.recording.env_checks import require_parallel
from credit_wrappers.wrappers.task_spaces import PLACE, Join, widen
from credit_wrappers.wrappers.weaning import Weaning


class TaskObservationWrapper(BaseParallelWrapper):
    """Adds each agent's task to its observation (paper: the input side of LLM-TACA).

    Your program gives tasks by `assign`; in `LLMTaskWrapper` the critic gives them. An agent keeps its task until it
    gets another one, also over resets. `credit_wrappers.wrappers.task_spaces` says how an observation shows the task.

    Agents also see where their tasks lead if the environment has `task_offset(task, agent)`, which returns the rows and
    columns from the agent to the task's place, divided by those of the grid, or None.

    `infos[agent]` gains `task` (str, "" for none) and `task_shown` (bool, whether this observation shows any of it).

    Args:
        env: A PettingZoo parallel environment.
        tasks: All tasks, K; default: those that its narrator names.
        weaning: How the tasks fade; None: they stay.

    Attributes:
        tasks: As given, or the narrator's.
        assigned: Each agent's task; "" for none.
        task_numbers: How many numbers of an observation show the task, M.

    Raises:
        CreditError: There are no tasks.
        TypeError, ValueError: Observations cannot carry a task; see `task_spaces.widen`.

    Examples:
        >>> from credit_wrappers import TaskObservationWrapper
        >>> from credit_wrappers.testing.corridor import CorridorEnv
        >>> env = TaskObservationWrapper(CorridorEnv(length=2), ["go", "wait"])
        >>> env.assign({"walker_0": "wait"})
        >>> observations, infos = env.reset(seed=1)
        >>> observations["walker_0"][-2:].tolist(), infos["walker_0"]["task"]
        ([0.0, 1.0], 'wait')
        >>> observations["walker_1"][-2:].tolist(), infos["walker_1"]["task"]
        ([0.0, 0.0], '')
    """

    def __init__(self, env: ParallelEnv, tasks: Sequence[str] | None = None, *, weaning: Weaning | None = None) -> None:
        require_parallel(env)
        super().__init__(env)
        self.tasks = tasks_of_narrator(narrator_for(env)) if tasks is None else check_tasks(tasks, "tasks=")
        if not self.tasks:
            raise ValueError("tasks= is empty: name at least one")
        self.weaning = weaning
        self.assigned = dict.fromkeys(env.possible_agents, "")
        self._number = {task: k for k, task in enumerate(self.tasks)}
        own = getattr(env.unwrapped, "narrator", None)
        # An environment knows the places of its own tasks only.
        self._places = hasattr(env.unwrapped, "task_offset") and set(self.tasks) <= set(own.tasks() if own else ())
        self.observation_spaces: dict[str, Space] = {}
        self._join: dict[str, Join] = {}
        for agent in env.possible_agents:
            space = env.observation_space(agent)
            self.observation_spaces[agent], self._join[agent] = widen(agent, space, len(self.tasks), self._places)
        if hasattr(env, "show_tasks"):  # a credit wrapper within
            env.show_tasks(self.assigned)
        self.task_numbers = len(self.tasks) + PLACE * self._places
        self._evaluating = False
        self._taken = 0
        self._random = np.random.default_rng()

    def observation_space(self, agent: str) -> Space:
        """Return the widened space."""
        return self.observation_spaces[agent]

    def assign(self, tasks: Mapping[str, str]) -> None:
        """Give agents tasks, from the next observation on, or take them away by ""; other agents keep theirs.

        Raises:
            ValueError: There is no such agent or task.
        """
        for agent, task in tasks.items():
            if agent not in self.assigned:
                raise ValueError(f"there is no agent {agent!r}; valid: {', '.join(self.assigned)}")
            if task and task not in self._number:
                raise ValueError(f"there is no task {task!r}; valid: {', '.join(self.tasks)}")
        self.assigned.update(tasks)

    def eval(self) -> TaskObservationWrapper:
        """Zero the task input from now on, as at execution; steps do not count towards the weaning. Return self."""
        self._evaluating = True
        return self

    def train(self) -> TaskObservationWrapper:
        """Show tasks again, as far as the weaning allows. Return self."""
        self._evaluating = False
        return self

    @property
    def task_progress(self) -> float:
        """How much of the weaning is done, in [0, 1]; 0 without one. Set it to continue a training."""
        return 0.0 if self.weaning is None else self.weaning.progress(self._taken)

    @task_progress.setter
    def task_progress(self, progress: float) -> None:
        if not 0.0 <= progress <= 1.0:
            raise ValueError(f"task_progress must be in [0, 1], got {progress}")
        if self.weaning is not None:
            self._taken = round(progress * self.weaning.steps)

    @property
    def task_metrics(self) -> dict[str, float]:
        """Numbers to log: `task_progress` and the present probabilities, `task_hidden` and `task_dropout`."""
        hidden, dropped = self._rates()
        return {"task_progress": self.task_progress, "task_hidden": hidden, "task_dropout": dropped}

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin a new episode; a seed also decides what is hidden."""
        self.begin(seed)
        return self._told(*self.env.reset(seed=seed, options=options))

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Advance the environment."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        self.count_step()
        observations, infos = self._told(observations, infos)
        return observations, rewards, terminations, truncations, infos

    # The next three do what `reset` and `step` do, for whoever steps the environment inside together with others.

    def begin(self, seed: int | None) -> None:
        """Make what is hidden depend on a seed, if there is one."""
        if seed is not None:
            self._random = np.random.default_rng(np.random.SeedSequence([seed, 0x7A5C]))

    def count_step(self) -> None:
        """Count one step towards the weaning, unless it is evaluated."""
        if not self._evaluating:
            self._taken += 1

    def task_rows(self, there: Collection[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the M numbers of each of these agents' tasks, float32, and which of them were not dropped.

        Each call draws again what is hidden.
        """
        hidden, dropped = self._rates()
        numbers = self.task_numbers
        rows, whole = {}, {}
        for agent in there:
            row, kept, task = np.zeros(numbers, np.float32), np.ones(numbers, bool), self.assigned[agent]
            if task and hidden < 1.0:
                self._write(row, task, agent)
                if hidden:
                    drawn = self._random.random(numbers + 1)
                    kept = (drawn[0] >= hidden) & (drawn[1:] >= dropped)
                    row *= kept
            rows[agent], whole[agent] = row, kept
        return rows, whole

    @property
    def shows_tasks(self) -> bool:
        """Whether an observation may show a task now: the weaning is not over, and nothing is evaluated."""
        return self._rates()[0] < 1.0

    def _rates(self) -> tuple[float, float]:
        """Return the probabilities of hiding all of a task and of dropping one of its numbers."""
        if self._evaluating:
            return 1.0, 1.0
        if self.weaning is None:
            return 0.0, 0.0
        progress = self.task_progress
        return self.weaning.hidden(progress), self.weaning.dropped(progress)

    def _told(
        self, observations: Mapping[str, Any], infos: Mapping[str, Mapping[str, Any]]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Return fresh, widened observations, and infos."""
        rows, kept = self.task_rows(observations)
        wide = {agent: self._join[agent](seen, rows[agent], kept[agent]) for agent, seen in observations.items()}
        told = {
            agent: {**infos.get(agent, {}), "task": self.assigned[agent], "task_shown": bool(row.any())}
            for agent, row in rows.items()
        }
        return wide, told

    def _write(self, row: np.ndarray, task: str, agent: str) -> None:
        row[self._number[task]] = 1.0
        if self._places:
            offset = self.env.unwrapped.task_offset(task, agent)
            if offset is not None:
                row[len(self.tasks) :] = (1.0, *offset)
