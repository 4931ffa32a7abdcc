"""Students that are fitted while a team trains: a critic labels chosen episodes of the team."""

from credit_wrappers.distillation.distillation import Distillation
from credit_wrappers.distillation.task_distillation import TaskDistillation

__all__ = ["Distillation", "TaskDistillation"]
