"""Which library an adapter stands on: importing it when it is needed, and its environments' ids."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def require(module: str, extra: str) -> ModuleType:
    """Return an adapter's library.

    Raises:
        ImportError: It is not installed; the message names the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{module} cannot be imported ({error}); install it with: pip install 'llm-credit-wrappers[{extra}]'"
        ) from error


def registered(entry_point: str) -> dict[str, dict[str, Any]]:
    """Return the arguments of all ids that are registered for a class in gymnasium."""
    import gymnasium

    return {env_id: dict(spec.kwargs) for env_id, spec in gymnasium.registry.items() if spec.entry_point == entry_point}


def unknown(env_id: object, known: Iterable[str]) -> ValueError:
    """Return the error for an id that does not exist; it names the nearest that do."""
    valid = sorted(known)
    near = difflib.get_close_matches(str(env_id), valid, n=3, cutoff=0.0)
    return ValueError(f"unknown id {env_id!r}; the nearest valid ids are {', '.join(near)}")
