"""Evaluation: the environment's own reward, unseen layouts, allowed actions only, independent of the training."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from torch import nn

from tianshou_examples.experiment.actors import Actors
from tianshou_examples.experiment.environments import environment_maker
from tianshou_examples.experiment.evaluation import UNSEEN, evaluate, record
from tianshou_examples.experiment.networks import mlp

SIZES = (7, 6)  # features, actions


class Constant(nn.Module):
    """The same scores whatever is seen."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(rows), -1)


class KnownEnv(ParallelEnv):
    """Episode of seed s: 2 + s % 4 steps, terminated for even s; pays s % 10 a step; b costs 1 in the first step."""

    metadata = {"name": "known"}  # noqa: RUF012 (PettingZoo declares it so)
    seeds: list[int] = []  # noqa: RUF012 (of all instances, on purpose)

    def __init__(self) -> None:
        self.possible_agents = ["a", "b"]
        self.render_mode = "rgb_array"

    def observation_space(self, agent: str) -> Box:
        return Box(-1, 1, (2,), np.float32)

    def action_space(self, agent: str) -> Discrete:
        return Discrete(3)

    def view(self) -> tuple[dict[str, Any], dict[str, Any]]:
        seen = {a: np.array([i, self.t], np.float32) for i, a in enumerate(self.possible_agents)}
        infos = {a: {"action_mask": np.array([1, 1, 1], np.int8), "cost": 0.0} for a in self.possible_agents}
        return seen, infos

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        assert seed is not None
        self.seeds.append(seed)
        self.seed, self.t, self.agents = seed, 0, ["a", "b"]
        return self.view()

    def step(self, actions: dict[str, int]) -> Any:
        assert list(actions) == ["a", "b"]
        self.t += 1
        seen, infos = self.view()
        infos["b"]["cost"] = float(self.t == 1)
        over, even = self.t == 2 + self.seed % 4, self.seed % 2 == 0
        agents, self.agents = self.agents, [] if over else self.agents
        return (seen, dict.fromkeys(agents, float(self.seed % 10)), dict.fromkeys(agents, over and even),
                dict.fromkeys(agents, over and not even), infos)  # fmt: skip

    def render(self) -> np.ndarray:
        return np.full((2, 2, 3), self.t, np.uint8)


def random_masks(generator: np.random.Generator, episodes: int) -> np.ndarray:
    masks = generator.random((episodes, 2, SIZES[1])) < 0.4
    masks[..., 4] |= ~masks.any(-1)  # at least one
    return masks.astype(np.int8)


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("kind", ["logits", "q"])
def test_forbidden_actions_are_never_chosen_however_good_they_look(kind: str, greedy: bool) -> None:
    torch.manual_seed(0)
    networks = [mlp(*SIZES, 16, 50.0), mlp(*SIZES, 16, 50.0)]
    actors = Actors(networks, kind, epsilon=0.5)
    numbers, generator = np.random.default_rng(1), torch.Generator().manual_seed(2)
    for _ in range(30):
        masks = random_masks(numbers, 40)
        seen = numbers.normal(size=(40, 2, SIZES[0])).astype(np.float32)
        chosen = actors.choose(seen, masks, greedy, generator)
        assert chosen.shape == (40, 2) and chosen.dtype == np.int64
        assert np.take_along_axis(masks, chosen[..., None], -1).all()


def test_greedy_takes_the_best_allowed_action_of_the_agents_own_network() -> None:
    actors = Actors([Constant([0.0, 3.0, 2.0, 1.0]), Constant([9.0, 3.0, 4.0, 5.0])], "logits")
    masks = np.array([[[1, 1, 1, 1], [1, 1, 1, 1]], [[1, 0, 1, 1], [0, 1, 1, 1]]], np.int8)
    chosen = actors.choose(np.zeros((2, 2, 1), np.float32), masks, True, torch.Generator())
    assert chosen.tolist() == [[1, 0], [2, 3]]


def test_each_network_sees_its_own_agents_observation() -> None:
    weights = nn.Linear(2, 2, bias=False)
    weights.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    seen = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[1, 0], [1, 0]]], np.float32)
    chosen = Actors([weights, weights], "logits").choose(seen, np.ones((3, 2, 2)), True, torch.Generator())
    assert chosen.tolist() == [[0, 1], [1, 0], [0, 0]]


def test_sampled_logits_come_as_often_as_their_softmax_over_what_is_allowed() -> None:
    scores = [1.0, 5.0, 0.0, 2.0]
    actors = Actors([Constant(scores), Constant(scores)], "logits")
    masks = np.tile(np.array([1, 0, 1, 1], np.int8), (20_000, 2, 1))
    chosen = actors.choose(np.zeros((20_000, 2, 1), np.float32), masks, False, torch.Generator().manual_seed(3))
    weights = np.exp(scores) * masks[0, 0]
    for i in (0, 1):
        np.testing.assert_allclose(np.bincount(chosen[:, i], minlength=4) / 20_000, weights / weights.sum(), atol=0.02)


def test_sampled_q_values_are_greedy_but_for_epsilon() -> None:
    masks = np.tile(np.array([1, 0, 1, 1], np.int8), (20_000, 2, 1))
    networks = [Constant([1.0, 5.0, 0.0, 2.0])] * 2
    for epsilon in (0.0, 0.3):
        chosen = Actors(networks, "q", epsilon).choose(
            np.zeros((20_000, 2, 1), np.float32), masks, False, torch.Generator().manual_seed(3)
        )
        shares = np.bincount(chosen[:, 1], minlength=4) / 20_000
        np.testing.assert_allclose(shares, [epsilon / 3, 0, epsilon / 3, 1 - epsilon * 2 / 3], atol=0.02)


def test_means_are_those_of_the_environments_own_reward_on_unseen_seeds() -> None:
    KnownEnv.seeds.clear()
    actors = Actors([Constant([0.0, 0.0, 0.0])] * 2, "logits")
    found = evaluate(KnownEnv, actors, 5, greedy=False)
    seeds = [UNSEEN + k for k in range(5)]
    assert KnownEnv.seeds == seeds
    lengths = [2 + s % 4 for s in seeds]
    assert found.team_return == np.mean([s % 10 * n for s, n in zip(seeds, lengths, strict=True)])
    assert found.success == np.mean([s % 2 == 0 for s in seeds])
    assert found.collisions == 1.0 and found.steps == np.mean(lengths) and found.episodes == 5
    assert set(asdict(found)) == {"team_return", "success", "collisions", "steps", "episodes"}


def test_evaluation_neither_depends_on_the_training_nor_disturbs_it() -> None:
    make_env = environment_maker("spaceworld:duet")
    env = make_env()
    size = env.observation_space("robot_0").shape[0]
    torch.manual_seed(5)
    actors = Actors([mlp(size, 6, 16, 1.0), mlp(size, 6, 16, 1.0)], "logits")
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        drawn = torch.get_rng_state(), np.random.get_state()[1].tolist()
        results.append([evaluate(make_env, actors, 3, greedy) for greedy in (True, False)])
        assert torch.equal(torch.get_rng_state(), drawn[0])
        assert np.random.get_state()[1].tolist() == drawn[1]
        assert all(not p.grad_fn and p.grad is None for net in actors.networks for p in net.parameters())
    assert results[0] == results[1]
    assert results[0][0] != results[0][1]


def test_a_recording_shows_every_state_and_holds_the_last() -> None:
    actors = Actors([Constant([0.0, 0.0, 1.0])] * 2, "logits")
    frames = record(KnownEnv, actors, [4, 1], hold=2)
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 1, 2, 2, 2, 0, 1, 2, 3, 3, 3]
