"""Optional libraries: import them when they are needed, and look up the ids of their environments."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def require(module: str, extra: str) -> ModuleType:
    """Import and return a module of an optional library; the ImportError names the extra that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} cannot be imported ({error}); install it with: pip install "llm-credit-wrappers[{extra}]"'
        ) from error


def registered(entry_point: str) -> dict[str, dict[str, Any]]:
    """Return the arguments of every id that gymnasium has for a class, by id."""
    import gymnasium

    return {env_id: dict(spec.kwargs) for env_id, spec in gymnasium.registry.items() if spec.entry_point == entry_point}


def unknown(env_id: object, known: Iterable[str]) -> ValueError:
    """Return the error for an id that does not exist; its message names the nearest valid ids."""
    near = difflib.get_close_matches(str(env_id), sorted(known), n=3, cutoff=0.0)
    return ValueError(f"unknown id {env_id!r}; the nearest valid ids are {', '.join(near)}")
