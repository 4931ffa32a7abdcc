"""The screen: whether there is one, and how large a window fits on it."""

from __future__ import annotations

import os

# pygame is imported where it is used: who only asks for the error's name needs none

TALLEST, SHORTEST = 960, 360  # heights of a window that is fitted to its screen, in pixels
SCREEN = 0.8  # share of the screen's height that a window takes
UNSEEN = ("dummy", "offscreen", "evdev")  # what SDL falls back to, without a word, where there is no screen


class NoDisplay(RuntimeError):
    """There is no screen on which a window could be opened."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no display to open a window on ({reason}); use render_mode='rgb_array' for pictures as arrays, or "
            "`python -m spaceworld record out.gif` for a recording"
        )


def start_video() -> None:
    """Start SDL's video, unless it runs.

    Raises:
        NoDisplay: Where there is no screen. A driver without a screen is accepted if SDL_VIDEODRIVER asks for it.
    """
    import pygame

    if pygame.display.get_init():
        return
    try:
        pygame.display.init()
    except pygame.error as error:
        raise NoDisplay(str(error)) from None
    driver = pygame.display.get_driver()
    asked = os.environ.get("SDL_VIDEODRIVER") or os.environ.get("SDL_VIDEO_DRIVER")
    if driver.lower() in UNSEEN and not asked:
        pygame.display.quit()
        raise NoDisplay(f"SDL offers only its {driver!r} driver, which nobody sees")


def fitting_height() -> int:
    """Return the height in pixels of a picture that fits on the screen."""
    import pygame

    heights = [height for _, height in pygame.display.get_desktop_sizes()]
    return max(SHORTEST, min(TALLEST, int(min(heights, default=TALLEST) * SCREEN)))
