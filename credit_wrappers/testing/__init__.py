"""Tools for tests and examples: a check of environments, a provider without a model behind it, a tiny environment."""

from typing import Any

from credit_wrappers.testing.env_report import EnvFinding, EnvReport
from credit_wrappers.testing.provider import scripted_answer
from credit_wrappers.testing.replies import Reply, question
from credit_wrappers.testing.server import MessagesServer

__all__ = ["EnvFinding", "EnvReport", "MessagesServer", "Reply", "check_env", "question", "scripted_answer"]


def __getattr__(name: str) -> Any:
    if name != "check_env":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from credit_wrappers.testing.conformance import check_env  # at its first use: it plays with all that there is

    return check_env
