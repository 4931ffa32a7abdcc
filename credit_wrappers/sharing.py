"""What the copies of an environment share: objects that stay in the process that made them, found again by number."""

from __future__ import annotations

import itertools
import os
import weakref
from typing import Any

_OBJECTS: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()


def share(thing: Any) -> tuple[int, int]:
    """Return a reference to an object, good in this process as long as it lives; a pickle may hold it."""
    number = next(_NUMBERS)
    _OBJECTS[number] = thing
    return os.getpid(), number


def shared(process: int, number: int) -> Any | None:
    """Return the object of a reference; None in another process than its own, or when it is gone."""
    return _OBJECTS.get(number) if process == os.getpid() else None
