"""Sprites drawn from signed distances: exact anti-aliasing, glows and gradients without a display.

A signed distance field has, for each pixel, its distance to a shape, negative inside. Coordinates are those of one
cell: its centre is (0, 0), its edges are at -1 and 1, x points east and y south.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pygame

from spaceworld.render.palette import Colour

TINY = 32  # pixels; in smaller cells, sprites are plain and fill the cell, to stay readable

Field = np.ndarray  # (size, size) float64
Point = tuple[float, float]  # (x, y)


class Canvas:
    """A square sprite under construction.

    Args:
        cell: Edge of a cell in pixels.
        reach: How far the sprite extends, in half cells from the centre; 1 is the cell itself.
    """

    def __init__(self, cell: int, reach: float = 1.0) -> None:
        margin = math.ceil(cell * (reach - 1) / 2)
        self.size = cell + 2 * margin
        self.pixel = 2 / cell
        axis = (np.arange(self.size) + 0.5 - self.size / 2) * self.pixel
        self.x, self.y = np.meshgrid(axis, axis)
        self._colour = np.zeros((self.size, self.size, 3))  # premultiplied by alpha
        self._alpha = np.zeros((self.size, self.size))

    def circle(self, x: float, y: float, radius: float) -> Field:
        """Return the distance to a disc."""
        return np.hypot(self.x - x, self.y - y) - radius

    def box(self, x: float, y: float, width: float, height: float, corner: float = 0.0) -> Field:
        """Return the distance to a box with rounded corners; width and height are half extents."""
        dx, dy = np.abs(self.x - x) - width + corner, np.abs(self.y - y) - height + corner
        return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - corner

    def line(self, start: Point, stop: Point, width: float) -> Field:
        """Return the distance to a line with round ends; width is half its thickness."""
        (ax, ay), (bx, by) = start, stop
        length = (bx - ax) ** 2 + (by - ay) ** 2 or 1.0
        along = np.clip(((self.x - ax) * (bx - ax) + (self.y - ay) * (by - ay)) / length, 0, 1)
        return np.hypot(self.x - ax - along * (bx - ax), self.y - ay - along * (by - ay)) - width

    def polygon(self, points: Sequence[Point]) -> Field:
        """Return the distance to a polygon, convex or not."""
        distance = np.full_like(self.x, np.inf)
        inside = np.zeros_like(self.x, dtype=bool)
        for (ax, ay), (bx, by) in zip(points, (*points[1:], points[0]), strict=True):
            distance = np.minimum(distance, self.line((ax, ay), (bx, by), 0.0))
            crosses = (ay > self.y) != (by > self.y)
            if ay != by:
                inside ^= crosses & (self.x < (bx - ax) * (self.y - ay) / (by - ay) + ax)
        return np.where(inside, -distance, distance)

    def fill(self, field: Field, colour: Colour | np.ndarray, alpha: float | np.ndarray = 1.0) -> None:
        """Paint the inside of a shape over what is there; colour and alpha may vary by pixel."""
        cover = np.clip(0.5 - field / self.pixel, 0, 1) * alpha
        self._over(np.asarray(colour, dtype=float), cover)

    def stroke(self, field: Field, colour: Colour, width: float, alpha: float | np.ndarray = 1.0) -> None:
        """Paint the outline of a shape, never thinner than a pixel."""
        half = max(width, self.pixel) / 2
        self.fill(np.abs(field) - half, colour, alpha)

    def glow(self, field: Field, colour: Colour, radius: float, alpha: float = 1.0) -> None:
        """Paint light that fades with the distance from a shape."""
        fade = np.exp(-((np.maximum(field, 0) / radius) ** 2))
        self._over(np.asarray(colour, dtype=float), np.where(fade > 0.01, fade, 0) * alpha)

    def shade(self, colour: Colour, light: Colour, slope: float = 0.5) -> np.ndarray:
        """Return a gradient, light from the upper left: (size, size, 3)."""
        share = np.clip(0.5 - slope * (self.x + self.y) / 2, 0, 1)[..., None]
        return np.asarray(colour) * (1 - share) + np.asarray(light) * share

    def surface(self) -> pygame.Surface:
        """Return the sprite as a surface with straight alpha."""
        sprite = pygame.Surface((self.size, self.size), pygame.SRCALPHA, 32)
        colour = self._colour / np.maximum(self._alpha, 1e-6)[..., None]
        pygame.surfarray.pixels3d(sprite)[:] = np.rint(colour).clip(0, 255).astype(np.uint8).swapaxes(0, 1)
        pygame.surfarray.pixels_alpha(sprite)[:] = np.rint(self._alpha.T * 255).clip(0, 255).astype(np.uint8)
        return sprite

    def _over(self, colour: np.ndarray, cover: np.ndarray) -> None:
        keep = 1 - cover
        self._colour = self._colour * keep[..., None] + colour * cover[..., None]
        self._alpha = self._alpha * keep + cover


def polar(angle: float, radius: float) -> Point:
    """Return the point at this angle (0 is east, clockwise) and distance from the centre."""
    return radius * math.cos(angle), radius * math.sin(angle)


def cut(shape: Field, hole: Field) -> Field:
    """Return the distance to a shape with a hole in it."""
    return np.maximum(shape, -hole)
