"""The comparison of rewards on the same data: its cells, which are kept one by one, so that it can be interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tianshou_examples.experiment.evaluation import UNSEEN, evaluate
from tianshou_examples.experiment.offline_data import QUALITIES, REWARDS, OfflineData, offline_data
from tianshou_examples.experiment.offline_learners import OFFLINE_METHODS, OfflineSettings, offline_learner
from tianshou_examples.experiment.offline_rows import AgentRows, agent_rows

CELLS = "cells.jsonl"  # in the folder: a line for each finished cell
BLIND = ("bc",)  # methods that read no reward


@dataclass(frozen=True)
class OfflineStudy:
    """What is compared.

    Attributes:
        env: The world in which qualities of play are made.
        data: Qualities of play, data sets.
        methods: Of `OFFLINE_METHODS`.
        rewards: Of `REWARDS`.
        seeds: Of each.
        episodes: Of each quality of play and seed.
        eval_episodes: Unseen layouts on which a team is judged, the same for all.
        learner: Settings of the learners.
    """

    env: str = "spaceworld:duet"
    data: tuple[str, ...] = ("mixture",)
    methods: tuple[str, ...] = tuple(OFFLINE_METHODS)
    rewards: tuple[str, ...] = REWARDS
    seeds: int = 5
    episodes: int = 1000
    eval_episodes: int = 100
    learner: OfflineSettings = field(default_factory=OfflineSettings)

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield what says all of a cell: data, method, reward ("none" for a method that reads none), seed, settings."""
        for seed in range(self.seeds):
            for name in self.data:
                made = {"env": self.env, "episodes": self.episodes} if name in QUALITIES else {}
                for reward in ("none", *self.rewards):
                    for method in self.methods:
                        if (reward == "none") == (method in BLIND):
                            yield {
                                "data": name, "method": method, "reward": reward, "seed": seed, **made,
                                "eval_episodes": self.eval_episodes, **asdict(self.learner),
                            }  # fmt: skip


def finished(folder: Path) -> list[dict[str, Any]]:
    """Return the cells in a folder, with their results; a line that was cut off is no cell."""
    path = folder / CELLS
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:  # the program was killed while it wrote
            continue
    return found


def keep(folder: Path, record: dict[str, Any]) -> None:
    """Add a finished cell to a folder."""
    with (folder / CELLS).open("a+b") as file:
        file.seek(0, 2)
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")  # behind a line that was cut off
        file.write(json.dumps(record).encode() + b"\n")


def run_cells(
    study: OfflineStudy, folder: Path, begin: Callable[[dict[str, Any]], object], progress: Callable[[int], object]
) -> Iterator[dict[str, Any]]:
    """Yield the records of all cells of a study in order: those that are kept, and those that are learnt now.

    Args:
        study: What is compared.
        folder: Where cells are kept.
        begin: Told the cell that begins.
        progress: Told of each gradient step.

    Raises:
        ValueError, CreditError, OSError, ImportError: See `offline_data`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {json.dumps(record["cell"]): record for record in finished(folder)}
    source = lru_cache(maxsize=1)(lambda name, seed: Source(offline_data(name, study.env, study.episodes, seed)))
    for cell in study.cells():
        record = known.get(json.dumps(cell))
        if record is None:
            begin(cell)
            seed = cell["seed"] if cell["data"] in QUALITIES else 0  # a data set is the same for all seeds
            record = {"cell": cell, **source(cell["data"], seed).learnt(cell, study.learner, progress)}
            keep(folder, record)
        yield record


class Source:
    """Data as rows, for the learners of all methods and rewards.

    Args:
        data: The data.
    """

    def __init__(self, data: OfflineData) -> None:
        self.data = data
        self.env = data.make_env()
        agent = self.env.possible_agents[0]
        self.actions = int(self.env.action_space(agent).n)
        self.rows: AgentRows = agent_rows(data.labels, self.actions)
        self._paid: dict[str, np.ndarray] = {}
        behind = max((label.episode.seed or 0 for label in data.labels), default=0) + 1
        self.first_unseen = max(UNSEEN, behind)

    def paid(self, reward: str) -> np.ndarray:
        """Return the reward of each row; zeros for "none".

        Raises:
            ValueError: A reward is not a finite number.
        """
        if reward not in self._paid:
            nothing = reward == "none"
            values = np.zeros(len(self.rows)) if nothing else self.rows.rewards(self.data.rewards(reward))
            if not np.isfinite(values).all():
                unknown = self.data.labels[self.rows.episode[~np.isfinite(values)][0]].episode
                raise ValueError(f"{reward} of episode {unknown.id} (seed {unknown.seed}) is not known in every step")
            self._paid[reward] = values
        return self._paid[reward]

    def learnt(self, cell: dict[str, Any], s: OfflineSettings, progress: Callable[[int], object]) -> dict[str, Any]:
        """Learn one cell; return how good its team is, and facts about its data."""
        torch.set_num_threads(1)
        rewards = self.paid(cell["reward"])
        scale = scale_of(self.rows, rewards, s.gamma)
        learner = offline_learner(cell["method"], self.rows.observation.shape[1], self.actions, s, cell["seed"])
        learner.learn(self.rows.buffer(scale * rewards, cell["seed"]), s.steps, s.batch, progress)
        actors = learner.actors(len(self.env.possible_agents))
        played = {
            how: asdict(evaluate(self.data.make_env, actors, cell["eval_episodes"], how == "greedy", self.first_unseen))
            for how in ("greedy", "sampled")
        }
        facts = {
            "data_return": self.data.team_return, "data_episodes": len(self.data.labels), "data_rows": len(self.rows),
            "credited_by": self.data.credited_by, "scale": scale, "loss": float(np.mean(learner.losses[-100:])),
        }  # fmt: skip
        return {**played, **facts}


def scale_of(rows: AgentRows, rewards: np.ndarray, gamma: float) -> float:
    """Return the factor that gives the rows' discounted returns a standard deviation of 1; 1 where all are the same.

    So every reward has the same size before a learner whose terms weigh a Q value against something else.
    """
    spread = float(rows.returns(rewards, gamma).std())
    return 1.0 / spread if spread > 1e-9 else 1.0
