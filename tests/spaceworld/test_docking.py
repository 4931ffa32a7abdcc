"""The rules of gripping, releasing and docking, drawn."""

from __future__ import annotations

from spaceworld import Robot
from tests.spaceworld.drawing import act, draw, same


def test_gripping_takes_the_module_in_the_lowest_cell() -> None:
    env = draw("""
        .B.
        A0.
        ...
    """)
    infos = act(env, "I")
    assert infos["robot_0"]["events"] == ("gripped module_1",)


def test_a_robot_that_has_just_gripped_holds_the_assembly_back() -> None:
    env = draw(
        """
        .....
        .0A1.
        .....
    """,
        grips={0: "A"},
    )
    infos = act(env, "SI")
    assert same(env, ".....\n.0A1.\n.....")
    assert infos["robot_0"]["events"] == ("disagreed on module_0",)


def test_a_release_takes_effect_before_the_moves() -> None:
    env = draw(
        """
        .....
        .0A1.
        .....
    """,
        grips={0: "A", 1: "A"},
    )
    act(env, "SI")
    assert same(env, ".....\n...1.\n.0A..")


def test_docking_pays_the_share_frees_all_and_ends_the_game() -> None:
    env = draw("""
        .....
        .0A1.
        .....
    """, grips={0: "A", 1: "A"}, on={"A": "a"}, mass={"A": 2})  # fmt: skip
    out = env.step({"robot_0": 5, "robot_1": 0})
    assert out[1] == {"robot_0": 1.0, "robot_1": 1.0}
    assert all(out[2].values()) and not any(out[3].values()) and env.agents == []
    assert "docked module_0 in slot_0" in out[4]["robot_0"]["events"]
    assert "docked module_0 in slot_0" in out[4]["robot_1"]["events"]


def test_a_grip_on_a_module_that_is_docked_in_the_same_step_comes_to_nothing() -> None:
    env = draw(
        """
        ..B..
        .0A1.
        .....
    """,
        grips={0: "A"},
        on={"A": "a"},
    )
    infos = act(env, "I.")
    assert infos["robot_1"]["events"] == ()
    env = draw(
        """
        B....
        .0A1.
        .....
    """,
        grips={0: "A"},
        on={"A": "a"},
    )
    infos = act(env, "II")
    assert infos["robot_1"]["events"] == () and env.scene().robots[1].grips is None


def test_precedence_is_read_before_the_step_so_two_docks_at_once_do_not_help_each_other() -> None:
    env = draw("""
        .0A..
        ...#.
        .1B..
    """, grips={0: "A", 1: "B"}, on={"A": "a", "B": "b"}, needs={"b": "a"})  # fmt: skip
    infos = act(env, "II")
    assert infos["robot_0"]["events"] == ("docked module_0 in slot_0",)
    assert infos["robot_1"]["events"] == ("released module_1",)
    act(env, ".I")
    infos = act(env, ".I")
    assert infos["robot_1"]["events"] == ("docked module_1 in slot_1",)


def test_a_module_on_a_slot_of_another_type_is_released_not_docked() -> None:
    env = draw(
        """
        .0A..
        .....
        b...B
    """,
        grips={0: "A"},
        on={"A": "b"},
    )
    assert act(env, "I")["robot_0"]["events"] == ("released module_0",)


def test_a_robot_that_cannot_dock_releases_and_one_that_cannot_grip_does_nothing() -> None:
    env = draw("""
        .0A1.
        .....
        .2...
    """, grips={0: "A"}, on={"A": "a"}, robots=[Robot(can_dock=False), Robot(), Robot(can_grip=False)])  # fmt: skip
    assert act(env, "I..")["robot_0"]["events"] == ("released module_0",)
    env = draw("""
        .0A1.
        .....
        .....
    """, robots=[Robot(can_grip=False), Robot()])  # fmt: skip
    assert act(env, "I.")["robot_0"]["events"] == ()


def test_a_carrier_freed_by_its_partners_dock_moves_alone() -> None:
    env = draw(
        """
        B....
        .0A1.
        .....
    """,
        grips={0: "A", 1: "A"},
        on={"A": "a"},
    )
    act(env, "IS")
    assert same(env, "B....\n.0#..\n...1.")
