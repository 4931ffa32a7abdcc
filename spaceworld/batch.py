"""Many worlds of one kind in one array, stepped by one call.

A world has the same memory as a single environment (`packing.memory_of`). So a batch can take over the states of
environments, which remain usable: they see every step of the batch, for instance when they render.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spaceworld.observations.look import look_around
from spaceworld.rules import packing as pk
from spaceworld.rules.generator import generate
from spaceworld.rules.jit import lean_kernel
from spaceworld.rules.kernel import advance
from spaceworld.rules.lookup import parts_of
from spaceworld.thread_pool import ThreadPool, end_part, next_part


@dataclass(frozen=True, slots=True)
class BatchStep:
    """The results of one step of E worlds with N robots each. All arrays are fresh.

    Attributes:
        observations: (E, N, ...) float32, after the step.
        masks: (E, N, 6) int8.
        rewards: (E,) float64, the team reward.
        status: (E,) int64: `packing.RUNNING`, `TERMINATED` or `TRUNCATED`.
        costs: (E, N) float64, each robot's collisions and violations in this step.
        events: (E, N) int64, event codes; see `text.events.event_names`.
    """

    observations: np.ndarray
    masks: np.ndarray
    rewards: np.ndarray
    status: np.ndarray
    costs: np.ndarray
    events: np.ndarray

    @property
    def terminated(self) -> np.ndarray:
        """(E,) bool: the world ended the episode."""
        return self.status == pk.TERMINATED

    @property
    def truncated(self) -> np.ndarray:
        """(E,) bool: time ran out."""
        return self.status == pk.TRUNCATED


@lean_kernel
def restart_some(memory, chosen, job, thread, start, observations, masks):  # type: ignore[no-untyped-def]  # compiled
    """Begin new episodes in the worlds `chosen`, with the fixed layout of `start` or random ones.

    A part of the job (see `thread_pool`) fails when a world in it found no solvable layout.
    """
    at, actions, end = parts_of(memory[0])
    turn = 0
    while True:
        first, last, turn = next_part(job, len(chosen), thread, turn)
        if first == last:
            return
        spec, work, found = memory[chosen[first], :at], memory[chosen[first], end:], True
        for j in range(first, last):
            row = memory[chosen[j], at:actions]
            for k in range(pk.S_STEP, len(start)):
                row[k] = start[k]
            if not start[0]:  # the layout is not fixed
                found = generate(spec, row, work) and found
            look_around(spec, row, work, observations[j], masks[j])
        end_part(job, found)


@lean_kernel
def advance_some(  # type: ignore[no-untyped-def]  # compiled
    memory, chosen, job, thread, given, observations, masks, rewards, status, costs, events, penalty, total
):
    """Take one step in the worlds `chosen`, each with its row of `given`, and fill the arrays that follow.

    The worlds of a part (see `thread_pool`) share the spec and the scratch of its first, so that more fit in the cache.
    """
    at, actions, end = parts_of(memory[0])
    turn = 0
    while True:
        first, last, turn = next_part(job, len(chosen), thread, turn)
        if first == last:
            return
        spec, work = memory[chosen[first], :at], memory[chosen[first], end:]
        for j in range(first, last):
            row = memory[chosen[j], at:actions]
            mass, faults, docked, status[j] = advance(spec, row, work, given[j])
            look_around(spec, row, work, observations[j], masks[j])
            # shares are differences of the docked total, so that a complete assembly sums to 1.0
            rewards[j] = docked / total - (docked - mass) / total if mass else 0.0
            if faults:
                rewards[j] -= penalty * faults
            for i in range(spec[pk.H_ROBOTS]):
                robot = spec[pk.H_ROBOT] + i * pk.R_WIDTH
                costs[j, i] = row[robot + pk.R_HITS] + row[robot + pk.R_VIOLATION]
                events[j, i] = row[robot + pk.R_EVENT]
        end_part(job, True)


class Batch:
    """E worlds with one specification.

    Args:
        memory: (E, M) int64, one world's memory a row; used, not copied.
        start: (rowsize,) int64, a cleared row, with the fixed layout if there is one.
        fixed: Whether the layout is fixed.
        features: Shape of one robot's observation.
        penalty: What one collision or violation takes from the team reward.
        threads: The number of threads; the results are the same for any number.
    """

    def __init__(
        self,
        memory: np.ndarray,
        start: np.ndarray,
        *,
        fixed: bool,
        features: tuple[int, ...],
        penalty: float,
        threads: int = 1,
    ) -> None:
        self.memory, self.features, self.penalty = memory, features, penalty
        self._pool = ThreadPool(threads)
        head = memory[0]
        self.robots = int(head[pk.H_ROBOTS])
        self.rows = self._rows()
        self._start = start.copy()
        self._start[0] = fixed  # a random word in a real row
        masses = head[int(head[pk.H_MODULE0]) :][: int(head[pk.H_MODULES]) * pk.M_STATIC]
        self._total = float(masses[pk.M_MASS :: pk.M_STATIC].sum())

    def __len__(self) -> int:
        return len(self.memory)

    def seed(self, chosen: np.ndarray, seeds: Sequence[int | None]) -> None:
        """Seed the random streams of worlds; None continues a stream, or begins one at random."""
        for k, seed in zip(chosen.tolist(), seeds, strict=True):
            pk.seed_row(self.rows[k], seed)

    def reset(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Begin new episodes; return observations (e, N, ...) and masks (e, N, 6).

        Raises:
            ValueError: When a world found no solvable layout.
        """
        observations, masks = self._blocks(len(chosen))
        arrays = (self._start, observations, masks)
        if self._pool.share(len(chosen), restart_some, self.memory, chosen, *arrays):
            raise ValueError("no solvable layout was found for this scenario; give it more room")
        return observations, masks

    def step(self, chosen: np.ndarray, actions: np.ndarray) -> BatchStep:
        """Advance running worlds by one joint action each, (e, N) in 0..5 (not checked)."""
        e, n = len(chosen), self.robots
        results = (*self._blocks(e), np.empty(e), np.empty(e, np.int64), np.empty((e, n)), np.empty((e, n), np.int64))
        given = np.ascontiguousarray(actions, dtype=np.int64)
        self._pool.share(e, advance_some, self.memory, chosen, given, *results, self.penalty, self._total)
        return BatchStep(*results)

    def _blocks(self, e: int) -> tuple[np.ndarray, np.ndarray]:
        shape = (e, self.robots)
        return np.empty((*shape, *self.features), np.float32), np.empty((*shape, pk.N_ACTIONS), np.int8)

    def close(self) -> None:
        """End the threads."""
        self._pool.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "rows": None}  # a copy of a view would not follow the memory

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.rows = self._rows()

    def _rows(self) -> np.ndarray:
        first = int(self.memory[0, pk.H_SPECSIZE])
        return self.memory[:, first : first + int(self.memory[0, pk.H_ROWSIZE])]  # (E, rowsize), a view
