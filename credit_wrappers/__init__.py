"""Credit assignment by language models for cooperative multi-agent reinforcement learning.

Importing this package is light: what needs a model SDK, pydantic or a learner is imported when it is used.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from credit_wrappers.core.credit import Credit, CreditEvent, TaskSpan, Usage
from credit_wrappers.core.critic import Critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import AnswerError, BudgetExceeded, CreditError, LedgerError, ModelError, Unanswered
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.critics.baselines import (
    BlendedCritic,
    CostPenaltyCritic,
    EqualSplitCritic,
    RandomCritic,
    SharedCritic,
    SummedCritic,
    TasksOnlyCritic,
)
from credit_wrappers.delivery.deferred import Deferred
from credit_wrappers.delivery.online import Online
from credit_wrappers.delivery.session import CreditSession
from credit_wrappers.delivery.source import CreditSource
from credit_wrappers.delivery.store import CreditStore
from credit_wrappers.distillation import Distillation, TaskDistillation
from credit_wrappers.distillation.paying import Distilled, Student
from credit_wrappers.llm.client import Completion, ModelClient, Request
from credit_wrappers.student import (
    Agreement,
    StudentCritic,
    StudentSettings,
    TaskAgreement,
    TaskStudent,
    TaskStudentSettings,
    fit_student,
    fit_task_student,
    mirrored_labels,
)
from credit_wrappers.wrappers import (
    CreditWrapper,
    DelayedReward,
    LLMCreditWrapper,
    LLMTaskWrapper,
    NoisyReward,
    RecordEpisodes,
    SparseReward,
    TaskObservationWrapper,
    Weaning,
)

if TYPE_CHECKING:
    from credit_wrappers.critics.critic_settings import CriticSettings
    from credit_wrappers.critics.critic_stats import CriticStats
    from credit_wrappers.critics.estimate import Estimate
    from credit_wrappers.critics.llm_critic import LLMCritic
    from credit_wrappers.delivery.annotation import annotate
    from credit_wrappers.exact.counterfactual_critic import CounterfactualCritic
    from credit_wrappers.exact.exact_credit import ExactCredit, exact_credit
    from credit_wrappers.exact.rollout_value import RolloutValue
    from credit_wrappers.exact.simulator import EnvSimulator, Outcomes, Simulator
    from credit_wrappers.exact.tabular_value import TabularValue
    from credit_wrappers.exact.value_function import ValueFunction, Values, named_value
    from credit_wrappers.llm.budget import Budget, Prices
    from credit_wrappers.llm.ledger.ledger import Ledger
    from credit_wrappers.llm.providers.anthropic import AnthropicClient
    from credit_wrappers.llm.providers.folder import FolderClient
    from credit_wrappers.llm.providers.openai_compatible import OpenAICompatibleClient
    from credit_wrappers.llm.providers.recorded import RecordedClient
    from credit_wrappers.narration.fallback_narrators import ArrayNarrator
    from credit_wrappers.scripted.scripted_client import ScriptedClient

__version__ = "0.1.0"

__all__ = [
    "Agreement",
    "AnswerError",
    "AnthropicClient",
    "ArrayNarrator",
    "BlendedCritic",
    "Budget",
    "BudgetExceeded",
    "Completion",
    "CostPenaltyCritic",
    "CounterfactualCritic",
    "Credit",
    "CreditError",
    "CreditEvent",
    "CreditSession",
    "CreditSource",
    "CreditStore",
    "CreditWrapper",
    "Critic",
    "CriticSettings",
    "CriticStats",
    "Deferred",
    "DelayedReward",
    "Distillation",
    "Distilled",
    "EnvSimulator",
    "Episode",
    "EqualSplitCritic",
    "Estimate",
    "ExactCredit",
    "FolderClient",
    "LLMCreditWrapper",
    "LLMCritic",
    "LLMTaskWrapper",
    "Ledger",
    "LedgerError",
    "ModelClient",
    "ModelError",
    "Narrator",
    "NoisyReward",
    "Online",
    "OpenAICompatibleClient",
    "Outcomes",
    "Prices",
    "RandomCritic",
    "RecordEpisodes",
    "RecordedClient",
    "Request",
    "RolloutValue",
    "ScriptedClient",
    "SharedCritic",
    "Simulator",
    "SparseReward",
    "Student",
    "StudentCritic",
    "StudentSettings",
    "SummedCritic",
    "TabularValue",
    "TaskAgreement",
    "TaskDistillation",
    "TaskObservationWrapper",
    "TaskSpan",
    "TaskStudent",
    "TaskStudentSettings",
    "TasksOnlyCritic",
    "Unanswered",
    "Usage",
    "ValueFunction",
    "Values",
    "Weaning",
    "annotate",
    "exact_credit",
    "fit_student",
    "fit_task_student",
    "mirrored_labels",
    "named_value",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _on_demand()[name]


@cache
def _on_demand() -> dict[str, Any]:
    """Return what is imported at its first use, by name."""
    from credit_wrappers.critics.critic_settings import CriticSettings
    from credit_wrappers.critics.critic_stats import CriticStats
    from credit_wrappers.critics.estimate import Estimate
    from credit_wrappers.critics.llm_critic import LLMCritic
    from credit_wrappers.delivery.annotation import annotate
    from credit_wrappers.exact.counterfactual_critic import CounterfactualCritic
    from credit_wrappers.exact.exact_credit import ExactCredit, exact_credit
    from credit_wrappers.exact.rollout_value import RolloutValue
    from credit_wrappers.exact.simulator import EnvSimulator, Outcomes, Simulator
    from credit_wrappers.exact.tabular_value import TabularValue
    from credit_wrappers.exact.value_function import ValueFunction, Values, named_value
    from credit_wrappers.llm.budget import Budget, Prices
    from credit_wrappers.llm.ledger.ledger import Ledger
    from credit_wrappers.llm.providers.anthropic import AnthropicClient
    from credit_wrappers.llm.providers.folder import FolderClient
    from credit_wrappers.llm.providers.openai_compatible import OpenAICompatibleClient
    from credit_wrappers.llm.providers.recorded import RecordedClient
    from credit_wrappers.narration.fallback_narrators import ArrayNarrator
    from credit_wrappers.scripted.scripted_client import ScriptedClient

    found = (
        AnthropicClient, ArrayNarrator, Budget, CounterfactualCritic, CriticSettings, CriticStats, EnvSimulator,
        Estimate, ExactCredit, FolderClient, LLMCritic, Ledger, OpenAICompatibleClient, Outcomes, Prices,
        RecordedClient, RolloutValue, ScriptedClient, Simulator, TabularValue, ValueFunction, Values, annotate,
        exact_credit, named_value,
    )  # fmt: skip
    return {thing.__name__: thing for thing in found}
