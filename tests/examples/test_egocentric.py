"""The egocentric network: one answer in every mirror of a layout and for every order of things, turned back exactly."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from credit_wrappers.adapters import lbf
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy
from tests.examples.one_learner import TINY
from tianshou_examples.experiment.actors import network_for, without_task
from tianshou_examples.experiment.egocentric import Egocentric
from tianshou_examples.experiment.surroundings import COINS

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
