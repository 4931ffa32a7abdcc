"""A study whose cells were not learnt but made up, for tests of what is done with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tianshou_examples.comparison.schedule import add_line
from tianshou_examples.comparison.study_file import Cell, Study, read_study
from tianshou_examples.comparison.study_folder import StudyFolder, planned_steps
from tianshou_examples.experiment.best_team import listed
from tianshou_examples.experiment.evaluation import PLAY

TEXT = """
about = "Made up."
seeds = 4
[settings]
evaluations = 2
eval_episodes = 10
[tasks.duet]
env = "spaceworld:duet"
steps = 3_000
[tasks.lbf]
env = "lbf:Foraging-5x5-2p-1f-coop-v3"
steps = 6_000
[methods.mca]
[methods.shared]
[methods.equal]
"""


def written(folder: Path, text: str = TEXT) -> Path:
    """A study's file."""
    path = folder / "made.toml"
    path.write_text(text, encoding="utf-8")
    return path


def made_study(folder: Path, text: str = TEXT) -> tuple[Study, StudyFolder]:
    """A study with its folder, in which nothing is finished."""
    study, place = read_study(written(folder, text)), StudyFolder(folder / "made")
    place.open(study)
    return study, place


def episodes(mean: float, count: int, seed: int) -> np.ndarray:
    """Return, success, collisions and length of each of some episodes; the mean return is exact."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.05, count)
    return np.stack(
        [returns - returns.mean() + mean, rng.random(count) < 0.5, rng.random(count), np.full(count, 9.0)], 1
    )


def finish(cell: Cell, place: StudyFolder, final: float) -> dict[str, Any]:
    """Keep a cell whose returns grow in equal parts to a final one; the absolute metric is that one, too."""
    s = cell.run.settings
    for k, due in enumerate(planned_steps(s), 1):
        count = s.eval_episodes if k > s.evaluations else s.short_evaluation
        each = {how: listed(episodes(final * k / (s.evaluations + 1), count, cell.seed)) for how in PLAY}
        record = {"kind": "evaluation", "method": cell.run.kind, "seed": cell.seed, "steps": due + 7, "each": each}
        add_line(place.of(cell.run) / "metrics.jsonl", json.dumps(record))
    each = listed(episodes(final, s.absolute, cell.seed + 100))
    means = {name: float(np.mean(values)) for name, values in each.items()}
    asks = cell.run.kind == "mca"
    result = {
        "method": cell.run.kind, "seed": cell.seed, "steps": s.steps + 7, "complete": True, "in_vain": 0,
        "times": {"environment": 1.0, "critic": 2.0 * asks, "learning": 5.0, "evaluation": 2.0},
        "critic": {"calls": 10 * asks, "tokens": 20_000 * asks, "cost": 0.5 * asks, "fallbacks": 0,
                   "episodes": 80 * asks},
        "absolute": {how: {**means, "trained": s.steps + 7, "each": each} for how in PLAY},
    }  # fmt: skip
    place.keep(cell, result)
    return result


def finish_all(study: Study, place: StudyFolder, levels: dict[str, float], spread: float = 0.1) -> None:
    """Keep all cells, whose final returns lie around a level of their method."""
    for cell in study.cells():
        finish(cell, place, levels[cell.run.method] + spread * (cell.seed - 1.5))
