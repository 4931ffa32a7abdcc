"""The side panel: the episode's numbers, a card for each robot, and a critic's explanation."""

from __future__ import annotations

import pygame

from spaceworld.render import palette
from spaceworld.render.lettering import Lettering
from spaceworld.render.palette import Colour, mix, robot_colour, type_colours
from spaceworld.render.symbols import docked_count, status, type_letters
from spaceworld.rules.packing import ACTION_NAMES
from spaceworld.text.scene import Overlay, RobotView, Scene

STATUS: dict[str, tuple[str, Colour]] = {
    "running": ("RUNNING", palette.ACCENT),
    "complete": ("COMPLETE", palette.GOOD),
    "ended": ("ENDED", palette.BAD),
    "timeout": ("TIME OUT", palette.WARN),
}
HALF_BAR = 0.1  # the credit that fills half a bar; fixed, so that frames can be compared


def panel_width(height: int) -> int:
    """Return the width of the panel beside a frame of this height, in pixels."""
    return max(1, round(256 * (height / 480)))


class PanelPicture:
    """The side panel of a frame, from its column `left` on; lengths are pixels of a frame that is 480 pixels high."""

    def __init__(self, lettering: Lettering, frame: pygame.Surface, left: int, scene: Scene, overlay: Overlay) -> None:
        self._lettering, self._frame, self._scene, self._overlay = lettering, frame, scene, overlay
        self._height = frame.get_height()
        self._letters = type_letters(scene)
        self._left, self._width = left + self._px(14), panel_width(self._height) - 2 * self._px(14)

    def paint(self) -> None:
        """Draw everything."""
        y = self._heading()
        bottom = self._height - self._px(14)
        if self._overlay.hint:
            bottom = self._hint(bottom)
        if self._overlay.text:
            bottom = self._explanation(y, bottom)
        y = self._cards(y, bottom)
        if bottom - y >= self._px(20):
            self._types(bottom - self._px(8))

    def _px(self, length: float) -> int:
        return max(1, round(length * (self._height / 480)))

    def _text(self, text: str, x: int, y: int, size: float, colour: Colour, anchor: float = 0.0) -> int:
        """Draw text centred on row y, its left end (anchor 0), middle (0.5) or right end (1) at x; return its width."""
        drawn = self._lettering.draw(text, self._px(size), colour)
        self._frame.blit(drawn, (x - round(drawn.get_width() * anchor), y - drawn.get_height() // 2))
        return drawn.get_width()

    def _box(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        pygame.draw.rect(self._frame, colour, (x, y, width, height), border_radius=self._px(5))

    def _heading(self) -> int:
        """Draw title, clock and team numbers; return the row below."""
        px, x, width, scene = self._px, self._left, self._width, self._scene
        self._text("S P A C E W O R L D", x, px(20), 9, palette.DIM)
        word, colour = STATUS[status(scene)]
        tag = self._lettering.width(word, px(9)) + px(14)
        title = self._lettering.elide(scene.scenario, px(21), width - tag - px(8))
        self._text(title, x, px(40), 21, palette.WHITE)
        self._box(x + width - tag, px(32), tag, px(17), mix(palette.PANEL, colour, 0.25))
        self._text(word, x + width - tag // 2, px(41), 9, colour, 0.5)
        self._text("step", x, px(66), 10, palette.DIM)
        self._text(f"{scene.step} / {scene.horizon}", x + width, px(66), 10, palette.TEXT, 1)
        share = min(scene.step / scene.horizon, 1.0) if scene.horizon > 0 else 0.0
        self._box(x, px(75), width, px(4), palette.LINE)
        if share > 0:
            self._box(x, px(75), max(px(4), round(width * share)), px(4), colour)
        docked, total = docked_count(scene)
        tiles = (
            ("team return", f"{scene.team_return:.2f}", palette.WHITE),
            ("reward", f"{scene.team_reward:+.2f}" if scene.team_reward else "0", _sign_colour(scene.team_reward)),
            ("docked", f"{docked}/{total}", palette.WHITE),
        )
        gap = px(6)
        tile = (width - 2 * gap) // 3
        for index, (label, value, shade) in enumerate(tiles):
            at = x + index * (tile + gap)
            self._box(at, px(89), tile, px(44), palette.CARD)
            self._text(label, at + px(8), px(101), 9, palette.DIM)
            self._text(value, at + px(8), px(119), 16, shade)
        return px(141)

    def _explanation(self, top: int, bottom: int) -> int:
        """Draw the critic's explanation at the bottom; return the row above."""
        px, x, width = self._px, self._left, self._width
        room = bottom - top
        leave = max(room - len(self._scene.robots) * px(60), round(room * 0.36))
        for size, line in ((11, px(15)), (10, px(13))):  # smaller letters for longer texts
            lines = self._lettering.wrap(self._overlay.text, px(size), width - px(22), max(1, (leave - px(36)) // line))
            if not lines or not lines[-1].endswith("..."):
                break
        height = len(lines) * line + px(30)
        y = bottom - height
        self._box(x, y, width, height, palette.CARD)
        self._box(x, y, px(3), height, palette.ACCENT)
        self._text("CRITIC", x + px(12), y + px(12), 9, palette.ACCENT)
        for index, words in enumerate(lines):
            self._text(words, x + px(12), y + px(28) + index * line, size, palette.TEXT)
        return y - px(6)

    def _hint(self, bottom: int) -> int:
        """Draw a line or two for the person at the screen; return the row above."""
        px, x = self._px, self._left
        lines = self._lettering.wrap(self._overlay.hint, px(10), self._width, 3)
        y = bottom - len(lines) * px(14)
        for index, words in enumerate(lines):
            self._text(words, x, y + px(10) + index * px(14), 10, palette.ACCENT)
        return y - px(4)

    def _cards(self, top: int, bottom: int) -> int:
        """Draw a card for each robot, as tall as there is room; return the row below."""
        px, x, width, robots = self._px, self._left, self._width, self._scene.robots
        gap = px(5)
        columns = 2 if len(robots) > 8 else 1
        rows = -(-len(robots) // columns)
        pitch = (bottom - top + gap) // max(rows, 1)
        tall = px(54) if self._overlay.credits else px(40)
        if pitch - gap < px(36):
            tall, gap = px(18), px(3)
        height = min(max(pitch - gap, px(16)), tall)
        wide = (width - gap * (columns - 1)) // columns
        fit = max(1, (bottom - top + gap) // (height + gap)) * columns
        shown = len(robots) if fit >= len(robots) else fit - 1
        for index in range(min(shown + 1, len(robots))):
            at, y = x + index % columns * (wide + gap), top + index // columns * (height + gap)
            if index < shown:
                self._card(at, y, wide, height, index)
            else:
                more = f"and {len(robots) - shown} more"
                self._text(more, at + wide // 2, y + height // 2, 10, palette.DIM, 0.5)
        return top + rows * (height + gap)

    def _types(self, y: int) -> None:
        """Draw the legend of the letters on modules and slots, as many as fit in one row."""
        px, letters, right = self._px, self._letters, self._left + self._width
        at = self._left
        names = sum(px(20) + self._lettering.width(name, px(10)) for name in letters)
        gap = max(px(5), min(px(12), (self._width - names) // max(1, len(letters) - 1)))
        for name, colour in type_colours(letters).items():
            needed = px(20) + self._lettering.width(name, px(10))
            if at + needed > right:
                return
            self._box(at, y - px(7), px(14), px(14), mix(palette.PANEL, colour, 0.3))
            self._text(letters[name], at + px(7), y, 9, colour, 0.5)
            self._text(name, at + px(20), y, 10, palette.DIM)
            at += needed + gap

    def _card(self, x: int, y: int, width: int, height: int, index: int) -> None:
        px, overlay, robot = self._px, self._overlay, self._scene.robots[index]
        colour = robot_colour(index)
        hit = robot.collisions + robot.violations > 0
        self._box(x, y, width, height, mix(palette.CARD, palette.BAD, 0.28) if hit else palette.CARD)
        self._box(x, y, px(3), height, colour)
        wide = height > px(30)
        middle = y + (px(12) if wide else height // 2)
        self._text(str(index), x + px(17), middle, 13 if wide else 11, colour, 0.5)
        cost = f"cost {robot.cost:g}"
        cost_width = self._text(cost, x + width - px(8), middle, 10, palette.BAD if robot.cost else palette.DIM, 1)
        left, right = x + px(32), x + width - px(8)
        credit = overlay.credits.get(robot.name)
        if not wide:
            right -= cost_width + px(10)
            task = overlay.tasks.get(robot.name, "") if width > px(150) else ""
            if credit is not None and task:  # a number in place of the bar
                right -= self._number(credit, right, middle) + px(6)
            elif credit is not None:
                self._credit(left, middle, right - left, credit)
            if task or (credit is None and width > px(150)):
                words = self._lettering.elide(task or _doing(robot), px(10), right - left)
                self._text(words, left, middle, 10, palette.TEXT)
            return
        name = self._lettering.elide(robot.name, px(11), right - cost_width - px(66) - left)
        name_width = self._text(name, left, middle, 11, palette.TEXT)
        self._text(_doing(robot), left + name_width + px(8), middle, 10, palette.DIM)
        second = y + px(27)
        detail = f"{robot.role}, thrust {robot.thrust}"
        if robot.grips is not None:
            held = self._scene.modules[robot.grips]
            detail = f"grips {self._letters[held.type]} (mass {held.mass}), thrust {robot.thrust}"
        if robot.name == overlay.player:
            detail = f"you, {detail}"
        detail = overlay.tasks.get(robot.name, detail)
        if credit is not None:
            self._credit(left, second, right - left, credit)
            second += px(13)
        if second + px(8) <= y + height:
            self._text(self._lettering.elide(detail, px(10), right - left), left, second, 10, palette.DIM)

    def _credit(self, x: int, y: int, width: int, credit: float) -> None:
        """Draw a credit as a bar from the middle, to the right if positive, and its number if it fits."""
        px = self._px
        with_number = width > px(90)
        track = width - px(44) if with_number else width
        thick = px(6)
        middle = x + track // 2
        self._box(x, y - thick // 2, track, thick, palette.LINE)
        length = round(abs(credit) / (abs(credit) + HALF_BAR) * (track / 2))
        if length > 0:
            start = middle if credit > 0 else middle - length
            shape = (start, y - thick // 2, length, thick)
            pygame.draw.rect(self._frame, _sign_colour(credit), shape, border_radius=px(2))
        pygame.draw.rect(self._frame, palette.DIM, (middle, y - thick // 2 - px(2), px(1), thick + 2 * px(2)))
        if with_number:
            self._number(credit, x + width, y)

    def _number(self, credit: float, x: int, y: int) -> int:
        """Write a credit, its right end at x; return its width."""
        return self._text(f"{credit:+.2f}" if credit else "0", x, y, 10, _sign_colour(credit), 1)


def _doing(robot: RobotView) -> str:
    return "ready" if robot.action is None else ACTION_NAMES[robot.action]


def _sign_colour(number: float) -> Colour:
    if abs(number) < 1e-9:
        return palette.DIM
    return palette.GOOD if number > 0 else palette.BAD
