"""The wrappers: parallel environment in, parallel environment out."""

from .credit import CreditWrapper
from .llm import LLMCreditWrapper

__all__ = ["CreditWrapper", "LLMCreditWrapper"]
