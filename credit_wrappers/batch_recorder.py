"""Recording many environments that are stepped together: arrays while they run, an `Episode` each at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .episode import Episode
from .recorder import EpisodeRecorder, episode_of


class BatchRecorder:
    """Remembers the running episode of each of E environments; every episode is what `EpisodeRecorder` makes of it.

    Args:
        recorders: Of the E environments: they know agents, narrator and name.
    """

    def __init__(self, recorders: Sequence[EpisodeRecorder]) -> None:
        self.recorders = list(recorders)
        self._episodes = [-1] * len(self.recorders)
        self._seeds: list[int | None] = [None] * len(self.recorders)
        self._length = np.zeros(len(self.recorders), dtype=np.int64)
        self._room = 0  # steps that fit
        self._moments = self._actions = self._rewards = self._costs = np.empty((len(self.recorders), 0))

    def start(self, k: int, episode_id: int, seed: int | None, moment: np.ndarray) -> None:
        """Begin an episode of environment `k` with what its narrator captured, (R,); an unfinished one is forgotten."""
        if not self._room:
            e, n = len(self.recorders), len(self.recorders[0].agents)
            self._moments = np.empty((e, 0, len(moment)), moment.dtype)
            self._actions, self._costs = np.empty((e, 0, n), np.int64), np.empty((e, 0, n))
            self._grow(64)
        self._episodes[k], self._seeds[k] = episode_id, seed
        self._length[k] = 0
        self._moments[k, 0] = moment

    def add(
        self, chosen: np.ndarray, actions: np.ndarray, rewards: np.ndarray, costs: np.ndarray, moments: np.ndarray
    ) -> None:
        """Record one step of the chosen environments: (e, N), (e,), (e, N) and (e, R)."""
        step = self._length[chosen]
        if step.max() + 2 > self._room:
            self._grow(2 * self._room)
        self._actions[chosen, step], self._rewards[chosen, step] = actions, rewards
        self._costs[chosen, step], self._moments[chosen, step + 1] = costs, moments
        self._length[chosen] += 1

    def finish(self, k: int, terminated: bool, truncated: bool) -> Episode:
        """Return the episode of environment `k`; raise CreditError when it was paid NaN or infinity."""
        t = int(self._length[k])
        moments = self._moments[k, : t + 1].copy()
        columns = self._actions[k, :t], self._rewards[k, :t], self._costs[k, :t], moments
        recorder, episode, seed = self.recorders[k], self._episodes[k], self._seeds[k]
        return episode_of(recorder, episode, seed, columns, None, terminated, truncated)

    def _grow(self, room: int) -> None:
        def longer(old: np.ndarray) -> np.ndarray:
            new = np.zeros((old.shape[0], room, *old.shape[2:]), old.dtype)
            new[:, : old.shape[1]] = old
            return new

        self._moments, self._actions = longer(self._moments), longer(self._actions)
        self._rewards, self._costs = longer(self._rewards), longer(self._costs)
        self._room = room
