"""The game on the screen: a person steers one robot or watches, and a team steers the other robots."""

from __future__ import annotations

from collections.abc import Iterator

import pygame

from spaceworld.app.teams import Team
from spaceworld.env import SpaceworldEnv
from spaceworld.render.symbols import status
from spaceworld.render.window import REFRESH, Window
from spaceworld.text.scene import Overlay

KEYS = (  # by action number
    (pygame.K_PERIOD, pygame.K_x),
    (pygame.K_UP, pygame.K_w),
    (pygame.K_DOWN, pygame.K_s),
    (pygame.K_LEFT, pygame.K_a),
    (pygame.K_RIGHT, pygame.K_d),
    (pygame.K_SPACE, pygame.K_e),
)
ACTION_KEYS = {key: action for action, keys in enumerate(KEYS) for key in keys}
PLAYING = "arrows or WASD move, space or E interacts, . or X stays, Tab other robot, R new layout, Esc quits"
WATCHING = "space pauses, R new layout, Esc quits"
ENDS = {
    "complete": "Complete! R: new layout, Esc: quit",
    "ended": "A collision ended it. R: new layout, Esc: quit",
    "timeout": "Time is out. R: new layout, Esc: quit",
}
HOLD = 1.5  # seconds that a watcher sees the end of an episode


class Game:
    """Episodes in a window.

    Args:
        env: The environment, of any render mode.
        team: The team that steers the robots that no person steers.
        window: The window that shows the episodes.
        layouts: Seeds of the episodes; the game ends with the last one.
        player: Index of the person's robot; None if the person watches.
        real_time: Whether steps follow the clock, also while a person plays.
        fps: Steps per second.
        steps: Longest episode in steps; None sets no limit.
    """

    def __init__(
        self,
        env: SpaceworldEnv,
        team: Team,
        window: Window,
        layouts: Iterator[int],
        *,
        player: int | None = None,
        real_time: bool = False,
        fps: float = 6.0,
        steps: int | None = None,
    ) -> None:
        self.env, self.window, self.player = env, window, player
        self._team, self._layouts, self._steps = team, layouts, steps
        self._runs = real_time or player is None
        self._seconds = 1.0 / fps
        self._wish: int | None = None  # the action chosen since the last step in real time
        self._paused = False
        self._held = 0  # how many pictures the end has been shown for
        self.hint = ""

    def run(self) -> None:
        """Play until the person quits or, when watching, until the layouts end."""
        self.new_layout()
        while not self.window.closed:
            for key in self.window.pressed():
                self.press(key)
                if self.window.closed:
                    return
            if self._over and self.player is None and not self._paused:
                self._held += 1
                if self._held > HOLD * REFRESH:
                    self.new_layout()
            if self._runs and not self._over and not self._paused:
                self.step(self._chosen())
            else:
                self.window.wait()

    @property
    def me(self) -> str:
        """The name of the person's robot; empty for a watcher."""
        return "" if self.player is None else self.env.possible_agents[self.player]

    @property
    def _over(self) -> bool:
        return not self.env.agents or (self._steps is not None and self.env.scene().step >= self._steps)

    def new_layout(self) -> None:
        """Start the next episode, or close the window after the last one."""
        seed = next(self._layouts, None)
        if seed is None:
            self.window.close()
            return
        self._observations, self._infos = self.env.reset(seed=seed)
        self._take_over()
        self._wish, self._held = None, 0
        self.hint = PLAYING if self.player is not None else WATCHING
        self._show(0.0)

    def _take_over(self) -> None:
        """Let the team steer all robots but the person's."""
        others = [agent for agent in self.env.possible_agents if agent != self.me]
        self._policy = self._team.policy(self.env, others)

    def press(self, key: int) -> None:
        """Handle a pressed key."""
        if key == pygame.K_ESCAPE:
            self.window.close()
        elif key == pygame.K_r:
            self.new_layout()
        elif self.player is None:
            if key == pygame.K_SPACE:
                self._paused = not self._paused
        elif key == pygame.K_TAB:
            self.player = (self.player + 1) % len(self.env.possible_agents)
            self._take_over()
            self._show(0.0)
        elif key in ACTION_KEYS and not self._over:
            if self._runs:
                self._wish = ACTION_KEYS[key]
            else:
                self._turn(ACTION_KEYS[key])

    def _turn(self, action: int) -> None:
        """Take a step if the action can have an effect or a cost; otherwise tell the person that it cannot."""
        if self._infos[self.me]["action_mask"][action]:
            self.hint = PLAYING
            self.step(action)
        else:
            self.hint = f"That would do nothing here. {PLAYING}"
            self._show(0.0)

    def _chosen(self) -> int | None:
        """Return the action in real time: of the key pressed last, else of a key still held, else stay."""
        if self.player is None:
            return None
        wish, self._wish = self._wish, None
        held = [ACTION_KEYS[key] for key in self.window.held if key in ACTION_KEYS]
        return wish if wish is not None else held[-1] if held else 0

    def step(self, action: int | None) -> None:
        """Take one step: the person's robot does `action`, the team steers the others."""
        actions = {agent: int(a) for agent, a in self._policy(self._observations, self._infos).items()}
        if action is not None and self.me:
            actions[self.me] = action
        self._observations, _, _, _, self._infos = self.env.step(actions)
        if not self.env.agents:
            self.hint = ENDS[status(self.env.scene())] if self.player is not None else WATCHING
        self._show(self._seconds)

    def _show(self, seconds: float) -> None:
        self.window.show(self.env.scene(), Overlay(hint=self.hint, player=self.me), seconds)
