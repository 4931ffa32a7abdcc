"""Recording: from the dicts of a parallel environment's steps to an `Episode`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.recording.observation_spaces import Features


class EpisodeRecorder:
    """Remembers one episode at a time, as cheaply as possible: lists while it runs, arrays at the end.

    Args:
        agents: All agents, in `possible_agents` order.
        narrator: Captures what must be remembered of each state; None: nothing is.
        env_id: Name of the environment.
        observations: Keep the observations too.
        readers: How the observations of some agents become arrays of numbers; those of the others are kept as they are.
        action_width: A, the longest vector that is an action; None: all actions are whole numbers. See `action_width`.
    """

    def __init__(
        self,
        agents: Sequence[str],
        narrator: Narrator | None,
        env_id: str,
        *,
        observations: bool = False,
        readers: Mapping[str, Features] | None = None,
        action_width: int | None = None,
    ) -> None:
        self.agents = tuple(agents)
        self.action_width = action_width
        self._known = frozenset(agents)
        self.narrator = narrator
        self.env_id = env_id
        self.keeps_observations = observations
        self._readers = readers or {}
        self.active = False  # between a reset and the end of its episode
        self.episode_id = -1
        self._capture = None if narrator is None else narrator.capture
        self._seed: int | None = None
        self._actions: list[Any] = []
        self._rewards: list[float] = []
        self._costs: list[list[float]] = []
        self._moments: list[object] = []
        self._observations: list[list[Any]] = []

    def start(self, episode_id: int, seed: int | None, observations: Mapping[str, Any]) -> None:
        """Begin a new episode with the state after reset; an unfinished one is forgotten."""
        self.active = True
        self.episode_id = episode_id
        self._seed = seed
        self._actions, self._rewards, self._costs, self._moments, self._observations = [], [], [], [], []
        self._remember(observations)

    @property
    def length(self) -> int:
        """Steps recorded so far."""
        return len(self._rewards)

    @property
    def last_actions(self) -> Any:
        """The joint action of the last step, as `joint` returned it."""
        return self._actions[-1]

    @property
    def team_reward(self) -> float:
        """What was paid for the last step."""
        return self._rewards[-1]

    def joint(self, actions: Mapping[str, Any]) -> list[Any] | np.ndarray:
        """Return a copy of a joint action as it is recorded: N numbers, -1 for an agent that has left, or (N, A)."""
        if self.action_width is None:
            return [actions.get(agent, -1) for agent in self.agents]
        rows = np.full((len(self.agents), self.action_width), np.nan)
        for row, agent in zip(rows, self.agents, strict=True):
            if actions.get(agent) is not None:
                vector = np.asarray(actions[agent], dtype=np.float64).reshape(-1)[: self.action_width]
                row[: vector.size] = vector
        return rows

    def add(
        self,
        actions: list[Any] | np.ndarray,
        team_reward: float,
        observations: Mapping[str, Any],
        infos: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Record one step.

        Args:
            actions: What `joint` returned.
            team_reward: What was paid for them.
            observations: What the agents see afterwards.
            infos: The environment's infos; each agent's `cost` is kept.
        """
        self._actions.append(actions)
        self._rewards.append(team_reward)
        self._costs.append([infos[a].get("cost", 0.0) if a in infos else 0.0 for a in self.agents])
        self._remember(observations)

    def finish(self, terminated: bool, truncated: bool) -> Episode:
        """Return the episode; raise CreditError when it was paid NaN or infinity."""
        self.active = False
        return episode_of(
            self,
            self.episode_id,
            self._seed,
            (self._actions, self._rewards, self._costs, self._moments),
            _stack(self._observations) if self.keeps_observations else None,
            terminated,
            truncated,
        )

    def window(self, most: int, terminated: bool, truncated: bool) -> Episode:
        """Return the last steps, `most` of them or all, as an episode whose `start` says where they begin.

        Raises:
            CreditError: NaN or infinity was paid.
        """
        begin = max(0, self.length - most)
        columns = self._actions[begin:], self._rewards[begin:], self._costs[begin:], self._moments[begin:]
        observations = _stack(self._observations[begin:]) if self.keeps_observations else None
        episode = episode_of(self, self.episode_id, self._seed, columns, observations, terminated, truncated)
        return replace(episode, start=begin)

    def _remember(self, observations: Mapping[str, Any]) -> None:
        if not self._known.issuperset(observations):
            new = next(agent for agent in observations if agent not in self._known)
            raise CreditError(
                f"{self.env_id}: agent {new!r} is not one of possible_agents, {list(self.agents)}; an episode has the "
                "same agents from start to end"
            )
        if self._capture is not None:
            self._moments.append(self._capture(observations))
        if self.keeps_observations:
            self._observations.append([self._kept(agent, observations.get(agent)) for agent in self.agents])

    def _kept(self, agent: str, observation: Any) -> Any:
        """Return a copy: environments may write their next observation into the same array."""
        if observation is None or agent not in self._readers:
            return copy.deepcopy(observation)
        return self._readers[agent].numbers(observation)


def episode_of(
    recorder: EpisodeRecorder,
    episode_id: int,
    seed: int | None,
    columns: tuple[Any, Any, Any, Any],
    observations: np.ndarray | None,
    terminated: bool,
    truncated: bool,
) -> Episode:
    """Return an episode of a recorder's environment.

    Args:
        recorder: Knows agents, narrator and name of the environment.
        episode_id: Its number in the store.
        seed: Of its reset.
        columns: Actions (T, N) or (T, N, A), team rewards (T,), costs (T, N) and T + 1 moments; copied.
        observations: (T + 1, N, ...), or None.
        terminated: The world ended it.
        truncated: Time ran out.

    Raises:
        CreditError: NaN or infinity was paid; the message names the step.
    """
    actions, rewards, costs, moments = columns
    team_reward = np.array(rewards, dtype=np.float64)
    if not np.isfinite(team_reward).all():
        step = int(np.flatnonzero(~np.isfinite(team_reward))[0])
        raise CreditError(f"{recorder.env_id}, step {step}: the team reward is {team_reward[step]}")
    narrator = recorder.narrator
    if narrator is not None and hasattr(narrator, "detached"):
        narrator = narrator.detached()
    return Episode(
        id=episode_id,
        agents=recorder.agents,
        actions=np.array(actions, dtype=np.int64 if recorder.action_width is None else np.float64),
        team_reward=team_reward,
        cost=np.array(costs, dtype=np.float64),
        terminated=terminated,
        truncated=truncated,
        moments=tuple(moments),
        narrator=narrator,
        observations=observations,
        env_id=recorder.env_id,
        seed=seed,
    )


def _stack(rows: list[list[Any]]) -> np.ndarray:
    """Return observations as one (T+1, N, ...) array; an object array where they have no common shape."""
    try:
        return np.asarray(rows)
    except ValueError:
        array = np.empty((len(rows), len(rows[0])), dtype=object)
        for t, row in enumerate(rows):
            for i, observation in enumerate(row):
                array[t, i] = observation
        return array
