"""Sprites of the robots and of what they do: body, exhaust, arm, and flashes for events."""

from __future__ import annotations

import math

import numpy as np
import pygame

from spaceworld.render import palette
from spaceworld.render.canvas import TINY, Canvas, Field, Point, cut, polar
from spaceworld.render.palette import Colour, mix
from spaceworld.render.symbols import OFFSETS

BODY = 0.66  # radius of a robot, in half cells
SHOW_PIPS = 20  # pixels; smaller cells do not show thrust
PIPS = 5  # more thrust than this is shown as five pips
BEAT = (1.0, 0.84, 1.1)  # sizes of a flash


def robot(cell: int, colour: Colour, role: str, thrust: int) -> pygame.Surface:
    """Return a robot without its number; the outline shows its role, pips its thrust."""
    canvas = Canvas(cell, 1.2)
    body = _outline(canvas, role)
    if cell < TINY:
        body = body - 0.16
        canvas.glow(body, (0, 0, 0), 0.20, 0.7)
        canvas.fill(body, canvas.shade(mix(colour, (0, 0, 0), 0.12), mix(colour, palette.WHITE, 0.35)))
        canvas.stroke(body + 0.05, palette.HULL_EDGE, 0.10)
        shown = min(thrust, PIPS) if cell >= SHOW_PIPS else 0
        for pip in range(shown):
            canvas.fill(canvas.circle((pip - (shown - 1) / 2) * 0.22, 0.56, 0.085), palette.VISOR)
        return canvas.surface()
    canvas.glow(body + 0.02, (0, 0, 0), 0.14, 0.6)
    for dy, dx in OFFSETS.values():
        nozzle = canvas.box(dx * (BODY + 0.05), dy * (BODY + 0.05), 0.10 if dx else 0.15, 0.10 if dy else 0.15, 0.04)
        canvas.fill(nozzle, canvas.shade(palette.HULL_DARK, palette.HULL))
        canvas.stroke(nozzle, palette.HULL_EDGE, 0.03)
    canvas.fill(body, canvas.shade((146, 158, 182), (250, 252, 255)))
    canvas.stroke(body + 0.02, palette.HULL_EDGE, 0.04)
    canvas.stroke(body + 0.10, colour, 0.10)
    visor = _outline(canvas, role) + 0.185
    canvas.fill(visor, canvas.shade(palette.VISOR, mix(palette.VISOR, colour, 0.32)))
    shown = min(thrust, PIPS)
    for pip in range(shown):
        x = (pip - (shown - 1) / 2) * 0.15
        lamp = canvas.circle(x, 0.315, 0.05)
        canvas.glow(lamp, palette.FLAME, 0.05, 0.6)
        canvas.fill(lamp, mix(palette.FLAME, palette.WHITE, 0.45))
    return canvas.surface()


def _outline(canvas: Canvas, role: str) -> Field:
    """Return the outline of a role: tugs are round, assemblers hexagonal, all others square."""
    if role == "tug":
        return canvas.circle(0, 0, BODY)
    if role == "assembler":
        return canvas.polygon([polar(math.pi / 6 + step * math.pi / 3, BODY * 1.06) for step in range(6)]) - 0.03
    return canvas.box(0, 0, BODY * 0.93, BODY * 0.93, 0.18)


def flame(cell: int, direction: int) -> pygame.Surface:
    """Return the exhaust of a robot that thrusts in a direction; it points the other way."""
    canvas = Canvas(cell, 1.5)
    dy, dx = OFFSETS[direction]
    start, stop = BODY + 0.08, BODY + 0.62
    for width, length, colour, alpha in (
        (0.10, 1.0, palette.FLAME, 0.35),
        (0.075, 0.7, palette.FLAME, 0.9),
        (0.045, 0.4, palette.WHITE, 1.0),
    ):
        tip = start + (stop - start) * length
        left = (-dx * start - dy * width, -dy * start + dx * width)
        right = (-dx * start + dy * width, -dy * start - dx * width)
        jet = canvas.polygon([left, (-dx * tip, -dy * tip), right])
        canvas.glow(jet, colour, 0.06, alpha * 0.5)
        canvas.fill(jet - 0.02, colour, alpha)
    return canvas.surface()


def arm(cell: int, colour: Colour, direction: int) -> pygame.Surface:
    """Return the arm from a robot to the module beside it, ending in a claw on the module's edge."""
    canvas = Canvas(cell, 2.2)
    dy, dx = OFFSETS[direction]

    def at(forward: float, side: float) -> Point:
        return dx * forward - dy * side, dy * forward + dx * side

    bones = [(at(BODY - 0.04, 0.0), at(1.12, 0.0), 0.075)]
    for side in (-1, 1):
        bones += [(at(1.14, 0.0), at(1.20, 0.30 * side), 0.06), (at(1.20, 0.30 * side), at(1.37, 0.30 * side), 0.06)]
    shape = canvas.line(*bones[0])
    for bone in bones[1:]:
        shape = np.minimum(shape, canvas.line(*bone))
    canvas.glow(shape, colour, 0.10, 0.55)
    canvas.fill(shape - 0.035, palette.HULL_EDGE)
    canvas.fill(shape, canvas.shade(palette.STEEL, palette.WHITE))
    canvas.fill(canvas.line(at(BODY, 0), at(1.08, 0), 0.03), colour)
    claw = canvas.circle(*at(1.12, 0.0), 0.10)
    canvas.fill(claw, colour)
    canvas.stroke(claw, palette.HULL_EDGE, 0.035)
    return canvas.surface()


def reach(cell: int, colour: Colour) -> pygame.Surface:
    """Return the ring around a robot that interacted in the last step."""
    canvas = Canvas(cell, 1.1)
    ring = canvas.circle(0, 0, 0.88)
    quarter = abs(abs(canvas.x) - abs(canvas.y)) < 0.62
    canvas.stroke(ring, mix(colour, palette.WHITE, 0.4), 0.05, quarter * 0.9)
    return canvas.surface()


def crash(cell: int, beat: int = 0) -> pygame.Surface:
    """Return the flash of a collision, drawn under a robot; its size depends on the beat, 0, 1 or 2."""
    grow = BEAT[beat]
    canvas = Canvas(cell, 1.5)
    canvas.glow(canvas.circle(0, 0, 0.70), palette.BAD, 0.36, 0.55)
    spikes = []
    for step in range(24):
        radius = ((1.34, 0.86)[step % 2] if step % 4 else 1.12) * grow
        spikes.append(polar(step * math.pi / 12 + 0.13, radius))
    burst = canvas.polygon(spikes)
    hole = canvas.circle(0, 0, 0.70)
    ring = abs(burst) - 0.035
    canvas.fill(cut(burst, hole), palette.BAD, 0.50)
    canvas.fill(cut(ring, hole), mix(palette.BAD, palette.WHITE, 0.45))
    canvas.stroke(hole, palette.BAD, 0.10)
    canvas.stroke(hole - 0.02, mix(palette.BAD, palette.WHITE, 0.7), 0.035)
    return canvas.surface()


def violation(cell: int) -> pygame.Surface:
    """Return the warning ring around a robot in a keep-out cell."""
    canvas = Canvas(cell, 1.2)
    ring = canvas.box(0, 0, 0.86, 0.86, 0.2)
    canvas.glow(abs(ring), palette.WARN, 0.12, 0.7)
    canvas.stroke(ring, palette.WARN, 0.09)
    return canvas.surface()


def docking(cell: int, colour: Colour, beat: int = 0) -> pygame.Surface:
    """Return the flash of a module that docked in the last step; its size depends on the beat."""
    grow = BEAT[beat]
    canvas = Canvas(cell, 2.2)
    light = mix(colour, palette.WHITE, 0.65)
    body = canvas.box(0, 0, 0.86, 0.86, 0.2)
    for distance, alpha in ((0.18, 0.9), (0.42, 0.55), (0.68, 0.28)):
        canvas.stroke(body - distance * grow, light, 0.06, alpha)
    for step in range(12):
        angle = math.pi / 12 + step * math.pi / 6
        canvas.fill(canvas.line(polar(angle, 1.30 * grow), polar(angle, 1.85 * grow), 0.025), light, 0.65)
    return canvas.surface()


def marker(cell: int) -> pygame.Surface:
    """Return the bright corners around the robot that a person steers."""
    canvas = Canvas(cell, 1.3)
    frame = canvas.box(0, 0, 0.98, 0.98, 0.24)
    corner = np.minimum(abs(canvas.x), abs(canvas.y)) > 0.52
    canvas.glow(canvas.circle(0, 0, 0.6), palette.WHITE, 0.34, 0.28)
    canvas.stroke(frame, palette.WHITE, 0.075, corner)
    return canvas.surface()
