"""The settings of a student and of its fitting, each with its default and the reason for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

StudentForm = Literal["potential", "free"]


@dataclass(frozen=True)
class StudentSettings:
    """Form, size and fitting of a student.

    Attributes:
        form: "potential" is the potential-based form, `c_i = gamma * phi_i(after) - phi_i(before) + w_i * u * r`: no
            closed loop of states earns anything. "free" is the unconstrained form, `c_i = f_i(before, own action)`: it
            can represent any credit, so a team can farm it.
        gamma: Factor of the potential after the step, in (0, 1]. With 1 a closed loop adds up to exactly zero. With the
            learner's own discount it is potential-based shaping (Ng, Harada and Russell 1999), in which standing still
            earns `(gamma - 1) * phi` a step.
        networks: Size of the ensemble (Lakshminarayanan, Pritzel and Blundell 2017). The networks differ in their first
            weights and learn from all labels, because labels are too few for bootstrap samples. The student pays the
            mean of their credits, and their spread is its uncertainty.
        hidden: Width of each layer.
        held_out: Share of the labelled episodes, in (0, 1), that the student does not learn from; at least one.
        epochs: Passes over the other episodes. The weights after the pass with the smallest held-out error are kept.
        refit_epochs: Passes when fitting continues from another student.
        recency: In such a fit the newest label counts this many times as much as the oldest, because the student will
            credit what the team does now.
        batch: Steps in an update, approximately, of whole episodes; fewer where a pass would have less than 8 updates.
        learning_rate: Of AdamW at first; it falls along a cosine to a fiftieth.
        weight_decay: Of AdamW; large, because labels are few.
        seed: Of the held-out split, the first weights and the order of the updates.

    Raises:
        ValueError: A value is not possible; the message names the setting and what is valid.
    """

    form: StudentForm = "potential"
    gamma: float = 1.0
    networks: int = 4
    hidden: int = 32
    held_out: float = 0.2
    epochs: int = 120
    refit_epochs: int = 60
    recency: float = 10.0
    batch: int = 1024
    learning_rate: float = 1e-2
    weight_decay: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.form not in get_args(StudentForm):
            raise ValueError(f"unknown form {self.form!r}; valid: 'potential', 'free'")
        check_settings(
            self,
            ("recency", math.isfinite(self.recency) and self.recency >= 1.0, "at least 1"),
            ("gamma", 0.0 < self.gamma <= 1.0, "above 0 and at most 1"),
        )


def check_settings(settings: Any, *own: tuple[str, bool, str]) -> None:
    """Raise ValueError for a value that is not possible, of what all students' settings have and of `own`.

    Args:
        settings: A student's, or a task student's.
        own: (name, whether its value is valid, what is valid) of other settings.
    """
    for name in ("networks", "hidden", "epochs", "refit_epochs", "batch"):
        value = getattr(settings, name)
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive whole number, got {value!r}")
    if not isinstance(settings.seed, int) or settings.seed < 0:
        raise ValueError(f"seed must be a whole number from 0, got {settings.seed!r}")
    for name, valid, rule in (
        *own,
        ("held_out", 0.0 < settings.held_out < 1.0, "between 0 and 1"),
        ("learning_rate", 0.0 < settings.learning_rate < math.inf, "above 0"),
        ("weight_decay", 0.0 <= settings.weight_decay < math.inf, "0 or more"),
    ):
        if not valid:
            raise ValueError(f"{name} must be {rule}, got {getattr(settings, name)!r}")
