"""Scenes as text: every fact can be read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spaceworld.render.ansi import render_ansi
from spaceworld.text.scene import Overlay
from tests.spaceworld.scenes import BOARD_FACTS, PANEL_FACTS, robot, scene, with_module

GOLDEN = """\
pair  step 7/60  reward +0.000  return +0.250  docked 1/2  running

     0    1    2    3    4    5
 0   .    .    .    .  ~ . ~  .
 1   .  #L1 ######  .    .    .
 2   .    .  [ H ]: L :  .    .
 3   0>  H2    .    .    .    .
 4   .    .    .    1    o<   .
 5   .    .    .    .    .    .

 0 robot_0 robot at (3, 0), thrust 1, east, grips H2 module_1, cost 0
 1 robot_1 robot at (4, 3), thrust 1, north, cost 0
slots: L slot_0 at (1, 1) filled; H slot_1 at (2, 2) open; L slot_2 at (2, 3) waiting

0> robot 0 gripping to the east   H2 module H of mass 2   o> debris   ##### core   #H2 # docked
[ H ] open slot   : H : slot waiting for others   ~ . ~ keep-out
types: H = heavy, L = light
"""


def test_the_text_of_a_scene() -> None:
    assert render_ansi(scene()) == GOLDEN


@pytest.mark.parametrize("fact", {**BOARD_FACTS, **PANEL_FACTS})
def test_each_fact_can_be_read_in_the_text(fact: str) -> None:
    assert render_ansi({**BOARD_FACTS, **PANEL_FACTS}[fact](scene())) != GOLDEN


def test_the_text_shows_the_overlay() -> None:
    overlay = Overlay({"robot_1": -0.25}, {"robot_0": "carry H"}, "robot_1 was in the way")
    lines = render_ansi(scene(), overlay).splitlines()
    assert " 0 robot_0 robot at (3, 0), thrust 1, east, grips H2 module_1, cost 0, task: carry H" in lines
    assert " 1 robot_1 robot at (4, 3), thrust 1, north, cost 0, credit -0.250" in lines
    assert lines[-1] == "critic: robot_1 was in the way"


def test_two_digit_robots_and_masses_keep_the_columns() -> None:
    team = tuple(robot(index, (5, 5)) for index in range(12))
    team = (*team, robot(12, (4, 0), grips=1), robot(13, (3, 2), grips=1))
    wide = with_module(1, mass=12)(replace(scene(), robots=team))
    grid = render_ansi(wide).splitlines()[3:9]
    assert grid[3][3:18] == "  .   H12  <13 "
    assert grid[4][3:8] == " 12^ "
