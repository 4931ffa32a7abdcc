"""Acquisition: which episodes the critic is asked to label."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence

import numpy as np

from credit_wrappers.core.episode import Episode
from credit_wrappers.student.step_arrays import observations_of

_LEVELS = 4  # of the return


class Pool:
    """Candidates for labels: a uniform sample of the episodes offered, and the `room` with the rarest changes."""

    def __init__(self, room: int, rng: np.random.Generator) -> None:
        self._room, self._rng = room, rng  # room: most episodes of each kind
        self.clear([])

    def clear(self, labelled: Sequence[Episode]) -> None:
        """Drop all candidates; from now on a change is rare if these episodes seldom show it."""
        self.sample: list[Episode] = []  # uniform
        self._rare: list[tuple[float, int, Episode]] = []  # a heap, the least rare first
        self._offered = 0
        self._seen = total_changes(labelled)

    @property
    def rare(self) -> list[Episode]:
        """The episodes with the rarest changes."""
        return [episode for _, _, episode in self._rare]

    @property
    def episodes(self) -> list[Episode]:
        """All candidates, each once."""
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
    """Return a key that episodes share if the same was observed, done and paid in them."""
    return episode.key, *(hash(seen.tobytes()) for seen in observations_of(episode))


def changes(episode: Episode) -> np.ndarray:
    """Return in how many steps each observed number changed, float64, one agent after another."""
    return np.concatenate([(seen[1:] != seen[:-1]).sum(axis=0, dtype=np.float64) for seen in observations_of(episode)])


def total_changes(episodes: Sequence[Episode]) -> np.ndarray:
    """Return the sum of `changes` over episodes."""
    return np.sum([changes(episode) for episode in episodes], axis=0) if episodes else np.zeros(1)


def rarity(changed: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return how rare changes are: each counts as 1 / (1 + how often the labels have shown it)."""
    return changed @ np.broadcast_to(1.0 / (1.0 + seen), changed.shape[-1:])


def choose(
    candidates: Sequence[Episode],
    many: int,
    disagreement: np.ndarray,
    labelled: Sequence[Episode],
    rng: np.random.Generator,
) -> list[int]:
    """Return the places of at most `many` candidates to label, no two of them alike, and none like a labelled one.

    Every other label, from the first on, goes to the candidate with the rarest changes: a new skill of the team changes
    numbers that stand still in nearly all labels, and networks that have never seen it do not disagree about it. The
    other labels go to the outcomes, the one with the fewest labels first. An outcome is how an episode ended, and the
    quarter of the candidates' returns in which its return lies. Within an outcome the episode with the largest
    disagreement and a random one alternate, so that the critic also sees what the networks agree on.

    Args:
        candidates: The episodes.
        many: Number of labels.
        disagreement: (E,), of the student's networks on each candidate.
        labelled: Episodes that have labels, or will have them.
        rng: Draws the random ones.
    """
    levels = np.unique(np.quantile([_return(episode) for episode in candidates], np.linspace(0, 1, _LEVELS + 1)[1:-1]))

    def outcome(episode: Episode) -> tuple[bool, int]:
        return episode.terminated, int(np.searchsorted(levels, _return(episode), side="right"))

    known = {contents(episode) for episode in labelled}
    free: list[int] = []
    for place in rng.permutation(len(candidates)).tolist():
        if (inside := contents(candidates[place])) not in known:
            known.add(inside)
            free.append(place)
    outcomes = {place: outcome(candidates[place]) for place in free}
    changed = {place: changes(candidates[place]) for place in free}
    seen = total_changes(labelled)
    labels = Counter(outcome(episode) for episode in labelled)
    turns: Counter[tuple[bool, int]] = Counter()  # choices made within each outcome
    chosen: list[int] = []
    while len(chosen) < many and free:
        if len(chosen) % 2 == 0:
            place = free[int(np.argmax(rarity(np.stack([changed[place] for place in free]), seen)))]
        else:
            fewest = min({outcomes[place] for place in free}, key=lambda kind: (labels[kind], kind))
            places = [place for place in free if outcomes[place] == fewest]
            place = places[int(np.argmax(disagreement[places])) if turns[fewest] % 2 == 0 else -1]
            turns[fewest] += 1
        free.remove(place)
        chosen.append(place)
        labels[outcomes[place]] += 1
        seen = seen + changed[place]
    return chosen


def _return(episode: Episode) -> float:
    return float(episode.team_reward.sum())
