"""The egocentric network: one answer in every mirror of a layout and for every order of things, turned back exactly."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from credit_wrappers.adapters import lbf
from credit_wrappers.scripted.shortest_paths import ways as shortest
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy
from spaceworld.rules import packing as pk
from spaceworld.rules.packing import blocks
from tests.examples.one_learner import TINY
from tianshou_examples.experiment.actors import network_for, without_task
from tianshou_examples.experiment.egocentric import Egocentric
from tianshou_examples.experiment.surroundings import AXES, COINS
from tianshou_examples.experiment.ways import TOLD

SETTINGS = replace(TINY, network="egocentric", hidden=32)


def network_of(env: SpaceworldEnv, behind: int = 0) -> Egocentric:
    torch.manual_seed(0)
    network = network_for(SETTINGS, env, len(env.feature_names) + behind, 6, 1.0)
    assert isinstance(network, Egocentric)
    return network


def seen_in(env: SpaceworldEnv) -> torch.Tensor:
    return torch.from_numpy(np.stack([env.observe_all()[0][agent] for agent in env.agents]))


@pytest.mark.parametrize("scenario", ["duet", "truss", "hazard", "crew"])
def test_a_mirrored_layout_gets_the_mirrored_answer(scenario: str) -> None:
    env = SpaceworldEnv(scenario)
    network, mirrors = network_of(env), env.mirrors()
    compared = 0
    for seed in range(10):
        answers = []
        for mirror in range(len(mirrors)):
            env.reset(seed=seed, options={"mirror": mirror})
            seen = seen_in(env)
            read, _ = network.read(seen)
            # where the aim lies on an axis, or on a diagonal, two mirrors are as good as each other
            aim = read[:, [network.at["module_0.rel_row"], network.at["module_0.rel_col"]]]
            plain = (aim != 0).all(1) & (aim[:, 0] != aim[:, 1])
            answers.append((network(seen), plain))
        for mirror, (answer, plain) in enumerate(answers):
            back = answer[:, mirrors[mirror]]
            torch.testing.assert_close(back[plain], answers[0][0][plain], rtol=1e-4, atol=1e-5)
            compared += int(plain.sum())
    assert compared > 50


def test_the_order_of_modules_and_robots_does_not_matter() -> None:
    env = SpaceworldEnv("truss")
    network = network_of(env)
    env.reset(seed=4)
    seen = seen_in(env)
    module = next(kind for kind in network.kinds if network.names[kind.start] == "module_0.seen")
    other = next(kind for kind in network.kinds if network.names[kind.start] == "other_1.seen")
    for kind in (module, other):
        things = seen[:, kind.columns].reshape(len(seen), kind.count, kind.width)
        turned = seen.clone()
        turned[:, kind.columns] = things.flip(1).reshape(len(seen), -1)
        assert not torch.equal(turned, seen)
        distances = things[..., 1].abs() + things[..., 2].abs()
        assert (distances.sort(dim=1).values.diff(dim=1) > 0).any()  # ties may come in another order
        same = (distances.sort(dim=1).values.diff(dim=1) > 0).all(1)
        assert same.any()
        torch.testing.assert_close(network(turned)[same], network(seen)[same], rtol=0, atol=1e-6)


def test_the_aim_lies_to_the_north_west_and_rather_north() -> None:
    env = SpaceworldEnv("truss")
    network = network_of(env)
    for seed in range(20):
        env.reset(seed=seed)
        read, _ = network.read(seen_in(env))
        row, col = read[:, network.at["module_0.rel_row"]], read[:, network.at["module_0.rel_col"]]
        assert (row <= 0).all() and (col <= 0).all() and (row <= col).all()
        closed = read[:, network.at["module_0.slot_open"]] == 0
        assert not closed.any()  # there is work for a strut at first, so no node comes first


@pytest.mark.parametrize("scenario", ["pair", "truss", "hazard"])
def test_robots_that_carry_one_module_see_the_same_but_each_other(scenario: str) -> None:
    env = SpaceworldEnv(scenario)
    network = network_of(env)
    others = [c for name, c in network.at.items() if name.startswith(("other_", "module_0.rel", "own."))]
    shared = sorted(set(range(len(network.names))) - set(others))
    places = [network.at["own.row"], network.at["own.col"]]
    compared = 0
    for seed in range(5):
        env.reset(seed=seed)
        act = policy(env)
        while env.agents:
            env.step(act())
            if not env.agents:
                break
            raw = seen_in(env)
            seen, mirror = network.turned(network.sorted(network.centred(raw)))
            module = network.sorted(raw)[:, [network.at["module_0.rel_row"], network.at["module_0.rel_col"]]]
            holds = raw[:, network.at["own.grips"]] > 0
            # who holds nothing sees everything from its own place
            torch.testing.assert_close(network.centred(raw)[~holds], raw[~holds], rtol=0, atol=0)
            for i, j in itertools.combinations(np.flatnonzero(holds), 2):
                cells = raw[[i, j]][:, places] + 2 * module[[i, j]]
                if not torch.allclose(cells[0], cells[1], atol=1e-5):
                    continue  # two modules
                torch.testing.assert_close(seen[i, shared], seen[j, shared], rtol=0, atol=1e-5)
                assert mirror[i] == mirror[j]
                centred = network.centred(raw)[[i, j]][:, places]
                torch.testing.assert_close(centred, cells, rtol=0, atol=1e-5)
                back = seen[[i, j]][:, [network.at["module_0.rel_row"], network.at["module_0.rel_col"]]]
                assert not torch.allclose(back[0], back[1])  # where they stand is not the same
                compared += 1
    assert compared > 20


STEPS = [(-1, 0), (1, 0), (0, -1), (0, 1)]


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


@pytest.mark.parametrize("scenario", ["pair", "truss", "hazard", "crew"])
def test_it_is_told_whom_it_would_meet(scenario: str) -> None:
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
    views, side = blocks(env._spec, env._row), env.scenario.width
    robots = [divmod(int(r[pk.R_CELL]), side) for r in views["robots"]]
    modules = [divmod(int(m[pk.M_CELL]), side) for m in views["modules"]]
    grips = [int(r[pk.R_GRIPS]) for r in views["robots"]]
    first = tuple(
        robots[i][k] + round(float(ordered[at[f"module_0.rel_{x}"]]) * (side - 1)) for k, x in enumerate(AXES)
    )
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
        row, col = (round(float(ordered[at[f"module_0.to_slot_{x}"]]) * (side - 1)) for x in AXES)
        goals = [(first[0] + row, first[1] + col)]
    else:
        goals = [(first[0] + r, first[1] + c) for r, c in STEPS]

    def around(cell: tuple[int, int]) -> list[tuple[int, int]]:
        return [(cell[0] + r, cell[1] + c) for r, c in STEPS]

    every = {(r, c) for r in range(side) for c in range(side)}
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
            told[4:] = 1.0, steps.get(here, 0) / (2 * side)
            return told
    return told


@pytest.mark.parametrize("scenario", ["pair", "truss", "hazard", "crew"])
def test_it_is_told_the_shortest_way(scenario: str) -> None:
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


def test_coins_change_what_a_robot_answers() -> None:
    env = SpaceworldEnv("duet")
    network = network_of(env)
    env.reset(seed=0)
    read, mirror = network.read(seen_in(env))
    tossed = read.clone()
    tossed[:, -COINS:] *= -1
    apart = network.answers(tossed, mirror) - network.answers(read, mirror)
    assert (apart.detach().abs() > 1e-3).any(1).all()


def test_every_number_matters_and_those_behind_can_be_cut_off() -> None:
    env = SpaceworldEnv("pair")
    size = len(env.feature_names)
    torch.manual_seed(0)
    network = network_for(replace(SETTINGS, agent_id=True), env, size + 7, 6, 1.0)  # five of a task, two of the number
    seen = torch.rand(50, size + 7) * 2 - 1
    answers = network(seen)
    for column in range(size + 5):
        other = seen.clone()
        other[:, column] = -seen[:, column] - 0.3
        assert not torch.allclose(network(other), answers, atol=1e-5), column
    other = torch.cat([seen[:, :-2], seen[:, -2:].flip(1)], dim=1)
    assert not torch.allclose(network(other), answers, atol=1e-5)
    seen[:, size : size + 5] = 0
    short = without_task(network, size, behind=2)
    cut = torch.cat([seen[:, :size], seen[:, size + 5 :]], dim=1)
    torch.testing.assert_close(short(cut), network(seen), rtol=0, atol=1e-5)


@pytest.mark.parametrize("scenario", ["duet", "truss", "crew"])
def test_robots_with_a_lower_number_go_first(scenario: str) -> None:
    env = SpaceworldEnv(scenario)
    n = len(env.possible_agents)
    network = network_for(replace(SETTINGS, agent_id=True), env, len(env.feature_names) + n, 6, 1.0)
    assert isinstance(network, Egocentric)
    told = set()
    for seed in range(10):
        env.reset(seed=seed)
        seen = seen_in(env)
        read, _ = network.read(torch.cat([seen, torch.eye(n)], dim=1))
        ways, sorted_ = read[:, -n:], network.sorted(seen)
        for i in range(n):
            for k in range(1, n):
                # who is this, told by where it is? Its own row tells its own place
                place = [sorted_[i, network.at[f"other_{k}.rel_{axis}"]] + seen[i, network.at[f"own.{axis}"]] / 2
                         for axis in ("row", "col")]  # fmt: skip
                apart = (seen[:, [network.at["own.row"], network.at["own.col"]]] / 2 - torch.stack(place)).abs().sum(1)
                j = int(apart.argmin())
                assert apart[j] < 1e-5 and j != i
                assert ways[i, k - 1] == (1 if j < i else -1)
                told.add((k, j < i))
        assert (ways[:, -1] == 0).all()
    assert len(told) == 2 * (n - 1)


def test_the_way_that_a_task_leads_is_turned_as_the_places_are() -> None:
    env = SpaceworldEnv("truss")
    network, told = network_of(env, behind=6), set()  # three tasks, whether there is a place, and the way to it
    for seed in range(20):
        env.reset(seed=seed)
        seen = network.sorted(seen_in(env))
        way = seen[:, [network.at["module_1.rel_row"], network.at["module_1.rel_col"]]]
        task = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(3, 4)
        read, mirror = network.read(torch.cat([seen, task, way], dim=1))
        there = read[:, [network.at["module_1.rel_row"], network.at["module_1.rel_col"]]]
        torch.testing.assert_close(read[:, -2:], there)
        torch.testing.assert_close(read[:, -6:-2], task)
        told |= set(mirror.tolist())
    assert told == set(range(8))


def test_two_that_see_the_same_can_choose_differently() -> None:
    env = SpaceworldEnv("truss")
    settings = replace(SETTINGS, agent_id=True)
    network = network_for(settings, env, len(env.feature_names) + 5 + 3, 6, 1.0)
    assert isinstance(network, Egocentric)
    env.reset(seed=0)
    seen = seen_in(env)[:1].repeat(3, 1)
    behind = torch.zeros(3, 5)
    answers = network(torch.cat([seen, behind, torch.eye(3)], dim=1))
    assert not torch.allclose(answers[0], answers[2])
    short = without_task(network, len(env.feature_names), behind=3)
    torch.testing.assert_close(short(torch.cat([seen, torch.eye(3)], dim=1)), answers)


def test_other_worlds_are_refused() -> None:
    with pytest.raises(ValueError, match="--network egocentric needs Spaceworld's vector observations"):
        network_for(SETTINGS, lbf.parallel_env("Foraging-5x5-2p-1f-coop-v3"), 15, 6, 1.0)
    image = SpaceworldEnv("pair", observation="image")
    with pytest.raises(ValueError, match="use --network flat"):
        network_for(SETTINGS, image, 10, 6, 1.0)
