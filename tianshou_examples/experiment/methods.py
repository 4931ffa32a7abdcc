"""The methods that are compared: what pays a learner, and the environment in which its team learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pettingzoo import ParallelEnv

from credit_wrappers import (
    CreditStore,
    CreditWrapper,
    Deferred,
    Distillation,
    Distilled,
    EqualSplitCritic,
    LLMTaskWrapper,
    SharedCritic,
    TaskDistillation,
)
from credit_wrappers.student.student_settings import StudentForm


@dataclass(frozen=True)
class Method:
    """How a method is drawn, and what it needs."""

    title: str
    colour: str
    baseline: type[SharedCritic | EqualSplitCritic] | None = None  # pays instead of the critic that --critic names
    summed: bool = False  # whether the whole team is paid the sum of the credits
    tasks: bool = False  # whether the critic also names tasks, from which a task student learns
    credit: bool = True  # whether the critic's credit is paid; else the team reward, and it is asked for tasks alone
    student: StudentForm | None = None  # form of the student that pays; None: the critic's own credit is paid
    exact: bool = False  # whether a simulator is asked instead of the critic that --critic names
    averaged: bool = False  # of exact: whether credit is the action's advantage over the agent's own policy
    central: bool = False  # whether a central critic learns that advantage from the team reward

    @property
    def asks(self) -> bool:
        """Whether `--critic` is asked."""
        return self.baseline is None and not self.exact

    @property
    def counterfactual(self) -> bool:
        """Whether an action is compared with the others of the same policy, which the learner must have."""
        return self.averaged or self.central


METHODS = {
    "mca": Method("individual credit", "#0f766e"),
    "taca": Method("individual credit, and tasks", "#0284c7", tasks=True),
    "tasks": Method("shared team reward, and tasks", "#7c2d12", tasks=True, credit=False),
    "student": Method("individual credit, of a student", "#c026d3", student="potential"),
    "student-free": Method("individual credit, of an unconstrained student", "#be123c", student="free"),
    "exact": Method("exact individual credit, of a simulator", "#15803d", exact=True),
    "coma-exact": Method("exact advantage over the own policy (COMA)", "#4d7c0f", exact=True, averaged=True),
    "coma": Method("learned advantage over the own policy (COMA)", "#a16207", baseline=SharedCritic, central=True),
    "summed": Method("the same credit, summed over the team", "#b45309", summed=True),
    "shared": Method("shared team reward", "#64748b", baseline=SharedCritic),
    "equal": Method("equal split of the team reward", "#7c3aed", baseline=EqualSplitCritic),
}


def credited_environment(
    method: str,
    make_env: Callable[[], ParallelEnv],
    source: CreditStore | Distillation,
    wean_steps: int,
    observe: bool = False,
    students: TaskDistillation | None = None,
) -> Callable[[], ParallelEnv]:
    """Return a maker of the environments in which a learner of this method is trained.

    Args:
        method: One of `METHODS`.
        make_env: Makes the bare environment, in which the team is evaluated.
        source: Gives credits to all environments of the learner.
        wean_steps: Steps of each environment over which tasks fade; see `LLMTaskWrapper`.
        observe: Whether the critic reads the observations.
        students: Assign the tasks, if there are tasks.
    """
    if isinstance(source, Distillation):
        return lambda: CreditWrapper(make_env(), Distilled(source))
    if METHODS[method].tasks:
        return lambda: LLMTaskWrapper(make_env(), store=source, students=students, wean_steps=wean_steps)
    exact = METHODS[method].exact
    return lambda: CreditWrapper(make_env(), Deferred(source), record_snapshots=exact, record_observations=observe)
