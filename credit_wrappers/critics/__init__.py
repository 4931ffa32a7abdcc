"""Critics: everything that assigns credit. `LLMCritic` lives in `credit_wrappers.critics.llm_critic`."""

from credit_wrappers.critics.baselines import EqualSplitCritic, SharedCritic, SummedCritic

__all__ = ["EqualSplitCritic", "SharedCritic", "SummedCritic"]
