"""The methods that are compared: what pays a learner, and the environment that its team learns and plays in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pettingzoo import ParallelEnv

from credit_wrappers import CreditStore, CreditWrapper, Deferred, Distillation, Distilled, LLMTaskWrapper
from credit_wrappers.student.student_settings import StudentForm


@dataclass(frozen=True)
class Method:
    """How a method is drawn, and what it wants of the critic's model."""

    title: str
    colour: str
    asks: bool = False  # for credits
    tasks: bool = False  # and for tasks
    student: StudentForm | None = None  # of the student that pays at once; None: what the critic said is paid


METHODS = {
    "mca": Method("individual credit", "#0f766e", asks=True),
    "taca": Method("individual credit, and tasks", "#0284c7", asks=True, tasks=True),
    "student": Method("individual credit, of a student", "#c026d3", asks=True, student="potential"),
    "student-free": Method("individual credit, of a free student", "#be123c", asks=True, student="free"),
    "summed": Method("the same credit, summed over the team", "#b45309", asks=True),
    "shared": Method("shared team reward", "#64748b"),
    "equal": Method("equal split of the team reward", "#7c3aed"),
}


def learning_factory(
    method: str, make_env: Callable[[], ParallelEnv], source: CreditStore | Distillation, wean_steps: int
) -> Callable[[], ParallelEnv]:
    """Makes the environments that an arm of this method is trained in; all of them share the source.

    EnvGroup play in the bare environment: of networks that learned with tasks the task input is cut out (`weaned.py`).

    Args:
        method: one of `METHODS`.
        make_env: makes the bare environment.
        source: where credits, and tasks, come from.
        wean_steps: of each environment; see `LLMTaskWrapper`.
    """
    if isinstance(source, Distillation):
        return lambda: CreditWrapper(make_env(), Distilled(source))
    if METHODS[method].tasks:
        return lambda: LLMTaskWrapper(make_env(), store=source, wean_steps=wean_steps)
    return lambda: CreditWrapper(make_env(), Deferred(source))
