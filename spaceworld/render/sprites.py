"""A cache of what is drawn once and used in many frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pygame

from spaceworld.render.lettering import Lettering


class Sprites:
    """Sprites and letters that are kept between frames."""

    def __init__(self) -> None:
        self.lettering = Lettering()
        self._made: dict[tuple[Any, ...], pygame.Surface] = {}

    def get(self, make: Callable[..., pygame.Surface], *key: Any) -> pygame.Surface:
        """Return `make(*key)`, made once."""
        found = self._made.get((make, *key))
        if found is None:
            found = self._made[(make, *key)] = make(*key)
        return found
