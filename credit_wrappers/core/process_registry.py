"""Objects that stay in the process that made them: their copies and pickles find them again by number."""

from __future__ import annotations

import itertools
import os
import weakref
from typing import Any

_OBJECTS: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()


def share(thing: Any) -> int:
    """Register an object and return its number, under which it is found as long as it lives."""
    number = next(_NUMBERS)
    _OBJECTS[number] = thing
    return number


def reference(number: int) -> tuple[int, int]:
    """Return what a pickle may hold instead of a shared object: its process and its number."""
    return os.getpid(), number


def shared(process: int, number: int) -> Any | None:
    """Return the object of a reference; None in another process than its own, or when it is gone."""
    return _OBJECTS.get(number) if process == os.getpid() else None
