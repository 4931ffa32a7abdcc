"""The scripted team: it completes everything without a collision, from any moment on, also beside others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pettingzoo.utils.wrappers import BaseParallelWrapper

from spaceworld import PRESETS, Debris, Layout, Module, Robot, Scenario, Slot
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy, shortest_plan
from spaceworld.planner.__main__ import main, random_return
from spaceworld.rules import packing as pk
from spaceworld.vector import SpaceworldVectorEnv
from tests.spaceworld.drawing import draw
from tests.spaceworld.scenarios import CROWD, QUICK


def layouts(scenario: Scenario) -> range:
    """Seeds of as many layouts as take a few seconds: 40 of `pair`, one of `swarm`."""
    return range(max(1, min(40, 10_000 // (scenario.horizon * len(scenario.robots)))))


def play(env: SpaceworldEnv) -> tuple[bool, float, list[dict[str, int]]]:
    """Plays the scripted team to the end: completed, the sum of all costs, the joint actions."""
    act, cost, acts, completed = policy(env), 0.0, [], False
    first = None
    while env.agents:
        acts.append(act())
        first = first or act.plan
        assert act.plan is first or first.cost  # nothing happened that was not foreseen
        _, _, terminated, _, infos = env.step(acts[-1])
        cost += sum(info["cost"] for info in infos.values())
        completed = all(terminated.values())
    return completed, cost, acts


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_completed_without_cost(name: str) -> None:
    env = SpaceworldEnv(name, on_collision="terminate")
    for seed in layouts(PRESETS[name]):
        env.reset(seed=seed)
        completed, cost, acts = play(env)
        assert completed and cost == 0, seed
        assert 3 * len(acts) <= 2 * env.max_cycles, seed


@pytest.mark.parametrize("scenario", [CROWD, QUICK], ids=lambda s: s.name)
def test_mixed_roles_precedence_debris_and_keep_out_at_once(scenario: Scenario) -> None:
    env = SpaceworldEnv(scenario)
    env.reset(seed=0)
    completed, cost, _ = play(env)
    assert completed and cost == 0


def test_a_module_is_let_go_and_gripped_anew_where_it_must_be() -> None:
    env = draw("""
        ......
        0A....
        ###.##
        ###a##
    """)
    completed, cost, _ = play(env)
    assert completed and cost == 0


def test_a_grip_cell_from_which_another_module_would_be_taken_is_not_used() -> None:
    # where the robot is, it would grip B, which lies in a lower cell and has to wait
    env = draw(
        """
        ..B....
        ..0....
        ..A....
        .....#a
        ...b.#.
        """,
        needs={"b": "a"},
    )
    completed, cost, _ = play(env)
    assert completed and cost == 0


def test_only_one_docks_when_a_tug_that_cannot_would_let_go() -> None:
    env = draw(
        """
        .....
        .0A.a
        ..1..
        """,
        robots=(Robot(thrust=2, can_dock=False), Robot(thrust=1)),
        mass={"A": 3},
    )
    completed, cost, _ = play(env)
    assert completed and cost == 0


def test_drifting_debris_is_let_pass() -> None:
    scenario = Scenario(
        "lane",
        5,
        7,
        (Robot(), Robot()),
        (Module("a", 2),),
        (Slot("a"),),
        horizon=60,
        debris=(Debris(2, 1), Debris(1, 2)),
        layout=Layout(
            core=((2, 6),), slots=((2, 5),), modules=((2, 1),), robots=((0, 0), (4, 0)), debris=((0, 3), (4, 4))
        ),
    )
    env = SpaceworldEnv(scenario)
    env.reset(seed=0)
    completed, cost, _ = play(env)
    assert completed and cost == 0


@pytest.mark.parametrize("name", ["pair", "truss", "hazard"])
def test_it_takes_over_in_the_middle_of_random_play(name: str) -> None:
    env = SpaceworldEnv(name, max_cycles=500)
    for seed in range(6):
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        for _ in range(200):
            env.step({a: int(rng.integers(6)) for a in env.agents})
        kept = bool((pk.blocks(env._spec, env._row)["robots"][:, pk.R_VIOLATION] == 0).all())
        completed, cost, _ = play(env)
        assert completed, seed
        assert cost == 0 or not kept, seed  # who begins in a keep-out cell, gripping, cannot leave at once


def test_two_runs_are_the_same() -> None:
    runs = []
    for _ in range(2):
        env = SpaceworldEnv("hazard")
        env.reset(seed=3)
        runs.append(play(env)[2])
    assert runs[0] == runs[1]


def test_it_acts_through_a_wrapper_and_needs_no_observations() -> None:
    env = BaseParallelWrapper(SpaceworldEnv("duet"))
    observations, infos = env.reset(seed=1)
    act = policy(env)
    terminated: dict[str, bool] = {}
    while env.agents:
        observations, _, terminated, _, infos = env.step(act(observations, infos))
    assert all(terminated.values())
    assert act() == {}


def test_it_follows_a_rolled_back_state() -> None:
    env = SpaceworldEnv("truss")
    env.reset(seed=2)
    act, early = policy(env), env.get_state()
    for _ in range(8):
        env.step(act())
    late, expected = env.get_state(), act()
    env.set_state(early)
    first = act()
    env.set_state(late)
    assert act() == expected
    env.set_state(early)
    assert act() == first
    completed, cost, _ = play(env)
    assert completed and cost == 0


def test_a_new_episode_needs_no_new_policy() -> None:
    env = SpaceworldEnv("pair")
    act = policy(env)
    for seed in range(3):
        env.reset(seed=seed)
        terminated: dict[str, bool] = {}
        while env.agents:
            _, _, terminated, _, _ = env.step(act())
        assert all(terminated.values())


@pytest.mark.parametrize("name", ["pair", "truss", "hazard", "crew"])
@pytest.mark.parametrize("mate", ["idle", "random"])
def test_beside_a_robot_that_does_what_it_likes(name: str, mate: str) -> None:
    env = SpaceworldEnv(name, max_cycles=60)
    struck = 0.0
    for seed in range(3):
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        ours = env.possible_agents[1:]
        act = policy(env, agents=ours)
        while env.agents:
            actions = act()
            assert list(actions) == ours and set(actions.values()) <= set(range(6))
            other = int(rng.integers(6)) if mate == "random" else pk.STAY
            *_, infos = env.step({env.possible_agents[0]: other, **actions})
            struck += sum(infos[a]["cost"] for a in ours)
    if mate == "idle":
        assert struck == 0
    else:
        assert struck <= 0.05 * 3 * 60 * len(ours)


def test_work_goes_on_without_a_robot_that_never_helps() -> None:
    env = SpaceworldEnv(replace(PRESETS["truss"], modules=(Module("strut"),) * 5, slots=(Slot("strut"),) * 5))
    env.reset(seed=4)
    act = policy(env, agents=["robot_1", "robot_2"])
    terminated: dict[str, bool] = {}
    while env.agents:
        _, _, terminated, _, _ = env.step({"robot_0": pk.STAY, **act()})
    assert all(terminated.values())


def test_what_is_no_spaceworld_and_who_is_no_agent_is_named() -> None:
    with pytest.raises(TypeError, match="no Spaceworld inside object"):
        policy(object())
    with pytest.raises(ValueError, match="no agent 'robot_9'; the agents are robot_0, robot_1"):
        policy(SpaceworldEnv("pair"), agents=["robot_9"])


def test_the_command_prints_a_table_and_says_whether_all_went_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solo", "duet", "--seeds", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [["solo", "3", "3", "0"], ["duet", "3", "3", "0"]]
    with pytest.raises(SystemExit):
        main(["nowhere"])


def test_the_command_plays_the_shortest_plans_too_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solo", "--seeds", "4", "--exact"]) == 0
    env, lengths = SpaceworldEnv("solo"), []
    for seed in range(4):
        env.reset(seed=seed)
        lengths.append(len(shortest_plan(env)))
    cells = capsys.readouterr().out.splitlines()[1].split()
    assert cells[:4] == ["solo", "4", "4", "0"]
    assert (float(cells[4]), int(cells[5])) == (pytest.approx(sum(lengths) / 4, abs=0.05), max(lengths))
    with pytest.raises(SystemExit):
        main(["crew", "--exact"])
    assert "--exact is for solo, duet, pair" in capsys.readouterr().err


def test_random_play_is_the_mean_return_of_one_episode_of_each_seed() -> None:
    env, rng = SpaceworldVectorEnv(3, "solo"), np.random.default_rng(5)
    _, infos = env.reset(seed=5)
    first: dict[int, float] = {}
    paid = np.zeros(3)
    while len(first) < 3:
        chances = rng.random((3, 1, 6)) * infos["action_mask"]
        _, rewards, terminated, truncated, infos = env.step(chances.argmax(-1))
        paid += rewards[:, 0]
        for k in np.flatnonzero((terminated | truncated)[:, 0]):
            first.setdefault(int(k), float(paid[k]))
            paid[k] = 0.0
    assert random_return("solo", 5, 3) == pytest.approx(np.mean(list(first.values())))
