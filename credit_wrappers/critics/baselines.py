"""Critics that need no model: what credit assignment is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from credit_wrappers.core.credit import Credit
from credit_wrappers.core.critic import Critic, check_critic
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.narrator import Narrator


def shared_values(episode: Episode) -> np.ndarray:
    """Return (T, N) float32: every agent that is there gets the whole team reward."""
    values: np.ndarray = episode.team_reward.astype(np.float32)[:, None] * episode.present
    return values


def equal_values(episode: Episode) -> np.ndarray:
    """Return (T, N) float32: every agent that is there gets the same part of the team reward; the parts sum to it."""
    return shared_values(episode) / episode.present.sum(axis=1, keepdims=True, dtype=np.float32)


class SharedCritic:
    """Pays every agent the team reward itself: plain cooperative learning, no credit assignment."""

    label = "shared"

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the team reward for every agent."""
        return [Credit(shared_values(episode)) for episode in episodes]


class EqualSplitCritic:
    """Pays every agent that is there the team reward divided by the number of such agents."""

    label = "equal"

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return an equal part of the team reward for every agent."""
        return [Credit(equal_values(episode)) for episode in episodes]


class RandomCritic:
    """Pays every agent that is there a number drawn from a standard normal distribution: the control of a benchmark.

    The numbers depend on the seed and on the episode's `key`, so the same episode always gets the same ones, in
    whatever query it is scored.

    Args:
        seed: Of the numbers, from 0.

    Raises:
        ValueError: The seed is negative.
    """

    label = "random"

    def __init__(self, seed: int = 0) -> None:
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, got {seed}")
        self.seed = seed

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return numbers of mean 0 and size 1, which say nothing about what was done."""
        return [Credit(self._values(episode)) for episode in episodes]

    def _values(self, episode: Episode) -> np.ndarray:
        key = int.from_bytes(blake2b(episode.key.encode(), digest_size=8).digest(), "big")
        drawn = np.random.default_rng([self.seed, key]).standard_normal((episode.length, episode.n_agents))
        values: np.ndarray = drawn.astype(np.float32) * episode.present
        return values


class SummedCritic:
    """Pays every agent the sum of another critic's credits over the team.

    What is left is temporal credit without structural credit: a control that tells the two apart. Events and summary
    are those of the other critic; they explain the sum.
    """

    def __init__(self, critic: Critic) -> None:
        check_critic(critic, "SummedCritic takes a critic")
        self.critic = critic
        self.label = f"{critic.label}, summed"

    def check_narrator(self, narrator: Narrator) -> None:
        """Raise what the other critic raises, where a narrator cannot tell it episodes."""
        if hasattr(self.critic, "check_narrator"):
            self.critic.check_narrator(narrator)

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return, for every agent, the team's sum of the other critic's credits at each step."""
        return [
            replace(credit, values=np.tile(credit.values.sum(axis=1, keepdims=True), credit.values.shape[1]))
            for credit in self.critic.score(episodes)
        ]


class BlendedCritic:
    """Pays a mean of what another critic pays and of the team reward (ours).

    An agent whose own credit is right has still no stake in what others do: nothing tells one without work to make way
    for those who have some. A part of the team reward does. Critics that ask a model have this as a setting
    (`CriticSettings.blend`). Events and summary are those of the other critic, so they do not tell of the blend.

    Args:
        critic: Pays. A student reads observations, which the wrapper then has to keep: `record_observations=True`.
        blend: In [0, 1]; (1 - blend) * credit + blend * team reward is paid.

    Raises:
        TypeError: `critic` is no critic, or the blend no number.
        ValueError: The blend is not in [0, 1].
    """

    def __init__(self, critic: Critic, blend: float) -> None:
        check_critic(critic, "BlendedCritic takes a critic")
        if not isinstance(blend, int | float | np.integer | np.floating):
            raise TypeError(f"blend must be a number, got {blend!r}")
        if not 0.0 <= blend <= 1.0:
            raise ValueError(f"blend must be in [0, 1], got {blend}")
        self.critic, self.blend = critic, blend
        self.label = f"{critic.label}, blended with {blend:g} of the team reward"
        if hasattr(critic, "source"):  # a model is asked in threads
            self.source = critic.source

    def check_narrator(self, narrator: Narrator) -> None:
        """Raise what the other critic raises, where a narrator cannot tell it episodes."""
        if hasattr(self.critic, "check_narrator"):
            self.critic.check_narrator(narrator)

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the means of the other critic's credits and of the team reward, for agents that are there."""
        credits = self.critic.score(episodes)
        return [
            replace(credit, values=_blended(credit.values, shared_values(episode), self.blend))
            for credit, episode in zip(credits, episodes, strict=True)
        ]


def _blended(values: np.ndarray, reward: np.ndarray, blend: float) -> np.ndarray:
    mean: np.ndarray = ((1.0 - blend) * values + blend * reward).astype(np.float32)
    return mean


class CostPenaltyCritic:
    """Pays what another critic pays, less a price for each of the agent's own costs (collisions and violations).

    `infos[agent]["cost"]` is the convention of safe reinforcement learning; a fixed price for it is its plainest
    method. Each agent pays for its own costs, whatever the critic said about them. Events and summary are those of the
    other critic, so they do not tell of the price.

    Args:
        critic: Pays. A student reads observations, which the wrapper then has to keep: `record_observations=True`.
        price: Of a cost of 1, in the other critic's units; 0 or more.

    Raises:
        TypeError: `critic` is no critic, or the price no number.
        ValueError: The price is negative or no finite number.
    """

    def __init__(self, critic: Critic, price: float) -> None:
        check_critic(critic, "CostPenaltyCritic takes a critic")
        if not isinstance(price, int | float | np.integer | np.floating):
            raise TypeError(f"price must be a number, got {price!r}")
        if not 0.0 <= price < math.inf:
            raise ValueError(f"price must be 0 or more, and finite, got {price}")
        self.critic, self.price = critic, price
        self.label = f"{critic.label}, {price:g} for each cost"
        if hasattr(critic, "source"):  # a model is asked in threads
            self.source = critic.source

    def check_narrator(self, narrator: Narrator) -> None:
        """Raise what the other critic raises, where a narrator cannot tell it episodes."""
        if hasattr(self.critic, "check_narrator"):
            self.critic.check_narrator(narrator)

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the other critic's credits less the price of each agent's costs in each step."""
        credits = self.critic.score(episodes)
        return [
            replace(credit, values=(credit.values - self.price * episode.cost).astype(np.float32))
            for credit, episode in zip(credits, episodes, strict=True)
        ]


class TasksOnlyCritic:
    """Pays every agent the team reward, and names the tasks that another critic names: what are tasks alone worth?

    Args:
        critic: Names tasks, such as `LLMCritic(client, tasks=True)`.
        wanted: Returns whether it is asked about an episode; None: about all of them. With the `wants` of a
            `TaskDistillation` it is asked about no more than are learned from.

    Raises:
        TypeError: `critic` is no critic.
    """

    def __init__(self, critic: Critic, wanted: Callable[[Episode], bool] | None = None) -> None:
        check_critic(critic, "TasksOnlyCritic takes a critic")
        self.critic, self.wanted = critic, wanted
        self.label = f"{critic.label}, tasks only"
        self.source = getattr(critic, "source", "model")

    def check_narrator(self, narrator: Narrator) -> None:
        """Raise what the other critic raises, where a narrator cannot tell it episodes."""
        if hasattr(self.critic, "check_narrator"):
            self.critic.check_narrator(narrator)

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the team reward for every agent, with the other critic's tasks, summary and usage."""
        asked = [k for k, episode in enumerate(episodes) if self.wanted is None or self.wanted(episode)]
        told = self.critic.score([episodes[k] for k in asked]) if asked else []
        credits = dict(zip(asked, told, strict=True))
        return [
            Credit(shared_values(episode))
            if k not in credits
            else replace(
                credits[k],
                values=shared_values(episode),
                events=(),
                source="fallback" if credits[k].source == "fallback" else "baseline",
            )
            for k, episode in enumerate(episodes)
        ]
