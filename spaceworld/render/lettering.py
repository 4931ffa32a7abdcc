"""Text in pygame's own font: cached, smoothed, measured, wrapped, and safe for any characters."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

import pygame

from spaceworld.render.palette import Colour

OVERSAMPLE = 3  # drawn larger and scaled down, for even weight and spacing at small sizes
CACHE = 2048  # surfaces kept; a frame needs fewer than a hundred


class Lettering:
    """Draws short texts; each distinct one is drawn once.

    Only the font module of SDL is started. Call `close` after each frame: a font that outlives a `pygame.quit()` reads
    freed memory, and opening it again costs little.
    """

    def __init__(self) -> None:
        self._fonts: dict[int, pygame.font.Font] = {}
        self._drawn = lru_cache(CACHE)(self._draw)
        self._width = lru_cache(CACHE)(lambda text, size: self._font(size).size(printable(text))[0])

    def draw(self, text: str, size: int, colour: Colour) -> pygame.Surface:
        """Return the text on a transparent surface; `size` is the height of a line in pixels."""
        return self._drawn(text, size, colour)

    def _draw(self, text: str, size: int, colour: Colour) -> pygame.Surface:
        large = self._font(size).render(printable(text) or " ", True, colour)
        width, height = (max(1, round(length / OVERSAMPLE)) for length in large.get_size())
        return pygame.transform.smoothscale(large, (width, height))

    def width(self, text: str, size: int) -> int:
        """Return how wide the text is in pixels."""
        return round(self._width(text, size) / OVERSAMPLE)

    def elide(self, text: str, size: int, width: int) -> str:
        """Return the text, cut with an ellipsis where it is wider than `width` pixels."""
        if self.width(text, size) <= width:
            return text
        keep = bisect_right(range(len(text)), width, key=lambda n: self.width(text[: n + 1] + "...", size))
        return text[:keep].rstrip() + "..."

    def wrap(self, text: str, size: int, width: int, lines: int) -> list[str]:
        """Return at most `lines` lines that fit in `width` pixels; the last ends in an ellipsis if cut."""
        wrapped: list[str] = []
        current = ""
        for word in text.split():
            longer = f"{current} {word}" if current else word
            if current and self.width(longer, size) > width:
                wrapped.append(current)
                current = word
            else:
                current = longer
        wrapped += [current] if current else []
        if len(wrapped) > lines:
            wrapped = [*wrapped[: lines - 1], " ".join(wrapped[max(lines - 1, 0) :])][:lines]
        return [self.elide(line, size, width) for line in wrapped]

    def close(self) -> None:
        """Close the open fonts; drawn texts are kept, and fonts open again when they are needed."""
        self._fonts.clear()

    def _font(self, size: int) -> pygame.font.Font:
        if size not in self._fonts:
            pygame.font.init()
            # pygame's default font is about 0.7 of the nominal size high
            self._fonts[size] = pygame.font.Font(None, round(size * OVERSAMPLE * 1.4))
        return self._fonts[size]


def printable(text: str) -> str:
    """Return the text with a question mark for each character that the font cannot draw."""
    return "".join(char if char.isprintable() and ord(char) < 0x3000 else "?" for char in text)
