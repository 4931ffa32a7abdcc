"""`python -m spaceworld`: keys reach the right robot, recordings hold the right frames, errors name the way out."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pygame
import pytest
from PIL import Image, ImageSequence

from spaceworld import PRESETS
from spaceworld.app.command import main
from spaceworld.app.film import film
from spaceworld.app.game import Game
from spaceworld.app.teams import Policy, Team, team_of
from spaceworld.env import SpaceworldEnv
from spaceworld.render.window import REFRESH, Window
from tests.spaceworld.drawing import draw, picture, same

OPEN = """
    .....
    .0.1.
    .....
    .....
    #.A.a
    """


def west(env: SpaceworldEnv, agents: Sequence[str]) -> Policy:
    """Everybody goes west."""
    return lambda observations, infos: dict.fromkeys(agents, 3)


WEST = Team("west", west)


@pytest.fixture(autouse=True)
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    pygame.display.quit()


def game(env: SpaceworldEnv, layouts: int = 2, **options: Any) -> Game:
    return Game(env, WEST, Window(120), iter(range(layouts)), fps=REFRESH, **options)


def press(*keys: int) -> None:
    for key in keys:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key))


def test_keys_steer_the_persons_robot_and_the_team_steers_the_rest() -> None:
    env = draw(OPEN)
    played = game(env, player=0)
    press(pygame.K_DOWN, pygame.K_d, pygame.K_ESCAPE)
    played.run()
    assert same(env, """
        .....
        .1...
        ..0..
        .....
        #.A..
        """)  # fmt: skip
    assert env.scene().step == 2
    assert not pygame.display.get_init()


@pytest.mark.parametrize(
    ("key", "action"),
    [(pygame.K_UP, 1), (pygame.K_w, 1), (pygame.K_DOWN, 2), (pygame.K_s, 2), (pygame.K_LEFT, 3), (pygame.K_a, 3),
     (pygame.K_RIGHT, 4), (pygame.K_d, 4), (pygame.K_PERIOD, 0), (pygame.K_x, 0)],
)  # fmt: skip
def test_every_key_is_its_action(key: int, action: int) -> None:
    env = draw(OPEN)
    played = game(env, player=1)
    press(key, pygame.K_ESCAPE)
    played.run()
    assert env.scene().robots[1].action == action
    assert env.scene().robots[0].action == 3


@pytest.mark.parametrize("key", [pygame.K_SPACE, pygame.K_e])
def test_space_and_e_grip(key: int) -> None:
    env = draw("""
        .....
        .0A..
        #...a
        """)
    played = game(env, player=0)
    press(key, pygame.K_ESCAPE)
    played.run()
    assert env.scene().robots[0].grips == 0


def test_the_world_waits_for_the_person_and_a_key_without_effect_takes_no_turn() -> None:
    env = draw(OPEN)
    played = game(env, player=0)
    played.new_layout()
    for _ in range(5):
        played.window.wait()
    assert env.scene().step == 0
    played.press(pygame.K_SPACE)  # there is nothing to grip
    assert env.scene().step == 0
    assert "nothing" in played.hint
    played.press(pygame.K_x)
    assert env.scene().step == 1
    assert "nothing" not in played.hint
    played.window.close()


def test_tab_takes_the_next_robot() -> None:
    env = draw(OPEN)
    played = game(env, player=0)
    press(pygame.K_TAB, pygame.K_UP, pygame.K_TAB, pygame.K_UP, pygame.K_ESCAPE)
    played.run()
    assert [r.cell for r in env.scene().robots] == [(0, 0), (0, 2)]


def test_r_starts_the_next_layout_and_the_close_button_ends_the_game() -> None:
    env = SpaceworldEnv("pair")
    played = game(env, player=0)
    press(pygame.K_x, pygame.K_r)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    played.new_layout()
    for key in played.window.pressed():
        played.press(key)
    assert played.window.closed
    fresh, env = SpaceworldEnv("pair"), SpaceworldEnv("pair")
    fresh.reset(seed=1)
    played = game(env, player=0)
    press(pygame.K_x, pygame.K_r, pygame.K_ESCAPE)
    played.run()
    assert picture(env) == picture(fresh)
    assert env.scene().step == 0


def test_in_real_time_the_world_steps_by_itself_and_a_held_key_goes_on() -> None:
    env = draw(OPEN, horizon=4)
    played = game(env, player=0, real_time=True)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_DOWN))
    seen = []
    step = played.step

    def counted(action: int | None) -> None:
        step(action)
        seen.append(env.scene().robots[0].action)
        if not env.agents:
            press(pygame.K_ESCAPE)

    played.step = counted  # type: ignore[method-assign]
    played.run()
    assert seen[-3:] == [2, 2, 2]


def test_at_the_end_the_person_is_told_and_actions_do_nothing() -> None:
    env = draw(OPEN, horizon=1)
    played = game(env, player=0)
    played.new_layout()
    played.press(pygame.K_x)
    assert played.hint.startswith("Time is out")
    played.press(pygame.K_x)
    assert env.scene().step == 1
    played.press(pygame.K_r)
    assert (env.scene().step, len(env.agents)) == (0, 2)
    played.window.close()


def test_watching_plays_every_layout_once_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spaceworld.app.game.HOLD", 2 / REFRESH)
    env, seeds = SpaceworldEnv("solo"), []
    reset = env.reset
    env.reset = lambda seed: (seeds.append(seed), reset(seed=seed))[1]  # type: ignore[method-assign, assignment]
    watched = game(env, layouts=3, steps=4)
    watched.run()
    assert seeds == [0, 1, 2]
    assert env.scene().step == 4
    assert watched.window.closed


def test_space_pauses_a_watched_episode() -> None:
    env = draw(OPEN)
    watched = game(env)
    press(pygame.K_SPACE)
    waits = []
    wait = watched.window.wait

    def counted() -> None:
        wait()
        waits.append(env.scene().step)
        if len(waits) == 5:
            press(pygame.K_ESCAPE)

    watched.window.wait = counted  # type: ignore[method-assign]
    watched.run()
    assert set(waits) == {0}


def read(path: Path) -> tuple[int, int]:
    """The number of a GIF's frames, repeated ones counted, and the duration of one in milliseconds."""
    with Image.open(path) as image:
        durations = [int(frame.info["duration"]) for frame in ImageSequence.Iterator(image)]
    return sum(durations) // durations[0], durations[0]


def test_a_recording_has_a_frame_for_the_start_each_step_and_a_second_of_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a.gif"
    arguments = ["--team", "random", "--seed", "1", "--steps", "7", "--fps", "5", "--height", "120"]
    assert main(["record", str(file), *arguments, "--smooth", "1"]) == 0
    assert read(file) == (1 + 7 + 5, 200)
    assert main(["watch", "random", "--record", str(file), *arguments[2:], "--smooth", "2", "--episodes", "2"]) == 0
    assert read(file) == (2 * (1 + 14 + 10), 100)


def test_a_film_shows_what_happens_and_glides_between_the_steps() -> None:
    env = draw(OPEN)
    frames = list(film(env, WEST, iter([0]), height=120, smooth=3, fps=3, steps=1))
    assert len(frames) == 1 + 3 + 9
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(frames[:4]))
    assert all(np.array_equal(frames[3], frame) for frame in frames[4:])


def test_an_mp4_is_a_film_of_even_size(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    file = tmp_path / "a.mp4"
    assert main(["record", str(file), "--team", "random", "--steps", "3", "--smooth", "2", "--height", "121"]) == 0
    frames, seconds = ffmpeg.count_frames_and_secs(str(file))
    assert frames == 1 + 6 + 12
    assert frames / seconds == pytest.approx(12, rel=0.01)  # 6 steps a second, 2 pictures a step


def test_without_imageio_ffmpeg_the_error_tells_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert main(["record", str(tmp_path / "a.mp4"), "--team", "random", "--height", "120"]) == 2
    assert "pip install 'llm-credit-wrappers[video]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["watch", "nobody"], "unknown team 'nobody'; valid are planner, random, or the folder"),
        (["watch", "random", "--scenario", "moon"], "unknown scenario 'moon'; the presets are solo"),
        (["list", "--scenario", "moon"], "the presets are"),
        (["record", "a.avi"], "must end in .gif or .mp4"),
        (["record", "nowhere/a.gif"], "there is no folder 'nowhere'"),
        (["record", "a.gif", "--team", "random", "--steps", "0"], "--steps is 0; it must be at least 1"),
        (["record", "a.gif", "--team", "random", "--fps", "0"], "--fps is 0.0; it must be more than 0"),
        (["record", "a.gif", "--team", "random", "--fps", "40"], "fps must be"),
        (["record", "a.gif", "--team", "random", "--height", "9"], "height must be at least 120"),
        (["play", "--robot", "2"], "--robot is 2; pair has robots 0 to 1"),
        (["crew"], "crew is a scenario; to play it: spaceworld play crew"),
        (["crew", "--robot", "1"], "spaceworld play crew --robot 1"),
        (["."], ". is a folder; to watch the team of a run: spaceworld watch ."),
        (["play", "moon"], "unknown scenario 'moon'; the presets are solo"),
        (["play", "crew", "--scenario", "pair"], "two scenarios are named, crew and --scenario pair; name one"),
        (["list", "crew", "--scenario", "pair"], "two scenarios are named"),
        (["record", "a.gif", "crew", "--scenario", "pair"], "two scenarios are named"),
    ],
)
def test_bad_input_is_one_line_that_names_the_valid(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["wacth"], ["play", "--robot", "x"], ["record"]])
def test_arguments_that_cannot_be_parsed_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    error = capsys.readouterr().err
    assert error.startswith("spaceworld") and ": error: " in error and error.count("\n") == 1


def test_without_a_command_pair_is_opened_for_playing_and_record_alone_watches_the_planner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Game] = []

    def run(self: Game) -> None:
        self.new_layout()
        opened.append(self)

    monkeypatch.setattr(Game, "run", run)
    assert main([]) == 0
    assert main(["--scenario", "crew", "--real-time"]) == 0
    assert main(["play", "solo"]) == main(["play", "solo", "--scenario", "solo"]) == 0
    seen = [(g.env.scenario.name, g.player, g.window.closed) for g in opened]
    assert seen == [(name, 0, True) for name in ("pair", "crew", "solo", "solo")]
    file = tmp_path / "a.gif"
    assert main(["--record", str(file), "--seed", "0", "--steps", "3", "--smooth", "1", "--height", "120"]) == 0
    assert read(file)[0] == 1 + 3 + 6


def test_the_planner_watches_the_present_state() -> None:
    env = SpaceworldEnv("pair")
    observations, infos = env.reset(seed=0)
    actions = team_of("planner").policy(env, env.possible_agents)(observations, infos)
    assert set(actions) == set(env.agents)
    assert all(0 <= action < 6 for action in actions.values())


def test_list_shows_the_facts_and_a_picture_of_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for name, scenario in PRESETS.items():
        assert f"{name}: {scenario.height}x{scenario.width}, {scenario.horizon} steps; " in text
    assert "4 robots: 2 tug (thrust 2), 2 assembler (thrust 1)" in text
    assert "2 debris; 4 keep-out cells" in text
    assert text.count("#####") >= len(PRESETS)
    assert "open slot" in text


def test_a_scenario_may_be_named_by_position(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for named in (["crew"], ["--scenario", "crew"]):
        assert main(["list", *named]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert texts[0].startswith("crew: 10x10")
    files, size = [tmp_path / "a.gif", tmp_path / "b.gif"], ["--seed", "1", "--steps", "2", "--height", "120"]
    assert main(["record", str(files[0]), "solo", *size]) == 0
    assert main(["record", str(files[1]), "--scenario", "solo", *size]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_module_runs_and_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -W error -m spaceworld list | head -1",
        shell=True, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.startswith("solo: 5x5")
    assert done.stderr == ""
