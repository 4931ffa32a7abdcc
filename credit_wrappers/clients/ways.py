"""The shortest ways that the scripted rules measure progress by."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

Place = TypeVar("Place")


def ways(goals: Iterable[Place], before: Callable[[Place], Iterable[Place]]) -> dict[Place, int]:
    """Return the steps from each place to the nearest goal, of those from which one can be reached.

    Args:
        goals: Where the ways end.
        before: Returns the places from which one step leads to a place.
    """
    steps = dict.fromkeys(goals, 0)
    queue = deque(steps)
    while queue:
        place = queue.popleft()
        for other in before(place):
            if other not in steps:
                steps[other] = steps[place] + 1
                queue.append(other)
    return steps
