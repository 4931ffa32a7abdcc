"""What holds in every world, whatever the robots do: hypothesis draws worlds and play."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from spaceworld import Scenario
from spaceworld.env import SpaceworldEnv
from spaceworld.observations.feature_vector import OTHER, OWN
from spaceworld.rules import packing as pk
from spaceworld.rules.packing import blocks
from spaceworld.text.scene import Scene
from tests.spaceworld.reference import advance
from tests.spaceworld.test_reference import world_of
from tests.spaceworld.worlds import eager_actions, make_world

STEPS = 40
many = settings(max_examples=150, derandomize=True, deadline=None, database=None)


@dataclass
class Moment:
    """One step of a rollout."""

    before: Scene
    actions: tuple[int, ...]
    after: Scene
    reward: float
    infos: dict[str, dict[str, Any]]


@st.composite
def worlds(draw: st.DrawFn) -> Scenario:
    height, width = draw(st.integers(3, 7)), draw(st.integers(3, 7))
    room = height * width - 2
    robots = draw(st.integers(1, 5))
    modules = draw(st.integers(1, max(1, min(4, (room - robots) // 2))))
    debris = draw(st.integers(0, max(0, min(3, room - robots - 2 * modules))))
    return make_world(draw(st.integers(0, 2**32 - 1)), height, width, robots, modules, debris, draw(st.integers(0, 3)))


seeds = st.integers(0, 2**32 - 1)


def play(env: SpaceworldEnv, seed: int) -> Iterator[Moment]:
    """The steps of one episode of eager play, at most STEPS."""
    rng = np.random.default_rng(seed)
    env.reset(seed=0)
    while env.agents and env.scene().step < STEPS:
        before, actions = env.scene(), eager_actions(env, rng)
        _, rewards, _, _, infos = env.step(dict(zip(env.agents, actions, strict=True)))
        yield Moment(before, actions, env.scene(), rewards["robot_0"], infos)


def tell(name: str, count: int) -> None:
    """What hypothesis shows with --hypothesis-show-statistics."""
    if count:
        event(name)


def renamed_code(code: int, to: list[int]) -> int:
    """An event code after the robots are renamed: the robot in the way has its new number."""
    kind, blocker = code >> pk.E_KIND_SHIFT & 15, (code >> pk.E_BLOCKER_SHIFT) - 1
    if kind != pk.B_ROBOT:
        return code
    return code & ((1 << pk.E_BLOCKER_SHIFT) - 1) | (to[blocker] + 1) << pk.E_BLOCKER_SHIFT


def same_but_renamed(a: SpaceworldEnv, b: SpaceworldEnv, to: list[int]) -> None:
    """The state of `b` is that of `a` with robot i called to[i]; nothing else differs."""
    first, second = blocks(a._spec, a._row), blocks(b._spec, b._row)
    for i, j in enumerate(to):
        mine = first["robots"][i].copy()
        mine[pk.R_EVENT] = renamed_code(int(mine[pk.R_EVENT]), to)
        assert mine.tolist() == second["robots"][j].tolist()
    for what in ("modules", "slots", "debris", "core", "keep_out"):
        assert first[what].tolist() == second[what].tolist(), what
    assert a._row[: pk.S_HEAD].tolist() == b._row[: pk.S_HEAD].tolist()


def same_vectors(first: np.ndarray, second: np.ndarray, n: int) -> None:
    """Two robots see the same; only the order of the others may differ."""
    others = slice(OWN, OWN + (n - 1) * OTHER)
    assert np.array_equal(first[:OWN], second[:OWN])
    assert np.array_equal(first[others.stop :], second[others.stop :])
    lists = [sorted(x[others].reshape(n - 1, OTHER).tolist()) for x in (first, second)]
    assert lists[0] == lists[1]


@many
@given(worlds(), seeds, seeds, st.booleans())
def test_relabelling_the_robots_relabels_the_outcome_and_nothing_else(
    scenario: Scenario, seed: int, shuffle: int, terminate: bool
) -> None:
    n, layout = len(scenario.robots), scenario.layout
    assert layout is not None
    to: list[int] = np.random.default_rng(shuffle).permutation(n).tolist()
    back = [to.index(j) for j in range(n)]
    renamed = replace(
        scenario,
        robots=tuple(scenario.robots[i] for i in back),
        layout=replace(layout, robots=tuple(layout.robots[i] for i in back)),
    )
    kind: Any = "terminate" if terminate else "block"
    a, b = SpaceworldEnv(scenario, on_collision=kind), SpaceworldEnv(renamed, on_collision=kind)
    pictures = SpaceworldEnv(scenario, observation="image"), SpaceworldEnv(renamed, observation="image")
    rng = np.random.default_rng(seed)
    for env in (a, b):
        env.reset(seed=0)
    while a.agents and a._row[pk.S_STEP] < STEPS:
        actions = eager_actions(a, rng)
        out = a.step({f"robot_{i}": actions[i] for i in range(n)})
        other = b.step({f"robot_{to[i]}": actions[i] for i in range(n)})
        same_but_renamed(a, b, to)
        for env, picture in zip((a, b), pictures, strict=True):
            picture._row[:] = env._row
        images = [env.observe_all()[0] for env in pictures]
        for i in range(n):
            me, you = f"robot_{i}", f"robot_{to[i]}"
            same_vectors(out[0][me], other[0][you], n)
            assert np.array_equal(images[0][me], images[1][you])
            assert out[4][me]["action_mask"].tolist() == other[4][you]["action_mask"].tolist()
            assert out[4][me]["cost"] == other[4][you]["cost"]
            assert [x[me] for x in out[1:4]] == [x[you] for x in other[1:4]]


@many
@given(worlds(), seeds)
def test_no_two_solids_ever_share_a_cell_and_all_stay_on_the_grid(scenario: Scenario, seed: int) -> None:
    for moment in play(SpaceworldEnv(scenario), seed):
        scene = moment.after
        things: list[Any] = [*scene.robots, *scene.modules, *scene.debris]
        solids = [*scene.structure, *(thing.cell for thing in things)]
        assert len(set(solids)) == len(solids)
        assert all(0 <= r < scene.height and 0 <= c < scene.width for r, c in solids)


@many
@given(worlds(), seeds)
def test_modules_are_conserved_and_move_only_with_their_carriers(scenario: Scenario, seed: int) -> None:
    docked: dict[str, tuple[int, int]] = {}
    carried = 0
    for moment in play(SpaceworldEnv(scenario), seed):
        before, after = moment.before, moment.after
        assert [(m.type, m.mass) for m in after.modules] == [(m.type, m.mass) for m in scenario.modules]
        for k, (old, new) in enumerate(zip(before.modules, after.modules, strict=True)):
            if old.docked:
                assert new.docked and new.cell == docked[new.name]
            elif new.docked:
                docked[new.name] = new.cell
                assert new.cell == old.cell and new.just_docked
                assert any(s.filled and s.cell == new.cell and s.type == new.type for s in after.slots)
            crew = [i for i, r in enumerate(after.robots) if r.grips == k]
            assert not (crew and new.docked)
            shift = new.cell[0] - old.cell[0], new.cell[1] - old.cell[1]
            for i in crew:
                here, there = before.robots[i].cell, after.robots[i].cell
                assert (there[0] - here[0], there[1] - here[1]) == shift
                assert abs(there[0] - new.cell[0]) + abs(there[1] - new.cell[1]) == 1
            if shift != (0, 0):
                carried += 1
                assert crew and sum(scenario.robots[i].thrust for i in crew) >= new.mass
                assert len({moment.actions[i] for i in crew}) == 1
        filled = [s.cell for s in after.slots if s.filled]
        assert sorted(filled) == sorted(m.cell for m in after.modules if m.docked)
    tell("carried", carried)
    tell("docked", len(docked))


@many
@given(worlds(), seeds, st.sampled_from([0.05, 0.0, 0.3]))
def test_rewards_sum_to_the_docked_share_less_the_penalties(scenario: Scenario, seed: int, penalty: float) -> None:
    env = SpaceworldEnv(scenario, collision_penalty=penalty)
    total, faults, mass = 0.0, 0, 0
    for moment in play(env, seed):
        now = sum(m.mass for m in moment.after.modules if m.docked)
        assert now >= mass  # the docked share never falls
        mass, total = now, total + moment.reward
        here = [r.collisions + r.violations for r in moment.after.robots]
        faults += sum(here)
        assert [info["cost"] for info in moment.infos.values()] == here
        for robot in moment.after.robots:
            assert robot.violations == (robot.cell in moment.after.keep_out)
        assert (env._row[pk.S_DOCKED], env._row[pk.S_FAULTS]) == (mass, faults)
        assert sum(r.cost for r in moment.after.robots) == faults
        assert moment.after.terminated == all(m.docked for m in moment.after.modules)
    share = mass / scenario.total_mass
    assert total == pytest.approx(share - penalty * faults, abs=1e-9)
    assert env.scene().team_return == pytest.approx(total, abs=1e-9)
    tell("complete", mass == scenario.total_mass)
    tell("faults", faults)


@many
@given(worlds(), seeds)
def test_the_kernel_does_what_the_reference_does_in_every_world(scenario: Scenario, seed: int) -> None:
    env, rng = SpaceworldEnv(scenario), np.random.default_rng(seed)
    env.reset(seed=0)
    while env.agents and env._row[pk.S_STEP] < STEPS:
        actions = eager_actions(env, rng)
        expected = advance(scenario, world_of(env), actions, env.max_cycles, False)
        env.step(dict(zip(env.agents, actions, strict=True)))
        assert world_of(env) == expected.world
        robots = blocks(env._spec, env._row)["robots"]
        assert robots[:, pk.R_HITS].tolist() == [expected.hits[i] for i in range(env._n)]


def test_the_worlds_and_the_play_bring_every_rule_into_action() -> None:
    """The properties would hold in a world where nothing happens; here is what does, over fixed seeds."""
    counts: Counter[str] = Counter()
    rng = np.random.default_rng(0)
    for seed in range(120):
        height, width = rng.integers(3, 8, 2).tolist()
        robots, debris = int(rng.integers(1, 6)), int(rng.integers(3))
        modules = int(rng.integers(1, 1 + min(4, max(1, (height * width - 4 - robots) // 2))))
        debris = min(debris, height * width - 2 - robots - 2 * modules)
        scenario = make_world(seed, height, width, robots, modules, max(0, debris), int(rng.integers(4)))
        for moment in play(SpaceworldEnv(scenario), seed):
            for info in moment.infos.values():
                # "docked module_0 in slot_1" counts as "docked"
                counts.update(" ".join(e.split()[:1]) for e in info["events"])
                counts.update("by " + e.split()[1].split("_")[0] for e in info["events"] if e.startswith("blocked"))
            carriers = Counter(r.grips for r in moment.after.robots if r.grips is not None)
            moved = [a.cell != b.cell for a, b in zip(moment.before.modules, moment.after.modules, strict=True)]
            counts["carried jointly"] += sum(moved[m] for m, crew in carriers.items() if crew > 1)
            counts["turned back"] += sum(
                a.direction != b.direction for a, b in zip(moment.before.debris, moment.after.debris, strict=True)
            )
    assert min(counts[x] for x in ("moved", "carried", "gripped", "released", "docked")) > 50, counts
    assert min(counts[x] for x in ("disagreed", "too", "stayed", "struck", "in")) > 20, counts
    assert min(counts[f"by {x}"] for x in ("structure", "module", "debris", "robot")) > 50, counts
    assert min(counts[x] for x in ("carried jointly", "turned back")) > 20, counts
