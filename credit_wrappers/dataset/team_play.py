"""Teams to make data with: by rules, by chance, and by a mixture of both.

A package registers a team that plays its environments by rules:

    [project.entry-points."credit_wrappers.teams"]
    rescue = "my_package.rescue:scripted_team"  # called with the environment; returns a function without arguments,
                                                # which returns the joint action in the present state
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, Literal, get_args

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.errors import CreditError

GROUP = "credit_wrappers.teams"
MOST_CHANCE = 0.6  # in a mixture, of an agent's actions
Quality = Literal["scripted", "mixture", "chance"]
Team = Callable[[], list[int]]


def scripted_team(world: str, env: Any) -> Team:
    """Return a team that plays a world by rules: it does what is best, or nearly.

    Args:
        world: The world's name, as `make_environment` takes it.
        env: The environment, unwrapped.

    Raises:
        CreditError: There is no such team for the world's family.
    """
    family = world.partition(":")[0]
    found = next(iter(entry_points(group=GROUP).select(name=family)), None)
    if found is None:
        known = ", ".join(sorted(entry_points(group=GROUP).names)) or "(none: install the package)"
        raise CreditError(f"no team plays {family!r} by rules; there are teams for {known}")
    team: Team = found.load()(env)
    return team


def chance_team(env: Any, infos: Callable[[], Mapping[str, Any]], random: np.random.Generator) -> Team:
    """Return a team that chooses among the possible actions at random.

    Args:
        env: The environment.
        infos: Returns the newest infos, with the action masks.
        random: Of the choices.
    """

    def act() -> list[int]:
        chosen = []
        for agent in env.possible_agents:
            mask = infos().get(agent, {}).get("action_mask")
            count = env.action_space(agent).n
            valid = np.arange(count) if mask is None else np.flatnonzero(mask)
            chosen.append(int(random.choice(valid)))
        return chosen

    return act


def played(env: ParallelEnv, world: str, quality: Quality, seed: int) -> np.ndarray:
    """Return the actions, (T, N) int64, of an episode.

    Args:
        env: The environment, without wrappers.
        world: Its name.
        quality: "scripted", "chance", or "mixture": each agent acts by chance with a probability of its own, drawn for
            the episode between 0 and 0.6.
        seed: Of the reset, and of all that is drawn.

    Raises:
        ValueError: There is no such quality.
    """
    if quality not in get_args(Quality):
        raise ValueError(f"unknown quality {quality!r}; valid: {', '.join(get_args(Quality))}")
    infos = env.reset(seed=seed)[1]
    random, n = np.random.default_rng(seed), len(env.possible_agents)
    shares = {"scripted": np.zeros(n), "chance": np.ones(n)}.get(quality, random.uniform(0, MOST_CHANCE, n))
    by_chance = chance_team(env, lambda: infos, random)
    by_rules = by_chance if quality == "chance" else scripted_team(world, env)
    joints = []
    while env.agents:
        if quality == "mixture":
            drawn, best, lots = by_chance(), by_rules(), random.random(n)
            joint = [d if lot < share else b for d, b, share, lot in zip(drawn, best, shares, lots, strict=True)]
        else:
            joint = by_rules()
        joints.append(joint)
        infos = env.step(dict(zip(env.possible_agents, joint, strict=True)))[4]
    return np.array(joints, np.int64)
