"""The wrappers: parallel environment in, parallel environment out."""

from .credit import CreditWrapper
from .llm import LLMCreditWrapper
from .task_observation import TaskObservationWrapper
from .tasks import LLMTaskWrapper
from .weaning import Weaning

__all__ = ["CreditWrapper", "LLMCreditWrapper", "LLMTaskWrapper", "TaskObservationWrapper", "Weaning"]
