"""The best team of a training: kept when it is evaluated, and played on many more layouts at the end."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from pettingzoo import ParallelEnv

from tianshou_examples.experiment.evaluation import MEASURES, PLAY, Evaluation, PlayingTeam, play


class TrainedTeam(PlayingTeam, Protocol):
    """A team that says how long it was trained; `Actors`, or one of another library."""

    @property
    def steps(self) -> int:
        """Environment steps of its training."""


@dataclass(frozen=True)
class KeptTeam:
    """A team as it was at an evaluation."""

    team_return: float  # mean, in that evaluation
    actors: TrainedTeam  # with the steps of their training


class BestTeams:
    """The best team of all evaluations so far, for each way of playing.

    The absolute metric of Gorsane et al. (2022) is how good that team is on ten times the episodes of an evaluation.

    Args:
        episodes: Of an evaluation that count: the first ones, so that a longer last evaluation is judged as the others.
    """

    def __init__(self, episodes: int) -> None:
        self.episodes = episodes
        self.kept: dict[str, KeptTeam] = {}  # by the way of playing

    def offer(self, each: dict[str, np.ndarray], actors: TrainedTeam) -> None:
        """Keep a team that is at least as good as the best so far.

        Args:
            each: What `play` returned, by the way of playing.
            actors: The team that played.
        """
        for how, values in each.items():
            mean = float(values[: self.episodes, 0].mean())
            if how not in self.kept or mean >= self.kept[how].team_return:
                self.kept[how] = KeptTeam(mean, copy.deepcopy(actors))

    def absolute(self, make_env: Callable[[], ParallelEnv], episodes: int, first_seed: int) -> dict[str, Any]:
        """Play the best teams; return means, episodes and the steps of their training, by the way of playing."""
        found = {}
        for how in PLAY:
            actors = self.kept[how].actors
            each = play(make_env, actors, episodes, how == "greedy", first_seed)
            found[how] = {**asdict(Evaluation.of(each)), "trained": actors.steps, "each": listed(each)}
        return found


def listed(each: np.ndarray) -> dict[str, list[float]]:
    """Return what `play` returned as lists, by the measure."""
    return {name: [round(x, 6) for x in each[:, k].tolist()] for k, name in enumerate(MEASURES)}
