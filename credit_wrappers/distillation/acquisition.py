"""Which episodes are worth asking the critic about."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence

import numpy as np

from credit_wrappers.core.episode import Episode
from credit_wrappers.student.dataset import observed

_LEVELS = 4  # of the return


class Pool:
    """Keeps some of the episodes that were offered: a fair sample, and those in which the rarest things happened.

    Args:
        room: Most episodes that are kept of each kind.
        rng: Draws the sample.

    Attributes:
        sample: Each episode that was offered since `clear` is as likely to be here as any other.
    """

    def __init__(self, room: int, rng: np.random.Generator) -> None:
        self._room, self._rng = room, rng
        self.clear([])

    def clear(self, labelled: Sequence[Episode]) -> None:
        """Begin anew; rare is what these episodes seldom show."""
        self.sample: list[Episode] = []
        self._rare: list[tuple[float, int, Episode]] = []  # a heap, the least rare first
        self._offered = 0
        self._seen = happened(labelled)

    @property
    def rare(self) -> list[Episode]:
        """Those in which the rarest things happened."""
        return [episode for _, _, episode in self._rare]

    @property
    def episodes(self) -> list[Episode]:
        """What is kept, each episode once."""
        return list({id(episode): episode for episode in self.sample + self.rare}.values())

    def add(self, episode: Episode) -> None:
        """Offer an episode."""
        self._offered += 1
        if len(self.sample) < self._room:
            self.sample.append(episode)
        elif (place := int(self._rng.integers(self._offered))) < self._room:
            self.sample[place] = episode
        entry = (float(rarity(changes(episode), self._seen)), self._offered, episode)
        if len(self._rare) < self._room:
            heapq.heappush(self._rare, entry)
        elif entry > self._rare[0]:
            heapq.heapreplace(self._rare, entry)


def contents(episode: Episode) -> tuple[object, ...]:
    """Return what is equal for two episodes if the same was seen, done and paid in both."""
    return episode.key, *(hash(seen.tobytes()) for seen in observed(episode))


def changes(episode: Episode) -> np.ndarray:
    """Return in how many steps each observed number of each agent changed, one agent's behind the other's, float64."""
    return np.concatenate([(seen[1:] != seen[:-1]).sum(axis=0, dtype=np.float64) for seen in observed(episode)])


def happened(episodes: Sequence[Episode]) -> np.ndarray:
    """Return the sum of `changes` over episodes."""
    return np.sum([changes(episode) for episode in episodes], axis=0) if episodes else np.zeros(1)


def rarity(changed: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return how rare what happened is: each change counts as one over the times that the labels have shown it."""
    return changed @ np.broadcast_to(1.0 / (1.0 + seen), changed.shape[-1:])


def choose(
    candidates: Sequence[Episode],
    many: int,
    doubts: np.ndarray,
    labelled: Sequence[Episode],
    rng: np.random.Generator,
) -> list[int]:
    """Return the places of at most `many` candidates to be labelled, no two of them alike, nor like a labelled one.

    Every other label, from the first on, is the candidate with the rarest changes: what a team has only begun to do,
    such as to carry, moves numbers that stand still in nearly all labels, and networks that have never seen it do not
    doubt it. For the others outcomes take turns: how an episode ended, and in which quarter of the candidates its
    return lies; the outcome with the fewest labels so far comes first. Of an outcome's episodes every other choice is
    the one that is doubted most, and the others are drawn, so that what nobody doubts is looked at too.

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

    known = {contents(episode) for episode in labelled}
    free: list[int] = []
    for place in rng.permutation(len(candidates)).tolist():
        if (inside := contents(candidates[place])) not in known:
            known.add(inside)
            free.append(place)
    kinds = {place: outcome(candidates[place]) for place in free}
    changed = {place: changes(candidates[place]) for place in free}
    seen = happened(labelled)
    had = Counter(outcome(episode) for episode in labelled)
    drawn: Counter[tuple[bool, int]] = Counter()  # by outcome
    chosen: list[int] = []
    while len(chosen) < many and free:
        if len(chosen) % 2 == 0:
            place = free[int(np.argmax(rarity(np.stack([changed[place] for place in free]), seen)))]
        else:
            rarest = min({kinds[place] for place in free}, key=lambda kind: (had[kind], kind))
            places = [place for place in free if kinds[place] == rarest]
            doubted = drawn[rarest] % 2 == 0
            place = places[int(np.argmax(doubts[places])) if doubted else -1]
            drawn[rarest] += 1
        free.remove(place)
        chosen.append(place)
        had[kinds[place]] += 1
        seen = seen + changed[place]
    return chosen


def _paid(episode: Episode) -> float:
    return float(episode.team_reward.sum())
