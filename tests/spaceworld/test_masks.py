"""Action masks: what they allow can have an effect, what they forbid cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spaceworld import PRESETS, Robot
from spaceworld.env import SpaceworldEnv
from tests.spaceworld.drawing import draw
from tests.spaceworld.scenarios import ALL, busy_actions


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_masked_action_never_has_an_effect_or_a_cost(name: str) -> None:
    env = SpaceworldEnv(ALL[name], max_cycles=60)
    rng = np.random.default_rng(3)
    _, infos = env.reset(seed=4)
    tried = 0
    for _ in range(60 if name == "swarm" else 250):
        if not env.agents:
            _, infos = env.reset()
        actions = dict(zip(env.agents, busy_actions(env, rng), strict=True))
        here = env.get_state()
        for i, agent in enumerate(env.possible_agents):
            for action in np.flatnonzero(infos[agent]["action_mask"] == 0):
                env.set_state(here)
                env.step({**actions, agent: int(action)})
                masked = essentials(env, i)
                env.set_state(here)
                env.step({**actions, agent: 0})
                assert masked == essentials(env, i)
                tried += 1
        env.set_state(here)
        _, _, _, _, infos = env.step(actions)
    assert tried > 50


def essentials(env: SpaceworldEnv, agent: int) -> tuple[Any, ...]:
    scene = env.scene()
    robots = [(r.cell, r.grips, r.collisions, r.violations) for r in scene.robots]
    return robots, scene.modules, scene.slots, scene.debris, scene.team_return


@pytest.mark.parametrize("name", [*sorted(PRESETS), "crowd"])
def test_every_unmasked_action_has_an_effect_in_some_state(name: str) -> None:
    env = SpaceworldEnv(ALL[name], max_cycles=60)
    rng = np.random.default_rng(5)
    _, infos = env.reset(seed=6)
    effective: set[int] = set()
    for _ in range(200):
        if not env.agents:
            _, infos = env.reset()
        here = env.get_state()
        for i, agent in enumerate(env.possible_agents):
            for action in np.flatnonzero(infos[agent]["action_mask"]):
                env.set_state(here)
                env.step({**dict.fromkeys(env.possible_agents, 0), agent: int(action)})
                acted = essentials(env, i)
                env.set_state(here)
                env.step(dict.fromkeys(env.possible_agents, 0))
                if acted != essentials(env, i):
                    effective.add(int(action))
        if len(effective) == 5:
            break
        env.set_state(here)
        _, _, _, _, infos = env.step(dict(zip(env.agents, busy_actions(env, rng), strict=True)))
    assert effective == {1, 2, 3, 4, 5}


def test_a_carrier_may_move_alone_when_its_partner_lets_go_so_that_action_is_not_masked() -> None:
    env = draw("""
        .1...
        .A0..
        .....
    """, grips={0: "A", 1: "A"})  # fmt: skip
    _, infos = env.observe_all()
    assert infos["robot_0"]["action_mask"][1] == 1  # north: robot 1 would leave the grid, unless it releases
    out = env.step({"robot_0": 1, "robot_1": 5})
    assert out[4]["robot_0"]["cost"] == 1.0  # it let go but still stands in the way


def test_a_carrier_may_leave_alone_when_the_other_can_dock_whatever_their_numbers() -> None:
    env = draw("""
        ......
        .0A1..
        ....2.
    """, grips={0: "A", 1: "A"}, on={"A": "a"}, mass={"A": 3})  # fmt: skip
    masks = [info["action_mask"].tolist() for info in env.observe_all()[1].values()]
    assert masks[0] == masks[1] == [1, 1, 1, 1, 1, 1]  # too weak together, but one may dock while the other flies off


def test_the_safe_mask_forbids_what_is_solid_and_seen_and_leaves_robots() -> None:
    text = """
        .....
        #01..
        .A...
    """
    possible = draw(text).observe_all()[1]["robot_0"]["action_mask"]
    safe = draw(text, action_mask="safe").observe_all()[1]["robot_0"]["action_mask"]
    assert possible.tolist() == [1, 1, 1, 1, 1, 1]
    assert safe.tolist() == [1, 1, 0, 0, 1, 1]
    blind = draw(text, action_mask="safe", robots=[Robot(sensor_range=0), Robot()])
    assert blind.observe_all()[1]["robot_0"]["action_mask"].tolist() == [1, 1, 1, 1, 1, 1]
