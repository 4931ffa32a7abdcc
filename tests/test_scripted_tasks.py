"""The scripted critic assigns tasks: in Spaceworld, where it has no rules, and only where it is asked for them."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as properties
from hypothesis import settings
from hypothesis import strategies as st

from credit_wrappers import Episode, Request, ScriptedClient
from credit_wrappers.llm.prompts.render import render_episode, render_system
from spaceworld import Layout, Module, Robot, Scenario, Slot
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy
from tests.adapters.playing import play
from tests.adapters.worlds import WORLDS
from tests.asking_tasks import answer, asking, given, named, tasks_of
from tests.benchmarks.prompt_size import requests_of
from tests.spaceworld.drawing import act, draw
from tests.spaceworld.scenarios import CROWD
from tests.spaceworld.worlds import eager_actions, make_world

GOLDEN = Path(__file__).parent / "credit_wrappers" / "golden"
LETTERS = ".NSWEI"


def tasks(env: SpaceworldEnv, actions: str = "", **options: Any) -> list[str]:
    """The robots' tasks after some steps from the drawn state, "EN I." are two of two robots."""
    taken, moments = actions.split(), [env.narrator.capture({})]
    for letters in taken:
        act(env, letters)
        moments.append(env.narrator.capture({}))
    joint = [[LETTERS.index(letter) for letter in letters] for letters in taken]
    return list(tasks_of(env, moments, joint, **options).values())


# -- Spaceworld --------------------------------------------------------------------------------------------


def test_a_light_module_draws_the_nearest_robot_alone_and_a_heavy_one_as_many_as_it_needs() -> None:
    text = """
        0....2
        ......
        ..A..1
        .a.#..
    """
    assert tasks(draw(text)) == ["hold clear", "fetch module_0", "hold clear"]
    assert tasks(draw(text, mass={"A": 2})) == ["help carry module_0", "help carry module_0", "hold clear"]
    assert tasks(draw(text, mass={"A": 3})) == ["help carry module_0"] * 3
    strong = [Robot(thrust=2), Robot(), Robot()]
    # The nearest one adds nothing where the strong one is enough.
    assert tasks(draw(text, mass={"A": 2}, robots=strong)) == ["fetch module_0", "hold clear", "hold clear"]
    assert tasks(draw(text, mass={"A": 3}, robots=strong)) == ["help carry module_0"] * 2 + ["hold clear"]
    # Two weak ones are nearer, of which the strong one needs only the nearest.
    row = [Robot(thrust=2), Robot(), Robot()]
    env = draw("""
        ......
        0.21.A
        ......
        a..#..
    """, mass={"A": 3}, robots=row)  # fmt: skip
    assert tasks(env) == ["help carry module_0"] * 2 + ["hold clear"]


def test_the_module_that_is_docked_soonest_goes_first_and_takes_the_nearest() -> None:
    env = draw("""
        A....b
        a.0...
        ......
        ...1.B
        ..#...
    """, mass={"B": 2})  # fmt: skip
    assert tasks(env) == ["fetch module_0", "hold clear"]  # one is left: too few for the heavy one
    env = draw("""
        A....b
        ..0..B
        ......
        a..1..
        ..#...
    """, mass={"B": 2})  # fmt: skip
    assert tasks(env) == ["help carry module_1"] * 2
    env = draw("""
        b...B
        .....
        ..0.#
        .....
        a...A
    """)  # fmt: skip
    assert tasks(env) == ["fetch module_1"]  # both alike: the upper one


def test_who_holds_a_module_docks_it_and_who_crowds_in_or_is_left_over_holds_clear() -> None:
    env = draw("""
        ......
        .0A1.2
        ......
        3..#.a
    """, grips={0: "A", 1: "A"})  # fmt: skip
    assert tasks(env) == ["dock module_0", "hold clear", "hold clear", "hold clear"]
    env = draw("""
        ......
        .0A..2
        ......
        1..#.a
    """, grips={0: "A"}, mass={"A": 2})  # fmt: skip
    assert tasks(env) == ["dock module_0", "hold clear", "help carry module_0"]


def test_only_a_module_whose_slot_is_open_is_fetched_and_the_next_one_once_that_is_on_its_way() -> None:
    text = """
        a.A..0
        b....1
        c....2
        #.B.C.
    """
    chain: dict[str, Any] = {"needs": {"b": "a", "c": "b"}, "mass": {"B": 2}}
    assert tasks(draw(text, **chain)) == ["fetch module_0", "hold clear", "hold clear"]
    held = draw(text.replace(".A..0", ".A0.."), grips={0: "A"}, **chain)
    assert tasks(held) == ["dock module_0", "help carry module_1", "help carry module_1"]
    assert tasks(draw(text)) == ["fetch module_0", "fetch module_1", "fetch module_2"]  # all slots are open


def test_no_more_modules_are_fetched_than_there_are_open_slots_for() -> None:
    env = draw("""
        a.A..0
        b.B..1
        #..C.2
        c.....
    """, types=dict.fromkeys("ABC", "panel"), needs={"b": "a", "c": "a"})  # fmt: skip
    assert sorted(tasks(env)) == ["fetch module_0", "hold clear", "hold clear"]


def test_an_open_slot_for_which_no_module_is_left_keeps_nobody_from_the_next_ones() -> None:
    layout = Layout(
        core=((3, 3),), slots=((0, 0), (2, 0), (0, 5)), modules=((0, 1), (2, 2)), robots=((0, 2), (2, 5), (3, 5))
    )
    scenario = Scenario(
        "spare",
        4,
        6,
        (Robot(),) * 3,
        (Module("panel"), Module("truss", 2)),
        (Slot("panel"), Slot("truss", (0,)), Slot("panel")),
        horizon=20,
        layout=layout,
    )
    env = SpaceworldEnv(scenario)
    env.reset(seed=0)
    assert tasks(env) == ["fetch module_0", "hold clear", "hold clear"]
    assert tasks(env, "I..") == ["dock module_0", "help carry module_1", "help carry module_1"]


def test_a_crew_has_somebody_who_can_dock_and_nobody_who_cannot_grip() -> None:
    text = """
        ......
        01A..2
        ......
        ...#.a
    """
    tug, assembler = Robot(thrust=2, can_dock=False), Robot("assembler")
    able = [Robot("scout", can_grip=False), tug, assembler]
    assert tasks(draw(text, mass={"A": 2}, robots=able)) == ["hold clear"] + ["help carry module_0"] * 2
    assert tasks(draw(text, mass={"A": 1}, robots=able)) == ["hold clear", "hold clear", "fetch module_0"]
    held = draw(text, mass={"A": 2}, robots=able, grips={1: "A"})
    assert tasks(held) == ["hold clear", "dock module_0", "help carry module_0"]
    held = draw(text.replace("..2", "2.."), mass={"A": 2}, robots=able, grips={1: "A", 2: "A"})
    assert tasks(held) == ["hold clear", "dock module_0", "dock module_0"]  # neither can spare the other
    helpless = [Robot(can_dock=False)] * 2 + [Robot()]
    assert tasks(draw(text, mass={"A": 1}, robots=helpless)) == ["hold clear", "hold clear", "fetch module_0"]


def test_each_step_has_the_tasks_of_the_state_before_it() -> None:
    text = """
        ......
        .0A..a
        ......
        1..#..
    """
    for actions, now in (
        ("I.", ["dock module_0", "hold clear"]),
        ("I. I. WN .E .E", ["hold clear", "fetch module_0"]),
        ("I. E. E. E. I.", ["hold clear", "hold clear"]),
    ):
        assert tasks(draw(text), actions) == now


@pytest.mark.parametrize("ended", ["terminated", "truncated", "not yet"])
def test_the_tasks_change_when_the_work_changes_whatever_the_robots_did(ended: str) -> None:
    env = draw("""
        ......
        .0A..a
        ......
        1..#..
    """)  # fmt: skip
    moments, letters = [env.narrator.capture({})], ["..", "I.", "..", "I."]
    for joint in letters:
        act(env, joint)
        moments.append(env.narrator.capture({}))
    actions = np.array([[LETTERS.index(letter) for letter in joint] for joint in letters])
    told = Episode(
        0, ("robot_0", "robot_1"), actions, np.zeros(4), np.zeros((4, 2)), False, True, tuple(moments), env.narrator
    )
    names = ["agent_A", "agent_B"]
    frames = env.narrator.frames(moments, range(2), names)
    prompt = render_episode(1, told, frames, range(2), names, env.narrator.action_name)
    prompt = prompt.replace("ended: truncated", f"ended: {ended}")
    system = asking(render_system(env.narrator, names, 10.0), env.narrator.tasks())
    fetch, dock, clear = "fetch module_0", "dock module_0", "hold clear"
    assert named(system, prompt) == [{"agent_A": [fetch, fetch, dock, dock], "agent_B": [clear] * 4}]
    spans = answer(system, prompt)[0]["tasks"]
    assert [(span["from"], span["to"]) for span in spans] == [(0, 1), (2, 3), (0, 3)]


def test_a_span_has_its_reason_where_reasons_are_asked_for() -> None:
    env = SpaceworldEnv("duet")
    for explain in (True, False):
        (request,) = requests_of(env, None, range(1), tasks=True, explain=explain)
        (episode,) = json.loads(ScriptedClient().complete(request).text)["episodes"]
        assert all(("why" in span) == explain for span in episode["tasks"])
        spans = [span.get("why", "") for span in episode["tasks"] if span["task"].startswith("dock module_0")]
        assert not explain or all("module_0" in why for why in spans)


@settings(max_examples=40, deadline=None)
@properties(seed=st.integers(0, 10_000), robots=st.integers(2, 5), shuffle=st.integers(0, 10_000))
def test_listing_the_robots_in_another_order_gives_each_the_same_task(seed: int, robots: int, shuffle: int) -> None:
    env, whim = SpaceworldEnv(make_world(seed, 6, 6, robots, 3, 1, 1)), np.random.default_rng(shuffle)
    env.reset(seed=3)
    moments, actions = [env.narrator.capture({})], []
    for _ in range(int(whim.integers(12))):
        if env.agents:
            actions.append(eager_actions(env, whim))
            env.step(dict(zip(env.agents, actions[-1], strict=True)))
            moments.append(env.narrator.capture({}))
    one = tasks_of(env, moments, actions)
    assert set(one.values()) <= set(env.narrator.tasks())
    assert tasks_of(env, moments, actions, order=whim.permutation(robots).tolist()) == one


@pytest.mark.parametrize("name", ["truss", "crew"])
def test_the_planners_own_play_always_leaves_somebody_something_to_do(name: str) -> None:
    env = SpaceworldEnv(name)
    env.reset(seed=4)
    team = policy(env)
    while env.agents:
        now = tasks_of(env, [env.narrator.capture({})])
        assert set(now.values()) != {"hold clear"}
        assert all(env.task_target(task, agent) for agent, task in now.items() if task[:5] in ("fetch", "help "))
        env.step(team())


# -- without rules, and without being asked ----------------------------------------------------------------

STEPS = """## Episode 1
steps: 4, ended: {ended}
start: nothing
0: agent_A go left; agent_B stay | reward 1
1: agent_A go; agent_B go left sees 0=3 | reward 2 | x
2: agent_A wait; agent_B stay | reward 2
3: agent_A go; agent_B stay"""
TWO = "Some other world. In what follows the agents are called agent_A and agent_B. These names mean nothing."


@pytest.mark.parametrize("ended", ["terminated", "truncated", "not yet"])
def test_without_rules_agents_are_to_do_again_what_they_did_when_most_was_paid(ended: str) -> None:
    told = STEPS.format(ended=ended)
    system = asking(TWO, ["go", "go left", "stay", "wait"])
    assert named(system, told) == [{"agent_A": ["wait"] * 4, "agent_B": ["stay"] * 4}]
    assert given(system, told.replace("stay | reward 2", "stay")) == [{"agent_A": "go", "agent_B": "go left"}]
    assert given(system, told.replace("reward 2", "reward -2")) == [{"agent_A": "go left", "agent_B": "stay"}]
    assert given(system, told.replace("reward ", "reward -")) == [{"agent_A": "go", "agent_B": "go"}]
    other = asking(TWO, ["rest", "stay"])
    assert given(other, told) == [{"agent_A": "rest", "agent_B": "stay"}]


def test_an_agent_that_had_left_is_given_a_task_too() -> None:
    system = asking(TWO.replace("agent_A and agent_B", "agent_A, agent_B and agent_C"), ["stay", "wait"])
    assert given(system, STEPS.format(ended="not yet")) == [{"agent_A": "wait", "agent_B": "stay", "agent_C": "stay"}]


def test_every_episode_has_tasks_of_its_own() -> None:
    two = STEPS.format(ended="not yet") + "\n\n" + STEPS.format(ended="not yet").replace("Episode 1", "Episode 2")
    head, _, tail = two.rpartition("reward 2")
    first, second = given(asking(TWO, ["go", "stay", "wait"]), f"{head}reward 0{tail}")
    assert first == {"agent_A": "wait", "agent_B": "stay"} and second == {"agent_A": "go", "agent_B": "go"}


def test_a_vocabulary_of_the_users_own_is_kept_to_where_rules_know_other_words() -> None:
    env = draw("""
        0.A.a
        ..#..
        .....
    """)  # fmt: skip
    assert tasks(env, vocabulary=["dance", "fetch module_0"]) == ["fetch module_0"]
    assert tasks(env, vocabulary=["dance", "sing"]) == ["dance"]


@pytest.mark.parametrize("talk", ["**Name the tasks.** Do it well.", "- go\n- stay", "**Name the tasks.**\n\n* go\n"])
def test_a_prompt_that_does_not_list_tasks_asks_for_none(talk: str) -> None:
    (episode,) = answer(f"{TWO}\n\n{talk}", STEPS.format(ended="truncated"))
    assert set(episode) == {"episode", "summary", "events"}


def test_asking_for_tasks_changes_no_judgement() -> None:
    (request,) = requests_of(SpaceworldEnv("pair"), None, range(2))
    plain = answer(request.system, request.prompt)
    asked = answer(asking(request.system, ["hold clear"]), request.prompt)
    assert [{**episode, "tasks": None} for episode in plain] == [{**episode, "tasks": None} for episode in asked]


def requests() -> list[Request]:
    """Recorded questions of every kind of rules."""
    found = []
    for name in ("pair", "corridor"):
        system, _, prompt = (GOLDEN / f"{name}.md").read_text(encoding="utf-8").partition("\n\n=== user ===\n\n")
        found.append(Request(system, prompt, None, "scripted", 100))
    found += [play(WORLDS[name](), seed=1).request for name in ("lbf", "lbf-coop", "rware", "rware-low")]
    return found + requests_of(SpaceworldEnv(CROWD), None, range(2))


def test_answers_without_tasks_are_to_the_byte_those_of_scripted_4() -> None:
    answers = [ScriptedClient().complete(replace(request, schema=None)).text for request in requests()]
    assert [sha256(text.encode()).hexdigest()[:16] for text in answers] == [
        "fe8ff073621b46b8",
        "d08d67994bb4808a",
        "c72ded76840d8e7c",
        "0cb68ca448e814c8",
        "42d0e6b043e78481",
        "fdc6948329953b60",
        "52868f96d1c0b0a5",
    ], "judgements changed: if they should, raise the number in ScriptedClient.name"
    assert ScriptedClient.name == "scripted-4"
    assert all("tasks" not in episode for text in answers for episode in json.loads(text)["episodes"])
