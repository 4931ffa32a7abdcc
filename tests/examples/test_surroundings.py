"""What the egocentric network is told beside its observation, compared with the cells of the world."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from credit_wrappers.scripted.shortest_paths import ways as shortest
from spaceworld import Scenario, get_scenario
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy
from spaceworld.rules import packing as pk
from spaceworld.rules.packing import blocks
from tests.examples.test_egocentric import SETTINGS, network_of, seen_in
from tianshou_examples.experiment.actors import network_for
from tianshou_examples.experiment.egocentric import Egocentric
from tianshou_examples.experiment.surroundings import AXES, COINS
from tianshou_examples.experiment.ways import TOLD

STEPS = [(-1, 0), (1, 0), (0, -1), (0, 1)]
OBLONG = replace(get_scenario("truss"), name="oblong", height=7, width=11)


def met_in(env: SpaceworldEnv, i: int) -> np.ndarray:
    """Return what each move of robot i would meet, (3, 4), by the cells of the world."""
    views, width = blocks(env._spec, env._row), env.scenario.width
    robots = {k: divmod(int(r[pk.R_CELL]), width) for k, r in enumerate(views["robots"])}
    grips = {k: int(r[pk.R_GRIPS]) for k, r in enumerate(views["robots"])}
    modules = {m: divmod(int(r[pk.M_CELL]), width) for m, r in enumerate(views["modules"])}
    unit = {k for k in robots if k == i or (grips[i] >= 0 and grips[k] == grips[i])}
    own = [robots[k] for k in unit] + [modules[m] for m in {grips[i]} - {-1}]
    others = {(k > i, robots[k]) for k in robots if k not in unit}  # whether its number is higher, and where it is
    others |= {(False, modules[grips[k]]) for k in robots if k not in unit and grips[k] >= 0}
    met = np.zeros((3, 4))
    for d, (down, across) in enumerate(STEPS):
        for r, c in own:
            for higher, (row, col) in others:
                apart = abs(r + down - row) + abs(c + across - col)
                met[0, d] = max(met[0, d], apart == 0)
                met[1 + higher, d] = max(met[1 + higher, d], apart == 1)
    return met


@pytest.mark.parametrize("scenario", ["pair", "truss", "hazard", "crew", OBLONG])
def test_it_is_told_whom_it_would_meet(scenario: str | Scenario) -> None:
    env = SpaceworldEnv(scenario)
    n = len(env.possible_agents)
    network = network_for(replace(SETTINGS, agent_id=True), env, len(env.feature_names) + n, 6, 1.0)
    assert isinstance(network, Egocentric)
    rng, counts = np.random.default_rng(0), np.zeros((3, 4))
    for seed in range(3):
        env.reset(seed=seed)
        act = policy(env)
        for t in range(60):
            raw = seen_in(env)
            lower = network.lower_numbers(torch.eye(n))
            expected = np.stack([met_in(env, i) for i in range(n)])
            np.testing.assert_array_equal(network.surroundings.ahead(raw, lower).numpy(), expected)
            either = np.stack([expected[:, 0], expected[:, 1:].max(1)], axis=1)
            np.testing.assert_array_equal(network.surroundings.ahead(raw, None).numpy(), either)
            counts += expected.sum(0)
            by_chance = {agent: int(rng.integers(6)) for agent in env.agents}
            env.step(by_chance if t % 3 == 2 else act())
            if not env.agents:
                break
    assert (counts > 3).all(), counts


HAZARDS = ("keep_out_", "debris_", "debris_ now")


def dangers_in(env: SpaceworldEnv, i: int, start: str) -> np.ndarray:
    """Return whether robot i's staying and its four moves would end in a hazard's cell, (5,), by the world's cells."""
    views, width = blocks(env._spec, env._row), env.scenario.width
    grips = views["robots"][:, pk.R_GRIPS]
    unit = [k for k in range(len(grips)) if k == i or (grips[i] >= 0 and grips[k] == grips[i])]
    own = [divmod(int(views["robots"][k, pk.R_CELL]), width) for k in unit]
    own += [divmod(int(views["modules"][m, pk.M_CELL]), width) for m in {int(grips[i])} - {-1}]
    if start == "keep_out_":
        hazards = {divmod(int(cell), width) for cell in views["keep_out"]}
    else:
        hazards = set()
        for piece, debris in zip(views["debris"], env.scenario.debris, strict=True):
            if start == "debris_ now" and (env._row[pk.S_STEP] + 1) % debris.period:
                continue
            down, across = ((0, 0), *STEPS)[int(piece[pk.D_DIR])]
            row, col = divmod(int(piece[pk.D_CELL]), width)
            hazards.add((row + down, col + across))
    return np.array([any((r + down, c + across) in hazards for r, c in own) for down, across in ((0, 0), *STEPS)])


def test_it_is_told_of_keep_out_cells_and_of_debris() -> None:
    env = SpaceworldEnv("hazard")
    network = network_of(env)
    surroundings = network.surroundings
    rng, counts, struck, violated = np.random.default_rng(0), np.zeros((3, 5)), 0, 0
    for seed in range(6):
        env.reset(seed=seed)
        act = policy(env)
        for t in range(60):
            raw = seen_in(env)
            dangers = [surroundings.danger(raw, start) for start in HAZARDS[:2]]
            dangers.append(surroundings.danger(raw, "debris_", surroundings.steps(raw)))
            told = torch.stack(dangers, dim=1).numpy()
            expected = np.stack([[dangers_in(env, i, start) for start in HAZARDS] for i in range(len(raw))])
            np.testing.assert_array_equal(told, expected)
            read, mirror = network.read(raw)
            turned = told.copy()
            for i, sides in enumerate(network.sides[mirror].numpy()):  # as the layers read them
                turned[i, :, 1:] = told[i, :, 1:][:, sides]
            np.testing.assert_array_equal(
                read[:, -15 - TOLD - COINS : -TOLD - COINS].reshape(turned.shape).numpy(), turned
            )
            counts += expected.sum(0)
            other = copy.deepcopy(env)  # in which all stay
            infos = other.step(dict.fromkeys(other.agents, 0))[4]
            for i, agent in enumerate(other.possible_agents):
                hit = any("debris" in event for event in infos[agent]["events"])
                # the robots stay, so debris strikes where it drifts now, and nowhere else
                assert hit == told[i, 2, 0], (seed, t, agent, infos[agent]["events"])
                struck += hit
                violated += any("keep-out" in event for event in infos[agent]["events"])
            by_chance = {agent: int(rng.integers(6)) for agent in env.agents}
            env.step(by_chance if t % 2 else act())
            if not env.agents:
                break
    assert (counts > 3).all() and struck > 3 and violated > 3, (counts, struck, violated)


def way_in(env: SpaceworldEnv, i: int, ordered: torch.Tensor, at: dict[str, int]) -> np.ndarray:
    """Return what robot i is told of its way, by the cells of the world; `ordered` says which module it goes for."""
    views, rows, side = blocks(env._spec, env._row), env.scenario.height, env.scenario.width
    scale = (rows - 1, side - 1)
    robots = [divmod(int(r[pk.R_CELL]), side) for r in views["robots"]]
    modules = [divmod(int(m[pk.M_CELL]), side) for m in views["modules"]]
    grips = [int(r[pk.R_GRIPS]) for r in views["robots"]]
    first = tuple(robots[i][k] + round(float(ordered[at[f"module_0.rel_{x}"]]) * scale[k]) for k, x in enumerate(AXES))
    held = grips[i] >= 0
    m = grips[i] if held else modules.index(first)
    assert modules[m] == first
    told = np.zeros(TOLD)
    if views["modules"][m, pk.M_SLOT] >= 0 or (held and not ordered[at["module_0.slot_open"]]):
        return told
    solid = {divmod(int(cell), side) for cell in views["core"]} | {
        x for k, x in enumerate(modules) if k != m or not held
    }
    shunned = {divmod(int(cell), side) for cell in views["keep_out"]}
    here = modules[m] if held else robots[i]
    body = [robots[k] for k in range(len(robots)) if grips[k] == m] if held else [robots[i]]
    offsets = [(r - here[0], c - here[1]) for r, c in body]
    if held:
        row, col = (round(float(ordered[at[f"module_0.to_slot_{x}"]]) * scale[k]) for k, x in enumerate(AXES))
        goals = [(first[0] + row, first[1] + col)]
    else:
        goals = [(first[0] + r, first[1] + c) for r, c in STEPS]

    def around(cell: tuple[int, int]) -> list[tuple[int, int]]:
        return [(cell[0] + r, cell[1] + c) for r, c in STEPS]

    every = {(r, c) for r in range(rows) for c in range(side)}
    for avoided in (shunned, set()):
        closed = solid | {
            x for x in every for r, c in offsets
            if (x[0] + r, x[1] + c) not in every - solid or (x[0] + r, x[1] + c) in avoided
        }  # fmt: skip
        steps = shortest(
            [x for x in goals if x in every - closed], lambda x: [y for y in around(x) if y in every], closed
        )
        beside = [steps.get(x) for x in around(here)]
        if here in steps or any(x is not None for x in beside):
            told[:4] = [x is not None and (here not in steps or x < steps[here]) for x in beside]
            told[4:] = 1.0, steps.get(here, 0) / (rows + side)
            return told
    return told


@pytest.mark.parametrize("scenario", ["pair", "truss", "hazard", "crew", OBLONG])
def test_it_is_told_the_shortest_way(scenario: str | Scenario) -> None:
    env = SpaceworldEnv(scenario)
    network = network_of(env)
    rng, counts = np.random.default_rng(0), np.zeros(TOLD)
    stuck = 0
    for seed in range(4):
        env.reset(seed=seed)
        act = policy(env)
        for t in range(60):
            raw = seen_in(env)
            ordered = network.sorted(network.centred(raw))
            told = network.surroundings.way(raw, ordered).numpy()
            expected = np.stack([way_in(env, i, ordered[i], network.at) for i in range(len(raw))])
            np.testing.assert_allclose(told, expected, atol=1e-6)
            counts += (told > 0).sum(0)
            stuck += int(((raw[:, network.at["own.grips"]] > 0).numpy() & (told[:, 4] == 0)).sum())
            by_chance = {agent: int(rng.integers(6)) for agent in env.agents}
            env.step(by_chance if t % 3 == 2 else act())
            if not env.agents:
                break
    assert (counts > 20).all(), counts
    assert stuck > 0 or scenario == "pair"  # held where it cannot be brought to its slot


def test_coins_change_with_the_step_and_are_the_same_for_all() -> None:
    env = SpaceworldEnv("truss", max_cycles=80)
    network, tossed = network_of(env), []
    for seed in (0, 1):
        env.reset(seed=seed)
        tossed.append([])
        for _ in range(80):
            read, _ = network.read(seen_in(env))
            coins = read[:, -COINS:].numpy()
            assert (coins == coins[0]).all() and (np.abs(coins) == 1).all()
            tossed[-1].append(coins[0])
            env.step(dict.fromkeys(env.agents, 0))
    coins = np.array(tossed)
    np.testing.assert_array_equal(coins[0], coins[1])  # whatever the layout
    assert len(np.unique(coins[0], axis=0)) == 2**COINS
    # no coin tells what it, or another one, will be next: a robot that goes by them comes out of every cycle
    for lag in range(1, 5):
        assert (np.abs(coins[0, lag:].T @ coins[0, :-lag]) < 40).all()
