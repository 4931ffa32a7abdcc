"""Credit assignment by language models for cooperative multi-agent reinforcement learning.

Importing this package is light: what needs a model SDK, pydantic or a learner is imported when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .credit import Credit, CreditEvent, Usage
from .critics.baselines import EqualSplitCritic, SharedCritic, SummedCritic
from .distillation import Distillation
from .episode import Episode
from .errors import AnswerError, BudgetExceeded, CreditError, LedgerError, ModelError
from .protocols import Completion, Critic, ModelClient, Narrator, Request
from .store import CreditStore
from .student import Agreement, StudentCritic, StudentSettings
from .wrappers import CreditWrapper, LLMCreditWrapper, LLMTaskWrapper, TaskObservationWrapper, Weaning

if TYPE_CHECKING:
    from .annotation import annotate
    from .budget import Budget, Prices
    from .clients.anthropic import AnthropicClient
    from .clients.openai_compatible import OpenAICompatibleClient
    from .clients.recorded import RecordedClient
    from .clients.scripted import ScriptedClient
    from .critics.llm import LLMCritic
    from .critics.settings import CriticSettings
    from .critics.stats import CriticStats
    from .estimate import Estimate
    from .ledger import Ledger
    from .narrators import ArrayNarrator

__version__ = "0.1.0"

_LAZY = {
    "AnthropicClient": ".clients.anthropic",
    "ArrayNarrator": ".narrators",
    "Budget": ".budget",
    "CriticSettings": ".critics.settings",
    "CriticStats": ".critics.stats",
    "Estimate": ".estimate",
    "LLMCritic": ".critics.llm",
    "Ledger": ".ledger",
    "OpenAICompatibleClient": ".clients.openai_compatible",
    "Prices": ".budget",
    "RecordedClient": ".clients.recorded",
    "ScriptedClient": ".clients.scripted",
    "annotate": ".annotation",
}

__all__ = [
    "Agreement",
    "AnswerError",
    "AnthropicClient",
    "ArrayNarrator",
    "Budget",
    "BudgetExceeded",
    "Completion",
    "Credit",
    "CreditError",
    "CreditEvent",
    "CreditStore",
    "CreditWrapper",
    "Critic",
    "CriticSettings",
    "CriticStats",
    "Distillation",
    "Episode",
    "EqualSplitCritic",
    "Estimate",
    "LLMCreditWrapper",
    "LLMCritic",
    "LLMTaskWrapper",
    "Ledger",
    "LedgerError",
    "ModelClient",
    "ModelError",
    "Narrator",
    "OpenAICompatibleClient",
    "Prices",
    "RecordedClient",
    "Request",
    "ScriptedClient",
    "SharedCritic",
    "StudentCritic",
    "StudentSettings",
    "SummedCritic",
    "TaskObservationWrapper",
    "Usage",
    "Weaning",
    "annotate",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)
