"""Distances and maps that the narrator tells beside: they are what the rules allow, and nothing else changes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from credit_wrappers import LLMCreditWrapper, ScriptedClient
from credit_wrappers.llm.prompts.render import render_system
from spaceworld import spaceworld_v0
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy
from spaceworld.text.carrying import SIDES, carry_steps
from spaceworld.text.distances import distances
from tests.spaceworld.drawing import draw
from tests.spaceworld.scenarios import ALL, busy_actions

NUMBERS = {".": 0, "N": 1, "S": 2, "W": 3, "E": 4, "I": 5}


def told(beside: str, text: str, *steps: str, **options: object) -> list[str]:
    """The frames of a drawn world after joint actions, given as letters."""
    env = draw(text, **options)  # type: ignore[arg-type]
    narrator, moments = env.narrator.telling(beside), [env.narrator.capture({})]
    for letters in steps:
        env.step({agent: NUMBERS[x] for agent, x in zip(env.agents, letters, strict=True)})
        moments.append(narrator.capture({}))
    return narrator.frames(moments, range(env._n), [f"agent_{'ABCD'[i]}" for i in range(env._n)])


def test_distances_stand_where_they_have_changed() -> None:
    start, *changes = told("distances", "0...\n.#A.\n..a.\n1...", "E.", "E.", "S.", "I.", "S.", "I.")
    assert "agent_A (0,0) [2]" in start and "agent_B (3,0) [3]" in start  # to its north and south
    assert changes[:2] == ["agent_A: (0,1) [1]", "agent_A: (0,2) [0]"]
    assert changes[2] == "agent_A: hits module_0"
    assert changes[3] == "agent_A: grips module_0 from north; module_0 [1]"
    assert changes[4] == "agent_B: [2]; module_0 (2,2) [0]"
    assert "[" not in changes[5]  # all is docked


def test_sides_that_cannot_be_carried_together_have_no_distance() -> None:
    drawn = ".....\n.0A..\n..1#.\n....a"
    start, *_ = told("distances", drawn, "..", grips={0: "A", 1: "A"}, mass={"A": 2})
    assert "module_0 (1,2) [-]" in start  # the slot has no cell south of it
    start, *_ = told("distances", drawn, "..", grips={0: "A"}, mass={"A": 2})
    assert "module_0 (1,2) [4]" in start  # round the core, through agent_B's cell: a free robot does not count
    assert "agent_B (2,2) [-]" in start  # no other side goes with agent_A's


def fewest(env: SpaceworldEnv, movers: list[str], cell_of: str, goals: set[tuple[int, int]]) -> int | None:
    """The fewest moves of some robots, all in one direction, that bring the last one's or a module's cell to a goal."""

    def cell() -> tuple[int, int]:
        scene = env.scene()
        cells = {robot.name: robot.cell for robot in scene.robots} | {m.name: m.cell for m in scene.modules}
        return cells[cell_of]

    kept = env.get_state()
    ring, seen, steps, found = [kept], set(), 0, None
    while ring and found is None:
        following = []
        for state in ring:
            env.set_state(state)
            here = cell()
            if here in goals:
                found = steps
            if here in seen:
                continue
            seen.add(here)
            for action in (1, 2, 3, 4):
                env.set_state(state)
                infos = env.step({agent: action if agent in movers else 0 for agent in env.possible_agents})[4]
                if not sum(info["cost"] for info in infos.values()):
                    following.append(env.get_state())
        ring, steps = following, steps + 1
    env.set_state(kept)
    return found


@pytest.mark.parametrize("name", ["solo", "duet"])
def test_distances_are_the_fewest_moves_that_the_rules_allow(name: str) -> None:
    env, rng, checked = SpaceworldEnv(name), np.random.default_rng(4), [0, 0]
    for seed in range(4):
        env.reset(seed=seed)
        plan = policy(env)
        while env.agents:
            best, chance = plan(), busy_actions(env, rng)
            env.step({a: best[a] if rng.random() < 0.8 else int(chance[i]) for i, a in enumerate(env.agents)})
            scene = env.scene()
            (module,), (slot,), size = scene.modules, scene.slots, (scene.height, scene.width)
            far, holds = distances(scene), [robot.name for robot in scene.robots if robot.grips is not None]
            if len(holds) == len(scene.robots) and env.agents:
                assert far.modules[0] == fewest(env, holds, "module_0", {slot.cell})
                checked[0] += 1
            elif name == "solo" and env.agents:
                _, sides = carry_steps(size, set(scene.structure), module.cell, {"slot_0": slot.cell})
                goals = {(module.cell[0] + SIDES[side][0], module.cell[1] + SIDES[side][1]) for side in sides}
                assert far.robots[0][0] == fewest(env, ["robot_0"], "robot_0", goals)
                checked[1] += 1
    assert checked[0] > 5 and (checked[1] > 5 or name == "duet")


def test_the_map_is_drawn_at_the_start_and_after_each_dock() -> None:
    drawn = "0..\n.A#\n.bB\n...\n..1"
    start, *changes = told("map", drawn, "S.", "I.", "SI", types={"A": "panel"}, on={"A": "a"})
    assert start.endswith("map A . . / . m0+s0 # / . s1 m1 / . . . / . . B")
    assert "map" not in changes[0]
    assert changes[1] == "agent_A: grips module_0 from west"
    env = draw(drawn, types={"A": "panel"}, on={"A": "a"}, grips={0: "A"})
    narrator, before = env.narrator.telling("map"), env.narrator.capture({})
    env.step({"robot_0": 5, "robot_1": 0})
    _, change = narrator.frames([before, narrator.capture({})], range(2), ["agent_A", "agent_B"])
    assert change.endswith("; map A . . / . # # / . s1 m1 / . . . / . . B")


@pytest.mark.parametrize("name", ["pair", "hazard", "crew"])
def test_without_what_is_told_beside_the_text_is_the_same(name: str) -> None:
    env, rng = SpaceworldEnv(ALL[name], max_cycles=60), np.random.default_rng(2)
    names = [f"agent_{'ABCD'[i]}" for i in range(env._n)]
    env.reset(seed=1)
    moments = [env.narrator.capture({})]
    while env.agents:
        env.step(dict(zip(env.agents, busy_actions(env, rng), strict=True)))
        moments.append(env.narrator.capture({}))
    plain = env.narrator.frames(moments, range(env._n), names)
    both = env.narrator.telling("distances", "map").detached().frames(moments, range(env._n), names)
    assert any("[" in frame for frame in both[1:]) and "; map " in both[0]
    for text, more in zip(plain, both, strict=True):
        less = re.sub(r"; map [^;]*| ?\[[^\]]*\]", "", "; " + more)
        kept = [clause for clause in less.split("; ")[1:] if clause and not re.fullmatch(r"\w+:?", clause)]
        assert kept == [clause for clause in text.split("; ") if clause]


@pytest.mark.parametrize("what", ["distances", "map"])
def test_a_wrapper_asks_with_it_and_the_scripted_rules_read_the_same(what: str) -> None:
    paid, asked = [], []
    for beside in ((), (what,)):
        env = spaceworld_v0.parallel_env("crew", max_cycles=60)
        narrator = env.narrator.telling(*beside)
        asked.append(render_system(narrator, ["agent_A", "agent_B"], 10.0))
        wrapped = LLMCreditWrapper(env, client=ScriptedClient(), narrator=narrator, order="given")
        _, infos = wrapped.reset(seed=3)
        rng = np.random.default_rng(5)
        while wrapped.agents:
            wrapped.step(dict(zip(wrapped.agents, busy_actions(env, rng), strict=True)))
        ((_, credit),) = wrapped.store.settle([infos["robot_0"]["episode_id"]])
        paid.append(credit)
        wrapped.close()
    assert [credit.source for credit in paid] == ["scripted"] * 2
    np.testing.assert_array_equal(paid[0].values, paid[1].values)
    assert asked[0] != asked[1] and ("`map`" if what == "map" else "Numbers in brackets") in asked[1]


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot tell 'ways'; valid are distances, map"):
        spaceworld_v0.parallel_env("duet").narrator.telling("ways")
    with pytest.raises(ValueError, match=r"cannot tell \['map'\]; valid are distances, map"):
        spaceworld_v0.parallel_env("duet").narrator.telling(["map"])
    with pytest.raises(ValueError, match="of at most 8 modules, and there are 16"):
        spaceworld_v0.parallel_env("station").narrator.telling("distances")
