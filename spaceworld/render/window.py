"""A window on the screen: shows scenes, moves smoothly from one to the next, and hears keys and the close button.

pygame has one window per process: of several `Window`s, the one that showed last has it.
"""

from __future__ import annotations

import pygame

from spaceworld.render.display import NoDisplay, fitting_height, start_video
from spaceworld.render.motion import motion
from spaceworld.render.pixels import Painter
from spaceworld.text.scene import Overlay, Scene

REFRESH = 60  # pictures per second


class Window:
    """Shows scenes.

    Args:
        height: Height of the picture in pixels; None: as large as the screen allows.
        title: What the window is called.

    Attributes:
        closed: Whether the person closed it; nothing is shown from then on.

    Raises:
        NoDisplay: Where there is no screen; the message says what can be done instead.
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
        """Show a scene; everything takes `seconds` to move there from the scene shown before."""
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
        """Let the time of one picture pass, and hears what the person does meanwhile."""
        self._clock.tick(REFRESH)
        self.poll()

    def poll(self) -> None:
        """Hear what the person did: keys are kept for `pressed`, the close button closes."""
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
        """The keys held down now, the latest last."""
        return list(self._held)

    def close(self) -> None:
        """Free the window; further calls do nothing."""
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
        """Return the screen of that size; opened anew where another window or a grid of another shape was shown."""
        screen = self._screen
        if screen is None or pygame.display.get_surface() is not screen or screen.get_size() != size:
            start_video()
            try:
                screen = self._screen = pygame.display.set_mode(size)
            except pygame.error as error:
                raise NoDisplay(str(error)) from None
            pygame.display.set_caption(self._title)
        return screen
