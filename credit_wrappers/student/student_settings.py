"""What can be set about a student and its fitting: each with its default and the reason for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

StudentForm = Literal["potential", "free"]


@dataclass(frozen=True)
class StudentSettings:
    """Form, size and fitting of a student.

    Attributes:
        form: "potential": `c_i = gamma * phi_i(after) - phi_i(before) + w_i * u * r`, of which no closed loop of
            states earns; "free": `c_i = f_i(before, own action)`, which can say anything, and can be farmed.
        gamma: Factor of the potential after the step, in (0, 1]. 1: a closed loop adds up to exactly zero. The
            learner's own discount: potential-based shaping (Ng, Harada and Russell 1999), where what is earned from
            a state on, discounted, is `gamma**T * phi(end) - phi(state)` on every way of T steps to that end; loops
            then do not add up to zero, and standing still earns `(gamma - 1) * phi` a step.
        networks: Size of the ensemble. The networks differ in their first weights and learn from all labels (with
            bootstraps of so few each would be a worse one); the mean of their credits is the student's, their
            spread its uncertainty (Lakshminarayanan, Pritzel and Blundell 2017).
        hidden: Width of each layer.
        held_out: Share of the labelled episodes, in (0, 1), that nothing is learned from; at least one of them.
        epochs: Passes over the other episodes; kept are the weights after the pass with the smallest error on the
            held-out ones.
        refit_epochs: Passes when fitting goes on from another student.
        recency: How many times as much as the oldest label the newest one counts then: what a team does changes, and
            what it does now is what is paid.
        batch: About so many steps in one update, whole episodes; fewer where a pass would have fewer than 8 updates.
        learning_rate: Of AdamW, at first; it falls along a cosine to a fiftieth.
        weight_decay: Of AdamW: large, since labels are few.
        seed: Of the split, the first weights and the order of the updates.

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
        for name in ("networks", "hidden", "epochs", "refit_epochs", "batch"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive whole number, got {value!r}")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed must be a whole number from 0, got {self.seed!r}")
        if not (math.isfinite(self.recency) and self.recency >= 1.0):
            raise ValueError(f"recency must be at least 1, got {self.recency!r}")
        if not 0.0 < self.gamma <= 1.0:
            raise ValueError(f"gamma must be above 0 and at most 1, got {self.gamma!r}")
        if not 0.0 < self.held_out < 1.0:
            raise ValueError(f"held_out must be between 0 and 1, got {self.held_out!r}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0.0):
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate!r}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0.0):
            raise ValueError(f"weight_decay must be 0 or more, got {self.weight_decay!r}")
