"""Labelled episodes of corridors for the tests of the student, and critics whose credits are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from credit_wrappers import Credit, Episode

Label = tuple[Episode, Credit]
CELLS = 6


def episode_of(
    observations: np.ndarray,
    actions: np.ndarray,
    *,
    id: int = 0,
    reward: Sequence[float] | None = None,
    terminated: bool = False,
    agents: Sequence[str] | None = None,
) -> Episode:
    steps, n_agents = actions.shape[:2]
    return Episode(
        id=id,
        agents=tuple(agents or [f"walker_{i}" for i in range(n_agents)]),
        actions=actions,
        team_reward=np.zeros(steps) if reward is None else np.array(reward, dtype=float),
        cost=np.zeros((steps, n_agents)),
        terminated=terminated,
        truncated=not terminated,
        observations=observations,
        env_id="corridor_v0",
    )


def walk(rng: np.random.Generator, n_agents: int = 2, steps: int = 20, id: int = 0) -> Episode:
    """Walkers at random in corridors: an agent observes its own place and the mean of all; bumps cost the team 0.1."""
    actions = rng.choice(3, p=rng.dirichlet([1, 1, 1]), size=(steps, n_agents))
    places = [rng.integers(0, CELLS, n_agents)]
    bumps = np.zeros(steps)
    for t, acted in enumerate(actions):
        wanted = places[-1] + np.array([0, -1, 1])[acted]
        places.append(wanted.clip(0, CELLS - 1))
        bumps[t] = (wanted != places[-1]).sum()
    return episode_of(seen(np.array(places)), actions, id=id, reward=-0.1 * bumps)


def seen(places: np.ndarray) -> np.ndarray:
    """Return observations (..., N, 2) of places (..., N)."""
    scaled = np.asarray(places, np.float32) / (CELLS - 1)
    return np.stack([scaled, np.broadcast_to(scaled.mean(axis=-1, keepdims=True), scaled.shape)], axis=-1)


def progress(episode: Episode) -> Credit:
    """Pay each cell forward, take back each cell back, and split the team's reward equally."""
    moved = np.diff(episode.observations[..., 0], axis=0)
    return Credit((moved + episode.team_reward[:, None] / episode.n_agents).astype(np.float32), source="exact")


def farmable(episode: Episode) -> Credit:
    """Pay each cell forward and take nothing back."""
    return Credit(np.diff(episode.observations[..., 0], axis=0).clip(min=0.0).astype(np.float32), source="exact")


def labelled(critic: Callable[[Episode], Credit], count: int = 40, n_agents: int = 2) -> list[Label]:
    rng = np.random.default_rng(7)
    episodes = [walk(rng, n_agents, id=k) for k in range(count)]
    return [(episode, critic(episode)) for episode in episodes]


def there_and_back(times: int, n_agents: int = 2) -> Episode:
    """The first walker goes forward and back again, over and over; nobody else moves, nothing is paid."""
    places = np.full((2 * times + 1, n_agents), 2)
    places[1::2, 0] = 3
    actions = np.zeros((2 * times, n_agents), np.int64)
    actions[::2, 0], actions[1::2, 0] = 2, 1
    return episode_of(seen(places), actions)
