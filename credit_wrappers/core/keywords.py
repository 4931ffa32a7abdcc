"""Keyword arguments that are passed on by name: an unknown one is refused where it was written."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def keywords_of(*functions: Callable[..., Any]) -> list[str]:
    """Return the names of all arguments that these functions take by keyword only."""
    parameters = [p for function in functions for p in inspect.signature(function).parameters.values()]
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def check_keywords(owner: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Raise TypeError for the first name that is not known; the message has the nearest one, or else all."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(dict.fromkeys(known))}"
            raise TypeError(f"{owner} has no argument {name!r}; {hint}")
