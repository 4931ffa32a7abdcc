"""What an environment's `render` does in each of its render modes."""

from __future__ import annotations

from typing import Any

import numpy as np

from spaceworld.text.scene import Overlay, Scene


class View:
    """A renderer for one mode; its painter or window is made for the first picture.

    Args:
        mode: "human", "rgb_array" or "ansi".
    """

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._painter: Any = None
        self._window: Any = None

    def render(self, scene: Scene, overlay: Overlay, fps: float) -> np.ndarray | str | None:
        """Return a picture, (H, W, 3) uint8, or a text; in "human" mode show it, which takes 1 / `fps` seconds.

        Nothing is shown after the person has closed the window.

        Raises:
            NoDisplay: For "human" without a screen.
        """
        if self._mode == "ansi":
            from spaceworld.render.ansi import render_ansi

            return render_ansi(scene, overlay)
        if self._mode == "rgb_array":
            if self._painter is None:
                from spaceworld.render.pixels import Painter

                self._painter = Painter()
            picture: np.ndarray = self._painter.paint(scene, overlay)
            return picture
        if self._window is None:
            from spaceworld.render.window import Window

            self._window = Window(title=f"Spaceworld: {scene.scenario}")
        self._window.show(scene, overlay, 1.0 / fps if scene.step else 0.0)
        return None

    def close(self) -> None:
        """Close the window, if there is one, and free the painter."""
        if self._window is not None:
            self._window.close()
        self._window = self._painter = None
