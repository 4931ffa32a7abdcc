"""Students that are fitted while a team trains, to labels that are chosen among its episodes and asked of a critic."""

from credit_wrappers.distillation.distillation import Distillation

__all__ = ["Distillation"]
