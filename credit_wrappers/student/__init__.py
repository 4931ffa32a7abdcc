"""A small model that learns to credit as a critic does, and then pays every step at once.

Nothing here needs a language model or a ledger; PyTorch is imported when a student is fitted, and only then.
"""

from .agreement import Agreement, Match
from .critic import StudentCritic
from .settings import StudentSettings

__all__ = ["Agreement", "Match", "StudentCritic", "StudentSettings"]
