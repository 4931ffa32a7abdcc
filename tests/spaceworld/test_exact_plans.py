"""Exact plans: replayed, compared with brute force over the reference rules, and with optima known by thought."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from spaceworld import Debris, Module, Robot, Scenario, Slot
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import exact, shortest_plan
from spaceworld.planner.bound import bound, tables
from spaceworld.planner.keys import families_of, pack, unpack
from spaceworld.rules import packing as pk
from tests.spaceworld.drawing import draw
from tests.spaceworld.reference import advance
from tests.spaceworld.scenarios import busy_actions
from tests.spaceworld.test_reference import world_of


def length(env: SpaceworldEnv) -> int:
    """The length of the shortest plan, which is played: it must complete the assembly at its end, without cost."""
    start, agents = env.get_state(), env.agents
    plan = shortest_plan(env)
    assert np.array_equal(env.get_state().row, start.row), "planning must not change the environment"
    assert plan.dtype == np.int64 and plan.shape == (len(plan), len(agents))
    for k, joint in enumerate(plan):
        _, _, terminated, truncated, infos = env.step(dict(zip(agents, joint, strict=True)))
        assert all(info["cost"] == 0.0 for info in infos.values())
        assert terminated == dict.fromkeys(agents, k == len(plan) - 1)
        assert not any(truncated.values())
    assert (pk.blocks(env._spec, env._row)["modules"][:, pk.M_SLOT] >= 0).all()
    env.set_state(start)
    return len(plan)


def brute_force(env: SpaceworldEnv) -> int | None:
    """The least steps, collisions allowed, by breadth-first search with the reference rules; None without a plan."""
    layer, seen, steps = [world_of(env)], {world_of(env)}, 0
    joints = list(product(range(6), repeat=env._n))
    while layer:
        steps, found = steps + 1, []
        for world in layer:
            for joint in joints:
                outcome = advance(env.scenario, world, joint, 1 << 40, False)
                if outcome.violations:
                    continue
                if outcome.world.terminated:
                    return steps
                new = replace(outcome.world, step=0)
                if new not in seen:
                    seen.add(new)
                    found.append(new)
        layer = found
    return None


def play(env: SpaceworldEnv, rng: np.random.Generator, steps: int) -> None:
    """Useful dithering, so that searches also start with modules gripped, moved and docked."""
    for _ in range(steps):
        if env.agents:
            env.step(dict(zip(env.agents, busy_actions(env, rng), strict=True)))


@pytest.mark.parametrize(("name", "seeds"), [("solo", 30), ("duet", 20), ("pair", 10)])
def test_plans_complete_the_presets_without_cost(name: str, seeds: int) -> None:
    env = SpaceworldEnv(name)
    for seed in range(seeds):
        env.reset(seed=seed)
        assert 3 <= length(env) < env.max_cycles


OPTIMA: dict[str, tuple[int, str, dict[str, Any]]] = {
    "beside it: grip, carry, dock": (3, "0Aa. | .... | ....", {}),
    "one flight more": (4, ".0.. | ..Aa | ....", {}),
    "on its slot already: grip, dock": (2, "0A.. | .... | ....", {"on": {"A": "a"}}),
    "held on its slot: dock": (1, "0A.. | .... | ....", {"on": {"A": "a"}, "grips": {0: "A"}}),
    "two pull as one": (3, "0Aa. | .1.. | ....", {"mass": {"A": 2}}),
    "one carries alone what is heavy for two": (3, "0Aa. | .1.. | ....", {"mass": {"A": 2}, "robots": (
        Robot(thrust=2), Robot())}),
    "two modules in parallel": (3, "0Aa. | .... | 1Bb.", {}),
    "the second dock waits for the first": (4, "0Aa. | .... | 1Bb.", {"needs": {"b": "a"}}),
    "one robot, two modules": (7, "Aa.. | 0... | Bb..", {}),
    "around to another side": (6, "... | a0A | ...", {}),
    "around the keep-out cell": (6, "0xAa | .... | ....", {}),
    "straight where there is none": (4, "0.Aa | .... | ....", {}),
    "around still debris": (6, "0*Aa | .... | ....", {}),
    "equal modules take the nearer slots": (4, "0Ab. | .... | 1B.a", {"types": {"B": "A"}}),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIMA)
def test_the_optimum_known_by_thought(case: str) -> None:
    expected, text, options = OPTIMA[case]
    assert length(draw(text.replace(" | ", "\n"), **options)) == expected


SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "heavy, no way": ("0.a | .A# | 1..", {"mass": {"A": 2}}),
    "heavy, a wall": ("0#.. | .A.. | .a.1", {"mass": {"A": 2}}),
    "heavy, little room": ("01. | .A. | ..a", {"mass": {"A": 2}}),
    "only one docks": ("0A. | #.a | 1..", {"robots": [Robot(can_dock=False), Robot()]}),
    "one only flies": ("0A2 | #.a | 1#.", {"robots": [Robot(can_dock=False), Robot(), Robot(can_grip=False)]}),
    "two modules": ("0Ab | #.# | 1Ba", {}),
    "two modules in order": ("0.b | A#B | .a1", {"needs": {"b": "a"}}),
    "keep-out": ("0x. | .Aa | .1.", {}),
    "three robots": ("01. | .A2 | .a.", {"mass": {"A": 2}}),
}  # fmt: skip


@pytest.mark.parametrize("case", SMALL)
def test_brute_force_with_the_reference_rules_finds_nothing_shorter_even_with_collisions(case: str) -> None:
    text, options = SMALL[case]
    env = draw(text.replace(" | ", "\n"), **options)
    expected = brute_force(env)
    if expected is None:
        with pytest.raises(ValueError, match="cannot be completed"):
            shortest_plan(env)
    else:
        assert length(env) == expected


def test_brute_force_finds_the_same_length_from_any_state_of_solo_layouts() -> None:
    env, rng, lengths = SpaceworldEnv("solo"), np.random.default_rng(3), set()
    for seed in range(25):
        env.reset(seed=seed)
        play(env, rng, int(rng.integers(0, 12)))
        lengths.add(length(env))
        assert brute_force(env) == length(env)
    assert len(lengths) > 4


# robots and modules of several kinds, so that every term of the bound counts
MIXED = Scenario(
    "mixed",
    5,
    5,
    (Robot(thrust=2, can_dock=False), Robot()),
    (Module("a", 1), Module("b", 3)),
    (Slot("a"), Slot("b", (0,))),
    horizon=80,
)


@pytest.mark.parametrize(("scenario", "states"), [("solo", 40), ("duet", 30), (MIXED, 4), ("pair", 2)])
def test_the_bound_changes_no_length_and_never_exceeds_it(
    scenario: str | Scenario, states: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(spec: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros_like(table) for table in tables(spec, row))

    env, rng = SpaceworldEnv(scenario), np.random.default_rng(5)
    for seed in range(states):
        env.reset(seed=seed)
        play(env, rng, int(rng.integers(0, 25)))
        if not env.agents:
            continue
        guided = length(env)
        with monkeypatch.context() as patch:
            patch.setattr(exact, "tables", blind)
            assert length(env) == guided
        guide, scratch = tables(env._spec, env._row), np.empty(9, dtype=np.int64)
        for k, joint in enumerate(shortest_plan(env)):  # what follows of a shortest plan is a shortest plan
            assert bound(env._spec, env._row, guide, scratch) <= guided - k
            env.step(dict(zip(env.agents, joint, strict=True)))


def test_the_rest_of_a_shortest_plan_is_shortest() -> None:
    env = SpaceworldEnv("pair")
    env.reset(seed=4)
    plan = shortest_plan(env)
    for k, joint in enumerate(plan):
        assert length(env) == len(plan) - k
        env.step(dict(zip(env.agents, joint, strict=True)))
    assert shortest_plan(env).shape == (0, 2)


def test_relabelling_robots_does_not_change_the_length() -> None:
    env, rng = SpaceworldEnv("pair"), np.random.default_rng(1)
    for seed in range(6):
        env.reset(seed=seed)
        play(env, rng, 8)
        before, snapshot = length(env), env.get_state()
        robots = pk.blocks(env._spec, snapshot.row)["robots"]
        robots[:] = robots[::-1].copy()
        env.set_state(snapshot)
        assert length(env) == before
    text = "0..a\n.A#.\n...1"
    kinds = [Robot(), Robot(thrust=2)]
    swapped = text.replace("0", "9").replace("1", "0").replace("9", "1")
    assert length(draw(text, robots=kinds)) == length(draw(swapped, robots=kinds[::-1]))


def test_a_key_is_the_same_for_equal_robots_and_modules_swapped_and_unpacks_to_the_state() -> None:
    env = draw("0AbB\n.1..\n...a", types={"B": "A"}, grips={0: "A"})
    spec, row, families = env._spec, env.get_state().row, families_of(env.scenario)
    slot_at = np.full(12, -1, dtype=np.int64)
    words, other, scratch = np.empty(2, np.int64), np.empty(2, np.int64), np.empty((3, 4), np.int64)
    assert families.tolist() == [0, 0, 0, 0]
    pack(spec, row, families, scratch, words)
    again = row.copy()
    views = pk.blocks(spec, again)
    views["robots"][:] = views["robots"][::-1].copy()
    views["modules"][:] = views["modules"][::-1].copy()
    views["robots"][:, pk.R_GRIPS] = [-1, 1]
    pack(spec, again, families, scratch, other)
    assert np.array_equal(words, other)
    unpack(spec, words, slot_at, again)
    pack(spec, again, families, scratch, other)
    assert np.array_equal(words, other)
    views["robots"][:, pk.R_GRIPS] = -1
    pack(spec, again, families, scratch, other)
    assert not np.array_equal(words, other)


def test_a_robot_that_starts_in_a_keep_out_cell_leaves_it_at_once() -> None:
    env = draw("0Aa.\n....\n....")
    layout = replace(env.scenario.layout, keep_out=((0, 0),))  # type: ignore[type-var]
    env = SpaceworldEnv(replace(env.scenario, layout=layout))
    env.reset(seed=0)
    assert length(env) == 5  # down, right, grip from below, carry, dock


UNSOLVABLE = {
    "a wall around it": ("module_0", "A#..\n##..\n0..a", {}),
    "too heavy for who comes near": ("module_1", "A.ab\n0.##\n..#1\nB.##", {"mass": {"B": 2}}),
    "no room to turn": ("all .* states", "####\na0A#\n####", {}),
    "the next must be inside": ("module_0", "0x..\nxxAa\n....", {}),
    "too late": ("2 steps left", "0Aa.\n....\n....", {"horizon": 2}),
    "drift": ("debris_0 drifts", "0Aa.\n....\n..*.", {"drift": [Debris(3, 2)]}),
    "a grip from afar": ("robot_0 grips module_0", "0.A.\na...\n....", {"grips": {0: "A"}}),
}


@pytest.mark.parametrize("case", UNSOLVABLE)
def test_what_has_no_plan_is_refused_by_name(case: str) -> None:
    message, text, options = UNSOLVABLE[case]
    with pytest.raises(ValueError, match=message):
        shortest_plan(draw(text, **options))


def test_what_is_too_large_or_does_not_run_is_refused_by_name() -> None:
    env = SpaceworldEnv("pair")
    with pytest.raises(ValueError, match="reset"):
        shortest_plan(env)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"max_states = 50 .*scripted team"):
        shortest_plan(env, max_states=50)
    with pytest.raises(ValueError, match="at least 1"):
        shortest_plan(env, max_states=0)
    many = Scenario("many", 32, 32, (Robot(),) * 8, (Module("a"),) * 4, (Slot("a"),) * 4, horizon=500)
    env = SpaceworldEnv(many)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"too large .*scripted team"):
        shortest_plan(env)
