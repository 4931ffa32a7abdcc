"""Sprites of station core, slots, modules, keep-out cells and debris, each centred on its cell."""

from __future__ import annotations

import math

import numpy as np
import pygame

from spaceworld.render import palette
from spaceworld.render.canvas import TINY, Canvas, polar
from spaceworld.render.palette import Colour, mix
from spaceworld.render.symbols import OFFSETS

SHOW_MASS = 36  # pixels; in smaller cells a module's mass is not written
BADGE = 0.44  # where the mass is written, in half cells right of and below the module's centre


def station(cell: int, joined: frozenset[int], variant: int) -> pygame.Surface:
    """Return one cell of the station core.

    Args:
        cell: Edge of a cell in pixels.
        joined: Directions (action numbers 1..4) in which the structure continues.
        variant: The detail on the panel; any integer.
    """
    canvas = Canvas(cell, 1.1)
    hull = canvas.box(0, 0, 0.94, 0.94, 0.16)
    for direction in joined:
        dy, dx = OFFSETS[direction]
        hull = np.minimum(hull, canvas.box(dx * 0.5, dy * 0.5, 0.94 if dy else 0.56, 0.94 if dx else 0.56))
    canvas.glow(hull, (0, 0, 0), 0.10, 0.6)
    canvas.fill(hull, canvas.shade((84, 94, 120), (170, 182, 206)))
    canvas.stroke(hull + 0.03, palette.HULL_EDGE, 0.06)
    inner = canvas.box(0, 0, 0.74, 0.74, 0.10)
    canvas.fill(inner, canvas.shade((96, 108, 134), (150, 162, 188)))
    canvas.stroke(inner, (58, 66, 90), 0.045)
    for x, y in ((-0.84, -0.84), (0.84, -0.84), (-0.84, 0.84), (0.84, 0.84)):
        canvas.fill(canvas.circle(x, y, 0.045), (58, 66, 90))
    (_hub, _windows, _radiator)[variant % 3](canvas)
    return canvas.surface()


def _hub(canvas: Canvas) -> None:
    ring = canvas.circle(0, 0, 0.50)
    canvas.fill(ring, canvas.shade((54, 62, 86), (112, 124, 152)))
    canvas.stroke(ring, (40, 46, 66), 0.05)
    for step in range(8):
        lamp = canvas.circle(*polar(math.pi / 8 + step * math.pi / 4, 0.39), 0.04)
        canvas.glow(lamp, palette.WINDOW, 0.05, 0.5)
        canvas.fill(lamp, palette.WINDOW)
    port = canvas.circle(0, 0, 0.26)
    canvas.fill(port, (24, 29, 44))
    canvas.stroke(port, (150, 162, 188), 0.05)
    canvas.fill(canvas.line((-0.2, 0), (0.2, 0), 0.022), (110, 122, 150))
    canvas.fill(canvas.line((0, -0.2), (0, 0.2), 0.022), (110, 122, 150))


def _windows(canvas: Canvas) -> None:
    for row in (-0.36, 0.36):
        for col in (-0.44, 0.0, 0.44):
            window = canvas.box(col, row, 0.15, 0.12, 0.05)
            canvas.glow(window, palette.WINDOW, 0.07, 0.45)
            canvas.fill(window, palette.WINDOW if col or row < 0 else (120, 104, 92))
            canvas.stroke(window, (58, 66, 90), 0.03)
    canvas.fill(canvas.line((-0.66, 0), (0.66, 0), 0.02), (70, 80, 104))


def _radiator(canvas: Canvas) -> None:
    for step in range(5):
        x = -0.48 + 0.24 * step
        canvas.fill(canvas.box(x, 0, 0.085, 0.56, 0.03), canvas.shade((30, 50, 104), (64, 100, 178)))
        canvas.stroke(canvas.box(x, 0, 0.085, 0.56, 0.03), (150, 162, 188), 0.02, 0.7)


def keep_out(cell: int) -> pygame.Surface:
    """Return the hatching of a keep-out cell; its stripes continue from cell to cell."""
    canvas = Canvas(cell)
    inside = canvas.box(0, 0, 1, 1)
    canvas.fill(inside, palette.WARN, 0.07)
    period = 0.5  # divides the cell's edge of 2, so that neighbours fit
    phase = (canvas.x + canvas.y) % period
    stripe = (abs(phase - period / 2) - period * 0.17) * math.sqrt(0.5)
    canvas.fill(stripe, palette.WARN, 0.26)
    return canvas.surface()


def slot(cell: int, colour: Colour, is_open: bool) -> pygame.Surface:
    """Return the dashed outline of an empty slot, bright when it is open."""
    canvas = Canvas(cell)
    outline = canvas.box(0, 0, 0.80, 0.80, 0.20)
    if cell < TINY:
        canvas.fill(outline, colour, 0.22 if is_open else 0.10)
        canvas.stroke(outline, colour, 0.14, 1.0 if is_open else 0.38)
        return canvas.surface()
    if not is_open:
        colour = mix(colour, palette.FAINT, 0.62)
    canvas.fill(outline, colour, 0.13 if is_open else 0.04)
    # dashes along the nearer edge, with whole corners
    along = abs(canvas.x) * (abs(canvas.x) < abs(canvas.y)) + abs(canvas.y) * (abs(canvas.x) >= abs(canvas.y))
    dash = (along > 0.46) | (along < 0.16) if is_open else (along > 0.60)
    if is_open:
        canvas.glow(abs(outline), colour, 0.09, 0.30)
    canvas.stroke(outline, colour, 0.07 if is_open else 0.055, dash * (1.0 if is_open else 0.85))
    return canvas.surface()


def module(cell: int, colour: Colour, mass: int, docked: bool) -> pygame.Surface:
    """Return a module without letter and mass: heavier ones are larger, docked ones shine."""
    canvas = Canvas(cell, 1.7)
    half = 0.86 if docked else 0.66 + 0.04 * min(mass, 3)
    if cell < TINY:
        return _small_module(canvas, colour, min(0.92, half + 0.12), docked)
    body = canvas.box(0, 0, half, half, 0.14)
    if docked:
        canvas.glow(body, colour, 0.34, 0.50)
    else:
        canvas.glow(canvas.box(0.03, 0.05, half, half, 0.14), (0, 0, 0), 0.10, 0.55)
    canvas.fill(body, canvas.shade((92, 102, 128), (214, 222, 236)))
    canvas.stroke(body + 0.025, palette.HULL_EDGE, 0.05)
    plate = canvas.box(0, 0, half - 0.17, half - 0.17, 0.09)
    tone, dark, light = (palette.WHITE, 0.05, 0.5) if docked else ((10, 14, 30), 0.45, 0.05)
    canvas.fill(plate, canvas.shade(mix(colour, tone, dark), mix(colour, tone, light), 0.7))
    canvas.stroke(plate, palette.HULL_EDGE, 0.04)
    corner = half - 0.09
    for x, y in ((-corner, -corner), (corner, -corner), (-corner, corner), (corner, corner)):
        canvas.fill(canvas.circle(x, y, 0.042), palette.HULL_EDGE)
    if docked:
        canvas.stroke(body, mix(colour, palette.WHITE, 0.55), 0.05)
    if cell >= SHOW_MASS:
        badge = canvas.box(BADGE, BADGE, 0.19, 0.19, 0.08)
        canvas.fill(badge, palette.VISOR, 0.85)
    return canvas.surface()


def _small_module(canvas: Canvas, colour: Colour, half: float, docked: bool) -> pygame.Surface:
    """Return a module without bolts and frame, for small cells: a plate of its colour, shining when docked."""
    body = canvas.box(0, 0, half, half, 0.16)
    if docked:
        canvas.glow(body, colour, 0.34, 0.50)
        canvas.fill(body, canvas.shade(mix(colour, palette.WHITE, 0.05), mix(colour, palette.WHITE, 0.5), 0.7))
        canvas.stroke(body + 0.06, mix(colour, palette.WHITE, 0.7), 0.12)
        return canvas.surface()
    canvas.glow(body, (0, 0, 0), 0.16, 0.6)
    canvas.fill(body, canvas.shade(mix(colour, (10, 14, 30), 0.50), mix(colour, (10, 14, 30), 0.15), 0.7))
    canvas.stroke(body + 0.06, (214, 222, 236), 0.12, 0.85)
    return canvas.surface()


def collar(cell: int, colour: Colour, direction: int) -> pygame.Surface:
    """Return the lit joint between a docked module and the structure beside it."""
    canvas = Canvas(cell, 1.3)
    dy, dx = OFFSETS[direction]
    joint = canvas.box(dx, dy, 0.13 if dx else 0.34, 0.13 if dy else 0.34, 0.05)
    canvas.glow(joint, colour, 0.10, 0.6)
    canvas.fill(joint, mix(colour, palette.WHITE, 0.6))
    canvas.stroke(joint, palette.HULL_EDGE, 0.03)
    return canvas.surface()


def debris(cell: int, variant: int, direction: int) -> pygame.Surface:
    """Return a rock; a drifting one has streaks behind it and an arrow ahead."""
    canvas = Canvas(cell, 1.5)
    dy, dx = OFFSETS.get(direction, (0, 0))
    if direction:
        for side, length in ((-0.34, 0.44), (0.0, 0.72), (0.34, 0.50)):
            start = (-dx * 0.50 - dy * side, -dy * 0.50 + dx * side)
            stop = (start[0] - dx * length, start[1] - dy * length)
            canvas.fill(canvas.line(start, stop, 0.03), palette.ROCK, 0.55)
    outline = []
    for step in range(9):
        angle = step * 2 * math.pi / 9 + variant * 0.9
        radius = 0.56 + 0.10 * math.sin(step * 2.3 + variant * 1.7) + 0.05 * math.cos(step * 5.1 + variant)
        outline.append(polar(angle, radius))
    rock = canvas.polygon(outline) - 0.05
    canvas.glow(rock, (0, 0, 0), 0.10, 0.6)
    canvas.fill(rock, canvas.shade(palette.ROCK_DARK, (176, 160, 146), 0.9))
    for x, y, radius in ((-0.18, -0.12, 0.15), (0.22, 0.16, 0.11), (0.10, -0.32, 0.07), (-0.16, 0.30, 0.08)):
        turn = variant * 1.9
        cx, cy = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
        canvas.fill(canvas.circle(cx, cy, radius), palette.ROCK_DARK, 0.75)
        canvas.stroke(canvas.circle(cx + 0.02, cy + 0.02, radius), (196, 180, 166), 0.03, 0.35)
    canvas.stroke(rock, palette.HULL_EDGE, 0.05)
    if direction:
        tip, back = 0.94, 0.78
        head = [
            (dx * tip, dy * tip),
            (dx * back - dy * 0.17, dy * back + dx * 0.17),
            (dx * back + dy * 0.17, dy * back - dx * 0.17),
        ]
        canvas.fill(canvas.polygon(head) - 0.02, palette.WARN)
    return canvas.surface()
