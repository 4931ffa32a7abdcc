"""A scene as an RGB picture, painted without a display: the grid on the left, the panel on the right."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pygame

from spaceworld.render import palette
from spaceworld.render.backdrop import sky
from spaceworld.render.grid_picture import GridPicture
from spaceworld.render.lettering import Lettering
from spaceworld.render.motion import STILL, Motion
from spaceworld.render.panel import PanelPicture, panel_width
from spaceworld.text.scene import Overlay, Scene

SMALLEST = 120  # pixels; smaller pictures cannot be read
LAYERS = 8  # backgrounds kept, one for each of the last layouts


class Painter:
    """A painter of scenes that keeps sprites, letters and backgrounds between frames.

    The same scene and overlay give the same bytes, whatever was painted before. SDL's video is never initialised, so no
    display is opened, and windows of other code are not touched.

    Args:
        height: Height of a frame in pixels; a ValueError is raised below 120.
        panel: Whether the side panel is drawn beside the grid.
    """

    def __init__(self, height: int = 480, panel: bool = True) -> None:
        if height < SMALLEST:
            raise ValueError(f"height must be at least {SMALLEST} pixels, got {height}")
        self.height = height
        self._lettering = Lettering()
        self._sprite = cache(_make)  # each sprite is drawn once
        self._panel = panel_width(height) if panel else 0  # its width
        self._layers: OrderedDict[tuple[Any, ...], pygame.Surface] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings only, because surfaces cannot be pickled."""
        return Painter, (self.height, self._panel > 0)

    def paint(self, scene: Scene, overlay: Overlay | None = None) -> np.ndarray:
        """Return the picture of a scene, (H, W, 3) uint8, RGB; W is even and fixed by the grid's shape."""
        return pixels(self.draw(scene, overlay))

    def draw(self, scene: Scene, overlay: Overlay | None = None, motion: Motion = STILL) -> pygame.Surface:
        """Return the picture as a new surface, with everything moved by `motion`."""
        overlay = overlay or Overlay()
        grid = self._grid(scene, motion)
        try:
            frame = self._background(scene, grid).copy()
            grid.paint(frame, overlay.player)
            if self._panel:
                PanelPicture(self._lettering, frame, grid.width, scene, overlay).paint()
        finally:
            self._lettering.close()
        return frame

    def size(self, scene: Scene) -> tuple[int, int]:
        """Return (width, height) of the pictures of a scene."""
        return self._grid(scene).width + self._panel, self.height

    def _grid(self, scene: Scene, motion: Motion = STILL) -> GridPicture:
        return GridPicture(self._sprite, self._lettering, self.height, scene, motion)

    def _background(self, scene: Scene, grid: GridPicture) -> pygame.Surface:
        """Return what does not change in an episode: sky, grid, keep-out cells, station core."""
        key = (scene.height, scene.width, scene.structure, scene.keep_out)
        layer = self._layers.pop(key, None)
        if layer is None:
            layer = pygame.Surface((grid.width + self._panel, self.height), 0, 32)
            layer.fill(palette.PANEL)
            layer.blit(self._sprite(sky, grid.width, self.height), (0, 0))
            grid.paint_still(layer)
            if self._panel:
                pygame.draw.line(layer, palette.LINE, (grid.width, 0), (grid.width, self.height))
        self._layers[key] = layer
        if len(self._layers) > LAYERS:
            self._layers.popitem(last=False)
        return layer


def _make(draw: Callable[..., pygame.Surface], *arguments: Any) -> pygame.Surface:
    return draw(*arguments)


def pixels(frame: pygame.Surface) -> np.ndarray:
    """Return a surface as a new array, (H, W, 3) uint8, RGB."""
    data = np.frombuffer(pygame.image.tobytes(frame, "RGB"), dtype=np.uint8)
    return data.reshape(frame.get_height(), frame.get_width(), 3).copy()
