"""What differs between the families of environments: their learners' settings, training length and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Family:
    """One family, `--env <family>:<scenario>`.

    The settings were chosen with the scripted critic while looking at `mca` and `shared` alike, and hold for every
    method (docs/training.md).
    """

    settings: Mapping[str, Any] = field(default_factory=dict)  # where `Settings` differs from its defaults
    steps: Mapping[str, int] = field(default_factory=dict)  # environment steps of one learner, by scenario
    other_steps: int = 1_000_000  # for scenarios that nobody has measured yet
    maximum: float | None = 1.0  # of the return; None: unknown
    success: bool = True  # whether an episode can be completed
    collisions: bool = False  # whether infos carry a cost
    masks: bool = False  # whether --action-mask has a choice
    starting: str = "starting the environment ..."  # printed before the first learner
    film: tuple[int, int] = (3, 150)  # episodes in the animation, and steps of each at most


FAMILIES: dict[str, Family] = {
    "spaceworld": Family(
        # for duet and pair enough for PPO with the scripted critic (docs/results/teams.md)
        steps={"solo": 200_000, "duet": 800_000, "pair": 7_000_000},
        other_steps=8_000_000,
        collisions=True,
        masks=True,
        starting="starting the environment (the first time it is compiled, for up to a minute) ...",
        film=(3, 10_000),
    ),
    "lbf": Family(
        # 50 steps are the time limit; trained teams need 5 to 10
        settings={"envs": 16, "rollout": 50, "batch": 256, "recent": 100},
        steps={"Foraging-5x5-2p-1f-coop-v3": 60_000, "Foraging-8x8-2p-2f-coop-v3": 100_000},
    ),
    "rware": Family(
        # an update waits for 500 steps of each environment
        settings={"envs": 4, "batch": 256, "recent": 16, "eval_episodes": 20, "evaluations": 4},
        steps={"rware-tiny-2ag-easy-v2": 100_000},
        maximum=None,
        success=False,
        film=(1, 150),
    ),
}


# Spaceworld's learner where --loop is fast: chosen on truss and duet with the scripted critic (docs/training.md)
FAST: Mapping[str, Any] = {
    "network": "egocentric",
    "envs": 64,
    "batch": 2048,
    "epochs": 4,
    "gamma_start": 0.5,
    "gamma_growth": 0.4,
    "max_idle": 60,
}
MANY = {"hidden": 256, "lr": 1e-3, "entropy": 0.04, "gamma_start": 0.8}  # where it differs in larger presets and fleets
FAST_STEPS = {"solo": 200_000, "duet": 500_000, "pair": 3_000_000}
MANY_STEPS = 5_000_000


def fast_settings(scenario: str) -> dict[str, Any]:
    """Return how the settings of the fast loop differ from the defaults, `steps` included, in one of the presets."""
    few = scenario in FAST_STEPS
    return {**FAST, **({} if few else MANY), "steps": FAST_STEPS[scenario] if few else MANY_STEPS}


def family_of(env: str) -> Family:
    """Return the family of a valid environment's name."""
    return FAMILIES[env.partition(":")[0]]
