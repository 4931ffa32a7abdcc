"""A window on the screen that shows scenes, moves smoothly between them, and reads keys and the close button.

pygame has one window per process: of several `Window`s, the last one that showed a scene has it.
"""

from __future__ import annotations

import pygame

from spaceworld.render.display import NoDisplay, fitting_height, start_video
from spaceworld.render.motion import motion
from spaceworld.render.pixels import Painter
from spaceworld.text.scene import Overlay, Scene

REFRESH = 60  # pictures per second


class Window:
    """A window that shows scenes.

    Args:
        height: The height of the picture in pixels; None: as tall as the screen allows.
        title: The title of the window.

    Attributes:
        closed: Whether it is closed; nothing is shown from then on.

    Raises:
        NoDisplay: Without a screen; the message says what to do instead.
    """

    def __init__(self, height: int | None = None, title: str = "Spaceworld") -> None:
        self.closed = False
        self._title = title
        start_video()
        self._painter = Painter(height or fitting_height())
        self._screen: pygame.Surface | None = None
        self._clock = pygame.time.Clock()
        self._before: Scene | None = None
        self._pressed: list[int] = []
        self._held: list[int] = []

    def show(self, scene: Scene, overlay: Overlay | None = None, seconds: float = 0.0) -> None:
        """Show a scene, after moving there in `seconds` from the scene before."""
        frames = round(seconds * REFRESH)
        for frame in range(1, frames):
            if self.closed:
                break
            if self._before is not None:
                self._draw(scene, overlay, frame / frames, self._before)
            self.wait()
        self._draw(scene, overlay, 1.0, scene)
        if frames:
            self.wait()
        else:
            self.poll()
        self._before = scene

    def wait(self) -> None:
        """Wait for the time of one picture, and read what the person did."""
        self._clock.tick(REFRESH)
        self.poll()

    def poll(self) -> None:
        """Read what the person did: keep keys for `pressed`, close on the close button."""
        if self.closed or not pygame.display.get_init():
            return
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self.close()
                return
            if event.type == pygame.KEYDOWN:
                self._pressed.append(event.key)
                self._held.append(event.key)
            elif event.type == pygame.KEYUP:
                self._held = [key for key in self._held if key != event.key]

    def pressed(self) -> list[int]:
        """Return the keys pressed since the last call, in order."""
        pressed, self._pressed = self._pressed, []
        return pressed

    @property
    def held(self) -> list[int]:
        """The keys held down now, the last one pressed at the end."""
        return list(self._held)

    def close(self) -> None:
        """Close the window; further calls do nothing."""
        if not self.closed:
            self.closed = True
            mine = self._screen is not None and pygame.display.get_surface() is self._screen
            self._screen = None
            if mine or pygame.display.get_surface() is None:
                pygame.display.quit()

    def _draw(self, scene: Scene, overlay: Overlay | None, share: float, before: Scene) -> None:
        if self.closed:
            return
        picture = self._painter.draw(scene, overlay, motion(before, scene, share))
        screen = self._opened(picture.get_size())
        screen.blit(picture, (0, 0))
        pygame.display.flip()

    def _opened(self, size: tuple[int, int]) -> pygame.Surface:
        """Return the screen of that size; open it again after another window or a grid of another shape."""
        screen = self._screen
        if screen is None or pygame.display.get_surface() is not screen or screen.get_size() != size:
            start_video()
            try:
                screen = self._screen = pygame.display.set_mode(size)
            except pygame.error as error:
                raise NoDisplay(str(error)) from None
            pygame.display.set_caption(self._title)
        return screen
