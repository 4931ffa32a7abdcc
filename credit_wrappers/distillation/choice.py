"""Which episodes are worth asking the critic about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..episode import Episode

_LEVELS = 4  # of the return


class Pool:
    """Keeps some of the episodes that were offered, each as likely as any other, however many there were.

    Args:
        room: Most episodes that are kept.
        rng: Draws which.
    """

    def __init__(self, room: int, rng: np.random.Generator) -> None:
        self.episodes: list[Episode] = []
        self._room, self._rng, self._offered = room, rng, 0

    def add(self, episode: Episode) -> None:
        """Offer an episode."""
        self._offered += 1
        if len(self.episodes) < self._room:
            self.episodes.append(episode)
        elif (place := int(self._rng.integers(self._offered))) < self._room:
            self.episodes[place] = episode

    def clear(self) -> None:
        """Begin anew."""
        self.episodes, self._offered = [], 0


def choose(
    candidates: Sequence[Episode],
    many: int,
    doubts: np.ndarray,
    labelled: Sequence[Episode],
    rng: np.random.Generator,
) -> list[int]:
    """Return the places of at most `many` candidates to be labelled, no two of them alike, nor like a labelled one.

    Outcomes take turns: how an episode ended, and in which quarter of the candidates its return lies; the outcome with
    the fewest labels so far comes first. Of an outcome's episodes every other choice is the one that is doubted most,
    and the others are drawn, so that what nobody doubts is looked at too.

    Args:
        candidates: The episodes.
        many: How many labels are wanted.
        doubts: (E,) how far the student's networks are apart on each.
        labelled: Episodes that have their labels.
        rng: Draws.
    """
    levels = np.unique(np.quantile([_paid(episode) for episode in candidates], np.linspace(0, 1, _LEVELS + 1)[1:-1]))

    def outcome(episode: Episode) -> tuple[bool, int]:
        return episode.terminated, int(np.searchsorted(levels, _paid(episode), side="right"))

    known = {episode.key for episode in labelled}
    waiting: dict[tuple[bool, int], list[int]] = {}
    for place in rng.permutation(len(candidates)).tolist():
        if candidates[place].key not in known:
            known.add(candidates[place].key)
            waiting.setdefault(outcome(candidates[place]), []).append(place)
    had = Counter(outcome(episode) for episode in labelled)
    drawn: Counter[tuple[bool, int]] = Counter()
    chosen: list[int] = []
    while len(chosen) < many and waiting:
        rarest = min(waiting, key=lambda kind: (had[kind] + drawn[kind], kind))
        places = waiting[rarest]
        doubted = drawn[rarest] % 2 == 0
        chosen.append(places.pop(int(np.argmax(doubts[places])) if doubted else -1))
        drawn[rarest] += 1
        if not places:
            del waiting[rarest]
    return chosen


def _paid(episode: Episode) -> float:
    return float(episode.team_reward.sum())
