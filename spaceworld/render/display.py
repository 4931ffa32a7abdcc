"""The screen: whether there is one, and how tall a window fits on it."""

from __future__ import annotations

import os

# pygame is imported inside the functions, so that code that catches NoDisplay does not need it

TALLEST, SHORTEST = 960, 360  # heights in pixels of a window that is fitted to its screen
SCREEN = 0.8  # the window's share of the screen's height
UNSEEN = ("dummy", "offscreen", "evdev")  # drivers that SDL silently falls back to without a screen


class NoDisplay(RuntimeError):
    """No screen to open a window on."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no display to open a window on ({reason}); use render_mode='rgb_array' for pictures as arrays, or "
            "`python -m spaceworld record out.gif` for a recording"
        )


def start_video() -> None:
    """Start SDL's video unless it is running.

    Raises:
        NoDisplay: Without a screen. A driver without one is accepted if SDL_VIDEODRIVER asks for it.
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
        raise NoDisplay(f"SDL offers only its {driver!r} driver, which shows nothing")


def fitting_height() -> int:
    """Return the height in pixels of a picture that fits on the screen."""
    import pygame

    heights = [height for _, height in pygame.display.get_desktop_sizes()]
    return max(SHORTEST, min(TALLEST, int(min(heights, default=TALLEST) * SCREEN)))
