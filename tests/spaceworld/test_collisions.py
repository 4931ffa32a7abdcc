"""Collisions between assemblies, free robots and debris, drawn; the plain cases are in `test_rules`.

There is no cycle of three: three single cells cannot turn on a grid (its cells alternate like a chessboard's), and
units that claim each other's cells are blocked. The shortest cycles have four units.
"""

from __future__ import annotations

from spaceworld import Debris
from tests.spaceworld.drawing import act, costs, draw, same


def test_two_assemblies_that_claim_one_cell_both_stay_and_cost_every_carrier() -> None:
    env = draw("""
        ......
        0A.B1.
        ......
    """, grips={0: "A", 1: "B"})  # fmt: skip
    infos = act(env, "EW")
    assert costs(infos) == [1.0, 1.0] and "blocked_by robot_1" in infos["robot_0"]["events"]
    assert same(env, "......\n0A.B1.\n......")


def test_two_assemblies_that_claim_each_others_cells_both_stay() -> None:
    env = draw("""
        ......
        .0AB1.
        ...2..
    """, grips={0: "A", 1: "B", 2: "B"}, mass={"B": 2})  # fmt: skip
    assert costs(act(env, "EWW")) == [1.0, 1.0, 1.0]
    assert same(env, "......\n.0AB1.\n...2..")


def test_a_robot_and_an_assembly_that_claim_each_others_cells_both_stay() -> None:
    env = draw("""
        .....
        .0A1.
        .....
    """, grips={0: "A"})  # fmt: skip
    assert costs(act(env, "EW")) == [1.0, 1.0]
    assert same(env, ".....\n.0A1.\n.....")


def test_a_robot_follows_an_assembly_into_the_cell_that_it_vacates() -> None:
    env = draw("""
        .....
        20A1.
        .....
    """, grips={0: "A", 1: "A"}, mass={"A": 2})  # fmt: skip
    assert costs(act(env, "EEE")) == [0.0, 0.0, 0.0]
    assert same(env, ".....\n.20A1\n.....")


def test_a_cell_that_an_assembly_leaves_and_enters_again_is_not_vacated() -> None:
    env = draw("""
        .1...
        .A0..
        .....
    """, grips={0: "A"})  # fmt: skip
    # the assembly moves west: robot 0 enters the cell that its module leaves, which robot 1 claims as well
    assert costs(act(env, "WS")) == [1.0, 1.0]
    assert same(env, ".1...\n.A0..\n.....")


def test_a_gripped_module_that_stays_is_a_part_of_its_unit_for_others() -> None:
    env = draw("""
        .....
        .0A1.
        .....
    """, grips={0: "A"})  # fmt: skip
    infos = act(env, ".W")
    assert costs(infos) == [0.0, 1.0] and infos["robot_1"]["events"] == ("blocked_by robot_0",)


def test_who_follows_a_blocked_assembly_is_blocked_and_so_on_to_the_last() -> None:
    env = draw("""
        ......
        320A1#
        ......
    """, grips={0: "A", 1: "A"}, mass={"A": 2})  # fmt: skip
    infos = act(env, "EEEE")
    assert costs(infos) == [1.0, 1.0, 1.0, 1.0]
    assert same(env, "......\n320A1#\n......")
    assert "blocked_by structure" in infos["robot_0"]["events"] and "blocked_by robot_2" in infos["robot_3"]["events"]


def test_who_follows_an_assembly_that_is_pulled_two_ways_collides_alone() -> None:
    env = draw("""
        .....
        20A1.
        .....
    """, grips={0: "A", 1: "A"}, mass={"A": 2})  # fmt: skip
    assert costs(act(env, "EWE")) == [0.0, 0.0, 1.0]
    assert same(env, ".....\n20A1.\n.....")


def test_a_cycle_of_two_assemblies_and_two_robots_turns() -> None:
    env = draw("""
        0A1.
        3B2.
        ....
    """, grips={0: "A", 2: "B"})  # fmt: skip
    assert costs(act(env, "ESWN")) == [0.0] * 4
    assert same(env, "30A.\nB21.\n....")


def test_a_cycle_in_which_one_disagrees_stays_and_costs_all_but_that_unit() -> None:
    env = draw("""
        0A1.
        3B2.
        .4..
    """, grips={0: "A", 2: "B", 4: "B"})  # fmt: skip
    assert costs(act(env, "ESWNS")) == [1.0, 1.0, 0.0, 1.0, 0.0]
    assert same(env, "0A1.\n3B2.\n.4..")


def test_flying_into_debris_is_a_collision_even_if_it_drifts_away_in_this_step() -> None:
    env = draw("""
        0*..A
        .....
        .....
    """, drift=[Debris(4, 1)])  # fmt: skip
    infos = act(env, "E")
    assert costs(infos) == [1.0] and infos["robot_0"]["events"] == ("blocked_by debris_0",)
    assert same(env, "0.*.A\n.....\n.....")


def test_two_pieces_of_debris_that_strike_one_robot_cost_it_twice_and_its_own_collision_on_top() -> None:
    env = draw("""
        *0*.A
        .#...
        .....
    """, drift=[Debris(4, 1), Debris(3, 1)])  # fmt: skip
    assert costs(act(env, "S")) == [3.0]
    assert [d.direction for d in env.scene().debris] == [4, 3]


def test_debris_strikes_who_has_just_moved_into_its_way() -> None:
    env = draw("""
        ...0A
        .*...
        .....
    """, drift=[Debris(4, 1)], grips={0: "A"})  # fmt: skip
    act(env, ".")
    assert same(env, "...0A\n..*..\n.....")
    infos = act(env, "S")
    assert costs(infos) == [1.0]
    assert infos["robot_0"]["events"] == ("carried module_0", "struck by debris")
    assert same(env, ".....\n..*0A\n.....")


def test_debris_bounces_at_structure_and_at_loose_modules() -> None:
    env = draw("""
        *..*.
        #..A.
        0....
    """, drift=[Debris(2, 1), Debris(2, 1)])  # fmt: skip
    act(env, ".")
    assert [(d.cell, d.direction) for d in env.scene().debris] == [((0, 0), 1), ((0, 3), 1)]


def test_debris_does_not_follow_or_swap_with_other_debris() -> None:
    env = draw("""
        **..A
        .....
        0....
    """, drift=[Debris(4, 1), Debris(4, 1)])  # fmt: skip
    act(env, ".")  # the one behind bounces, the one ahead drifts on
    assert [(d.cell, d.direction) for d in env.scene().debris] == [((0, 0), 3), ((0, 2), 4)]
    env = draw("""
        .**.A
        .....
        0....
    """, drift=[Debris(4, 1), Debris(3, 1)])  # fmt: skip
    act(env, ".")
    assert [(d.cell, d.direction) for d in env.scene().debris] == [((0, 1), 3), ((0, 2), 4)]


def test_a_carried_module_in_a_keep_out_cell_is_no_violation_but_its_carrier_is() -> None:
    env = draw("""
        0Ax..
        .....
        .....
    """, grips={0: "A"})  # fmt: skip
    assert costs(act(env, "E")) == [0.0]
    assert costs(act(env, "E")) == [1.0]
    assert same(env, "..0A.\n.....\n.....")
