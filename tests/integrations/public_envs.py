"""Public environments of other packages, and unwrapped twins of them that are played with the same actions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

import numpy as np
import pytest
import supersuit
from gymnasium.spaces import Box
from pettingzoo import ParallelEnv

from credit_wrappers import Credit, Episode

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
pytest.importorskip("mpe2")
pytest.importorskip("pymunk")
pettingzoo = pytest.importorskip("pettingzoo")


@dataclass(frozen=True)
class Public:
    """One environment, how it pays, and what it can be used with."""

    make: Callable[[], ParallelEnv]
    pays: Literal["shared", "mean", "sum"]
    vector: bool = True  # whether all agents' spaces are alike
    student: bool = True  # whether a student can read it
    steps: int = 14  # enough for an end in each of two environments


def registered(name: str, **options: Any) -> Callable[[], ParallelEnv]:
    return lambda: pettingzoo.make("parallel", name, **options)


def particles(name: str, **options: Any) -> Callable[[], ParallelEnv]:
    return lambda: import_module(f"mpe2.{name}").parallel_env(max_cycles=6, **options)


def padded(env: ParallelEnv) -> ParallelEnv:
    return supersuit.pad_action_space_v0(supersuit.pad_observations_v0(env))


KAZ = "butterfly/knights_archers_zombies-v11"
PUBLIC = {
    # So many agents that some collide and pay for it: the shared reward with a term of one's own
    "simple_spread": Public(particles("simple_spread_v3", N=6), "mean"),
    "simple_spread shared": Public(particles("simple_spread_v3", N=3, local_ratio=0.0), "shared"),
    "simple_reference": Public(particles("simple_reference_v3"), "mean"),
    "simple_speaker_listener": Public(particles("simple_speaker_listener_v4"), "shared", vector=False),
    "simple_speaker_listener padded": Public(lambda: padded(particles("simple_speaker_listener_v4")()), "shared"),
    "simple_spread continuous": Public(
        particles("simple_spread_v3", N=6, continuous_actions=True), "mean", student=False
    ),
    "knights_archers_zombies": Public(
        registered(KAZ, spawn_delay=1, max_zombies=30, num_archers=2, num_knights=1, max_cycles=170),
        "sum",
        student=False,
        steps=180,
    ),
    "pistonball": Public(registered("butterfly/pistonball-v6", n_pistons=4, max_cycles=5), "shared", student=False),
    "cooperative_pong": Public(registered("butterfly/cooperative_pong-v6", max_cycles=5), "shared"),
    "pursuit": Public(registered("sisl/pursuit-v5", n_pursuers=3, n_evaders=4, max_cycles=6), "shared"),
    "pursuit own": Public(
        registered("sisl/pursuit-v5", n_pursuers=3, n_evaders=12, max_cycles=6, shared_reward=False), "sum"
    ),
}


def drawn(env: ParallelEnv, number: int, episode: int, t: int, agent: str) -> Any:
    """Return the action of an agent in a step of an episode of an environment, the same for every twin."""
    i, space = env.possible_agents.index(agent), env.action_space(agent)
    rng = np.random.default_rng([number, episode, t, i])
    if isinstance(space, Box):
        return rng.uniform(space.low, space.high).astype(space.dtype)
    return int(rng.integers(space.n))


@dataclass
class TwinStep:
    """What one step of an unwrapped environment brought."""

    actions: dict[str, Any]
    team: float  # by the rule that the environment follows
    terminated: set[str]
    truncated: set[str]


@dataclass
class TwinEpisode:
    """One episode of an unwrapped environment; `observations[t]` is what is seen before step t."""

    agents: list[str]
    observations: list[dict[str, Any]]
    steps: list[TwinStep] = field(default_factory=list)

    def acts(self, agent: str) -> int:
        """Return in how many steps the agent acted."""
        return sum(agent in step.actions for step in self.steps)


def team_reward(pays: str, rewards: Mapping[str, Any]) -> float:
    """Return the team reward that a reader would work out by hand."""
    numbers = [float(reward) for reward in rewards.values()]
    if pays == "shared":
        np.testing.assert_allclose(numbers, numbers[0], rtol=1e-12)
        return numbers[0]
    return sum(numbers) / (len(numbers) if pays == "mean" else 1)


def twin(public: Public, number: int, episodes: int) -> list[TwinEpisode]:
    """Play episodes of environment `number`, the first with the seed 40 + number, the others as it goes on."""
    env, played = public.make(), []
    for episode in range(episodes):
        observations, _ = env.reset(seed=40 + number if episode == 0 else None)
        played.append(TwinEpisode(list(env.possible_agents), [copied(observations)]))
        while env.agents:
            actions = {agent: drawn(env, number, episode, len(played[-1].steps), agent) for agent in env.agents}
            observations, rewards, terminations, truncations, _ = env.step(dict(actions))
            acting = {agent: rewards[agent] for agent in actions}
            flagged = [{agent for agent in actions if flags[agent]} for flags in (terminations, truncations)]
            played[-1].steps.append(TwinStep(actions, team_reward(public.pays, acting), *flagged))
            played[-1].observations.append(copied(observations))
    return played


def copied(observations: Mapping[str, Any]) -> dict[str, Any]:
    return {agent: np.array(seen) for agent, seen in observations.items()}


class RowCritic:
    """Pays 1000 * (the episode's number + 1) + 100 * agent + step, and keeps the episodes."""

    label = "rows"

    def __init__(self) -> None:
        self.episodes: dict[int, Episode] = {}

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        return [self._paid(episode) for episode in episodes]

    def _paid(self, episode: Episode) -> Credit:
        self.episodes[episode.id] = episode
        steps = range(episode.start, episode.start + episode.length)
        values = [[row_credit(episode.id, i, t) for i in range(episode.n_agents)] for t in steps]
        return Credit(np.array(values, dtype=np.float32), source="exact")


def row_credit(episode: int, agent: int, t: int) -> float:
    return 1000.0 * (episode + 1) + 100.0 * agent + t


def check_episode(recorded: Episode, played: TwinEpisode) -> None:
    """Assert that an episode holds what its twin did: actions, team rewards, departures and the end."""
    assert recorded.length == len(played.steps) and recorded.agents == tuple(played.agents)
    np.testing.assert_allclose(recorded.team_reward, [step.team for step in played.steps], rtol=1e-9)
    for t, step in enumerate(played.steps):
        for i, agent in enumerate(played.agents):
            row = recorded.actions[t, i]
            if agent in step.actions:
                np.testing.assert_array_equal(row, step.actions[agent])
            else:
                assert np.isnan(row).all() if recorded.actions.ndim == 3 else row == -1
    last = played.steps[-1]
    assert (recorded.terminated, recorded.truncated) == (bool(last.terminated), bool(last.truncated))
