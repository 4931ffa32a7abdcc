"""Tools for tests and examples: a provider on this machine that answers without a model, and a tiny environment."""

from credit_wrappers.testing.provider import scripted_answer
from credit_wrappers.testing.replies import Reply, question
from credit_wrappers.testing.server import MessagesServer

__all__ = ["MessagesServer", "Reply", "question", "scripted_answer"]
