"""Data to learn from offline: a data set, or a team's play made on the spot; and the rewards of its agents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from pettingzoo import ParallelEnv

from credit_wrappers import CounterfactualCritic, LLMCritic, ScriptedClient, dataset
from credit_wrappers.bench.environments import make_environment
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.dataset.team_play import Quality, played
from credit_wrappers.recording.action_masks import MaskKeeper
from credit_wrappers.recording.replay import replay

REWARDS = ("team", "credit", "exact")  # what pays an agent
QUALITIES: tuple[str, ...] = get_args(Quality)
FIRST_SEED = 2_000_000  # of play that is made here; evaluation layouts begin far behind
SEEDS_APART = 10_000  # so many layouts can each data set have
_QUERY = 8  # episodes that the critic compares
# As `train.py --method exact` pays: a tenth for each action less to go, and a collision costs one action.
_EXACT = {"value": "work", "scale": 0.1, "penalty": 1.0}


@dataclass(frozen=True, eq=False)
class OfflineData:
    """Labels, and the environment in which they were played.

    Attributes:
        name: A quality of play, or the data set's name or path.
        make_env: Makes the environment.
        labels: With observations and action masks.
        credited_by: Who gave the credit.
    """

    name: str
    make_env: Callable[[], ParallelEnv]
    labels: Sequence[LabelledEpisode]
    credited_by: str

    def rewards(self, kind: str) -> list[np.ndarray]:
        """Return what pays the agents, (T, N) for each label.

        Args:
            kind: One of `REWARDS`: "team", the team's reward for each agent; "credit", its own credit; "exact", its
                own exact credit, from a simulator.

        Raises:
            CreditError: The environment has no exact credit.
            DatasetError: The environment makes other episodes than the data set's.
        """
        if kind == "credit":
            return [np.asarray(label.credit.values, np.float64) for label in self.labels]
        if kind == "team":
            return [
                np.repeat(label.episode.team_reward[:, None], label.episode.n_agents, axis=1) for label in self.labels
            ]
        critic = CounterfactualCritic(self.make_env, **_EXACT)  # type: ignore[arg-type]
        found = []
        for again in dataset.replayed(self.labels, self.make_env, snapshots=True):
            found += critic.score([again.episode])
        return [np.asarray(credit.values, np.float64) for credit in found]

    @property
    def team_return(self) -> float:
        """Mean return of the data, of the team's reward."""
        return float(np.mean([label.episode.team_reward.sum() for label in self.labels]))


def offline_data(name: str, world: str, episodes: int, seed: int) -> OfflineData:
    """Return the data of a name.

    Args:
        name: A quality of play, whose episodes are made on the spot and credited by the scripted critic; or a data
            set's path or published name.
        world: Where a quality is played.
        episodes: How many are made, at most 10,000; a data set has its own number.
        seed: Each has episodes of its own; a data set is the same for all.

    Raises:
        ValueError, CreditError, FileNotFoundError, ImportError: There is no such data set or world, or no team that
            plays it.
    """
    if name in QUALITIES:
        labels = made_labels(name, world, episodes, FIRST_SEED + SEEDS_APART * seed)
        return OfflineData(name, lambda: make_environment(world), labels, "scripted")
    card = dataset.load_card(name)
    return OfflineData(name, card.make_env, dataset.load(name), card.credited_by or "not told")


def made_labels(quality: str, world: str, episodes: int, first_seed: int) -> list[LabelledEpisode]:
    """Return episodes of a team's play, on the layouts from a seed on, with the scripted critic's credit."""
    client = ScriptedClient()
    env, critic = make_environment(world), LLMCritic(client)
    keeper = MaskKeeper(env)
    labels: list[LabelledEpisode] = []
    for query in range(-(-episodes // _QUERY)):
        judged, masks = [], []
        for k in range(query * _QUERY, min(episodes, (query + 1) * _QUERY)):
            seed = first_seed + k
            actions = played(env.unwrapped, world, quality, seed)  # type: ignore[arg-type]
            judged.append(replace(replay(keeper, seed, actions, observations=True), id=k))
            masks.append(keeper.masks)
        for episode, credit, mask in zip(judged, critic.score(judged), masks, strict=True):
            labels.append(LabelledEpisode(episode, credit, model=client.name, query=query, action_masks=mask))
    return labels
