"""Each rule of a step, drawn."""

from __future__ import annotations

from spaceworld import Debris, Robot
from tests.spaceworld.drawing import act, costs, draw, same


def test_two_robots_that_swap_cells_both_stay_and_both_collide() -> None:
    env = draw("""
        .....
        .01..
        ..A..
    """)
    assert costs(act(env, "EW")) == [1.0, 1.0]
    assert same(env, ".....\n.01..\n..A..")


def test_two_units_entering_one_cell_both_stay() -> None:
    env = draw("""
        0.1.
        ....
        ..A.
    """)
    infos = act(env, "EW")
    assert costs(infos) == [1.0, 1.0]
    assert "blocked_by robot_1" in infos["robot_0"]["events"]
    assert "blocked_by robot_0" in infos["robot_1"]["events"]
    assert same(env, "0.1.\n....\n..A.")


def test_three_claims_on_one_cell_block_all_three() -> None:
    env = draw("""
        .0.
        1.2
        A..
    """)
    assert costs(act(env, "SEW")) == [1.0, 1.0, 1.0]
    assert same(env, ".0.\n1.2\nA..")


def test_a_chain_moves_into_cells_that_are_vacated() -> None:
    env = draw("""
        012.
        ....
        A...
    """)
    assert costs(act(env, "EEE")) == [0.0, 0.0, 0.0]
    assert same(env, ".012\n....\nA...")


def test_a_chain_whose_head_is_blocked_stays_and_everyone_in_it_collides() -> None:
    env = draw("""
        012#
        ....
        A...
    """)
    infos = act(env, "EEE")
    assert costs(infos) == [1.0, 1.0, 1.0]
    assert "blocked_by structure" in infos["robot_2"]["events"]
    assert "blocked_by robot_1" in infos["robot_0"]["events"]


def test_a_chain_whose_head_stays_by_choice_costs_the_movers_only() -> None:
    env = draw("""
        012.
        ....
        A...
    """)
    assert costs(act(env, "EE.")) == [1.0, 1.0, 0.0]


def test_a_head_stopped_by_the_border_has_no_collision_but_those_behind_have() -> None:
    env = draw("""
        ..01
        ....
        A...
    """)
    infos = act(env, "EE")
    assert costs(infos) == [1.0, 0.0]
    assert infos["robot_1"]["events"] == ("stayed at the edge",)


def test_a_cycle_of_four_turns() -> None:
    env = draw("""
        01.
        23.
        A..
    """)
    assert costs(act(env, "ESNW")) == [0.0] * 4
    assert same(env, "20.\n31.\nA..")


def test_entering_the_cell_of_a_robot_that_is_blocked_costs_both_once() -> None:
    env = draw("""
        0.1.
        2...
        ..A.
    """)
    assert costs(act(env, "EWN")) == [1.0, 1.0, 1.0]


def test_an_assembly_moves_when_all_agree_and_thrust_suffices() -> None:
    env = draw("""
        .....
        .0A1.
        .....
    """, mass={"A": 2}, grips={0: "A", 1: "A"})  # fmt: skip
    infos = act(env, "SS")
    assert same(env, ".....\n.....\n.0A1.")
    assert "carried module_0" in infos["robot_0"]["events"]


def test_an_assembly_pulled_two_ways_stays_without_a_collision() -> None:
    env = draw("""
        .....
        .0A1.
        .....
    """, mass={"A": 2}, grips={0: "A", 1: "A"})  # fmt: skip
    infos = act(env, "SN")
    assert costs(infos) == [0.0, 0.0]
    assert same(env, ".....\n.0A1.\n.....")
    assert infos["robot_0"]["events"] == infos["robot_1"]["events"] == ("disagreed on module_0",)


def test_too_little_thrust_moves_nothing_and_costs_nothing() -> None:
    env = draw("""
        .....
        .0A..
        .....
    """, mass={"A": 1}, robots=[Robot(thrust=1)], grips={0: "A"})  # fmt: skip
    act(env, "S")
    assert same(env, ".....\n.....\n.0A..")
    env = draw("""
        .....
        .0A.1
        .....
    """, mass={"A": 2}, grips={0: "A"})  # fmt: skip
    infos = act(env, "S.")
    assert costs(infos) == [0.0, 0.0] and infos["robot_0"]["events"] == ("too weak for module_0",)
    assert same(env, ".....\n.0A.1\n.....")


def test_an_assembly_that_runs_into_a_free_robot_collides_for_each_robot_in_it() -> None:
    env = draw("""
        .....
        .0A12
        .....
    """, mass={"A": 2}, grips={0: "A", 1: "A"})  # fmt: skip
    infos = act(env, "EE.")
    assert costs(infos) == [1.0, 1.0, 0.0]
    assert "blocked_by robot_2" in infos["robot_0"]["events"]


def test_an_assembly_may_enter_its_own_cells_and_one_that_is_vacated() -> None:
    env = draw("""
        ......
        .0A12.
        ......
    """, mass={"A": 2}, grips={0: "A", 1: "A"})  # fmt: skip
    assert costs(act(env, "EEE")) == [0.0, 0.0, 0.0]
    assert same(env, "......\n..0A12\n......")


def test_a_robot_cannot_slip_into_a_cell_that_an_assembly_keeps() -> None:
    env = draw(
        """
        .....
        .0A..
        ..1..
    """,
        grips={0: "A"},
    )
    # the assembly moves east: module to (1,3), robot 0 to (1,2), which robot 1 claims as well
    assert costs(act(env, "EN")) == [1.0, 1.0]
    assert same(env, ".....\n.0A..\n..1..")


def test_an_assembly_at_the_border_stays_without_a_collision() -> None:
    env = draw(
        """
        0A.
        ...
        ...
    """,
        grips={0: "A"},
    )
    infos = act(env, "N")
    assert costs(infos) == [0.0] and infos["robot_0"]["events"] == ("stayed at the edge",)


def test_flying_into_a_loose_module_is_a_collision() -> None:
    env = draw("""
        0A.
        ...
        ...
    """)
    infos = act(env, "E")
    assert costs(infos) == [1.0] and infos["robot_0"]["events"] == ("blocked_by module_0",)


def test_a_carried_module_that_hits_the_station_costs_its_carrier() -> None:
    env = draw(
        """
        .0A#
        ....
        ....
    """,
        grips={0: "A"},
    )
    infos = act(env, "E")
    assert costs(infos) == [1.0] and infos["robot_0"]["events"] == ("blocked_by structure",)


def test_debris_that_drifts_into_a_robot_stops_and_costs_it() -> None:
    env = draw(
        """
        .....
        *0..A
        .....
    """,
        drift=[Debris(4, 1)],
    )
    infos = act(env, ".")
    assert costs(infos) == [1.0] and infos["robot_0"]["events"] == ("struck by debris",)
    assert env.scene().debris[0].direction == 4 and same(env, ".....\n*0..A\n.....")


def test_debris_that_drifts_into_an_assembly_costs_every_robot_of_it() -> None:
    env = draw("""
        ..*..
        .0A1.
        ....2
    """, grips={0: "A", 1: "A"}, mass={"A": 2}, drift=[Debris(2, 1)])  # fmt: skip
    assert costs(act(env, "...")) == [1.0, 1.0, 0.0]


def test_debris_bounces_at_walls_modules_and_other_debris_and_stays_this_time() -> None:
    env = draw(
        """
        *...A
        .....
        0....
    """,
        drift=[Debris(3, 1)],
    )
    act(env, ".")
    assert env.scene().debris[0].direction == 4 and env.scene().debris[0].cell == (0, 0)
    act(env, ".")
    assert env.scene().debris[0].cell == (0, 1)
    env = draw(
        """
        *.*.A
        .....
        0....
    """,
        drift=[Debris(4, 1), Debris(3, 1)],
    )
    act(env, ".")
    assert [d.direction for d in env.scene().debris] == [3, 4]
    assert [d.cell for d in env.scene().debris] == [(0, 0), (0, 2)]


def test_debris_keeps_to_its_period_and_passes_a_cell_that_a_robot_just_left() -> None:
    env = draw(
        """
        *0..A
        .....
        .....
    """,
        drift=[Debris(4, 2)],
    )
    assert costs(act(env, "S")) == [0.0] and env.scene().debris[0].cell == (0, 0)
    assert costs(act(env, ".")) == [0.0] and env.scene().debris[0].cell == (0, 1)


def test_each_step_in_a_keep_out_cell_is_a_violation() -> None:
    env = draw("""
        0xx.A
        .....
        .....
    """)
    first = env.step({"robot_0": 4})
    assert first[1]["robot_0"] == -0.05 and first[4]["robot_0"]["cost"] == 1.0
    assert costs(act(env, ".")) == [1.0]
    act(env, "E")
    assert costs(act(env, "E")) == [0.0]


def test_on_collision_terminate_ends_at_the_first_collision() -> None:
    text = """
        0#..A
        .....
        .....
    """
    env = draw(text, on_collision="terminate")
    out = env.step({"robot_0": 4})
    assert out[2] == {"robot_0": True} and out[3] == {"robot_0": False} and env.agents == []
    env = draw(text)
    out = env.step({"robot_0": 4})
    assert out[2] == {"robot_0": False} and env.agents == ["robot_0"]


def test_time_running_out_is_truncation_and_success_in_the_last_step_is_termination() -> None:
    env = draw(
        """
        .0A..
        .....
        .....
    """,
        on={"A": "a"},
        horizon=2,
    )
    act(env, "I")
    out = env.step({"robot_0": 0})
    assert out[2] == {"robot_0": False} and out[3] == {"robot_0": True}
    env = draw(
        """
        .0A..
        .....
        .....
    """,
        on={"A": "a"},
        horizon=2,
    )
    act(env, "I")
    out = env.step({"robot_0": 5})
    assert out[2] == {"robot_0": True} and out[3] == {"robot_0": False}


def test_an_empty_slot_can_be_flown_through() -> None:
    env = draw("""
        0a..A
        .....
        .....
    """)
    assert costs(act(env, "E")) == [0.0]
    assert same(env, ".0..A\n.....\n.....")
