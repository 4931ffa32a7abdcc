"""How a half-trained team's play is written down: with the masks that it was trained with, and where a truth exists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from credit_wrappers.bench.truth import SuiteTruth
from credit_wrappers.core.credit import Credit
from credit_wrappers.exact.counterfactual_critic import CounterfactualCritic
from credit_wrappers.testing.corridor import CorridorValue
from spaceworld.env import SpaceworldEnv
from tests.bench import half_trained
from tests.bench.half_trained import FIRST_SEED, episodes_of, has_truth
from tianshou_examples.experiment.actors import network_for
from tianshou_examples.experiment.settings import Settings


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of the fast loop's kind, with a checkpoint: an egocentric network that is told its number."""
    settings = Settings(
        env="spaceworld:truss", action_mask="safe", method=("mca",), hidden=8, network="egocentric", agent_id=True
    )
    (tmp_path / "checkpoints").mkdir()
    settings.write(tmp_path)
    env = SpaceworldEnv("truss")
    inputs = env.observation_space("robot_0").shape[0] + len(env.possible_agents)
    torch.manual_seed(0)
    network = network_for(settings, env, inputs, 6, 1.0)
    weights = {f"policy.actor.net.{name}": value for name, value in network.state_dict().items()}
    torch.save(
        {"learner": {"members": [weights], "tails": [{"n_averaged": 0}], "steps": 77}},
        tmp_path / "checkpoints" / "mca-0.pt",
    )
    return tmp_path


def forbidden(env: SpaceworldEnv, seed: int, joints: list[list[int]]) -> int:
    """Return how many of these actions the environment's masks forbid."""
    infos, count = env.reset(seed=seed)[1], 0
    for joint in joints:
        chosen = dict(zip(env.possible_agents, joint, strict=True))
        count += sum(not infos[agent]["action_mask"][action] for agent, action in chosen.items())
        infos = env.step(chosen)[4]
    return count


def test_a_team_plays_with_its_masks_and_a_seed_without_a_truth_is_passed_over(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def every_second(world: str, max_cycles: int, seed: int, joints: list[list[int]]) -> bool:
        asked.append(seed)
        return seed % 2 == 1

    monkeypatch.setattr(half_trained, "has_truth", every_second)
    found = episodes_of(run, 40)
    assert asked == list(range(FIRST_SEED, FIRST_SEED + 8))
    assert [one["seed"] for one in found] == asked[1::2]
    assert {len(one["actions"]) for one in found} == {40}
    env = SpaceworldEnv("truss", action_mask="safe", max_cycles=40)
    assert [forbidden(env, one["seed"], one["actions"]) for one in found] == [0] * 4
    assert found == episodes_of(run, 40)


JOINTS = [[0, 2], [2, 2], [2, 2], [2, 0]]


def test_an_episode_has_a_truth_where_every_state_can_be_valued(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_truth("corridor", None, 1, JOINTS)
    for unknown in (np.full((4, 2), np.nan), None):
        credits = {("time", "difference"): [np.ones((4, 2))], ("work", "difference"): [unknown]}
        told = SuiteTruth(credits if unknown is not None else {}, {}, {}, [], [])
        monkeypatch.setattr(half_trained, "suite_truth", lambda suite, episodes, told=told: told)
        assert not has_truth("corridor", None, 1, JOINTS)


def test_where_the_truth_is_an_estimate_the_second_estimate_must_exist_too(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = {("time", "difference"): 0.5}
    told = SuiteTruth({("time", "difference"): [np.ones((4, 2))]}, errors, {}, [], [])
    monkeypatch.setattr(half_trained, "suite_truth", lambda suite, episodes: told)
    assert not has_truth("corridor", None, 1, JOINTS)  # whose values have no second estimate
    other = np.zeros((4, 2), np.float32)
    monkeypatch.setattr(CorridorValue, "again", lambda self: self, raising=False)
    monkeypatch.setattr(CounterfactualCritic, "score", lambda self, episodes: [Credit(other)])
    assert has_truth("corridor", None, 1, JOINTS)
