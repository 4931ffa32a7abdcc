"""A scene as an RGB picture, painted without a display: the board on the left, the panel on the right."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pygame

from spaceworld.render import palette, parts, robots
from spaceworld.render.backdrop import sky
from spaceworld.render.lettering import Lettering
from spaceworld.render.palette import Colour, mix, robot_colour, type_colours
from spaceworld.render.panel import Panel
from spaceworld.render.symbols import OFFSETS, grip_direction, type_letters
from spaceworld.scene import Cell, Overlay, Scene

SMALLEST = 120  # pixels; below this nothing can be read
LAYERS = 8  # backgrounds kept: one for each layout of the station seen last
READABLE = 7  # pixels; smaller letters are dropped
WIDEST = 1.5  # widest board, in heights


class Painter:
    """Paints scenes; keeps sprites, letters and backgrounds between frames.

    The same scene and overlay give the same bytes, whatever was painted before. No display is opened:
    SDL's video is never initialised, so a window that somebody else owns is left alone.
    """

    def __init__(self, height: int = 480, panel: bool = True) -> None:
        """Chooses the size of the frames.

        Args:
            height: Height of a frame in pixels, at least 120.
            panel: Whether the side panel is drawn; without it a frame is the board alone.

        Raises:
            ValueError: If the height is too small.
        """
        if height < SMALLEST:
            raise ValueError(f"height must be at least {SMALLEST} pixels, got {height}")
        self.height = height
        self._letters = Lettering()
        self._panel = Panel(self._letters, height) if panel else None
        self._sprites: dict[tuple[Any, ...], pygame.Surface] = {}
        self._layers: OrderedDict[tuple[Any, ...], pygame.Surface] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the settings alone: surfaces stay in their process."""
        return Painter, (self.height, self._panel is not None)

    def paint(self, scene: Scene, overlay: Overlay | None = None) -> np.ndarray:
        """Returns the picture of a scene, (H, W, 3) uint8, RGB; W is even and fixed by the grid's shape."""
        board = _Board(self, scene)
        try:
            frame = self._background(scene, board).copy()
            board.paint(frame)
            if self._panel is not None:
                self._panel.paint(frame, board.width, scene, overlay or Overlay())
        finally:
            self._letters.close()
        data = np.frombuffer(pygame.image.tobytes(frame, "RGB"), dtype=np.uint8)
        return data.reshape(frame.get_height(), frame.get_width(), 3).copy()

    def sprite(self, make: Callable[..., pygame.Surface], *key: Any) -> pygame.Surface:
        """Returns `make(*key)`, made once."""
        found = self._sprites.get((make, *key))
        if found is None:
            found = self._sprites[(make, *key)] = make(*key)
        return found

    def letters(self, text: str, size: int, colour: Colour) -> pygame.Surface:
        """Returns the text as a surface."""
        return self._letters.draw(text, size, colour)

    def _background(self, scene: Scene, board: _Board) -> pygame.Surface:
        """Returns what stays as it is in an episode: sky, grid, keep-out cells, station core."""
        key = (scene.height, scene.width, scene.structure, scene.keep_out)
        layer = self._layers.pop(key, None)
        if layer is None:
            panel = self._panel.width if self._panel is not None else 0
            layer = pygame.Surface((board.width + panel, self.height), 0, 32)
            layer.fill(palette.PANEL)
            layer.blit(self.sprite(sky, board.width, self.height), (0, 0))
            board.paint_still(layer)
            if panel:
                pygame.draw.line(layer, palette.LINE, (board.width, 0), (board.width, self.height))
        self._layers[key] = layer
        if len(self._layers) > LAYERS:
            self._layers.popitem(last=False)
        return layer


class _Board:
    """The grid of one scene: where its cells lie, and how what is in them is put there."""

    def __init__(self, painter: Painter, scene: Scene) -> None:
        height = painter.height
        self._painter, self._scene = painter, scene
        margin = round(height / 30)
        self.cell = max(4, min((height - 2 * margin) // scene.height, int(height * WIDEST - 2 * margin) // scene.width))
        self.width = (max(self.cell * scene.width + 2 * margin, height // 2) + 1) // 2 * 2
        self._left = (self.width - self.cell * scene.width) // 2
        self._top = (height - self.cell * scene.height) // 2
        self._letters = type_letters(scene)
        self._colours = type_colours(self._letters)

    def paint_still(self, layer: pygame.Surface) -> None:
        """Draws what stays where it is for a whole episode."""
        scene = self._scene
        layer.blit(self._painter.sprite(grid, self.cell, scene.height, scene.width), (self._left - 2, self._top - 2))
        if self.cell >= 30:
            for index in range(scene.height):
                self._label(layer, str(index), self._left // 2, self._top + self.cell * index + self.cell // 2)
            for index in range(scene.width):
                self._label(layer, str(index), self._left + self.cell * index + self.cell // 2, self._top // 2)
        for cell in scene.keep_out:
            self._put(layer, cell, parts.keep_out)
        core = set(scene.structure)
        for order, (row, col) in enumerate(sorted(core)):
            joined = frozenset(d for d, (dr, dc) in OFFSETS.items() if (row + dr, col + dc) in core)
            self._put(layer, (row, col), parts.station, joined, order % 3)

    def paint(self, frame: pygame.Surface) -> None:
        """Draws what may change from step to step, from the floor up."""
        self._slots(frame)
        self._modules(frame)
        for index, piece in enumerate(self._scene.debris):
            self._put(frame, piece.cell, parts.debris, index % 5, piece.direction)
        self._robots(frame)
        for module in self._scene.modules:
            if module.just_docked:
                self._put(frame, module.cell, robots.docking, self._colours[module.type])

    def _slots(self, frame: pygame.Surface) -> None:
        for slot in self._scene.slots:
            if slot.filled:
                continue
            colour = self._colours[slot.type]
            self._put(frame, slot.cell, parts.slot, colour, slot.open)
            shade = mix(colour, palette.WHITE, 0.2) if slot.open else mix(colour, palette.FAINT, 0.7)
            self._write(frame, slot.cell, self._letters[slot.type], 0.36, shade)

    def _modules(self, frame: pygame.Surface) -> None:
        scene = self._scene
        solid = {module.cell for module in scene.modules if module.docked} | set(scene.structure)
        # Docked ones first: their light falls beneath what lies beside them.
        for module in sorted(scene.modules, key=lambda module: not module.docked):
            colour = self._colours[module.type]
            self._put(frame, module.cell, parts.module, colour, module.mass, module.docked)
            ink = palette.WHITE if not module.docked else (20, 24, 38)
            self._write(frame, module.cell, self._letters[module.type], 0.42, ink, x=-0.04, y=-0.03)
            if self.cell >= parts.SHOW_MASS:
                at = parts.BADGE / 2
                self._write(frame, module.cell, str(module.mass), 0.18, palette.WHITE, x=at, y=at)
        for module in scene.modules:
            if not module.docked:
                continue
            row, col = module.cell
            for direction in (2, 4):
                self._joint(frame, (row, col), direction, solid, self._colours[module.type])
            for direction, (dr, dc) in ((1, OFFSETS[1]), (3, OFFSETS[3])):
                if (row + dr, col + dc) in scene.structure:
                    self._joint(frame, (row, col), direction, solid, self._colours[module.type])

    def _joint(self, frame: pygame.Surface, cell: Cell, direction: int, solid: set[Cell], colour: Colour) -> None:
        dr, dc = OFFSETS[direction]
        if (cell[0] + dr, cell[1] + dc) in solid:
            self._put(frame, cell, parts.collar, colour, direction)

    def _robots(self, frame: pygame.Surface) -> None:
        team = self._scene.robots
        for robot in team:
            if robot.action in OFFSETS:
                self._put(frame, robot.cell, robots.flame, robot.action)
        for index, robot in enumerate(team):
            colour = robot_colour(index)
            if robot.collisions:
                self._put(frame, robot.cell, robots.crash)
            self._put(frame, robot.cell, robots.robot, colour, robot.role, robot.thrust)
            self._write(frame, robot.cell, str(index), 0.32, palette.WHITE, y=-0.03)
            if robot.action == 5:
                self._put(frame, robot.cell, robots.reach, colour)
            if robot.violations:
                self._put(frame, robot.cell, robots.violation)
        for index, robot in enumerate(team):
            direction = grip_direction(robot, self._scene)
            if direction:
                self._put(frame, robot.cell, robots.arm, robot_colour(index), direction)

    def _put(self, frame: pygame.Surface, cell: Cell, make: Callable[..., pygame.Surface], *key: Any) -> None:
        drawn = self._painter.sprite(make, self.cell, *key)
        inset = (drawn.get_width() - self.cell) // 2
        frame.blit(drawn, (self._left + cell[1] * self.cell - inset, self._top + cell[0] * self.cell - inset))

    def _write(
        self,
        frame: pygame.Surface,
        cell: Cell,
        text: str,
        size: float,
        colour: Colour,
        x: float = 0.0,
        y: float = 0.0,
    ) -> None:
        """Writes into a cell; size and offset are in cells; letters too small to read are dropped."""
        pixels = round(size * self.cell)
        if pixels < READABLE:
            return
        drawn = self._painter.letters(text, pixels, colour)
        middle_x = self._left + (cell[1] + 0.5 + x) * self.cell
        middle_y = self._top + (cell[0] + 0.5 + y) * self.cell
        frame.blit(drawn, (round(middle_x - drawn.get_width() / 2), round(middle_y - drawn.get_height() / 2)))

    def _label(self, layer: pygame.Surface, text: str, x: int, y: int) -> None:
        drawn = self._painter.letters(text, max(7, self._painter.height // 53), palette.FAINT)
        layer.blit(drawn, (x - drawn.get_width() // 2, y - drawn.get_height() // 2))


def grid(cell: int, rows: int, cols: int) -> pygame.Surface:
    """Returns the empty board: a dark pane with faint lines, two pixels wider than the cells all round."""
    surface = pygame.Surface((cols * cell + 4, rows * cell + 4), pygame.SRCALPHA, 32)
    surface.fill((*palette.SPACE, 90))
    for row in range(rows + 1):
        pygame.draw.line(surface, (*palette.GRID, 34), (2, 2 + row * cell), (2 + cols * cell, 2 + row * cell))
    for col in range(cols + 1):
        pygame.draw.line(surface, (*palette.GRID, 34), (2 + col * cell, 2), (2 + col * cell, 2 + rows * cell))
    pygame.draw.rect(surface, (*palette.GRID, 80), surface.get_rect(), width=1, border_radius=4)
    return surface
