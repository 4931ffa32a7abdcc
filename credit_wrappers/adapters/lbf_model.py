"""Level-Based Foraging as a model: what actions lead to, without the library, and exactly how far the goal is.

The rules are those of lbforaging 2: an action without effect is `stay`; players that choose one cell stay where they
are, and one that enters the cell of a player that could not leave shares it; food is loaded when the levels of those
beside it that load in the step add up to at least its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from credit_wrappers.adapters.lbf_table import LOAD, MOVES, Layout, steps_to_go
from credit_wrappers.adapters.library_env import LibraryState
from credit_wrappers.exact.simulator import Outcomes, StateError
from credit_wrappers.exact.value_function import Values, WayToGo

Cell = tuple[int, int]


class Moment(NamedTuple):
    """What `ForagingParallelEnv` saves of the library."""

    foods: tuple[tuple[int, int, int], ...]  # row, column and level at the start
    left: tuple[tuple[int, int, int], ...]
    players: tuple[tuple[Cell, int, float, float], ...]  # cell, level, score, reward of the last step
    step: int
    over: bool


@dataclass(frozen=True)
class ForagingSetup:
    """What the library's arguments fix.

    Attributes:
        rows: Rows of the field.
        columns: Columns of the field.
        horizon: Steps of an episode at most.
        penalty: What loading in vain costs a player.
        normalized: Whether rewards are divided by the levels of all food.
    """

    rows: int
    columns: int
    horizon: int
    penalty: float
    normalized: bool


class ForagingSimulator:
    """What joint actions lead to in Level-Based Foraging; states are those of `ForagingParallelEnv.get_state()`."""

    def __init__(self, setup: ForagingSetup) -> None:
        self.setup = setup

    def outcomes(self, states: Sequence[Any], joints: np.ndarray) -> Outcomes:
        """Return what K joint actions, (K, N) int, lead to.

        Raises:
            StateError: The episode has ended in a state.
        """
        after: list[object] = []
        reward, ended = np.zeros(len(states)), np.zeros((2, len(states)), bool)
        for k, (state, joint) in enumerate(zip(states, np.asarray(joints).tolist(), strict=True)):
            if not state.values[0]:
                raise StateError("the episode has ended in this state; rewind(state) sets its clock back", k)
            own, now = self._advance(Moment(*state.values[3]), joint)
            after.append(replace(state, values=(not now.over, tuple(joint), own, tuple(now))))
            reward[k] = sum(own)
            if now.over:
                ended[:, k] = not now.left, bool(now.left)
        return Outcomes(after, reward, np.zeros(np.shape(joints)), *ended)

    def _advance(self, now: Moment, joint: Sequence[int]) -> tuple[tuple[float, ...], Moment]:
        levels = {(row, column): level for row, column, level in now.left}
        targets, loads = [], {}
        for i, ((row, column), *_) in enumerate(now.players):
            target = (row + MOVES[joint[i]][0], column + MOVES[joint[i]][1])
            if joint[i] == LOAD:
                beside = self._food_beside((row, column), levels)
                if beside is not None:
                    loads[i] = beside
            inside = 0 <= target[0] < self.setup.rows and 0 <= target[1] < self.setup.columns
            targets.append(target if inside and target not in levels else (row, column))
        wanted = Counter(targets)
        cells = [
            target if wanted[target] == 1 else player[0] for target, player in zip(targets, now.players, strict=True)
        ]
        own = [0.0] * len(joint)
        for food in dict.fromkeys(loads.values()):
            loaders = [i for i, one in loads.items() if one == food]
            strength = sum(now.players[i][1] for i in loaders)
            for i in loaders:
                if strength < levels[food]:
                    own[i] -= self.setup.penalty
                    continue
                own[i] = float(now.players[i][1] * levels[food])
                if self.setup.normalized:
                    own[i] /= float(strength * sum(level for _, _, level in now.foods))
            if strength >= levels[food]:
                del levels[food]
        left = tuple(food for food in now.left if food[:2] in levels)
        players = tuple(
            (cell, level, score + paid, paid)
            for cell, (_, level, score, _), paid in zip(cells, now.players, own, strict=True)
        )
        step = now.step + 1
        return tuple(own), Moment(now.foods, left, players, step, not left or step >= self.setup.horizon)

    def _food_beside(self, cell: Cell, levels: dict[Cell, int]) -> Cell | None:
        """Return the food beside a cell; there is one at most, because the library keeps food apart."""
        for row, column in MOVES[1:LOAD]:
            if (beside := (cell[0] + row, cell[1] + column)) in levels:
                return beside
        return None


@dataclass(frozen=True)
class ForagingValue(WayToGo):
    """Minus the fewest joint steps ("time"), or actions other than `stay` ("work"), until all food is loaded.

    Exact, for teams of up to 3; a layout is solved at its first state and kept.
    """

    setup: ForagingSetup

    def values(self, states: Sequence[Any]) -> Values:
        """Return the values of K states, without error; 0 where no food is left.

        Raises:
            StateError: The layout is too large for a table, or its food cannot be loaded by this team.
        """
        found = np.zeros(len(states))
        for k, state in enumerate(states):
            foods, left, players, *_ = state.values[3]
            setup = self.setup
            layout = Layout(setup.rows, setup.columns, foods, tuple(player[1] for player in players))
            try:
                table = steps_to_go(layout, self.kind)
            except ValueError as error:
                raise StateError(str(error), k) from error
            found[k] = -table[layout.index([player[0] for player in players], left)]
        if not np.isfinite(found).all():
            raise StateError("this team cannot load all food from here", int(np.isfinite(found).argmin()))
        return Values(found, np.zeros(len(states)))


def rewound(state: LibraryState) -> LibraryState:
    """Return a state with the clock and all scores at 0, in which the episode goes on if food is left."""
    foods, left, players, _, _ = state.values[3]
    fresh = tuple((cell, level, 0.0, 0.0) for cell, level, _, _ in players)
    nothing = (0.0,) * len(players)
    return replace(state, values=(bool(left), (), nothing, (foods, left, fresh, 0, not left)))
