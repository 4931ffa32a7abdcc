"""The picture of a foraging field: apples with their levels, players with numbers, colours and levels."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from credit_wrappers.adapters.drawing import TEAM, Board, Colour
from credit_wrappers.adapters.lbf_narrator import LOAD, ForagingFacts, ForagingMoment

GROUND, LINES = (228, 238, 214), (206, 220, 190)
APPLE, SHINE, STEM, LEAF = (206, 52, 48), (232, 112, 100), (104, 72, 44), (84, 150, 60)
WHITE: Colour = (255, 255, 255)


def paint(facts: ForagingFacts, moment: ForagingMoment, step: int) -> np.ndarray:
    """Return the picture of one moment, (H, W, 3) uint8."""
    foods, left, cells, levels, actions = moment
    board = Board(facts.rows, facts.columns, GROUND, LINES)
    for (row, column, level), there in zip(foods, left, strict=True):
        if there:
            _apple(board, column + 0.5, row + 0.5, level)
    crowd = defaultdict(list)  # the library lets players share a cell
    for i, cell in enumerate(cells):
        crowd[tuple(cell)].append(i)
    for (row, column), here in crowd.items():
        for k, i in enumerate(here):
            aside = 0.3 * (k - (len(here) - 1) / 2)
            _player(board, column + 0.5 + aside, row + 0.5, i, levels[i], bool(actions) and actions[i] == LOAD)
    held = sum(food[2] for food, there in zip(foods, left, strict=True) if not there)
    board.foot(
        f"step {step}/{facts.horizon}   food left {sum(left)}/{len(foods)}   "
        f"loaded levels {held}/{sum(food[2] for food in foods)}   P: player, L: its level"
    )
    return board.pixels()


def _apple(board: Board, x: float, y: float, level: int) -> None:
    board.box(x + 0.02, y - 0.32, 0.05, 0.18, STEM)
    board.polygon([(x + 0.05, y - 0.3), (x + 0.16, y - 0.42), (x + 0.28, y - 0.36), (x + 0.16, y - 0.27)], LEAF)
    board.disc(x - 0.1, y + 0.04, 0.25, APPLE)
    board.disc(x + 0.1, y + 0.04, 0.25, APPLE)
    board.disc(x - 0.17, y - 0.06, 0.07, SHINE)
    board.text(str(level), x, y + 0.06, 0.4, WHITE)


def _player(board: Board, x: float, y: float, number: int, level: int, loads: bool) -> None:
    colour = TEAM[number % len(TEAM)]
    if loads:
        board.disc(x, y, 0.46, colour, 0.04)
    board.box(x, y, 0.7, 0.7, colour, 0.16)
    board.text(f"P{number}", x, y - 0.17, 0.24, WHITE)
    board.text(f"L{level}", x, y + 0.13, 0.34, WHITE)
