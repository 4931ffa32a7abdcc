"""The picture of a warehouse: shelves, requested ones highlighted, goals, robots with heading and load."""

from __future__ import annotations

import numpy as np

from credit_wrappers.adapters.drawing import INK, TEAM, Board, Colour
from credit_wrappers.adapters.rware_narrator import AHEAD, WarehouseFacts, WarehouseMoment

FLOOR, LINES = (238, 239, 242), (222, 224, 229)
HOME = (214, 206, 194)  # of a shelf that is away
WOOD, PLANK = (172, 140, 104), (146, 114, 80)
ASKED, ASKED_PLANK = (60, 164, 92), (38, 128, 68)  # a requested shelf
GOAL, GOAL_LINE = (66, 74, 90), (250, 204, 84)
WHITE: Colour = (255, 255, 255)


def paint(facts: WarehouseFacts, moment: WarehouseMoment, shelves: list[tuple[int, int, int]], step: int) -> np.ndarray:
    """Return the picture of one moment, (H, W, 3) uint8; `shelves` are all shelves (shelf, row, column)."""
    robots, requests, _ = moment
    board = Board(len(facts.plan), len(facts.plan[0]), FLOOR, LINES)
    for row, line in enumerate(facts.plan):
        for column, kind in enumerate(line):
            if kind == "S":
                board.box(column + 0.5, row + 0.5, 0.84, 0.84, HOME, 0.08, 0.03)
            elif kind == "G":
                board.box(column + 0.5, row + 0.5, 1, 1, GOAL)
                board.box(column + 0.5, row + 0.5, 0.9, 0.9, GOAL_LINE, 0.06, 0.05)
                board.text("GOAL", column + 0.5, row + 0.5, 0.26, GOAL_LINE)
    asked = {request[0]: k for k, request in enumerate(requests)}
    carried = {robot[3] for robot in robots if robot[3]}
    for shelf, row, column in shelves:
        if shelf not in carried:
            _shelf(board, column + 0.5, row + 0.5, asked.get(shelf), 0.84)
    for i, (row, column, heading, shelf) in enumerate(robots):
        x, y = column + 0.5, row + 0.5
        if shelf:
            _shelf(board, x, y, asked.get(shelf), 0.96, label=False)
            board.box(x, y, 1, 1, TEAM[i % len(TEAM)], 0.1, 0.08)
        _robot(board, x, y, i, AHEAD[heading])
    limit = f"/{facts.horizon}" if facts.horizon else ""
    board.foot(f"step {step}{limit}   green: requested (k: request_k)   coloured frame: carried")
    return board.pixels()


def _shelf(board: Board, x: float, y: float, request: int | None, size: float, label: bool = True) -> None:
    wood, plank = (WOOD, PLANK) if request is None else (ASKED, ASKED_PLANK)
    board.box(x, y, size, size, wood, 0.08)
    for k in (-1, 0, 1):
        board.box(x, y + k * 0.24, size * 0.86, 0.05, plank)
    board.box(x, y, size, size, plank, 0.08, 0.05)
    if request is not None and label:
        board.disc(x, y, 0.25, WHITE)
        board.text(str(request), x, y, 0.36, ASKED_PLANK)


def _robot(board: Board, x: float, y: float, number: int, ahead: tuple[int, int]) -> None:
    dx, dy = ahead
    board.disc(x, y, 0.36, WHITE)
    board.disc(x, y, 0.33, TEAM[number % len(TEAM)])
    tip, base = 0.45, 0.27
    points = [
        (x + dx * tip, y + dy * tip),
        (x + dx * base - dy * 0.19, y + dy * base + dx * 0.19),
        (x + dx * base + dy * 0.19, y + dy * base - dx * 0.19),
    ]
    board.polygon(points, INK)
    board.text(f"R{number}", x - 0.03 * dx, y - 0.03 * dy, 0.3, WHITE)
