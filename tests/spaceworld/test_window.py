"""The window: opens, glides, hears the person, closes; copies have none, and no screen is an error that helps."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pygame
import pytest

from spaceworld import spaceworld_v0
from spaceworld.env import SpaceworldEnv
from spaceworld.render.display import NoDisplay
from spaceworld.render.pixels import Painter, pixels
from spaceworld.render.window import REFRESH, Window
from tests.spaceworld.drawing import act, draw

LANE = """
    .....
    .0...
    .....
    .....
    #.A.a
    """


@pytest.fixture(autouse=True)
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[np.ndarray]]:
    """A screen that nobody sees, and the pictures that were shown on it."""
    shown: list[np.ndarray] = []
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(pygame.display, "flip", lambda: shown.append(pixels(pygame.display.get_surface())))
    yield shown
    pygame.display.quit()


def test_human_mode_draws_at_reset_and_at_every_step(screen: list[np.ndarray]) -> None:
    env = spaceworld_v0.parallel_env(scenario="duet", render_mode="human")
    env.metadata = {**env.metadata, "render_fps": REFRESH}  # one picture a step
    assert not pygame.display.get_init()  # not before there is something to see
    env.reset(seed=0)
    assert len(screen) == 1
    for steps in (1, 2, 3):
        env.step(dict.fromkeys(env.agents, 0))
        assert len(screen) == 1 + steps
    assert env.render() is None
    height = screen[0].shape[0]
    assert np.array_equal(screen[-1], Painter(height).paint(env.scene()))
    assert pygame.display.get_caption()[0] == "Spaceworld: duet"
    env.close()
    assert not pygame.display.get_init()
    env.reset(seed=0)  # opens it again
    assert pygame.display.get_init()
    env.close()


def test_a_step_takes_the_time_that_render_fps_says(screen: list[np.ndarray]) -> None:
    env = spaceworld_v0.parallel_env(scenario="duet", render_mode="human")
    env.metadata = {**env.metadata, "render_fps": 10}
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, 0))
    assert len(screen) == 1 + REFRESH // 10
    env.close()


def test_observations_do_not_depend_on_the_window() -> None:
    shown, hidden = (spaceworld_v0.parallel_env(scenario="pair", render_mode=mode) for mode in ("human", None))
    shown.metadata = {**shown.metadata, "render_fps": REFRESH}
    first, second = shown.reset(seed=3), hidden.reset(seed=3)
    for action in (1, 4, 5, 2):
        for agent in shown.possible_agents:
            np.testing.assert_array_equal(first[0][agent], second[0][agent])
            np.testing.assert_array_equal(first[-1][agent]["action_mask"], second[-1][agent]["action_mask"])
        first, second = (env.step(dict.fromkeys(env.agents, action)) for env in (shown, hidden))
    shown.close()


def test_between_two_steps_the_robot_is_drawn_between_its_cells(screen: list[np.ndarray]) -> None:
    env = draw(LANE)
    window = Window(480)
    window.show(env.scene())
    act(env, "E")
    window.show(env.scene(), seconds=0.1)
    frames = screen[1:]
    assert len(frames) == 6
    still = Painter(480).paint(env.scene())
    assert np.array_equal(frames[-1], still)
    lanes = [frame[16 + 89 : 16 + 2 * 89, 16 + 89 : 16 + 3 * 89].astype(int) for frame in frames]
    bright = [(lane.sum(axis=2) > 500).sum(axis=0) @ np.arange(lane.shape[1]) / (lane.sum(axis=2) > 500).sum()
              for lane in lanes]  # fmt: skip  # the column around which the robot's hull lies
    assert bright == sorted(bright) and bright[-1] - bright[0] > 60
    window.close()


def test_the_close_button_ends_the_showing_and_not_the_episode(screen: list[np.ndarray]) -> None:
    env = spaceworld_v0.parallel_env(scenario="duet", render_mode="human")
    env.metadata = {**env.metadata, "render_fps": REFRESH}
    env.reset(seed=0)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    env.step(dict.fromkeys(env.agents, 0))
    assert not pygame.display.get_init()
    seen = len(screen)
    env.step(dict.fromkeys(env.agents, 0))
    env.render()
    assert (len(screen), env.scene().step) == (seen, 2)
    env.close()


def test_keys_are_heard_in_order_also_while_things_move() -> None:
    env = draw(LANE)
    window = Window(120)
    window.show(env.scene())
    for kind, key in ((pygame.KEYDOWN, pygame.K_UP), (pygame.KEYDOWN, pygame.K_a), (pygame.KEYUP, pygame.K_UP)):
        pygame.event.post(pygame.event.Event(kind, key=key))
    act(env, "E")
    window.show(env.scene(), seconds=2 / REFRESH)
    assert window.pressed() == [pygame.K_UP, pygame.K_a]
    assert window.pressed() == []
    assert window.held == [pygame.K_a]
    window.close()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_has_no_window_and_opens_none_by_stepping(copied: object, screen: list[np.ndarray]) -> None:
    env = spaceworld_v0.parallel_env(scenario="pair", render_mode="human")
    env.metadata = {**env.metadata, "render_fps": REFRESH}
    env.reset(seed=0)
    twin: SpaceworldEnv = copied(env)  # type: ignore[operator]
    seen = len(screen)
    twin.step(dict.fromkeys(twin.agents, 1))
    assert len(screen) == seen
    twin.close()
    assert pygame.display.get_init()  # the window of the first is still there
    env.step(dict.fromkeys(env.agents, 1))
    assert len(screen) == seen + 1
    assert env.get_state().row.tolist() == twin.get_state().row.tolist()
    env.close()


def test_two_windows_share_the_one_that_pygame_has() -> None:
    small, large = Window(120), Window(240)
    scene = draw(LANE).scene()
    for window, height in ((small, 120), (large, 240), (small, 120)):
        window.show(scene)
        assert pygame.display.get_surface().get_height() == height
    large.close()
    small.show(scene)
    assert pygame.display.get_surface().get_height() == 120
    small.close()
    assert not pygame.display.get_init()
    small.show(scene)
    assert not pygame.display.get_init()


def test_somebody_who_quits_pygame_does_not_break_the_window(screen: list[np.ndarray]) -> None:
    window, scene = Window(120), draw(LANE).scene()
    window.show(scene)
    pygame.quit()
    window.show(scene)
    assert np.array_equal(screen[0], screen[1])
    window.close()


def test_pictures_as_arrays_are_the_same_while_a_window_is_open() -> None:
    scene, painter = draw(LANE).scene(), Painter()
    before = painter.paint(scene)
    window = Window(240)
    window.show(scene)
    assert np.array_equal(painter.paint(scene), before)
    assert np.array_equal(Painter().paint(scene), before)
    window.close()


def without_screen(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    screenless = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**screenless, **environment},
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have a screen without saying so")
@pytest.mark.parametrize("environment", [{}, {"SDL_VIDEODRIVER": "x11"}])
def test_without_a_screen_the_error_proposes_arrays_and_recording(environment: dict[str, str]) -> None:
    code = (
        "from spaceworld import spaceworld_v0\n"
        "env = spaceworld_v0.parallel_env(render_mode='human')\n"
        "try: env.reset(seed=0)\n"
        "except RuntimeError as error: print(type(error).__name__, error)"
    )
    done = without_screen(code, **environment)
    assert done.stdout.startswith("NoDisplay no display"), done.stderr
    assert "rgb_array" in done.stdout and "python -m spaceworld record" in done.stdout


def test_a_screen_that_refuses_the_window_is_no_display_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(size: tuple[int, int]) -> None:
        raise pygame.error("no such mode")

    monkeypatch.setattr(pygame.display, "set_mode", refuse)
    with pytest.raises(NoDisplay, match=r"no such mode.*rgb_array"):
        Window(120).show(draw(LANE).scene())


def test_an_unknown_render_mode_names_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"'3d'.*None, 'human', 'rgb_array', 'ansi'"):
        spaceworld_v0.parallel_env(render_mode="3d")
