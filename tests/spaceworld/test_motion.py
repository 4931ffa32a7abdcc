"""Smooth motion: what moved glides, what was blocked leans, and a still picture stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

from spaceworld import Debris
from spaceworld.env import SpaceworldEnv
from spaceworld.render.motion import BUMP, STILL, follows, motion
from spaceworld.render.pixels import Painter, pixels
from tests.spaceworld.drawing import act, draw


def test_a_robot_glides_from_its_old_cell_to_its_new_one() -> None:
    env = draw("""
        .....
        .0...
        .....
        #.A.a
        """)
    before = env.scene()
    act(env, "E")
    after = env.scene()
    assert after.robots[0].cell == (1, 2)
    columns = [motion(before, after, share).robots[0] for share in (0.0, 0.25, 0.5, 0.75)]
    assert columns == [(0.0, -1.0), (0.0, pytest.approx(-0.84375)), (0.0, -0.5), (0.0, pytest.approx(-0.15625))]
    assert motion(before, after, 1.0) is STILL


def test_a_carried_module_and_drifting_debris_glide_too() -> None:
    env = draw("""
        .....
        0A...
        .....
        #...a
        *....
        """, grips={0: "A"}, drift=[Debris(4, 1)])  # fmt: skip
    before = env.scene()
    act(env, "E")
    half = motion(before, env.scene(), 0.5)
    assert half.robots == half.modules == half.debris == ((0.0, -0.5),)


def test_a_blocked_assembly_leans_into_its_obstacle_and_comes_back() -> None:
    env = draw("""
        .....
        0A#..
        ....a
        """, grips={0: "A"})  # fmt: skip
    before = env.scene()
    act(env, "E")
    after = env.scene()
    assert after.robots[0].collisions == 1
    middle = motion(before, after, 0.5)
    assert middle.robots == middle.modules == ((0.0, BUMP),)
    assert motion(before, after, 0.01).robots[0][1] < 0.01


def test_scenes_that_do_not_follow_each_other_do_not_glide() -> None:
    env = SpaceworldEnv("pair")
    env.reset(seed=1)
    start = env.scene()
    env.step(dict.fromkeys(env.agents, 0))
    second = env.scene()
    env.step(dict.fromkeys(env.agents, 0))
    third = env.scene()
    env.reset(seed=2)
    assert follows(start, second) and follows(second, third)
    assert not follows(start, third)
    assert not follows(third, env.scene())
    assert not follows(second, second)
    assert motion(third, env.scene(), 0.5) is STILL


def test_half_way_the_robot_is_painted_between_its_cells() -> None:
    env = draw("""
        .....
        .0...
        .....
        .....
        #.A.a
        """)
    painter = Painter(panel=False)
    before = env.scene()
    act(env, "E")
    after = env.scene()
    still, half = painter.paint(after), pixels(painter.draw(after, None, motion(before, after, 0.5)))
    cell, edge = (480 - 32) // 5, 16
    columns = np.nonzero((still != half).any(axis=(0, 2)))[0]
    # it left the right third of its new cell and stands on the border to its old one
    assert edge + cell < columns.min() < edge + 2 * cell < columns.max() < edge + 3 * cell
    assert np.array_equal(painter.paint(after), still)


def test_flashes_change_their_size_while_things_move_and_not_in_a_still_picture() -> None:
    env = draw("""
        .....
        .0#..
        ....A
        ....a
        """)
    painter = Painter(panel=False)
    before = env.scene()
    act(env, "E")
    after = env.scene()
    frames = [pixels(painter.draw(after, None, motion(before, after, share))) for share in (0.1, 0.3, 0.45)]
    assert not np.array_equal(frames[0], frames[1]) and not np.array_equal(frames[1], frames[2])
    assert np.array_equal(painter.paint(after), Painter(panel=False).paint(after))
