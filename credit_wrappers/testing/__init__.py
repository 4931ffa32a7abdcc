"""Tools for tests and examples: a loopback server that answers as model providers do, and a tiny environment."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .forms import question
    from .replies import Fault, Reply
    from .server import MessagesServer

_LAZY = {"Fault": ".replies", "MessagesServer": ".server", "Reply": ".replies", "question": ".forms"}

__all__ = ["Fault", "MessagesServer", "Reply", "question"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)
