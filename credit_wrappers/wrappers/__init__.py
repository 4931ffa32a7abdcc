"""The wrappers: parallel environment in, parallel environment out."""

from credit_wrappers.wrappers.credit_wrapper import CreditWrapper
from credit_wrappers.wrappers.llm_credit_wrapper import LLMCreditWrapper
from credit_wrappers.wrappers.llm_task_wrapper import LLMTaskWrapper
from credit_wrappers.wrappers.record_episodes import RecordEpisodes
from credit_wrappers.wrappers.reward_perturbations import DelayedReward, NoisyReward, SparseReward
from credit_wrappers.wrappers.task_observation import TaskObservationWrapper
from credit_wrappers.wrappers.weaning import Weaning

__all__ = [
    "CreditWrapper",
    "DelayedReward",
    "LLMCreditWrapper",
    "LLMTaskWrapper",
    "NoisyReward",
    "RecordEpisodes",
    "SparseReward",
    "TaskObservationWrapper",
    "Weaning",
]
