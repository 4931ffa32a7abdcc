"""Episodes with snapshots, odd value functions, and Shapley values by the definition, for the tests of exact credit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from credit_wrappers import Episode, Values
from credit_wrappers.testing.corridor import CorridorEnv


def recorded(env: Any, seed: int, choose: Callable[[int, dict[str, Any]], Sequence[int]], steps: int = 1000) -> Episode:
    """Play an episode with snapshots; `choose(t, infos)` is the joint action of step t."""
    _, infos = env.reset(seed=seed)
    return played_on(env, infos, choose, steps)


def played_on(env: Any, infos: dict[str, Any], choose: Callable[..., Sequence[int]], steps: int = 1000) -> Episode:
    """Play on from where an environment is."""
    agents = tuple(env.possible_agents)
    shots, actions, rewards, costs = [env.get_state()], [], [], []
    ends: list[bool] = [False, False]
    while env.agents and len(actions) < steps:
        joint = [int(a) for a in choose(len(actions), infos)]
        _, paid, terminations, truncations, infos = env.step(dict(zip(agents, joint, strict=True)))
        actions.append(joint)
        rewards.append(paid[agents[0]])
        costs.append([infos[agent].get("cost", 0.0) for agent in agents])
        ends = [any(terminations.values()), any(truncations.values())]
        shots.append(env.get_state())
    table = np.array(actions, np.int64)
    return Episode(7, agents, table, np.array(rewards), np.array(costs), *ends, snapshots=tuple(shots))


def walk(*joints: Sequence[int], start: Sequence[int] = (0, 0), **arguments: Any) -> Episode:
    """Return a corridor's episode from given cells, with these joint actions."""
    env = CorridorEnv(len(start), **arguments)
    _, infos = env.reset(seed=0)
    env.position = list(start)
    return played_on(env, infos, lambda t, _: joints[t], len(joints))


def wander(env: Any, seed: int, steps: int = 1000) -> Episode:
    """Return an episode of random actions, all of them possible where the environment says which are."""
    rng = np.random.default_rng(seed)

    def choose(_: int, infos: dict[str, Any]) -> list[int]:
        masks = [infos[a].get("action_mask", np.ones(env.action_space(a).n)) for a in env.possible_agents]
        return [int(rng.choice(np.flatnonzero(mask))) for mask in masks]

    return recorded(env, seed, choose, steps)


@dataclass
class Odd:
    """A value in which all walkers interact: no symmetry, no sum. It fails on a state in which all have arrived."""

    factor: float = 1.0
    counts_reward: bool = False
    discount: float = 1.0
    unit: str = "reward"

    def values(self, states: Sequence[Any]) -> Values:
        """Return a value of all cells; an error that differs between states."""
        assert all(state.agents or state.time for state in states)
        cells = np.array([state.position for state in states], float)
        weights = np.arange(1, cells.shape[1] + 1)
        mean = self.factor * np.sin(cells @ weights) + np.prod(cells + 0.5, axis=1)
        return Values(mean, np.zeros(len(states)))


def worth(env: Any, state: Any, joint: Sequence[int], value: Any, penalty: float = 0.0) -> float:
    """Return what a joint action is worth, by the environment itself."""
    env.set_state(state)
    agents = list(env.possible_agents)
    _, paid, terminations, _, infos = env.step(dict(zip(agents, map(int, joint), strict=True)))
    ended = not env.agents and any(terminations.values())
    after = 0.0 if ended else float(value.values([env.get_state()]).mean[0])
    if value.counts_reward:
        after = paid[agents[0]] + value.discount * after
    return after - penalty * sum(infos[agent].get("cost", 0.0) for agent in agents)


def shapley_by_definition(env: Any, episode: Episode, value: Any, penalty: float = 0.0) -> np.ndarray:
    """Return the mean gain of each agent that joins, over all orders in which the agents join (default: 0)."""
    found = np.zeros(episode.actions.shape)
    orders = list(permutations(range(episode.n_agents)))
    for t, joint in enumerate(episode.actions):
        for order in orders:
            acting = np.zeros(episode.n_agents, int)
            before = worth(env, episode.snapshots[t], acting, value, penalty)
            for agent in order:
                acting[agent] = joint[agent]
                now = worth(env, episode.snapshots[t], acting, value, penalty)
                found[t, agent] += (now - before) / len(orders)
                before = now
    return found
