"""Pictures and texts of scenes: deterministic, without a display, and true to every fact of the scene."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pygame
import pytest

from spaceworld.render.ansi import render_ansi
from spaceworld.render.backdrop import sky
from spaceworld.render.lettering import Lettering
from spaceworld.render.palette import BAD, GOOD
from spaceworld.render.pixels import Painter
from spaceworld.render.symbols import grip_direction, status, type_letters
from spaceworld.scenario import Cell
from spaceworld.text.scene import Overlay
from tests.spaceworld.scenes import BOARD_FACTS, PANEL_FACTS, robot, scene, with_module, with_robot

PAINTER = Painter()
BARE = Painter(panel=False)


def boxed(picture: np.ndarray, cell: Cell, size: int = 6) -> np.ndarray:
    """Returns the pixels of one cell of a square board, (cell, cell, 3)."""
    edge = (480 - 32) // size
    start = (480 - edge * size) // 2
    top, left = start + cell[0] * edge, start + cell[1] * edge
    return picture[top : top + edge, left : left + edge]


@pytest.mark.parametrize("size", [5, 6, 9, 10, 16, 32])
def test_every_grid_size_gives_a_picture_of_the_chosen_height_and_even_width(size: int) -> None:
    picture = PAINTER.paint(scene(size))
    assert picture.dtype == np.uint8
    assert picture.shape[0] == 480
    assert picture.shape[1] % 2 == 0
    assert picture.shape[2] == 3
    assert picture.flags.c_contiguous and picture.flags.writeable and picture.flags.owndata
    assert picture.std() > 5  # not blank


@pytest.mark.parametrize(("height", "width"), [(3, 12), (12, 3), (5, 40)])
def test_grids_that_are_not_square_fit_into_the_frame(height: int, width: int) -> None:
    wide = replace(scene(), height=height, width=width, robots=(), modules=(), slots=(), debris=())
    picture = BARE.paint(replace(wide, structure=((height - 1, width - 1),), keep_out=()))
    empty = BARE.paint(replace(wide, structure=(), keep_out=()))
    rows, cols = np.nonzero((picture != empty).any(axis=2))
    assert len(rows) > 50
    assert rows.max() < picture.shape[0] - 1 and cols.max() < picture.shape[1] - 1


@pytest.mark.parametrize("height", [120, 240, 720])
def test_the_height_scales_board_and_panel(height: int) -> None:
    small, large = Painter(height).paint(scene()), PAINTER.paint(scene())
    assert small.shape[0] == height
    assert small.shape[1] / height == pytest.approx(large.shape[1] / 480, rel=0.03)


def test_a_height_too_small_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 120"):
        Painter(60)


def test_without_the_panel_the_frame_is_the_board_alone() -> None:
    board, whole = BARE.paint(scene()), PAINTER.paint(scene())
    assert board.shape[1] < whole.shape[1]
    assert np.array_equal(board, whole[:, : board.shape[1]])


def test_the_same_scene_gives_the_same_bytes_whatever_was_painted_before() -> None:
    fresh, used = Painter(), Painter()
    for size in (9, 5, 32):
        used.paint(scene(size), Overlay(credits={"robot_0": 1.0}, text="words"))
    for change in BOARD_FACTS.values():
        used.paint(change(scene()))
    assert np.array_equal(fresh.paint(scene()), used.paint(scene()))


def test_a_frame_is_not_changed_by_painting_the_next() -> None:
    first = PAINTER.paint(scene())
    kept = first.copy()
    PAINTER.paint(with_robot(1, collisions=1)(scene()))
    assert np.array_equal(first, kept)


def test_painting_in_another_process_gives_the_same_bytes_and_prints_nothing() -> None:
    code = (
        "import hashlib, sys, spaceworld.render; from tests.spaceworld.test_render import Painter, scene;"
        "sys.stdout.write(hashlib.sha256(Painter().paint(scene()).tobytes()).hexdigest())"
    )
    here = {key: value for key, value in os.environ.items() if key != "PYGAME_HIDE_SUPPORT_PROMPT"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**here, "PYTHONHASHSEED": "7"},
    )
    assert run.stdout == hashlib.sha256(PAINTER.paint(scene()).tobytes()).hexdigest()


def test_no_display_is_opened() -> None:
    Painter().paint(scene(), Overlay(text="words"))
    assert not pygame.display.get_init()
    assert pygame.display.get_surface() is None


def test_importing_spaceworld_does_not_import_pygame() -> None:
    code = "import sys, spaceworld, spaceworld.render, spaceworld.render.ansi; print('pygame' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_painting_goes_on_after_somebody_quits_pygame() -> None:
    painter = Painter()
    before = painter.paint(scene())
    pygame.quit()
    pygame.font.init()
    again = painter.paint(scene(), Overlay(text="new words"))
    assert again.shape == before.shape
    assert np.array_equal(painter.paint(scene()), before)


def test_a_painter_is_pickled_by_its_settings() -> None:
    painter = Painter(240, panel=False)
    painter.paint(scene())
    copy = pickle.loads(pickle.dumps(painter))
    assert np.array_equal(copy.paint(scene()), painter.paint(scene()))


@pytest.mark.parametrize("fact", BOARD_FACTS)
def test_each_fact_of_the_board_can_be_seen_on_the_board(fact: str) -> None:
    before, after = BARE.paint(scene()), BARE.paint(BOARD_FACTS[fact](scene()))
    assert np.count_nonzero((before != after).any(axis=2)) >= 12


@pytest.mark.parametrize("fact", PANEL_FACTS)
def test_each_fact_of_the_episode_can_be_seen_in_the_panel_and_only_there(fact: str) -> None:
    before, after = PAINTER.paint(scene()), PAINTER.paint(PANEL_FACTS[fact](scene()))
    board = BARE.paint(scene()).shape[1]
    assert np.array_equal(before[:, :board], after[:, :board])
    assert not np.array_equal(before[:, board:], after[:, board:])


@pytest.mark.parametrize("size", [5, 6, 9, 32])
def test_docking_collision_and_grip_can_be_seen_at_every_size(size: int) -> None:
    before = BARE.paint(scene(size))
    for fact in ("module docked", "robot collided", "robot let go"):
        assert not np.array_equal(before, BARE.paint(BOARD_FACTS[fact](scene(size)))), fact


@pytest.mark.parametrize("cell", [(0, 0), (0, 5), (5, 0), (2, 4)])
def test_a_robot_is_drawn_in_its_own_cell(cell: Cell) -> None:
    bare = replace(scene(), robots=(), modules=(), slots=(), debris=(), keep_out=(), structure=())
    changed = (BARE.paint(bare) != BARE.paint(replace(bare, robots=(robot(0, cell),)))).any(axis=2)
    inside = boxed(changed, cell)
    assert inside.mean() > 0.3
    assert inside.sum() / changed.sum() > 0.9


def test_a_collision_flashes_red_at_the_robot_that_collided() -> None:
    hit = BARE.paint(with_robot(1, collisions=1)(scene())).astype(int)
    red = (hit[..., 0] > 180) & (hit[..., 1] < 130) & (hit[..., 2] < 140)
    assert boxed(red, (4, 3)).sum() > 100
    assert boxed(red, (3, 0)).sum() == 0


def test_a_docked_module_is_brighter_and_its_light_reaches_beyond_its_cell() -> None:
    loose, docked = BARE.paint(scene()), BARE.paint(with_module(1, docked=True)(scene()))
    assert boxed(docked, (3, 1)).mean() > boxed(loose, (3, 1)).mean() + 10
    assert boxed(docked, (3, 2)).mean() > boxed(loose, (3, 2)).mean()


def test_credit_bars_are_green_for_praise_and_red_for_blame() -> None:
    def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
        return int((picture == np.array(colour)).all(axis=2).sum())

    plain = PAINTER.paint(scene())
    praise = PAINTER.paint(scene(), Overlay(credits={"robot_0": 0.4}))
    blame = PAINTER.paint(scene(), Overlay(credits={"robot_0": -0.4}))
    more = PAINTER.paint(scene(), Overlay(credits={"robot_0": 0.8}))
    assert count(praise, GOOD) > count(plain, GOOD) + 100
    assert count(blame, BAD) > count(plain, BAD) + 100
    assert count(praise, BAD) == count(plain, BAD)
    assert count(more, GOOD) > count(praise, GOOD)


def test_a_credit_is_shown_on_the_card_of_its_robot() -> None:
    both = {"robot_0": 0.0, "robot_1": 0.0}
    zero = PAINTER.paint(scene(), Overlay(credits=both))
    rows = [
        np.nonzero((PAINTER.paint(scene(), Overlay(credits={**both, name: 0.5})) != zero).any(axis=(1, 2)))[0]
        for name in both
    ]
    assert rows[0].max() < rows[1].min()


@pytest.mark.parametrize("credits", [{}, {f"robot_{i}": 0.3 * i for i in range(8)}])
def test_eight_robots_have_their_tasks_on_their_cards_beside_a_credit_and_a_long_text(credits: dict) -> None:
    crowd = replace(scene(14), robots=tuple(robot(i, (i, 0), cost=1.0) for i in range(8)))
    tasks = {one.name: "help carry module_1" for one in crowd.robots}
    before = PAINTER.paint(crowd, Overlay(credits, tasks, "words " * 60))
    rows = []
    for one in crowd.robots:
        after = PAINTER.paint(crowd, Overlay(credits, {**tasks, one.name: "help carry module_2"}, "words " * 60))
        rows.append(np.flatnonzero((before != after).any(axis=(1, 2))))
    assert all(len(changed) for changed in rows)
    assert all(above[-1] < below[0] for above, below in pairwise(rows))


@pytest.mark.parametrize(
    "overlay",
    [
        Overlay(credits={"robot_1": 0.2}),
        Overlay(tasks={"robot_1": "grip the light module"}),
        Overlay(text="robot_0 carried alone what takes two."),
    ],
)
def test_each_part_of_the_overlay_shows_in_the_panel_only(overlay: Overlay) -> None:
    board = BARE.paint(scene()).shape[1]
    plain, shown = PAINTER.paint(scene()), PAINTER.paint(scene(), overlay)
    assert np.array_equal(plain[:, :board], shown[:, :board])
    assert np.count_nonzero((plain != shown).any(axis=2)) > 50


def test_sixteen_robots_have_a_card_each() -> None:
    team = tuple(robot(index, (index // 8, index % 8)) for index in range(16))
    crowd = replace(scene(32), robots=team)
    overlay = Overlay(credits={one.name: 0.3 for one in team}, text="words " * 60)
    before = PAINTER.paint(crowd, overlay)
    board = BARE.paint(crowd).shape[1]
    for index in range(16):
        after = PAINTER.paint(with_robot(index, cost=2.0)(crowd), overlay)
        assert not np.array_equal(before[:, board:], after[:, board:]), index


@pytest.mark.parametrize("text", ["", "a" * 500, "word " * 400, "zero\0byte", "tab\tand\nline", "🚀 → é 漢", " "])
def test_any_text_a_model_may_write_can_be_drawn(text: str) -> None:
    picture = PAINTER.paint(scene(), Overlay(tasks={"robot_0": text}, text=text))
    assert picture.shape == PAINTER.paint(scene()).shape
    render_ansi(scene(), Overlay(tasks={"robot_0": text}, text=text))


def test_wrapped_lines_fit_and_keep_every_word() -> None:
    letters, text = Lettering(), "both robots chose east in the same step and so the module moved"
    lines = letters.wrap(text, 11, 120, 20)
    assert " ".join(lines) == text
    assert len(lines) > 1
    assert all(letters.width(line, 11) <= 120 for line in lines)
    short = letters.wrap(text, 11, 120, 2)
    assert len(short) == 2
    assert short[0] == lines[0]
    assert short[1].endswith("...")
    assert letters.width(short[1], 11) <= 120


def test_the_sky_is_fixed_by_its_size() -> None:
    first, second = (pygame.surfarray.array3d(sky(200, 160)) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.max() > 150  # stars
    assert np.median(first) < 40  # and dark between them


def test_letters_of_types_differ_even_when_the_names_begin_alike() -> None:
    alike = with_module(0, type="truss")(with_module(1, type="tank")(scene()))
    letters = type_letters(replace(alike, slots=()))
    assert letters == {"tank": "T", "truss": "R"}


@pytest.mark.parametrize(("cell", "direction"), [((2, 1), 2), ((4, 1), 1), ((3, 0), 4), ((3, 2), 3)])
def test_the_arm_points_at_the_gripped_module(cell: Cell, direction: int) -> None:
    assert grip_direction(robot(0, cell, grips=1), scene()) == direction


def test_the_status_tells_success_from_a_terminating_collision_and_from_time_running_out() -> None:
    complete = with_module(1, docked=True)(scene())
    assert status(scene()) == "running"
    assert status(replace(complete, terminated=True)) == "complete"
    assert status(replace(scene(), terminated=True)) == "ended"
    assert status(replace(scene(), truncated=True)) == "timeout"
