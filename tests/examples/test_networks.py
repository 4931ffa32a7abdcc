"""Networks over entities: what they are made of, that order does not matter, and that tasks can be cut off."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from credit_wrappers.adapters import lbf, rware
from spaceworld import PRESETS, spaceworld_v0
from tests.examples.one_learner import TINY, Queue
from tianshou_examples.experiment.actors import load_actors, network_for, without_task
from tianshou_examples.experiment.learner_process import LearnerProcess
from tianshou_examples.experiment.networks import EntityNetwork, Kind, kinds_of
from tianshou_examples.experiment.settings import Settings
from tianshou_examples.train import main

ENTITIES = replace(TINY, network="entities")


def test_kinds_are_read_off_the_names():
    names = ("own.x", "cat_0.x", "cat_0.y", "cat_1.x", "cat_1.y", "cat_2.x", "dog_0.x", "hour", "dog_1.x")
    # the third cat has other numbers; the dogs stand apart, so they are taken as the agent's own
    assert kinds_of(names) == (Kind(1, 2, 2), Kind(5, 1, 1))
    assert kinds_of(("own.x", "hour", "left_arm.x")) == ()


@pytest.mark.parametrize("scenario", PRESETS)
def test_all_of_spaceworlds_numbers_but_the_robots_own_belong_to_a_kind(scenario):
    env = spaceworld_v0.parallel_env(scenario=scenario)
    kinds = kinds_of(env.feature_names)
    own = sum(name.startswith("own.") for name in env.feature_names)
    assert sum(kind.count * kind.width for kind in kinds) + own == len(env.feature_names)
    modules = next(kind for kind in kinds if env.feature_names[kind.start].startswith("module_"))
    assert modules.count == len(env.scenario.modules)
    assert spaceworld_v0.parallel_env(scenario=scenario, observation="image").feature_names == ()


@pytest.mark.parametrize("more", [0, 4])
def test_the_order_of_things_does_not_matter_and_their_numbers_do(more):
    torch.manual_seed(0)
    env = lbf.parallel_env("Foraging-8x8-2p-3f-v3")  # the player's own numbers stand between food and players
    kinds = kinds_of(env.feature_names)
    assert kinds == (Kind(0, 3, 3), Kind(12, 1, 3))
    network = EntityNetwork(15 + more, 6, 16, 1.0, kinds)
    seen = torch.randn(20, 15 + more)
    turned = seen.clone()
    turned[:, 0:9] = seen[:, [6, 7, 8, 0, 1, 2, 3, 4, 5]]
    torch.testing.assert_close(network(turned), network(seen), rtol=0, atol=1e-6)
    for column in range(15 + more):
        other = seen.clone()
        other[:, column] += 3.0
        assert not torch.allclose(network(other), network(seen), atol=1e-4), column
    mixed = seen.clone()
    mixed[:, [0, 3]] = seen[:, [3, 0]]  # the rows of two pieces of food, but not their columns
    assert not torch.allclose(network(mixed), network(seen), atol=1e-4)


def test_a_policy_over_entities_chooses_the_same_without_the_task_input():
    torch.manual_seed(1)
    env = spaceworld_v0.parallel_env(scenario="pair")
    size = len(env.feature_names)
    network = network_for(ENTITIES, env, size + 5 + 2, 6, 1.0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    seen, place = torch.randn(30, size), torch.randn(30, 2)
    wide = torch.cat([seen, torch.zeros(30, 5), place], dim=1)
    cut = without_task(network, size, behind=2)
    torch.testing.assert_close(cut(torch.cat([seen, place], dim=1)), network(wide), rtol=1e-4, atol=1e-4)
    wide[:, size] = 1.0
    assert not torch.allclose(cut(torch.cat([seen, place], dim=1)), network(wide), atol=1e-3)
    assert without_task(network, size + 5, behind=2) is network
    assert without_task(cut, size, behind=2) is cut


@pytest.mark.parametrize("agent_id", [False, True])
def test_a_team_over_entities_is_trained_and_loaded(tmp_path, agent_id):
    settings = replace(ENTITIES, method=("taca",), agent_id=agent_id)
    process = LearnerProcess(settings, "taca", 0, tmp_path, Queue())
    process._train()
    process._save()
    env = spaceworld_v0.parallel_env(scenario="duet")
    actors, loaded = process.learner.actors, load_actors(settings, env, process.checkpoint)
    assert isinstance(loaded.networks[0], EntityNetwork)
    seen = torch.randn(40, len(env.feature_names) + 2 * agent_id)
    ours, theirs = actors.networks[0](seen), loaded.networks[0](seen)
    assert torch.equal(ours, theirs) and len(torch.unique(ours)) == ours.numel()
    assert loaded.numbered == agent_id
    process.store.close()
    assert process.inner is not None and process.inner.ledger is not None
    process.inner.ledger.close()


def test_a_run_over_entities_is_refused_at_once_where_there_are_none(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["--env", "rware:rware-tiny-2ag-v2", "--network", "entities", "--out", str(out)]
    assert main(arguments) == 2 and not out.exists()
    assert "use --network flat" in capsys.readouterr().err


def test_an_environment_without_kinds_is_refused():
    env = rware.parallel_env("rware-tiny-2ag-v2")
    with pytest.raises(ValueError, match="WarehouseParallelEnv has none: use --network flat"):
        network_for(replace(Settings(), network="entities"), env, 71, 5, 1.0)
