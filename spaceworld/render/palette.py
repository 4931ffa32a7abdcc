"""The colours of the picture, and the colour of each robot and module type."""

from __future__ import annotations

Colour = tuple[int, int, int]  # red, green, blue, 0..255

SPACE = (6, 8, 18)
SPACE_HIGH = (13, 18, 42)
NEBULA_COOL = (38, 58, 120)
NEBULA_WARM = (86, 38, 96)
PLANET = (22, 60, 112)
AIR = (96, 178, 255)

GRID = (128, 156, 220)
HULL = (176, 188, 208)
HULL_DARK = (70, 80, 104)
HULL_EDGE = (28, 34, 50)
WINDOW = (255, 214, 140)
ROCK = (128, 114, 104)
ROCK_DARK = (58, 50, 50)
STEEL = (206, 214, 228)
FLAME = (110, 200, 255)
VISOR = (14, 18, 32)

WHITE = (240, 244, 255)
TEXT = (214, 222, 240)
DIM = (124, 136, 168)
FAINT = (72, 82, 112)
PANEL = (12, 15, 30)
CARD = (22, 27, 48)
LINE = (40, 48, 78)

GOOD = (84, 220, 150)
BAD = (255, 84, 96)
WARN = (255, 184, 70)
ACCENT = (110, 176, 255)

ROBOTS: tuple[Colour, ...] = (
    (74, 208, 255),
    (255, 158, 74),
    (170, 232, 92),
    (255, 122, 190),
    (178, 142, 255),
    (255, 222, 92),
    (88, 232, 200),
    (255, 128, 120),
)
TYPES: tuple[Colour, ...] = (
    (255, 186, 84),
    (104, 156, 255),
    (126, 222, 140),
    (236, 116, 214),
    (92, 214, 226),
    (255, 130, 108),
    (196, 168, 255),
    (222, 220, 130),
)


def robot_colour(index: int) -> Colour:
    """Return the colour of the robot with this index; colours repeat after the eighth."""
    return ROBOTS[index % len(ROBOTS)]


def type_colours(letters: dict[str, str]) -> dict[str, Colour]:
    """Return a colour for each module type of a scene."""
    return {name: TYPES[index % len(TYPES)] for index, name in enumerate(sorted(letters))}


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a colour with this share (0..1) of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
