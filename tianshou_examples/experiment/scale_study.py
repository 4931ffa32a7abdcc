"""How team size is studied: fleets of several sizes, measured piece by piece; what is done stays in a folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers.llm.budget import Prices
from spaceworld.env import SpaceworldEnv
from tianshou_examples.experiment.scale_measures import (
    culprit_measures,
    culprit_play,
    disturbed_play,
    scripted_labels,
    student_measures,
    team_measures,
    text_measures,
    truth_measures,
    truth_of_steps,
)
from tianshou_examples.experiment.settings import Settings

PARTS = ("team", "text", "culprit", "student", "truth")
FIRST_SEED, CULPRIT_SEED = 1000, 5000
HALF = 0.5  # of the mass
MIRROR = 5  # the world in which the planner values states for the second time


@dataclass(frozen=True)
class ScaleStudy:
    """What is measured.

    Attributes:
        robots: The sizes of the fleets.
        parts: What of each: "team", "text", "culprit", "student", "truth".
        layouts: Episodes of the scripted team.
        episodes: Disturbed episodes, of which text, student and truth are measured.
        culprits: Episodes with a culprit.
        truth_steps: Steps that the planner values.
        prices: Of a million tokens.
    """

    robots: tuple[int, ...] = (2, 4, 8, 16)
    parts: tuple[str, ...] = PARTS
    layouts: int = 10
    episodes: int = 12
    culprits: int = 8
    truth_steps: int = 12
    prices: Prices = field(default_factory=lambda: Prices(3.0, 15.0, 0.3))


@dataclass
class _Fleet:
    """What is known of one size, in a file."""

    path: Path
    done: dict[str, Any]

    @classmethod
    def of(cls, folder: Path, robots: int) -> _Fleet:
        path = folder / f"fleet-{robots}.json"
        return cls(path, json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.done), encoding="utf-8")

    def fill(self, name: str, count: int, make: Callable[[int], Any]) -> Iterator[str]:
        """Make the entries of a list that are missing, save after each, and yield what was done."""
        entries = self.done.setdefault(name, [])
        while len(entries) < count:
            entries.append(make(len(entries)))
            self.save()
            yield f"{self.path.stem}: {name} {len(entries)} of {count}"


def run_study(study: ScaleStudy, folder: Path, minutes: float) -> Iterator[str]:
    """Measure what is missing in the folder, and yield a line after each piece.

    Args:
        study: What is measured.
        folder: Gets a file for each size.
        minutes: No piece is begun later; the same study goes on another time.

    Raises:
        TimeoutError: The minutes are over, and pieces are missing.
    """
    end = time.monotonic() + 60 * minutes
    for robots in study.robots:
        for line in _measured(study, robots, _Fleet.of(folder, robots)):
            yield line
            if time.monotonic() > end:
                raise TimeoutError(f"{minutes:g} minutes are over; the same command goes on")


def results_of(study: ScaleStudy, folder: Path) -> dict[int, dict[str, dict[str, float]]]:
    """Return by size and part what is measured in the folder; sizes and parts that are missing are left out."""
    found = {robots: _Fleet.of(folder, robots).done.get("measures", {}) for robots in study.robots}
    return {robots: parts for robots, parts in found.items() if parts}


def trained(run: Path, folder: Path) -> None:
    """Keep in the folder after how many environment steps the learners of a run first docked half, for each method.

    Half is the share of the mass, while the team explores: the mean return of its recent episodes without the
    collisions' penalty. It is the mean over the seeds that got there; NaN where none did.

    Raises:
        ValueError: There is no run, or it is not of a fleet.
    """
    settings = Settings.read(run)
    name = settings.env.partition(":")[2]
    if not name.startswith("fleet-"):
        raise ValueError(f"{run} was trained on {settings.env}, and not on a fleet")
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if record["kind"] == "train"]
    penalty = SpaceworldEnv(name).collision_penalty
    found = {}
    for method in settings.method:
        there = []
        for seed in range(settings.seeds):
            mine = [r for r in records if (r["method"], r["seed"]) == (method, seed)]
            there += [r["steps"] for r in mine if r["return"] + penalty * r["collisions"] >= HALF][:1]
        found[method] = float(np.mean(there)) if there else float("nan")
    fleet = _Fleet.of(folder, int(name.removeprefix("fleet-")))
    fleet.done.setdefault("measures", {})["train"] = found
    fleet.save()


def _measured(study: ScaleStudy, robots: int, fleet: _Fleet) -> Iterator[str]:
    make_env = partial(SpaceworldEnv, f"fleet-{robots}")
    measures = fleet.done.setdefault("measures", {})

    def put(part: str, found: dict[str, float]) -> str:
        measures[part] = {name: float(value) for name, value in found.items()}
        fleet.save()
        return f"{fleet.path.stem}: {part}"

    if "team" in study.parts and measures.get("team", {}).get("layouts") != study.layouts:
        yield put("team", team_measures(make_env, range(study.layouts)))
    if "culprit" in study.parts:
        yield from fleet.fill("culprit plays", study.culprits, lambda k: _with_culprit(make_env, CULPRIT_SEED + k))
        plays = [(CULPRIT_SEED + k, np.array(a), c) for k, (a, c) in enumerate(fleet.done["culprit plays"])]
        yield put("culprit", culprit_measures(make_env, plays[: study.culprits]))
    if {"text", "student", "truth"} & set(study.parts):
        yield from fleet.fill("plays", study.episodes, lambda k: disturbed_play(make_env, FIRST_SEED + k).tolist())
        played = [(FIRST_SEED + k, np.array(a)) for k, a in enumerate(fleet.done["plays"][: study.episodes])]
        if "text" in study.parts:
            yield put("text", text_measures(make_env, played, study.prices))
        if "student" in study.parts and measures.get("student", {}).get("episodes") != study.episodes:
            labels = scripted_labels(make_env, played)
            yield put("student", student_measures(make_env, played, labels) | {"episodes": study.episodes})
        if "truth" in study.parts:
            yield from _truth(study, make_env, fleet, played, put)


def _with_culprit(make_env: Callable[..., SpaceworldEnv], seed: int) -> list[Any]:
    actions, culprit = culprit_play(make_env, seed)
    return [actions.tolist(), culprit]


def _truth(
    study: ScaleStudy, make_env: Any, fleet: _Fleet, played: list[tuple[int, np.ndarray]], put: Callable[..., str]
) -> Iterator[str]:
    """Value steps, one of each episode in turn, in the world and in a mirror of it."""

    def chosen(k: int) -> tuple[int, np.ndarray, int]:
        seed, actions = played[k % len(played)]
        return seed, actions, int(np.random.default_rng([seed, k]).integers(len(actions)))

    def valued(k: int) -> list[list[float]]:
        seed, actions, t = chosen(k)
        return [truth_of_steps(make_env, seed, actions, [t], mirror)[0].tolist() for mirror in (0, MIRROR)]

    yield from fleet.fill("truths", study.truth_steps, valued)
    truths = np.array(fleet.done["truths"][: study.truth_steps])  # (K, 2, N)
    credits = []
    for k in range(len(truths)):
        seed, actions, t = chosen(k)
        credits.append(scripted_labels(make_env, [(seed, actions)])[0].values[t])
    yield put("truth", truth_measures(list(truths[:, :1]), list(truths[:, 1:]), np.array(credits)))
