"""A student that grows while a team trains: labels are chosen and bought from a critic, and students fitted to them."""

from credit_wrappers.distillation.distillation import Distillation

__all__ = ["Distillation"]
