"""A small model that learns to credit as a critic does, and then pays every step at once.

Nothing here needs a language model or a ledger; PyTorch is imported when a student is fitted, and only then.
"""

from credit_wrappers.student.agreement import Agreement, Match
from credit_wrappers.student.student_critic import StudentCritic
from credit_wrappers.student.student_settings import StudentSettings

__all__ = ["Agreement", "Match", "StudentCritic", "StudentSettings"]
