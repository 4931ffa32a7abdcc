"""Many worlds of one kind in one array, stepped by one call: what the vector environment and the bridges run on.

A world is the same memory as a single environment's (`packing.memory_of`), so that a batch can take over the state of
environments that exist, which stay usable: they see every step, for instance when they are asked for a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spaceworld.observations.feature_vector import observe
from spaceworld.observations.image import observe_image
from spaceworld.rules import packing as pk
from spaceworld.rules.generator import generate
from spaceworld.rules.jit import lean_kernel, part
from spaceworld.rules.kernel import advance
from spaceworld.thread_pool import Crew, end_part, next_part


@dataclass(frozen=True, slots=True)
class Turn:
    """What one step of E chosen worlds gave; N robots each. All arrays are fresh.

    Attributes:
        observations: (E, N, ...) float32, after the step.
        masks: (E, N, 6) int8.
        rewards: (E,) float64, the team reward.
        status: (E,) int64: `packing.RUNNING`, `TERMINATED` or `TRUNCATED`.
        costs: (E, N) float64, each robot's collisions and violations in this step.
        events: (E, N) int64, event codes; see `events.event_names`.
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


@part
def parts_of(memory):  # type: ignore[no-untyped-def]  # compiled
    """Where row, actions and scratch of a world's memory begin."""
    row = memory[pk.H_SPECSIZE]
    actions = row + memory[pk.H_ROWSIZE]
    return row, actions, actions + memory[pk.H_ROBOTS]


@lean_kernel
def look_around(spec, row, work, observations, masks):  # type: ignore[no-untyped-def]  # compiled
    """Fills one world's observations, (N, F) or planes (N, C, 2r+1, 2r+1), and masks (N, 6)."""
    if observations.ndim == 2:  # known when it is compiled
        observe(spec, row, work, observations, masks)
    else:
        observe_image(spec, row, work, observations, masks)


@lean_kernel
def restart_some(memory, chosen, job, thread, start, observations, masks):  # type: ignore[no-untyped-def]  # compiled
    """Begins new episodes in parts of `chosen`: the fixed layout of `start`, or random ones; see `sharing`.

    A part in which no solvable layout was found for a world counts as failed.
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
    """One step of parts of `chosen`, see `sharing`; fills the rest, whose rows are those of `chosen`.

    All worlds have one specification and those of a part use the scratch of one, so that the cache holds more worlds.
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
        start: (rowsize,) int64 cleared row, with the fixed layout in it if there is one.
        fixed: whether the layout is fixed.
        features: shape of one robot's observation.
        penalty: what one collision or violation takes from the team reward.
        threads: how many threads share the worlds; the results are the same for any number.
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
        self._crew = Crew(threads)
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
        """Sets the random words of worlds; None leaves a stream as it is, or begins one."""
        for k, seed in zip(chosen.tolist(), seeds, strict=True):
            pk.seed_row(self.rows[k], seed)

    def reset(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Begins new episodes; returns observations (e, N, ...) and masks (e, N, 6).

        Raises:
            ValueError: when no solvable layout was found for one of them.
        """
        observations, masks = self._blocks(len(chosen))
        arrays = (self._start, observations, masks)
        if self._crew.share(len(chosen), restart_some, self.memory, chosen, *arrays):
            raise ValueError("no solvable layout was found for this scenario; give it more room")
        return observations, masks

    def step(self, chosen: np.ndarray, actions: np.ndarray) -> Turn:
        """Advances worlds that run by one joint action each, (e, N) in 0..5 (not checked)."""
        e, n = len(chosen), self.robots
        observations, masks = self._blocks(e)
        turn = Turn(
            observations, masks, np.empty(e), np.empty(e, np.int64), np.empty((e, n)), np.empty((e, n), np.int64)
        )
        given = np.ascontiguousarray(actions, dtype=np.int64)
        results = (turn.rewards, turn.status, turn.costs, turn.events)
        self._crew.share(
            len(chosen),
            advance_some,
            self.memory,
            chosen,
            given,
            observations,
            masks,
            *results,
            self.penalty,
            self._total,
        )
        return turn

    def _blocks(self, e: int) -> tuple[np.ndarray, np.ndarray]:
        shape = (e, self.robots)
        return np.empty((*shape, *self.features), np.float32), np.empty((*shape, pk.N_ACTIONS), np.int8)

    def close(self) -> None:
        """Ends the threads."""
        self._crew.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "rows": None}  # a copied view would be torn off

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.rows = self._rows()

    def _rows(self) -> np.ndarray:
        first = int(self.memory[0, pk.H_SPECSIZE])
        return self.memory[:, first : first + int(self.memory[0, pk.H_ROWSIZE])]  # (E, rowsize), a view
