"""The scripted critic's ways lead round keep-out cells."""

from __future__ import annotations

import pytest

from credit_wrappers.scripted import spaceworld_potential
from tests.spaceworld.drawing import draw
from tests.test_scripted_spaceworld import BLAME, play

APPROACH, CARRY = spaceworld_potential.APPROACH / 100, spaceworld_potential.CARRY / 100


def test_the_way_to_a_module_leads_round_keep_out_cells() -> None:
    grid = """
        .......
        0.x.A..
        .......
        ...a#..
    """
    round_it = play(draw(grid, on={}, horizon=9), ["E", "N", "E", "E", "S"])
    assert round_it.values[:5, 0].tolist() == pytest.approx([APPROACH] * 5)
    through = play(draw(grid, on={}, horizon=9), ["E", "E", "E"])
    # it is nearer then, and in a keep-out cell
    assert through.values[:3, 0].tolist() == pytest.approx([APPROACH, 3 * APPROACH - BLAME, APPROACH])


def test_what_is_carried_goes_round_keep_out_cells_unless_that_takes_long() -> None:
    near = """
        ..a....
        .x.....
        .0A....
        ....#..
    """
    credit = play(draw(near, grips={0: "A"}, on={}, horizon=9), ["E", "N", "N", "W"])
    assert credit.values[:4, 0].tolist() == pytest.approx([CARRY] * 4)
    credit = play(draw(near, grips={0: "A"}, on={}, horizon=9), ["N", "N"])
    assert credit.values[:2, 0].tolist() == pytest.approx([3 * CARRY - BLAME, CARRY])
    far = near.replace(".x.....", "xxxxxx#")
    credit = play(draw(far, grips={0: "A"}, on={}, horizon=9), ["N", "N"])  # there is no way round
    assert credit.values[:2, 0].sum() == pytest.approx(2 * CARRY + CARRY * spaceworld_potential.REGRIP - BLAME)
