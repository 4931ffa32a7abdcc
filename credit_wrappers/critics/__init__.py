"""Critics: everything that assigns credit. `LLMCritic` lives in `credit_wrappers.critics.llm`."""

from .baselines import EqualSplitCritic, SharedCritic, SummedCritic

__all__ = ["EqualSplitCritic", "SharedCritic", "SummedCritic"]
