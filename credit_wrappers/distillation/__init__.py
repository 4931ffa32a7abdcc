"""Students that are fitted while a team trains: a critic labels chosen episodes of the team."""

from credit_wrappers.distillation.distillation import Distillation

__all__ = ["Distillation"]
