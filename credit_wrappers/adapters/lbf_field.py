"""The library's foraging environment with two faults of lbforaging 2.0.0 repaired; needs the library.

Its observation space is wrong for grid observations, which fail at once, and for fields that are not square, which fail
when a player reaches a far row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from lbforaging.foraging import ForagingEnv


class Field(ForagingEnv):
    """The library's environment with correct bounds of its observations."""

    def _get_observation_space(self) -> Any:
        rows, columns = self.field_size
        if rows == columns and not self._grid_observation:
            return super()._get_observation_space()
        weights = self.max_food_level if self.max_food_level is not None else [sum(sorted(self.max_player_level)[:3])]
        player, food = max(self.max_player_level), max(weights)
        if self._grid_observation:
            side = 2 * self.sight + 1
            tops = (player if self._observe_agent_levels else 1, food, 1)
            high = np.stack([np.full((side, side), top, np.float32) for top in tops])
            return Box(np.zeros_like(high), high)
        who = [(-1, rows - 1), (-1, columns - 1)] + [(0, player)] * self._observe_agent_levels
        bounds = [(-1, rows - 1), (-1, columns - 1), (0, food)] * self.max_num_food + who * len(self.players)
        low, high = np.array(bounds, np.float32).T
        return Box(low, high)
