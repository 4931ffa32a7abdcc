"""The grid of one scene as a picture: where its cells are, and what is drawn in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pygame

from spaceworld.render import palette, parts, robots
from spaceworld.render.canvas import TINY
from spaceworld.render.lettering import Lettering
from spaceworld.render.motion import Motion, Offset
from spaceworld.render.palette import Colour, mix, robot_colour, type_colours
from spaceworld.render.symbols import OFFSETS, grip_direction, type_letters
from spaceworld.scenario import Cell
from spaceworld.text.scene import Scene

READABLE = 7  # pixels; smaller letters are dropped
WIDEST = 1.5  # the widest grid, in heights
BEATS = 6  # changes of a flash's size during one step
REST: Offset = (0.0, 0.0)


class GridPicture:
    """The grid of one scene and everything on it, moved by `motion`; `sprite(draw, *key)` is `draw(*key)`, cached."""

    def __init__(
        self, sprite: Callable[..., pygame.Surface], lettering: Lettering, height: int, scene: Scene, motion: Motion
    ) -> None:
        self._sprite, self._lettering = sprite, lettering
        self._height, self._scene, self._motion = height, scene, motion
        margin = round(height / 30)
        self.cell = max(4, min((height - 2 * margin) // scene.height, int(height * WIDEST - 2 * margin) // scene.width))
        self.width = (max(self.cell * scene.width + 2 * margin, height // 2) + 1) // 2 * 2
        self._left = (self.width - self.cell * scene.width) // 2
        self._top = (height - self.cell * scene.height) // 2
        # in small cells, letters are as large as fits, to stay readable
        self._sizes = (0.60, 0.54, 0.58) if self.cell < TINY else (0.36, 0.42, 0.32)  # slot, module, robot
        self._ink = palette.VISOR if self.cell < TINY else palette.WHITE  # of a robot's number
        self._letters = type_letters(scene)
        self._colours = type_colours(self._letters)

    def paint_still(self, layer: pygame.Surface) -> None:
        """Draw what does not change in an episode."""
        scene = self._scene
        layer.blit(self._sprite(grid, self.cell, scene.height, scene.width), (self._left - 2, self._top - 2))
        if self.cell >= 30:
            for index in range(scene.height):
                self._label(layer, str(index), self._left // 2, self._top + self.cell * index + self.cell // 2)
            for index in range(scene.width):
                self._label(layer, str(index), self._left + self.cell * index + self.cell // 2, self._top // 2)
        for cell in scene.keep_out:
            self._put(layer, cell, parts.keep_out)
        core = set(scene.structure)
        for order, cell in enumerate(sorted(core)):
            joined = frozenset(direction for direction in OFFSETS if _beside(cell, direction) in core)
            self._put(layer, cell, parts.station, joined, order % 3)

    def paint(self, frame: pygame.Surface, player: str = "") -> None:
        """Draw what may change from step to step, bottom layer first; mark the robot `player`."""
        self._slots(frame)
        self._modules(frame)
        for index, piece in enumerate(self._scene.debris):
            offset = _offset(self._motion.debris, index)
            self._put(frame, piece.cell, parts.debris, index % 5, piece.direction, offset=offset)
        self._robots(frame, player)
        for module in self._scene.modules:
            if module.just_docked:
                self._put(frame, module.cell, robots.docking, self._colours[module.type], self._beat)

    @property
    def _beat(self) -> int:
        """The present size of a flash; 0 in a still picture."""
        return 0 if self._motion.share >= 1.0 else int(self._motion.share * BEATS) % 3

    def _slots(self, frame: pygame.Surface) -> None:
        for slot in self._scene.slots:
            if slot.filled:
                continue
            colour = self._colours[slot.type]
            self._put(frame, slot.cell, parts.slot, colour, slot.open)
            shade = mix(colour, palette.WHITE, 0.2) if slot.open else mix(colour, palette.FAINT, 0.7)
            self._write(frame, slot.cell, self._letters[slot.type], self._sizes[0], shade)

    def _modules(self, frame: pygame.Surface) -> None:
        scene = self._scene
        solid = {module.cell for module in scene.modules if module.docked} | set(scene.structure)
        # docked ones first: their light is drawn under the modules beside them
        for index, module in sorted(enumerate(scene.modules), key=lambda pair: not pair[1].docked):
            offset = _offset(self._motion.modules, index)
            colour = self._colours[module.type]
            self._put(frame, module.cell, parts.module, colour, module.mass, module.docked, offset=offset)
            ink = palette.WHITE if not module.docked else (20, 24, 38)
            letter, mass, (down, right) = self._letters[module.type], str(module.mass), offset
            if self.cell < TINY:
                self._write(frame, module.cell, letter + mass, self._sizes[1], ink, x=right, y=down)
                continue
            self._write(frame, module.cell, letter, self._sizes[1], ink, x=right - 0.04, y=down - 0.03)
            if self.cell >= parts.SHOW_MASS:
                at = parts.BADGE / 2
                self._write(frame, module.cell, mass, 0.18, palette.WHITE, x=right + at, y=down + at)
        for module in scene.modules:
            # joints to modules in the north and west are drawn from there
            for direction, joined in ((2, solid), (4, solid), (1, scene.structure), (3, scene.structure)):
                if module.docked and _beside(module.cell, direction) in joined:
                    self._put(frame, module.cell, parts.collar, self._colours[module.type], direction)

    def _robots(self, frame: pygame.Surface, player: str) -> None:
        team = self._scene.robots
        offsets = [_offset(self._motion.robots, index) for index in range(len(team))]
        for robot, offset in zip(team, offsets, strict=True):
            if robot.action in OFFSETS:
                self._put(frame, robot.cell, robots.flame, robot.action, offset=offset)
            if robot.name == player:
                self._put(frame, robot.cell, robots.marker, offset=offset)
        for index, (robot, offset) in enumerate(zip(team, offsets, strict=True)):
            colour = robot_colour(index)
            if robot.collisions:
                self._put(frame, robot.cell, robots.crash, self._beat, offset=offset)
            self._put(frame, robot.cell, robots.robot, colour, robot.role, robot.thrust, offset=offset)
            self._write(frame, robot.cell, str(index), self._sizes[2], self._ink, x=offset[1], y=offset[0] - 0.03)
            if robot.action == 5:
                self._put(frame, robot.cell, robots.reach, colour, offset=offset)
            if robot.violations:
                self._put(frame, robot.cell, robots.violation, offset=offset)
        for index, robot in enumerate(team):
            direction = grip_direction(robot, self._scene)
            if direction:
                self._put(frame, robot.cell, robots.arm, robot_colour(index), direction, offset=offsets[index])

    def _put(
        self, frame: pygame.Surface, cell: Cell, make: Callable[..., pygame.Surface], *key: Any, offset: Offset = REST
    ) -> None:
        drawn = self._sprite(make, self.cell, *key)
        inset = (drawn.get_width() - self.cell) // 2
        x, y = round((cell[1] + offset[1]) * self.cell), round((cell[0] + offset[0]) * self.cell)
        frame.blit(drawn, (self._left + x - inset, self._top + y - inset))

    def _write(
        self, frame: pygame.Surface, cell: Cell, text: str, size: float, colour: Colour, x: float = 0.0, y: float = 0.0
    ) -> None:
        """Write into a cell; size and offset are in cells. Letters too small to read are left out."""
        pixels = round(size * self.cell)
        if pixels < READABLE:
            return
        drawn = self._lettering.draw(text, pixels, colour)
        middle_x = self._left + (cell[1] + 0.5 + x) * self.cell
        middle_y = self._top + (cell[0] + 0.5 + y) * self.cell
        frame.blit(drawn, (round(middle_x - drawn.get_width() / 2), round(middle_y - drawn.get_height() / 2)))

    def _label(self, layer: pygame.Surface, text: str, x: int, y: int) -> None:
        drawn = self._lettering.draw(text, max(7, self._height // 53), palette.FAINT)
        layer.blit(drawn, (x - drawn.get_width() // 2, y - drawn.get_height() // 2))


def _beside(cell: Cell, direction: int) -> Cell:
    return cell[0] + OFFSETS[direction][0], cell[1] + OFFSETS[direction][1]


def _offset(offsets: tuple[Offset, ...], index: int) -> Offset:
    return offsets[index] if offsets else REST


def grid(cell: int, rows: int, cols: int) -> pygame.Surface:
    """Return the empty grid: a dark pane with faint lines, two pixels wider than the cells on each side."""
    surface = pygame.Surface((cols * cell + 4, rows * cell + 4), pygame.SRCALPHA, 32)
    surface.fill((*palette.SPACE, 90))
    for row in range(rows + 1):
        pygame.draw.line(surface, (*palette.GRID, 34), (2, 2 + row * cell), (2 + cols * cell, 2 + row * cell))
    for col in range(cols + 1):
        pygame.draw.line(surface, (*palette.GRID, 34), (2 + col * cell, 2), (2 + col * cell, 2 + rows * cell))
    pygame.draw.rect(surface, (*palette.GRID, 80), surface.get_rect(), width=1, border_radius=4)
    return surface
