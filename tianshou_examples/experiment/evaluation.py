"""How good a team is: by the environment's own reward, on layouts it has not seen, greedy and sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from pettingzoo import ParallelEnv

from tianshou_examples.experiment.actors import Actors

UNSEEN = 10_000_000  # evaluation layouts are seeded from here; training seeds stay below
MEASURES = ("team_return", "success", "collisions", "steps")  # of an episode
PLAY = ("greedy", "sampled")


class PlayingTeam(Protocol):
    """What is evaluated: `Actors`, or a team of another library."""

    def choose(
        self, observations: np.ndarray, masks: np.ndarray, greedy: bool, generator: torch.Generator
    ) -> np.ndarray:
        """Return actions (E, N) int64 for observations (E, N, F) and masks (E, N, A)."""


@dataclass(frozen=True)
class Evaluation:
    """Means over episodes."""

    team_return: float  # of the environment's own reward; the maximum in Spaceworld and LBF is 1
    success: float  # share of the episodes that were completed
    collisions: float  # collisions and violations of the whole team per episode
    steps: float  # length
    episodes: int

    @staticmethod
    def of(each: np.ndarray) -> Evaluation:
        """Return the means of what `play` returned."""
        team_return, success, collisions, steps = each.mean(axis=0).tolist()
        return Evaluation(team_return, success, collisions, steps, len(each))


def evaluate(
    make_env: Callable[[], ParallelEnv], actors: PlayingTeam, episodes: int, greedy: bool, first_seed: int = UNSEEN
) -> Evaluation:
    """Return the means of what `play` returns for the same arguments."""
    return Evaluation.of(play(make_env, actors, episodes, greedy, first_seed))


def play(
    make_env: Callable[[], ParallelEnv], actors: PlayingTeam, episodes: int, greedy: bool, first_seed: int = UNSEEN
) -> np.ndarray:
    """Play episodes side by side, on the layouts of seeds `first_seed`, `first_seed + 1`, ...

    Returns:
        Of each episode return, success, collisions and steps (episodes, 4), as in `MEASURES`.
    """
    envs = [make_env() for _ in range(episodes)]
    generator = torch.Generator().manual_seed(first_seed)
    views = [_view(env, *env.reset(seed=first_seed + k)) for k, env in enumerate(envs)]
    totals = np.zeros((episodes, len(MEASURES)))
    alive = list(range(episodes))
    while alive:
        chosen = actors.choose(
            np.stack([views[k][0] for k in alive]), np.stack([views[k][1] for k in alive]), greedy, generator
        )
        for k, actions in zip(alive, chosen.tolist(), strict=True):
            agents = envs[k].agents
            observations, rewards, terminated, _, infos = envs[k].step(dict(zip(agents, actions, strict=True)))
            views[k] = _view(envs[k], observations, infos)
            cost = sum(info.get("cost", 0.0) for info in infos.values())
            totals[k] += (rewards[agents[0]], terminated[agents[0]], cost, 1)
        alive = [k for k in alive if envs[k].agents]
    return totals


def _view(
    env: ParallelEnv, observations: dict[str, np.ndarray], infos: dict[str, dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the observations, and the action masks; where an environment tells none, everything is possible."""
    masks = [
        info["action_mask"] if "action_mask" in info else np.ones(env.action_space(agent).n)
        for agent, info in infos.items()
    ]
    return np.stack(list(observations.values())), np.stack(masks)


def record(
    make_env: Callable[[], ParallelEnv], actors: Actors, seeds: Sequence[int], hold: int = 4, most_steps: int = 10_000
) -> list[np.ndarray]:
    """Return pictures of the first `most_steps` of greedy episodes; the last one of each is repeated `hold` times."""
    env = make_env()
    pictures: list[np.ndarray] = []
    for seed in seeds:
        observations, infos = env.reset(seed=seed)
        pictures.append(env.render())
        for _ in range(most_steps):
            if not env.agents:
                break
            observations, *_, infos = env.step(actors.best_actions(observations, infos))
            pictures.append(env.render())
        pictures += [pictures[-1]] * hold
    return pictures
