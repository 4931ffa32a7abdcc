"""Draw a board of cells with pygame, without a screen: smooth shapes, short texts and a line of text below."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import pygame  # prints a greeting unless that is set

Colour = tuple[int, int, int]
Point = tuple[float, float]  # (x, y) in cells, from the board's upper left corner

INK, PAPER = (44, 50, 60), (250, 250, 247)
TEAM: tuple[Colour, ...] = (
    (38, 110, 196), (226, 112, 32), (128, 78, 178), (14, 142, 134),
    (206, 60, 122), (112, 126, 30), (82, 90, 110), (160, 96, 60),
)  # fmt: skip
_FINE = 3  # drawn this many times larger, then scaled down
_LARGEST, _SMALLEST, _FITS = 72, 26, 640  # pixels of a cell, and of the picture they should fit


class Board:
    """A picture of a grid, to draw on, with cells of colour `ground` and `lines` between them; coordinates in cells."""

    def __init__(self, rows: int, columns: int, ground: Colour, lines: Colour) -> None:
        self.cell = max(_SMALLEST, min(_LARGEST, _FITS // max(rows, columns)))
        self._unit = self.cell * _FINE
        self._foot = 26 * _FINE
        size = (columns * self._unit, rows * self._unit + self._foot)
        self._surface = pygame.Surface(size, 0, 32)
        self._surface.fill(PAPER)
        self._surface.fill(ground, (0, 0, size[0], rows * self._unit))
        for r in range(rows + 1):
            pygame.draw.line(self._surface, lines, (0, r * self._unit), (size[0], r * self._unit), _FINE)
        for c in range(columns + 1):
            pygame.draw.line(self._surface, lines, (c * self._unit, 0), (c * self._unit, rows * self._unit), _FINE)
        self._rows = rows

    def box(
        self, x: float, y: float, width: float, height: float, colour: Colour, corner: float = 0.0, line: float = 0.0
    ) -> None:
        """Draw a box around a point; `line` is the thickness of its outline, 0 fills it."""
        left, top = (x - width / 2) * self._unit, (y - height / 2) * self._unit
        frame = pygame.Rect(round(left), round(top), round(width * self._unit), round(height * self._unit))
        pygame.draw.rect(self._surface, colour, frame, self._line(line), border_radius=round(corner * self._unit))

    def disc(self, x: float, y: float, radius: float, colour: Colour, line: float = 0.0) -> None:
        """Draw a disc around a point; `line` as in `box`."""
        centre = (round(x * self._unit), round(y * self._unit))
        pygame.draw.circle(self._surface, colour, centre, round(radius * self._unit), self._line(line))

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Draw a filled polygon."""
        pygame.draw.polygon(self._surface, colour, [(x * self._unit, y * self._unit) for x, y in points])

    def text(self, text: str, x: float, y: float, height: float, colour: Colour) -> None:
        """Write a text around a point, `height` cells high."""
        self._write(text, (x * self._unit, y * self._unit), height * self._unit, colour, middle=True)

    def foot(self, text: str) -> None:
        """Write a line below the board."""
        at = (8 * _FINE, self._rows * self._unit + self._foot / 2)
        self._write(text, at, 15 * _FINE, INK, middle=False)

    def pixels(self) -> np.ndarray:
        """Return the picture, (H, W, 3) uint8."""
        width, height = self._surface.get_size()
        small = pygame.transform.smoothscale(self._surface, (width // _FINE, height // _FINE))
        return np.ascontiguousarray(pygame.surfarray.array3d(small).swapaxes(0, 1))

    def _line(self, line: float) -> int:
        return max(_FINE, round(line * self._unit)) if line else 0

    def _write(self, text: str, at: Point, height: float, colour: Colour, *, middle: bool) -> None:
        pygame.font.init()  # a fresh font each time: one that outlives a pygame.quit() reads freed memory
        image = pygame.font.Font(None, round(height * 1.4)).render(text, True, colour)
        width, tall = image.get_size()
        room = self._surface.get_width() - 2 * at[0]
        if not middle and width > room:
            image = pygame.transform.smoothscale(image, (round(room), round(tall * room / width)))
            width, tall = image.get_size()
        self._surface.blit(image, (at[0] - (width / 2 if middle else 0), at[1] - tall / 2))
