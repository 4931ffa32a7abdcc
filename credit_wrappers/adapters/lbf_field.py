"""The library's foraging environment with the observation space of lbforaging 2.0.0 corrected; needs the library.

The library's space is wrong for grid observations, which fail at once, and for fields that are not square, which fail
when a player reaches a far row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from lbforaging.foraging import ForagingEnv


class Field(ForagingEnv):
    """The library's environment with correct bounds of its observations."""

    @property
    def strongest(self) -> int:
        """The highest level of a player."""
        return int(max(self.max_player_level))

    @property
    def heaviest(self) -> int:
        """The highest level of food."""
        levels = self.max_food_level
        return int(sum(sorted(self.max_player_level)[:3]) if levels is None else max(levels))

    def _get_observation_space(self) -> Any:
        rows, columns = self.field_size
        if rows == columns and not self._grid_observation:
            return super()._get_observation_space()
        player, food = self.strongest, self.heaviest
        if self._grid_observation:
            side = 2 * self.sight + 1
            tops = (player if self._observe_agent_levels else 1, food, 1)
            high = np.stack([np.full((side, side), top, np.float32) for top in tops])
            return Box(np.zeros_like(high), high)
        who = [(-1, rows - 1), (-1, columns - 1)] + [(0, player)] * self._observe_agent_levels
        bounds = [(-1, rows - 1), (-1, columns - 1), (0, food)] * self.max_num_food + who * len(self.players)
        low, high = np.array(bounds, np.float32).T
        return Box(low, high)
