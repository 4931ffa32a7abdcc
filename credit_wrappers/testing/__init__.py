"""Tools for tests and examples: a loopback server that answers as model providers do, and a tiny environment."""

from credit_wrappers.testing.forms import question
from credit_wrappers.testing.replies import Fault, Reply
from credit_wrappers.testing.server import MessagesServer

__all__ = ["Fault", "MessagesServer", "Reply", "question"]
