"""The background: a dark sky, stars from a fixed hash, and the edge of the planet."""

from __future__ import annotations

import numpy as np
import pygame

from spaceworld.render import palette


def sky(width: int, height: int) -> pygame.Surface:
    """Return the sky as an opaque surface; the same size gives the same stars."""
    rows, cols = np.mgrid[0:height, 0:width]
    y, x = (rows + 0.5) / height, (cols + 0.5) / height  # both in units of the height
    picture = _blend(np.array(palette.SPACE, float), np.array(palette.SPACE_HIGH, float), (1 - y) * 0.8)
    clouds = ((palette.NEBULA_COOL, 0.22, 0.30, 0.38, 1), (palette.NEBULA_WARM, 0.85, 0.18, 0.30, 2))
    for colour, centre_x, centre_y, spread, seed in clouds:
        near = np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * spread**2))
        dense = np.clip(_noise(x, y, seed) - 0.3, 0, 1)
        picture = _blend(picture, np.array(colour, float), near * dense * 0.75)
    picture = _stars(picture)
    picture = _planet(picture, x, y)
    picture += (_hash01(rows * width + cols, 9) - 0.5)[..., None]  # dithering: no bands in the dark
    surface = pygame.Surface((width, height), 0, 32)
    pixels = picture.clip(0, 255).astype(np.uint8)
    pygame.surfarray.blit_array(surface, np.ascontiguousarray(pixels.swapaxes(0, 1)))
    return surface


def _hash01(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Return one number in [0, 1) for each integer (splitmix64): the same on every machine."""
    mixed = numbers.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed ^ (mixed >> np.uint64(31))).astype(np.float64) / 2.0**64


def _blend(below: np.ndarray, colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    return below + (colour - below) * share[..., None]


def _noise(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Return smooth noise in [0, 1]: four octaves of hashed lattice values."""
    total = np.zeros_like(x)
    for octave in range(4):
        u, v = x * 3 * 2**octave, y * 3 * 2**octave
        u0, v0 = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
        fu, fv = u - u0, v - v0
        fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
        corner = [_hash01((v0 + dv) * 4096 + u0 + du, seed + 10 * octave) for dv in (0, 1) for du in (0, 1)]
        above = corner[0] * (1 - fu) + corner[1] * fu
        below = corner[2] * (1 - fu) + corner[3] * fu
        total += (above * (1 - fv) + below * fv) * 0.5 ** (octave + 1)
    return total / 0.9375


def _stars(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    number = np.arange(round(290 * width / height))
    x, y = _hash01(number, 3) * width, _hash01(number, 4) * height
    bright = _hash01(number, 5) ** 5
    warm = _hash01(number, 6)[:, None]
    colour = np.array([176, 204, 255]) * (1 - warm) + np.array([255, 230, 200]) * warm
    size = height / 480 * (0.55 + 0.5 * bright)
    rows, cols = np.mgrid[-4:5, -4:5]
    for index in number:
        at_row, at_col = int(y[index]) + rows, int(x[index]) + cols
        inside = (at_row >= 0) & (at_row < height) & (at_col >= 0) & (at_col < width)
        at_row, at_col = at_row[inside], at_col[inside]
        away = (at_row + 0.5 - y[index]) ** 2 + (at_col + 0.5 - x[index]) ** 2
        light = np.exp(-away / (2 * size[index] ** 2)) * (0.26 + 0.9 * bright[index])
        picture[at_row, at_col] += colour[index] * light[:, None]
    return picture


def _planet(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Add the planet's limb in the lower left corner, with a thin shining atmosphere."""
    away = np.hypot(x + 0.30, y - 2.02) - 1.16
    texture = _noise(x * 1.4, y * 3.0, 7)
    lit = np.clip(0.30 + 0.9 * away, 0.05, 0.30) + 0.14 * np.clip(texture - 0.5, 0, 1)
    ground = np.array(palette.PLANET, float) * (lit * 2.2)[..., None]
    pixel = 1 / picture.shape[0]
    picture = _blend(picture, ground, np.clip(0.5 - away / (3 * pixel), 0, 1))
    air = np.where(away > 0, np.exp(-away / 0.022), np.exp(away / 0.035)) * 0.42
    return _blend(picture, np.array(palette.AIR, float), air)
