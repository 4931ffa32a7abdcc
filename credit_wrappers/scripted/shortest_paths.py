"""The shortest ways by which the scripted rules measure progress, and who goes where by them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TypeVar

Place = TypeVar("Place")
Who = TypeVar("Who")
What = TypeVar("What")


def ways(
    goals: Iterable[Place], before: Callable[[Place], Iterable[Place]], solid: Container[Place] = ()
) -> dict[Place, int]:
    """Return the steps to the nearest goal from each place from which one can be reached.

    `before(place)` are the places from which one step leads to it; no way leads through `solid` places.
    """
    steps = dict.fromkeys(goals, 0)
    queue = deque(steps)
    while queue:
        place = queue.popleft()
        for other in before(place):
            if other not in steps and other not in solid:
                steps[other] = steps[place] + 1
                queue.append(other)
    return steps


def share_out(distances: Mapping[Who, Mapping[What, int]]) -> dict[Who, What]:
    """Return what each seeker goes for: the nearest pairs come first, and as few as possible go for the same thing.

    `distances` has each seeker's distance to each thing that it can have, at least one. Of equals the first wins.
    """
    pairs = [(steps, who, what) for who, things in distances.items() for what, steps in things.items()]
    taken: dict[What, Who] = {}
    for _, who, what in sorted(pairs, key=lambda pair: pair[0]):
        if what not in taken and who not in taken.values():
            taken[what] = who

    def place(who: Who, asked: set[What]) -> bool:
        """Find a thing for one more seeker, if others can change to something else."""
        for what in sorted(distances[who], key=distances[who].__getitem__):
            if what not in asked:
                asked.add(what)
                if what not in taken or place(taken[what], asked):
                    taken[what] = who
                    return True
        return False

    for who in distances:
        if who not in taken.values():
            place(who, set())
    nearest = {who: min(things, key=things.__getitem__) for who, things in distances.items()}
    return nearest | {who: what for what, who in taken.items()}
