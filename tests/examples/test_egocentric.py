"""The egocentric network: one answer in every mirror of a layout and for every order of things, turned back exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from credit_wrappers.adapters import lbf
from spaceworld.env import SpaceworldEnv
from tests.examples.one_learner import TINY
from tianshou_examples.experiment.actors import network_for, without_task
from tianshou_examples.experiment.egocentric import Egocentric

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


def test_every_number_matters_and_those_behind_can_be_cut_off() -> None:
    env = SpaceworldEnv("pair")
    size = len(env.feature_names)
    network = network_of(env, behind=7)  # five of a task, two of the agent's number
    seen = torch.rand(50, size + 7) * 2 - 1
    answers = network(seen)
    for column in range(size + 7):
        other = seen.clone()
        other[:, column] = -seen[:, column] - 0.3
        assert not torch.allclose(network(other), answers, atol=1e-5), column
    seen[:, size : size + 5] = 0
    short = without_task(network, size, behind=2)
    cut = torch.cat([seen[:, :size], seen[:, size + 5 :]], dim=1)
    torch.testing.assert_close(short(cut), network(seen), rtol=0, atol=1e-5)


def test_other_worlds_are_refused() -> None:
    with pytest.raises(ValueError, match="--network egocentric needs Spaceworld's vector observations"):
        network_for(SETTINGS, lbf.parallel_env("Foraging-5x5-2p-1f-coop-v3"), 15, 6, 1.0)
    image = SpaceworldEnv("pair", observation="image")
    with pytest.raises(ValueError, match="use --network flat"):
        network_for(SETTINGS, image, 10, 6, 1.0)
