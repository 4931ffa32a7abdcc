"""Tools for tests and examples: a check of environments, a provider without a model behind it, a tiny environment."""

from credit_wrappers.testing.conformance import check_env
from credit_wrappers.testing.env_report import EnvFinding, EnvReport
from credit_wrappers.testing.provider import scripted_answer
from credit_wrappers.testing.replies import Reply, question
from credit_wrappers.testing.server import MessagesServer

__all__ = ["EnvFinding", "EnvReport", "MessagesServer", "Reply", "check_env", "question", "scripted_answer"]
