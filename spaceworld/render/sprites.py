"""The things in the cells, each a function from what it shows to a sprite centred on its cell."""

from __future__ import annotations

import math

import pygame

from spaceworld.render import palette
from spaceworld.render.canvas import Canvas, Field, Point
from spaceworld.render.palette import Colour, mix
from spaceworld.render.symbols import OFFSETS

BODY = 0.60  # radius of a robot, in half cells
PIPS = 5  # more thrust than this is shown as five pips


def station(cell: int, joined: frozenset[int], variant: int) -> pygame.Surface:
    """Returns one cell of the station core.

    Args:
        cell: Edge of a cell in pixels.
        joined: Directions (action numbers 1..4) in which the structure goes on.
        variant: Which detail the panel carries; any integer.
    """
    canvas = Canvas(cell, 1.1)
    hull = canvas.box(0, 0, 0.94, 0.94, 0.16)
    for direction in joined:
        dy, dx = OFFSETS[direction]
        hull = _union(hull, canvas.box(dx * 0.5, dy * 0.5, 0.94 if dy else 0.56, 0.94 if dx else 0.56))
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
        angle = math.pi / 8 + step * math.pi / 4
        lamp = canvas.circle(0.39 * math.cos(angle), 0.39 * math.sin(angle), 0.04)
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
    """Returns the hatching of a keep-out cell; stripes go on from cell to cell."""
    canvas = Canvas(cell)
    inside = canvas.box(0, 0, 1, 1)
    canvas.fill(inside, palette.WARN, 0.07)
    period = 0.5  # divides the cell's edge of 2, so that neighbours fit
    phase = (canvas.x + canvas.y) % period
    stripe = (abs(phase - period / 2) - period * 0.17) * math.sqrt(0.5)
    canvas.fill(stripe, palette.WARN, 0.26)
    return canvas.surface()


def slot(cell: int, colour: Colour, is_open: bool) -> pygame.Surface:
    """Returns the dashed outline of an empty slot, bright when it is open."""
    canvas = Canvas(cell)
    outline = canvas.box(0, 0, 0.80, 0.80, 0.20)
    if not is_open:
        colour = mix(colour, palette.FAINT, 0.62)
    canvas.fill(outline, colour, 0.13 if is_open else 0.04)
    # Dashes: cut out by the position along the nearer edge, with whole corners.
    along = abs(canvas.x) * (abs(canvas.x) < abs(canvas.y)) + abs(canvas.y) * (abs(canvas.x) >= abs(canvas.y))
    dash = (along > 0.46) | (along < 0.16) if is_open else (along > 0.60)
    if is_open:
        canvas.glow(abs(outline), colour, 0.09, 0.30)
    canvas.stroke(outline, colour, 0.07 if is_open else 0.055, dash * (1.0 if is_open else 0.85))
    return canvas.surface()


def module(cell: int, colour: Colour, mass: int, docked: bool) -> pygame.Surface:
    """Returns a module without its letter: heavier ones are larger and carry more bolts; docked ones shine."""
    canvas = Canvas(cell, 1.7)
    half = 0.86 if docked else 0.60 + 0.04 * min(mass, 4)
    body = canvas.box(0, 0, half, half, 0.14)
    if docked:
        canvas.glow(body, colour, 0.34, 0.50)
    else:
        canvas.glow(canvas.box(0.03, 0.05, half, half, 0.14), (0, 0, 0), 0.10, 0.55)
    canvas.fill(body, canvas.shade((92, 102, 128), (214, 222, 236)))
    canvas.stroke(body + 0.025, palette.HULL_EDGE, 0.05)
    plate = canvas.box(0, 0, half - 0.17, half - 0.17, 0.09)
    dark, light = (mix(colour, palette.WHITE, 0.05), mix(colour, palette.WHITE, 0.5)) if docked else (
        mix(colour, (10, 14, 30), 0.45),
        mix(colour, (10, 14, 30), 0.05),
    )
    canvas.fill(plate, canvas.shade(dark, light, 0.7))
    canvas.stroke(plate, palette.HULL_EDGE, 0.04)
    corner = half - 0.09
    for x, y in ((-corner, -corner), (corner, -corner), (-corner, corner), (corner, corner)):
        canvas.fill(canvas.circle(x, y, 0.042), palette.HULL_EDGE)
    if docked:
        canvas.stroke(body, mix(colour, palette.WHITE, 0.55), 0.05)
    return canvas.surface()


def collar(cell: int, colour: Colour, direction: int) -> pygame.Surface:
    """Returns the lit joint between a docked module and the structure beside it."""
    canvas = Canvas(cell, 1.3)
    dy, dx = OFFSETS[direction]
    joint = canvas.box(dx, dy, 0.13 if dx else 0.34, 0.13 if dy else 0.34, 0.05)
    canvas.glow(joint, colour, 0.10, 0.6)
    canvas.fill(joint, mix(colour, palette.WHITE, 0.6))
    canvas.stroke(joint, palette.HULL_EDGE, 0.03)
    return canvas.surface()


def robot(cell: int, colour: Colour, role: str, thrust: int) -> pygame.Surface:
    """Returns a robot without its number: role by outline, thrust by pips."""
    canvas = Canvas(cell, 1.2)
    body = _outline(canvas, role)
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
        lamp = canvas.circle(x, 0.275, 0.05)
        canvas.glow(lamp, palette.FLAME, 0.05, 0.6)
        canvas.fill(lamp, mix(palette.FLAME, palette.WHITE, 0.45))
    return canvas.surface()


def _outline(canvas: Canvas, role: str) -> Field:
    """Returns the outline that tells a role: tugs are square, assemblers hexagonal, all others round."""
    if role == "tug":
        return canvas.box(0, 0, BODY * 0.93, BODY * 0.93, 0.18)
    if role == "assembler":
        corners = [math.pi / 6 + step * math.pi / 3 for step in range(6)]
        radius = BODY * 1.06
        return canvas.polygon([(radius * math.cos(a), radius * math.sin(a)) for a in corners]) - 0.03
    return canvas.circle(0, 0, BODY)


def flame(cell: int, direction: int) -> pygame.Surface:
    """Returns the exhaust of a robot that thrusts in a direction: it points the other way."""
    canvas = Canvas(cell, 1.4)
    dy, dx = OFFSETS[direction]
    start, stop = BODY + 0.08, BODY + 0.50
    for width, length, colour, alpha in (
        (0.10, 1.0, palette.FLAME, 0.35),
        (0.075, 0.7, palette.FLAME, 0.9),
        (0.045, 0.4, palette.WHITE, 1.0),
    ):
        tip = start + (stop - start) * length
        side: Point = (-dy * width, dx * width)
        jet = canvas.polygon(
            [
                (-dx * start + side[0], -dy * start + side[1]),
                (-dx * tip, -dy * tip),
                (-dx * start - side[0], -dy * start - side[1]),
            ]
        )
        canvas.glow(jet, colour, 0.06, alpha * 0.5)
        canvas.fill(jet - 0.02, colour, alpha)
    return canvas.surface()


def arm(cell: int, colour: Colour, direction: int) -> pygame.Surface:
    """Returns the arm from a robot to the module beside it, ending in a claw on the module's edge."""
    canvas = Canvas(cell, 2.2)
    dy, dx = OFFSETS[direction]

    def at(forward: float, side: float) -> Point:
        return dx * forward - dy * side, dy * forward + dx * side

    bones = [(at(BODY - 0.04, 0.0), at(1.22, 0.0), 0.075)]
    for side in (-1, 1):
        bones += [(at(1.20, 0.0), at(1.26, 0.30 * side), 0.06), (at(1.26, 0.30 * side), at(1.52, 0.30 * side), 0.06)]
    shape = canvas.line(*bones[0])
    for bone in bones[1:]:
        shape = _union(shape, canvas.line(*bone))
    canvas.glow(shape, colour, 0.10, 0.55)
    canvas.fill(shape - 0.035, palette.HULL_EDGE)
    canvas.fill(shape, canvas.shade(palette.STEEL, palette.WHITE))
    canvas.fill(canvas.line(at(BODY, 0), at(1.2, 0), 0.03), colour)
    canvas.fill(canvas.circle(*at(1.22, 0.0), 0.10), colour)
    canvas.stroke(canvas.circle(*at(1.22, 0.0), 0.10), palette.HULL_EDGE, 0.035)
    return canvas.surface()


def reach(cell: int, colour: Colour) -> pygame.Surface:
    """Returns the ring around a robot that interacted in the last step."""
    canvas = Canvas(cell, 1.1)
    ring = canvas.circle(0, 0, 0.88)
    quarter = abs(abs(canvas.x) - abs(canvas.y)) < 0.62
    canvas.stroke(ring, mix(colour, palette.WHITE, 0.4), 0.05, quarter * 0.9)
    return canvas.surface()


def crash(cell: int) -> pygame.Surface:
    """Returns the flash of a collision, to be laid over a robot."""
    canvas = Canvas(cell, 1.5)
    canvas.glow(canvas.circle(0, 0, 0.70), palette.BAD, 0.36, 0.55)
    spikes = []
    for step in range(24):
        radius = (1.34, 0.86)[step % 2] if step % 4 else 1.12
        angle = step * math.pi / 12 + 0.13
        spikes.append((radius * math.cos(angle), radius * math.sin(angle)))
    burst = canvas.polygon(spikes)
    hole = canvas.circle(0, 0, 0.70)
    ring = abs(burst) - 0.035
    canvas.fill(_cut(burst, hole), palette.BAD, 0.50)
    canvas.fill(_cut(ring, hole), mix(palette.BAD, palette.WHITE, 0.45))
    canvas.stroke(hole, palette.BAD, 0.10)
    canvas.stroke(hole - 0.02, mix(palette.BAD, palette.WHITE, 0.7), 0.035)
    return canvas.surface()


def violation(cell: int) -> pygame.Surface:
    """Returns the warning ring around a robot in a keep-out cell."""
    canvas = Canvas(cell, 1.2)
    ring = canvas.box(0, 0, 0.86, 0.86, 0.2)
    canvas.glow(abs(ring), palette.WARN, 0.12, 0.7)
    canvas.stroke(ring, palette.WARN, 0.09)
    return canvas.surface()


def docking(cell: int, colour: Colour) -> pygame.Surface:
    """Returns the flash of a module that docked in the last step."""
    canvas = Canvas(cell, 2.2)
    light = mix(colour, palette.WHITE, 0.65)
    body = canvas.box(0, 0, 0.86, 0.86, 0.2)
    for distance, alpha in ((0.18, 0.9), (0.42, 0.55), (0.68, 0.28)):
        canvas.stroke(body - distance, light, 0.06, alpha)
    for step in range(12):
        angle = math.pi / 12 + step * math.pi / 6
        near, far = (math.cos(angle) * 1.30, math.sin(angle) * 1.30), (math.cos(angle) * 1.85, math.sin(angle) * 1.85)
        canvas.fill(canvas.line(near, far, 0.025), light, 0.65)
    return canvas.surface()


def debris(cell: int, variant: int, direction: int) -> pygame.Surface:
    """Returns a rock; a drifting one leaves streaks behind and carries an arrow ahead."""
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
        outline.append((radius * math.cos(angle), radius * math.sin(angle)))
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


def _union(first: Field, second: Field) -> Field:
    return first * (first < second) + second * (first >= second)


def _cut(shape: Field, hole: Field) -> Field:
    return shape * (shape > -hole) - hole * (shape <= -hole)
