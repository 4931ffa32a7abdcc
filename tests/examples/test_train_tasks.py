"""`--method taca` and `tasks`: tasks fade during the training, and the team that plays has no task input."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from credit_wrappers import Credit, Episode, Ledger
from tests.examples.one_learner import TINY, Queue, play, settings_of
from tianshou_examples.experiment.actors import load_actors, without_task
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.learner_process import LearnerProcess
from tianshou_examples.experiment.networks import mlp

TASKS, PLACE = 4, 3  # of duet


@pytest.mark.parametrize(("algo", "policy"), [("ppo", "shared"), ("ddqn", "per-agent")])
def test_tasks_fade_while_it_learns_and_the_metrics_say_so(algo: str, policy: str, tmp_path: Path) -> None:
    settings = settings_of(algo, policy, wean=0.5)
    box = play(settings, "taca", tmp_path)
    (result,) = box.of("result")
    assert result["complete"] and result["critic"]["fallbacks"] == 0
    told = [(r["task_progress"], r["task_hidden"], r["task_dropout"]) for r in box.records("train")]
    assert told == sorted(told) and told[0][0] < 1.0
    assert told[-1] == (1.0, 1.0, 0.9)
    env = environment_maker(settings.env)()
    actors = load_actors(settings, env, tmp_path / "checkpoints" / "taca-0.pt")
    bare = env.observation_space("robot_0").shape[0]
    assert [network[0].in_features for network in actors.networks] == [bare, bare]


def test_a_shared_network_can_know_which_agent_it_plays_and_still_lose_its_task_input(tmp_path: Path) -> None:
    settings = replace(TINY, agent_id=True)
    play(settings, "taca", tmp_path)
    env = environment_maker(settings.env)()
    actors = load_actors(settings, env, tmp_path / "checkpoints" / "taca-0.pt")
    network = actors.networks[0]
    bare = env.observation_space("robot_0").shape[0]
    assert network[0].in_features == bare + 2
    with torch.no_grad():
        network[0].weight[:, bare:] = torch.tensor([50.0, -50.0])
        network[0].weight[:, :bare] = 0.0
    seen, masks = np.zeros((1, 2, bare), np.float32), np.ones((1, 2, 6))
    first, second = actors.choose(seen, masks, True, torch.Generator())[0].tolist()
    one_hot = [torch.cat([torch.zeros(bare), torch.eye(2)[i]]) for i in range(2)]
    assert [first, second] == [int(network(x).argmax()) for x in one_hot]


def test_with_tasks_alone_the_team_reward_is_paid_and_the_critic_is_asked_in_the_labels_only(tmp_path: Path) -> None:
    settings = replace(TINY, wean=1.0, labels=2)
    process = LearnerProcess(settings, "tasks", 0, tmp_path, Queue())
    seen: list[tuple[Episode, Credit]] = []
    for env in process.learner.venv.envs:
        env.env.add_listener(lambda episode, credit: seen.append((episode, credit)))
    while process.learner.steps < settings.steps:
        process.learner.train()
    assert process.students is not None and process.students.newest[1] == 1
    assert [episode.id for episode, credit in seen if credit.tasks] == [0, 1] and len(seen) > 4
    for episode, credit in seen:
        np.testing.assert_array_equal(credit.values, np.float32(episode.team_reward)[:, None].repeat(2, axis=1))
    assert process.inner is not None and process.inner.ledger is not None
    process.store.close()
    process.inner.ledger.close()
    with Ledger(process.inner.ledger.path, read_only=True) as ledger:
        asked = [(len(entry.episodes), entry.request.system) for entry in ledger.entries()]
    assert sum(many for many, _ in asked) == 2 and all("**Name the tasks.**" in system for _, system in asked)


def test_a_stopped_learner_goes_on_with_its_weaning_and_its_task_student(tmp_path: Path) -> None:
    settings = replace(TINY, wean=1.0, labels=2)
    (half,) = play(settings, "taca", tmp_path, stop_after=3).of("result")
    process = LearnerProcess(settings, "taca", 0, tmp_path, Queue())
    assert process.students is not None and process.students.newest[1] == 1 and len(process.students.labels) == 2
    assert process.learner.venv.envs[0].task_progress == pytest.approx(half["steps"] / settings.steps, abs=0.01)
    process.store.close()
    assert process.inner is not None and process.inner.ledger is not None
    process.inner.ledger.close()


def test_a_policy_chooses_the_same_with_and_without_the_task_input() -> None:
    torch.manual_seed(1)
    network = mlp(10 + TASKS + PLACE, 6, 16, 1.0)
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.bias)
    cut = without_task(network, 10)
    seen = torch.randn(50, 10)
    wide = torch.cat([seen, torch.zeros(50, TASKS + PLACE)], dim=1)
    torch.testing.assert_close(cut(seen), network(wide), rtol=0, atol=1e-6)
    wide[:, 10] = 1.0
    assert not torch.allclose(cut(seen), network(wide))
    assert without_task(network, 17) is network
    kept = without_task(network, 10, behind=PLACE)
    behind = torch.randn(50, PLACE)
    wide = torch.cat([seen, torch.zeros(50, TASKS), behind], dim=1)
    torch.testing.assert_close(kept(torch.cat([seen, behind], dim=1)), network(wide), rtol=0, atol=1e-6)
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        cut[0].weight += 1
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_rows_of_the_last_updates_have_no_task(tmp_path: Path) -> None:
    settings = replace(TINY, wean=0.6, labels=2)
    process = LearnerProcess(settings, "taca", 0, tmp_path, Queue())
    learner, seen = process.learner, []
    sample = learner.buffer.sample

    def watched(size: int | None) -> tuple:
        batch, rows = sample(size)
        seen.append(np.abs(batch.obs.obs[:, -TASKS - PLACE :]).sum(axis=1))
        return batch, rows

    learner.buffer.sample = watched  # type: ignore[method-assign]
    while learner.steps < settings.steps:
        learner.train()
    assert sum(map(np.sum, seen)) > 0
    assert len(seen[-1]) and not seen[-1].any()
    process.store.close()
    assert process.inner is not None and process.inner.ledger is not None
    process.inner.ledger.close()


@pytest.mark.parametrize("method", ["mca", "taca"])
def test_coins_stay_when_tasks_are_cut_off(method: str, tmp_path: Path) -> None:
    settings = replace(TINY, env="lbf:Foraging-5x5-2p-1f-coop-v3", agent_id=True, coins=3)
    (result,) = play(settings, method, tmp_path).of("result")
    assert result["complete"]
    env = environment_maker(settings.env, **settings.world_options)()
    (network, _) = load_actors(settings, env, tmp_path / "checkpoints" / f"{method}-0.pt").networks
    seen = env.observation_space("player_0").shape[0]
    assert network[0].in_features == seen + 2 and seen == env.unwrapped.observation_space("player_0").shape[0] + 3
    assert network[0].weight[:, seen - 3 : seen].abs().min() > 0
