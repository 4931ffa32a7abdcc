"""Make the packaged suites again: `python -m tests.bench.make_suites duet pair`, or without names all of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import credit_wrappers
from credit_wrappers.bench.environments import make_environment
from credit_wrappers.bench.suite import (
    Half,
    PlantedFault,
    Suite,
    SuiteEpisode,
    digest_of,
    edition_digests_of,
    write_suite,
)
from credit_wrappers.bench.suite_digests import text_digest, truth_digests
from credit_wrappers.bench.truth import suite_truth
from tests.bench.planted_cases import KEPT, Fault, faults_in_foraging, faults_in_spaceworld, faults_in_warehouse
from tests.bench.teams import chance, scripted

RECORDED = Path(__file__).with_name("half_trained.json")
FOLDER = Path(credit_wrappers.__file__).parent / "bench" / "suites"
MOST_CHANCE = 0.6  # in a mixture, of an agent's actions
FAULTS = {"spaceworld": faults_in_spaceworld, "lbf": faults_in_foraging, "rware": faults_in_warehouse}
LIBRARIES = {"lbf": "lbforaging", "rware": "rware"}


@dataclass(frozen=True)
class Recipe:
    """What a suite is made of. What is added later is a new edition, so that earlier episodes keep their place."""

    world: str
    max_cycles: int | None
    counts: dict[str, int]  # episodes of each kind of play but "planted"
    planted: tuple[str, ...] = ()  # kinds of fault, an episode each
    second: dict[Half, tuple[str, ...]] = field(default_factory=dict)  # those of the second edition, by half
    trained: int = 3  # the edition of recorded half-trained play


MIXED = {"scripted": 2, "mixture": 8, "chance": 4}
LARGE = {"scripted": 2, "mixture": 6, "chance": 2}
TWO = ("wrong way", "to and fro", "never comes", "let go", "against", "crash")
SEVEN = ("never comes", "crash", "let go", "against", "helper too many", "grips again", "idle")
ROBOTS: dict[Half, tuple[str, ...]] = {"choose": SEVEN, "report": (*SEVEN, *SEVEN[:3], "to and fro", "grips again")}
GRID = ("wrong way", "to and fro", "never comes", "walks away", "leaves", "idle")
BOTH: tuple[Half, Half] = ("choose", "report")
RECIPES = {
    "corridor": Recipe("corridor", None, {"scripted": 2, "mixture": 6, "chance": 4}),
    "duet": Recipe(
        "spaceworld:duet", 60, MIXED, TWO + TWO[-3:],
        {
            "choose": ("to and fro", "idle", "grips again"),
            "report": ("never comes", "wrong way", "idle", "grips again"),
        },
        trained=1,
    ),
    "pair": Recipe(
        "spaceworld:pair", 60, MIXED, (*TWO, "idle", "helper too many", "let go", "crash"),
        {
            "choose": ("to and fro", "crash", "helper too many", "grips again"),
            "report": ("never comes", "wrong way", "against", "idle", "grips again"),
        },
    ),
    "truss": Recipe("spaceworld:truss", 80, LARGE, (), ROBOTS),
    "hazard": Recipe("spaceworld:hazard", 80, LARGE, (), ROBOTS),
    "crew": Recipe("spaceworld:crew", 80, LARGE, (), ROBOTS),
    "lbf-5x5": Recipe("lbf:Foraging-5x5-2p-1f-coop-v3", 30, MIXED, (), dict.fromkeys(BOTH, GRID)),
    "lbf-8x8": Recipe(
        "lbf:Foraging-8x8-2p-2f-coop-v3", 50, MIXED,
        ("walks away", "wrong way", "to and fro", "never comes", "idle", "leaves", "walks away", "to and fro"),
        {"choose": ("wrong way", "never comes", "leaves"), "report": ("walks away", "idle", "never comes", "leaves")},
    ),
    "rware-tiny": Recipe(
        "rware:rware-tiny-2ag-v2", 60, LARGE, (),
        dict.fromkeys(BOTH, ("turns aside", "puts down", "wrong shelf", "turns to and fro", "idle", "puts down")),
    ),
}  # fmt: skip


def make_suite(name: str) -> Suite:
    """Return a suite, freshly played."""
    recipe = RECIPES[name]
    seed = 7000 + 100 * sorted(RECIPES).index(name)
    episodes: list[SuiteEpisode] = []
    for play, count in recipe.counts.items():
        for k in range(count):
            seed += 1
            half = ("choose", "report")[k % 2]
            episodes.append(SuiteEpisode(seed, played(recipe, seed, play), play, half))  # type: ignore[arg-type]
    seen: dict[str, int] = {}
    for k, kind in enumerate(recipe.planted):
        culprit = (seen.get(kind, 0) + k // 2) % 2
        episodes.append(first_planted(recipe, seed + 1, kind, culprit, BOTH[k % 2]))
        seed, seen[kind] = episodes[-1].seed, seen.get(kind, 0) + 1
    later = [*trained(name), *second_edition(recipe, 8000 + 100 * sorted(RECIPES).index(name))]
    episodes += sorted(later, key=lambda episode: episode.edition)
    library = LIBRARIES.get(recipe.world.partition(":")[0])
    made_with = f"llm-credit-wrappers {credit_wrappers.__version__}"
    made_with += f" and {library} {version(library)}" if library else ""
    suite = Suite(name, recipe.world, recipe.max_cycles, tuple(episodes), made_with=made_with)
    return digested(suite)


def trained(name: str) -> Iterator[SuiteEpisode]:
    """Yield the recorded episodes of half-trained teams, all of the half for figures: the first were made for it."""
    for one in json.loads(RECORDED.read_text(encoding="utf-8")).get(name, []):
        actions = np.array(one["actions"], np.int64)
        yield SuiteEpisode(one["seed"], actions, "half-trained", "report", edition=RECIPES[name].trained)


def second_edition(recipe: Recipe, seed: int) -> Iterator[SuiteEpisode]:
    """Yield the episodes of the second edition, whose seeds come after `seed`."""
    agents = len(make_environment(recipe.world).possible_agents)
    for half, kinds in recipe.second.items():
        for k, kind in enumerate(kinds):
            episode = first_planted(recipe, seed + 1, kind, (k + (half == "report")) % agents, half, anywhere=True)
            seed = episode.seed
            yield replace(episode, edition=2)


def first_planted(
    recipe: Recipe, seed: int, kind: str, culprit: int, half: Half, anywhere: bool = False
) -> SuiteEpisode:
    """Return an episode with a fault of this kind, of the first seed from this one on that gives an occasion."""
    while (found := planted(recipe, seed, kind, culprit, anywhere)) is None:
        seed += 1
    return SuiteEpisode(seed, found[0], "planted", half, found[1])


def digested(suite: Suite) -> Suite:
    """Return a suite with the digests of today's environment, text and truth."""
    episodes = replace(suite, digest="").replay(snapshots=True)
    truth = suite_truth(suite, episodes)
    return replace(
        suite,
        digest=digest_of(episodes),
        text_digest=text_digest(episodes),
        truth_digests=truth_digests(truth),
        edition_digests=edition_digests_of(suite, episodes),
    )


class _Stage:
    """An environment that is played, and what was done in it."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.env: Any = make_environment(recipe.world, recipe.max_cycles).unwrapped
        self.infos: dict[str, Any] = self.env.reset(seed=seed)[1]
        self.costs = np.zeros(len(self.env.possible_agents))
        self.joints: list[list[int]] = []

    def step(self, joint: list[int]) -> None:
        agents = self.env.possible_agents
        self.infos = self.env.step(dict(zip(agents, joint, strict=True)))[4]
        self.costs += [self.infos[agent].get("cost", 0.0) for agent in agents]
        self.joints.append(joint)

    @property
    def actions(self) -> np.ndarray:
        return np.array(self.joints, np.int64)


def played(recipe: Recipe, seed: int, play: str) -> np.ndarray:
    """Return the actions of a team that plays by rules, by chance, or by both."""
    random = np.random.default_rng(seed)
    stage = _Stage(recipe, seed)
    n = len(stage.env.possible_agents)
    shares = {"scripted": np.zeros(n), "chance": np.ones(n)}.get(play, random.uniform(0, MOST_CHANCE, n))
    team, wild = scripted(recipe.world, stage.env), chance(stage.env, lambda: stage.infos, random)
    while stage.env.agents:
        drawn, best = wild(), team() if play != "chance" else [0] * n
        stage.step(
            [d if p < share else b for d, b, share, p in zip(drawn, best, shares, random.random(n), strict=True)]
        )
    return stage.actions


def planted(
    recipe: Recipe, seed: int, kind: str, culprit: int, anywhere: bool = False
) -> tuple[np.ndarray, PlantedFault] | None:
    """Return actions with one fault of a kind by one agent, or None where the scripted play gives no occasion.

    Args:
        recipe: Of the suite.
        seed: Of the reset.
        kind: Of the fault.
        culprit: Number of the agent.
        anywhere: Take the occasions in an order by lot, and only faults that cost time, where they last; else take the
            first occasion.
    """
    faults = FAULTS[recipe.world.partition(":")[0]]
    found = list(_occasions(recipe, seed, faults, culprit))
    usual = 1 + max((t for t, _ in found), default=0)
    occasions = [(t, fault) for t, fault in found if fault is not None and fault.kind == kind]
    if anywhere:
        occasions = [occasions[k] for k in np.random.default_rng(seed).permutation(len(occasions))[:3]]
    limit = recipe.max_cycles or 10**9
    for at, fault in occasions:
        stage = _Stage(recipe, seed)
        team = scripted(recipe.world, stage.env)
        while stage.env.agents:
            joint, k = team(), len(stage.joints) - at
            if 0 <= k < len(fault.actions):
                joint[culprit] = fault.actions[k]
            stage.step(joint)
        ends = len(stage.joints) < limit or usual == limit
        costly = not anywhere or usual == limit or kind not in KEPT or len(stage.joints) > usual
        innocent = not np.delete(stage.costs, culprit).any()
        if ends and costly and innocent and len(stage.joints) >= at + len(fault.actions):
            name = stage.env.possible_agents[culprit]
            text = f"{name} {fault.text}"
            return stage.actions, PlantedFault(name, at, at + len(fault.actions), kind, text)
    return None


def _occasions(recipe: Recipe, seed: int, faults: Any, culprit: int) -> Iterator[tuple[int, Fault | None]]:
    """Yield each step of the scripted play with each fault that fits there, and the step alone."""
    stage = _Stage(recipe, seed)
    team = scripted(recipe.world, stage.env)
    while stage.env.agents:
        joint = team()
        yield len(stage.joints), None
        for fault in faults(stage.env, joint, culprit):
            yield len(stage.joints), fault
        stage.step(joint)


def main(names: list[str]) -> None:
    """Write the suites of these names, or all."""
    for name in names or RECIPES:
        suite = make_suite(name)
        write_suite(suite, FOLDER / f"{name}.json")
        kinds = [episode.planted.fault for episode in suite.episodes if episode.planted]
        steps = [len(episode.actions) for episode in suite.episodes]
        print(f"{name}: {len(steps)} episodes of {min(steps)} to {max(steps)} steps; planted: {', '.join(kinds)}")


if __name__ == "__main__":
    main(sys.argv[1:])
