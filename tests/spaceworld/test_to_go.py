"""Steps and actions to go: against shortest plans, and against Dijkstra's search over the reference rules."""

from __future__ import annotations

import heapq
import pickle
from collections import OrderedDict
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from spaceworld import Debris, Scenario
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy, shortest_plan, to_go, value_function
from spaceworld.planner.to_go import ExactToGo, PlannedToGo
from spaceworld.rules import packing as pk
from spaceworld.rules.snapshot import Snapshot
from tests.spaceworld.drawing import draw
from tests.spaceworld.reference import advance
from tests.spaceworld.test_exact_plans import SMALL, play
from tests.spaceworld.test_reference import world_of


def fewest(env: SpaceworldEnv, by_work: bool) -> int | None:
    """The fewest steps, or actions other than staying, by Dijkstra's search with the reference rules."""
    start = world_of(env)
    joints = list(product(range(6), repeat=env._n))
    known, queue, count = {start: 0}, [(0, 0, start)], 0
    while queue:
        so_far, _, world = heapq.heappop(queue)
        if world.terminated:
            return so_far
        if so_far > known[world]:
            continue
        for joint in joints:
            outcome = advance(env.scenario, world, joint, 1 << 40, False)
            if outcome.violations or any(outcome.hits.values()):
                continue
            new = replace(outcome.world, step=0)
            cost = so_far + (sum(action != 0 for action in joint) if by_work else 1)
            if cost < known.get(new, 1 << 30):
                known[new] = cost
                count += 1
                heapq.heappush(queue, (cost, count, new))
    return None


@pytest.mark.parametrize("kind", ["time", "work"])
@pytest.mark.parametrize("case", SMALL)
def test_small_worlds_need_what_dijkstra_finds(case: str, kind: str) -> None:
    text, options = SMALL[case]
    env = draw(text.replace(" | ", "\n"), **options)
    values, rng = ExactToGo(env.scenario, kind), np.random.default_rng(3)  # type: ignore[arg-type]
    for _ in range(2 if env._n < 3 else 1):
        expected = fewest(env, kind == "work")
        if expected is None:
            with pytest.raises(ValueError, match="state 0 cannot be completed"):
                values.values([env.get_state()])
        else:
            assert -values.values([env.get_state()]).mean[0] == expected
        play(env, rng, 2)


@pytest.mark.parametrize("name", ["solo", "duet", "pair"])
def test_steps_to_go_are_those_of_shortest_plans_in_any_order_of_the_states(name: str) -> None:
    env, rng = SpaceworldEnv(name), np.random.default_rng(0)
    states, expected = [], []
    for seed in range(4):
        env.reset(seed=seed)
        while env.agents and len(states) < 6 * (seed + 1):
            states.append(env.get_state())
            expected.append(len(shortest_plan(env)))
            play(env, rng, 3)
    shuffled = rng.permutation(len(states))
    found = value_function(env, "time").values([states[k] for k in shuffled])
    assert found.mean.tolist() == [-expected[k] for k in shuffled]
    assert not found.error.any()


def test_an_action_changes_the_way_by_no_more_than_its_cost() -> None:
    env, rng = SpaceworldEnv("pair"), np.random.default_rng(1)
    time, work = value_function(env, "time"), value_function(env, "work")
    env.reset(seed=11)
    states, busy = [env.get_state()], []
    for _ in range(25):
        actions = rng.integers(0, 6, 2)
        env.step(dict(zip(env.agents, actions.tolist(), strict=True)))
        states.append(env.get_state())
        busy.append(int((actions != 0).sum()))
    steps, done = time.values(states).mean, work.values(states).mean
    assert (np.diff(steps) <= 1).all()
    assert (np.diff(done) <= busy).all()
    assert (steps >= done).all()  # each step of a shortest plan needs an action, so there are at least as many actions
    assert (done >= 2 * steps).all()  # of which two robots do at most two in a step


def test_who_comes_nearer_while_the_other_is_further_away_saves_work_but_no_time() -> None:
    env = draw("0.A...1\n.......\n...a...", mass={"A": 2})
    before = env.get_state()
    env.step({"robot_0": pk.EAST, "robot_1": pk.STAY})
    states = [before, env.get_state()]
    assert np.diff(ExactToGo(env.scenario, "time").values(states).mean) == 0
    assert np.diff(ExactToGo(env.scenario, "work").values(states).mean) == 1


def test_a_complete_assembly_has_nothing_to_go() -> None:
    env = SpaceworldEnv("duet")
    env.reset(seed=0)
    team = policy(env)
    while env.agents:
        env.step(team())
    for kind in ("time", "work"):
        assert value_function(env, kind).values([env.get_state()]).mean.tolist() == [0.0]  # type: ignore[arg-type]


def test_a_full_table_grows_and_the_answer_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    env = SpaceworldEnv("pair")
    env.reset(seed=5)
    expected = value_function(env, "work").values([env.get_state()]).mean
    monkeypatch.setattr(to_go, "NODES", 64)
    small = value_function(env, "work")
    assert small.values([env.get_state()]).mean == expected
    monkeypatch.setattr(to_go, "MAX_NODES", 64)
    with pytest.raises(ValueError, match="state 0 needs more than 64 states"):
        value_function(env, "work").values([env.get_state()])


def test_a_few_layouts_are_kept_and_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    env = SpaceworldEnv("duet")
    values = value_function(env, "time")
    assert isinstance(values, ExactToGo)
    for seed in range(6):
        env.reset(seed=seed)
        values.values([env.get_state()])
    assert len(values._layouts) == to_go.LAYOUTS
    again = pickle.loads(pickle.dumps(values))
    assert again._layouts == OrderedDict()
    assert again.values([env.get_state()]).mean == values.values([env.get_state()]).mean


def test_larger_scenarios_and_drifting_debris_are_planned() -> None:
    for name in ("truss", "hazard", "crew"):
        env = SpaceworldEnv(name)
        values = value_function(env, "work")
        assert isinstance(values, PlannedToGo) and values.error != 0.0
    drifting = SpaceworldEnv(replace(SpaceworldEnv("duet").scenario, debris=(Debris(1, 2),)))
    assert isinstance(value_function(drifting), PlannedToGo)
    still: Scenario = replace(SpaceworldEnv("duet").scenario, debris=(Debris(),))
    assert isinstance(value_function(SpaceworldEnv(still)), ExactToGo)


def test_a_plan_needs_as_many_steps_as_the_scripted_team_and_no_fewer_than_the_shortest() -> None:
    env = SpaceworldEnv("pair")
    env.reset(seed=3)
    exact = -value_function(env, "time").values([env.get_state()]).mean[0]
    planned = PlannedToGo(env.scenario, "time"), PlannedToGo(env.scenario, "work")
    steps, work = (-one.values([env.get_state()]).mean[0] for one in planned)
    assert exact <= steps <= exact + 5
    assert steps <= work <= 2 * steps


def test_what_cannot_be_valued_is_named() -> None:
    env = SpaceworldEnv("duet")
    env.reset(seed=0)
    state = env.get_state()
    with pytest.raises(ValueError, match="unknown kind 'tme'; valid: time, work"):
        value_function(env, "tme")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no Spaceworld inside object"):
        value_function(object())
    values = value_function(SpaceworldEnv("pair"))
    with pytest.raises(ValueError, match="state 0 is of scenario 'duet', not of 'pair'"):
        values.values([state])
    with pytest.raises(ValueError, match="state 1 is no state of scenario 'duet'"):
        value_function(env).values([state, Snapshot("duet", 0, "", np.zeros(3, np.int64))])
