"""How far the goal is in Level-Based Foraging: one table for each layout, solved by value iteration.

A state is the players' cells and the food that is left. Food is loaded and never returns, so tables of fewer foods are
solved first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

MOST_OUTCOMES = 60_000_000  # states x joint actions
MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (0, 0))  # by action: stay, north, south, west, east, load
LOAD = 5


@dataclass(frozen=True)
class Layout:
    """What does not change within an episode.

    Attributes:
        rows: Rows of the field.
        columns: Columns of the field.
        foods: Row, column and level of each piece of food.
        levels: The players' levels.
    """

    rows: int
    columns: int
    foods: tuple[tuple[int, int, int], ...]
    levels: tuple[int, ...]

    @property
    def cells(self) -> int:
        """The number of cells."""
        return self.rows * self.columns

    def index(self, players: Sequence[tuple[int, int]], left: Sequence[tuple[int, int, int]]) -> int:
        """Return the place of a state in the table: the players' cells, and the food that is left."""
        place = sum(1 << k for k, food in enumerate(self.foods) if food in left)
        for row, column in players:
            place = place * self.cells + row * self.columns + column
        return place


def check_size(rows: int, columns: int, players: int, foods: int) -> None:
    """Raise ValueError where a table of this size is too large."""
    outcomes = ((1 << foods) - 1) * (rows * columns * len(MOVES)) ** players
    if players > 3 or outcomes > MOST_OUTCOMES:
        raise ValueError(
            f"exact values of {players} players on {rows}x{columns} cells with {foods} pieces of food need "
            f"{outcomes:,} outcomes; a table holds up to 3 players and {MOST_OUTCOMES:,}: use a smaller field, or "
            "RolloutValue"
        )


@lru_cache(maxsize=64)
def steps_to_go(layout: Layout, kind: str) -> np.ndarray:
    """Return the fewest joint steps ("time"), or actions other than `stay` ("work"), until all food is loaded.

    Args:
        layout: Of up to 3 players.
        kind: "time" or "work".

    Returns:
        Float32, indexed by `Layout.index`; infinity where it cannot be done.

    Raises:
        ValueError: The layout is too large.
    """
    n, f = len(layout.levels), len(layout.foods)
    check_size(layout.rows, layout.columns, n, f)
    joints = np.array(list(product(range(len(MOVES)), repeat=n)))
    cost = (joints != 0).sum(axis=1) if kind == "work" else np.ones(len(joints))
    size = layout.cells**n
    table = np.full(size << f, np.inf, np.float32)
    table[:size] = 0.0
    for left in range(1, 1 << f):
        after = _successors(layout, left, joints)
        now = table[left * size : (left + 1) * size]  # a view
        while True:
            before = now.copy()
            for price, places in zip(cost, after, strict=True):
                np.minimum(now, table[places] + np.float32(price), out=now)
            if np.array_equal(before, now):
                break
    table.setflags(write=False)
    return table


def _successors(layout: Layout, left: int, joints: np.ndarray) -> np.ndarray:
    """Return the place in the table that each joint action leads to, (J, P**N) int, while these foods are left."""
    n, cells = len(layout.levels), layout.cells
    here = [food for k, food in enumerate(layout.foods) if left >> k & 1]
    target, beside = _targets(layout, here), _beside(layout, left)
    grids = np.indices((cells,) * n, np.int32).reshape(n, -1)
    after = np.empty((len(joints), cells**n), np.int32)
    for joint, places in zip(joints, after, strict=True):
        wanted = [target[a][grid] for a, grid in zip(joint, grids, strict=True)]
        clash = [np.zeros(cells**n, bool) for _ in range(n)]
        for i in range(n):
            for k in range(i):
                same = wanted[i] == wanted[k]
                clash[i] |= same
                clash[k] |= same
        places[:] = left
        for k, (_, _, level) in enumerate(layout.foods):
            if left >> k & 1 and (joint == LOAD).any():
                strength = sum(layout.levels[i] * (beside[grids[i]] == k) for i in range(n) if joint[i] == LOAD)
                places -= np.where(strength >= level, 1 << k, 0).astype(np.int32)
        for i in range(n):
            places *= cells
            places += np.where(clash[i], grids[i], wanted[i])
    return after


def _targets(layout: Layout, here: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Return the cell that each action, taken alone, leads to from each cell, (6, P) int32."""
    taken = {(row, column) for row, column, _ in here}
    target = np.tile(np.arange(layout.cells, dtype=np.int32), (len(MOVES), 1))
    for action, (down, right) in enumerate(MOVES):
        for cell in range(layout.cells):
            row, column = cell // layout.columns + down, cell % layout.columns + right
            if 0 <= row < layout.rows and 0 <= column < layout.columns and (row, column) not in taken:
                target[action, cell] = row * layout.columns + column
    return target


def _beside(layout: Layout, left: int) -> np.ndarray:
    """Return the number of the food beside each cell, (P,) int32; -1 where there is none."""
    beside = np.full(layout.cells, -1, np.int32)
    for k, (row, column, _) in enumerate(layout.foods):
        for down, right in MOVES[1:LOAD]:
            near = (row + down, column + right)
            if left >> k & 1 and 0 <= near[0] < layout.rows and 0 <= near[1] < layout.columns:
                beside[near[0] * layout.columns + near[1]] = k
    return beside
