"""What the text says of collisions, grips and ways: which thing was hit, which side is held, how far the slot is."""

from __future__ import annotations

import pytest

from spaceworld.text.carrying import carry_steps, side_of
from tests.spaceworld.drawing import draw

NUMBERS = {".": 0, "N": 1, "S": 2, "W": 3, "E": 4, "I": 5}


def told(text: str, *steps: str, **options: object) -> list[str]:
    """The frames of a drawn world after joint actions, given as letters."""
    env = draw(text, **options)  # type: ignore[arg-type]
    narrator, moments = env.narrator, [env.narrator.capture({})]
    for letters in steps:
        env.step({agent: NUMBERS[x] for agent, x in zip(env.agents, letters, strict=True)})
        moments.append(narrator.capture({}))
    n = len(env.possible_agents)
    return narrator.frames(moments, range(n), [f"agent_{'ABCD'[i]}" for i in range(n)])


@pytest.mark.parametrize(
    ("drawn", "grips", "actions", "hits"),
    [
        # the robot itself, which stays
        ("01..\n....\n.A.#", {}, "E.", {"agent_A: hits agent_B"}),
        # the module that the robot holds, and the robot that holds it
        ("0A1.\n....\n...#", {1: "A"}, "E.", {"agent_A: hits module_0 of agent_B"}),
        ("01A.\n....\n...#", {1: "A"}, "E.", {"agent_A: hits agent_B"}),
        # a loose module, the station
        ("0A1.\n....\n...#", {}, "E.", {"agent_A: hits module_0"}),
        ("0#1.\n....\n.A..", {}, "E.", {"agent_A: hits structure"}),
        # two that enter one cell, and two that change places
        ("0.1.\n....\n.A.#", {}, "EW", {f"agent_{x}: hits agent_{y} entering one cell" for x, y in ("AB", "BA")}),
        ("01..\n....\n.A.#", {}, "EW", {"agent_A: hits agent_B", "agent_B: hits agent_A"}),
        # a carried module in front: it hits what its carrier does not touch
        ("0A1.\n....\n...#", {0: "A"}, "E.", {"agent_A: hits agent_B"}),
        ("0AB1\n....\n...#", {0: "A", 1: "B"}, "E.", {"agent_A: hits module_1 of agent_B"}),
        # of several that hold the module the one that is hit is named
        ("0..\n12.\n.A#", {1: "A", 2: "A"}, "S..", {"agent_A: hits agent_B"}),
    ],
)  # fmt: skip
def test_text_names_the_very_thing_that_was_hit(drawn: str, grips: dict[int, str], actions: str, hits: set[str]):
    frames = told(drawn, actions, grips=grips)
    assert {clause for clause in frames[1].split("; ") if "hits" in clause} == hits


@pytest.mark.parametrize(
    ("drawn", "side"),
    [("A0.\n...\n..#", "east"), ("0A.\n...\n..#", "west"), ("0..\nA..\n..#", "north"), ("A..\n0..\n..#", "south")],
)
def test_grip_says_on_which_side_of_the_module_the_robot_is(drawn: str, side: str):
    assert told(drawn, "I")[1] == f"agent_A: grips module_0 from {side}"


def test_every_side_of_a_module_has_a_name():
    assert [side_of(cell, (5, 5)) for cell in ((4, 5), (6, 5), (5, 4), (5, 6))] == ["north", "south", "west", "east"]


def test_start_says_how_far_the_slot_is_from_each_side_that_can_be_held():
    start = told("0....\n..A..\n..#..\n..a..\n.....")[0]
    assert start.endswith("; carrying module_0: 4 from west, east")
    assert told("0....\n.#A..\n.....\n..a..\n.....")[0].endswith("; carrying module_0: 2 from north, south, east")
    assert told(".A1\n.#0\n.a.")[0].endswith("; carrying module_0: never")


def test_start_names_the_slot_where_several_are_open():
    drawn = "0......\n..A.B..\n.......\n..b.a..\n#......"
    start = told(drawn, types={"A": "panel", "B": "panel"})[0].split("; ")
    assert "slot_1 (3,2)" in start  # below module_0
    assert start[-2:] == [
        "carrying module_0 to slot_1: 2 from north, south, west, east",
        "carrying module_1 to slot_0: 2 from north, south, west, east",
    ]
    assert told(drawn)[0].split("; ")[-2].startswith("carrying module_0: 4 from ")


@pytest.mark.parametrize(
    ("solid", "ways"),
    [
        (set(), {"south": 2, "west": 2, "east": 2, "north": 2}),
        ({(1, 0)}, {"south": 2, "east": 2, "north": 2}),  # a holder in the west cannot pass
        ({(2, 1)}, {"west": 6, "east": 4}),  # a holder in the west has to pass the solid cell, too
    ],
)
def test_holder_needs_room_all_the_way(solid: set[tuple[int, int]], ways: dict[str, int]):
    _, found = carry_steps((5, 4), solid, (1, 1), {"slot_0": (3, 1)})
    assert found == ways


def test_nearest_of_several_slots_is_told():
    assert carry_steps((3, 9), set(), (1, 4), {"slot_0": (1, 1), "slot_1": (1, 6)})[0] == "slot_1"
    assert carry_steps((3, 9), set(), (1, 4), {"slot_0": (1, 3), "slot_1": (1, 5)})[0] == "slot_0"
