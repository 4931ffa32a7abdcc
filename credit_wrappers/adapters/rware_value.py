"""What a state of the warehouse is worth: the deliveries that the scripted team makes from there on, estimated."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import lru_cache
from typing import Any

import numpy as np

from credit_wrappers.adapters.rware_rollouts import ROBOTS, Plan, rollouts
from credit_wrappers.exact.value_function import Values

EPSILON = 0.1  # of the scripted team's actions are by chance, so that two robots do not block each other for ever
MOST_KNOWN = 4000  # states whose rollouts are kept, since both kinds of credit ask for the same

# Robots, cells of the shelves and requests, as `rollouts` takes them.
FloorArrays = tuple[np.ndarray, np.ndarray, np.ndarray]


class DeliveryValue:
    """The mean discounted team reward of the scripted team, which acts by chance in one of ten cases (Monte Carlo).

    All states are valued with the same random numbers, also the k-th request that is drawn. So values differ because
    states differ, and hardly by chance: their `samples` belong together. A request that was drawn in the step that led
    to a state is drawn again in each rollout, because no robot caused it.

    Args:
        library: The library's environment, with up to two robots.
        seed: Of the random numbers; another seed gives another estimate.
        count: Rollouts of each state, from 2.
        horizon: Steps of each.
        discount: Of each step, above 0 and at most 1.

    Raises:
        ValueError: There are more than two robots, or an argument is outside its range.
    """

    unit = "reward"
    counts_reward = True

    def __init__(
        self, library: Any, seed: int = 0, count: int = 256, horizon: int = 60, discount: float = 0.95
    ) -> None:
        if library.n_agents > ROBOTS:
            raise ValueError(
                f"deliveries are estimated for up to {ROBOTS} robots, and here are {library.n_agents}: use RolloutValue"
            )
        if count < 2 or horizon < 1 or not 0 < discount <= 1:
            raise ValueError(
                f"count={count}, horizon={horizon}, discount={discount}: needs count from 2, horizon from 1, discount "
                "above 0 and at most 1"
            )
        self.plan, self._homes, self._columns = plan_of(library), home_cells(library), int(library.grid_size[1])
        self.seed, self.count, self.horizon, self.discount = seed, count, horizon, discount
        self._robots = int(library.n_agents)
        self._known: dict[bytes, np.ndarray] = {}  # samples by state

    def again(self) -> DeliveryValue:
        """Return a second estimate of the same, by other random numbers."""
        other = copy(self)
        other.seed, other._known = self.seed + 1, {}
        return other

    def values(self, states: Sequence[Any]) -> Values:
        """Return means, standard errors and samples of K states, as `get_state` returned them; no clock ends them."""
        chances, fates = _drawn(self.seed, self.count, self.horizon, self._robots)
        samples = np.empty((len(states), self.count))
        for k, state in enumerate(states):
            floor = floor_arrays(state.values[3], self._homes, self._columns)
            key = b"".join(array.tobytes() for array in floor)
            if key not in self._known:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[key] = rollouts(self.plan, *floor, chances, fates, self.discount, EPSILON)
            samples[k] = self._known[key]
        error = samples.std(axis=1, ddof=1) / np.sqrt(self.count)
        return Values(samples.mean(axis=1), error, samples)


def home_cells(library: Any) -> np.ndarray:
    """Return the cells of the shelves' places, (S,) int64: that of shelf k + 1 at k."""
    return np.flatnonzero(library.highways == 0)


def plan_of(library: Any) -> Plan:
    """Return what does not change of the library's environment."""
    rows, columns = library.grid_size
    ahead = np.full((rows * columns, 4), -1)
    for cell in range(rows * columns):
        row, column = divmod(cell, columns)
        for way, (down, right) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1))):
            if 0 <= row + down < rows and 0 <= column + right < columns:
                ahead[cell, way] = cell + down * columns + right
    goals = np.array([y * columns + x for x, y in library.goals], np.int64)
    pays = {"INDIVIDUAL": (1.0, 0.0), "GLOBAL": (float(library.n_agents), 0.0), "TWO_STAGE": (0.5, 0.5)}
    return Plan(ahead, library.highways.ravel() == 0, goals, *pays[library.reward_type.name])


def floor_arrays(saved: Any, homes: np.ndarray, columns: int) -> FloorArrays:
    """Return robots, shelves and requests of what `WarehouseParallelEnv` saves of the library.

    Args:
        saved: Such as `get_state().values[3]`.
        homes: (S,) int64, see `home_cells`.
        columns: Of the floor.
    """
    robots, requests, away, _, _, *drawn = saved
    team = np.array([(y * columns + x, way, load, done) for x, y, way, load, done, _ in robots], np.int64)
    where = np.concatenate(([0], homes))
    for shelf, row, column in away:
        where[shelf] = row * columns + column
    queue = np.array(requests, np.int64)
    for k, delivered in drawn[0] if drawn else ():
        queue[k] = -delivered
    return team, where, queue


@lru_cache(maxsize=4)
def _drawn(seed: int, count: int, horizon: int, robots: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the random numbers of the team and of the requests; each robot delivers once a step at most."""
    rng = np.random.default_rng(seed)
    chances = rng.random((count, horizon, robots, 2))
    return chances, rng.random((count, (horizon + 1) * robots))
