"""Recording many environments that are stepped together: arrays while they run, an `Episode` each at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from credit_wrappers.core.episode import Episode
from credit_wrappers.recording.recorder import EpisodeRecorder, episode_of


class BatchRecorder:
    """Remembers the running episode of each of E environments; every episode is what `EpisodeRecorder` makes of it.

    Args:
        recorders: Of the E environments: they know agents, narrator and name.
        observations: Keep the observations too.
    """

    def __init__(self, recorders: Sequence[EpisodeRecorder], *, observations: bool = False) -> None:
        self.recorders = list(recorders)
        self.keeps_observations = observations
        self._episodes = [-1] * len(self.recorders)
        self._seeds: list[int | None] = [None] * len(self.recorders)
        self._length = np.zeros(len(self.recorders), dtype=np.int64)
        self._room = 0  # steps that fit
        self._moments = self._actions = self._rewards = self._costs = np.empty((len(self.recorders), 0))
        self._observations = self._moments

    def start(
        self, k: int, episode_id: int, seed: int | None, moment: np.ndarray, observations: np.ndarray | None = None
    ) -> None:
        """Begin an episode of environment `k`; an unfinished one is forgotten.

        Args:
            k: Which environment.
            episode_id: The episode's number.
            seed: Of its reset.
            moment: (R,) what its narrator captured.
            observations: (N, F) where they are kept.
        """
        if not self._room:
            e, n = len(self.recorders), len(self.recorders[0].agents)
            self._moments = np.empty((e, 0, len(moment)), moment.dtype)
            self._actions, self._costs = np.empty((e, 0, n), np.int64), np.empty((e, 0, n))
            if observations is not None:
                self._observations = np.empty((e, 0, *observations.shape), observations.dtype)
            self._grow(64)
        self._episodes[k], self._seeds[k] = episode_id, seed
        self._length[k] = 0
        self._moments[k, 0] = moment
        if self.keeps_observations:
            self._observations[k, 0] = observations

    def add(
        self,
        chosen: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        costs: np.ndarray,
        moments: np.ndarray,
        observations: np.ndarray | None = None,
    ) -> None:
        """Record one step of the chosen environments: (e, N), (e,), (e, N), (e, R) and (e, N, F)."""
        step = self._length[chosen]
        if step.max() + 2 > self._room:
            self._grow(2 * self._room)
        self._actions[chosen, step], self._rewards[chosen, step] = actions, rewards
        self._costs[chosen, step], self._moments[chosen, step + 1] = costs, moments
        if self.keeps_observations:
            self._observations[chosen, step + 1] = observations
        self._length[chosen] += 1

    def finish(self, k: int, terminated: bool, truncated: bool) -> Episode:
        """Return the episode of environment `k`; raise CreditError when it was paid NaN or infinity."""
        t = int(self._length[k])
        seen = self._observations[k, : t + 1].copy() if self.keeps_observations else None
        moments = self._moments[k, : t + 1].copy()
        columns = self._actions[k, :t], self._rewards[k, :t], self._costs[k, :t], moments
        recorder, episode, seed = self.recorders[k], self._episodes[k], self._seeds[k]
        return episode_of(recorder, episode, seed, columns, seen, terminated, truncated)

    def _grow(self, room: int) -> None:
        def longer(old: np.ndarray) -> np.ndarray:
            new = np.zeros((old.shape[0], room, *old.shape[2:]), old.dtype)
            new[:, : old.shape[1]] = old
            return new

        self._moments, self._actions = longer(self._moments), longer(self._actions)
        self._rewards, self._costs = longer(self._rewards), longer(self._costs)
        if self.keeps_observations:
            self._observations = longer(self._observations)
        self._room = room
