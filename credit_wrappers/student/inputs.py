"""What the agents of an environment observe, as a student reads it: one row of numbers for each agent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.errors import CreditError
from credit_wrappers.recording.observation_spaces import Features
from credit_wrappers.student.team_spec import TeamSpec


class TeamInputs:
    """The function from an environment's observations to rows of numbers, for agents that may come and go.

    Dict and Tuple observations become their numbers, sorted by key, without action masks. The TypeError for what a
    student cannot read names the agent.
    """

    def __init__(self, env: ParallelEnv) -> None:
        self.agents = tuple(env.possible_agents)
        spaces = {agent: env.observation_space(agent) for agent in self.agents}
        self._features = [Features(agent, space) for agent, space in spaces.items()]
        for features, space in zip(self._features, spaces.values(), strict=True):
            if features.unread or not features.size:
                raise TypeError(f"a student reads numbers; agent {features.agent!r} observes {space}")
        self.sizes = tuple(features.size for features in self._features)  # numbers that each agent observes
        self._longest = max(self.sizes)
        flat = all(isinstance(space, Box | MultiBinary | MultiDiscrete | Discrete) for space in spaces.values())
        self._alike = flat and len({space.shape for space in spaces.values()}) == 1

    def __call__(self, observations: Mapping[str, Any]) -> np.ndarray:
        """Return (N, F) float32, where F is the longest row; shorter ones, and those of absent agents, end in zeros.

        An observation that does not fit its space raises CreditError.
        """
        with np.errstate(over="ignore"):  # what becomes infinite as float32 is named by the student's checks
            if self._alike and len(observations) >= len(self.agents):
                with suppress(LookupError, TypeError, ValueError):  # of another shape, which `numbers` names below
                    rows = np.array([observations[agent] for agent in self.agents], np.float32)
                    if rows.size == len(self.agents) * self._longest:
                        return rows.reshape(len(self.agents), self._longest)
            table = np.zeros((len(self.agents), self._longest), np.float32)
            for row, features in zip(table, self._features, strict=True):
                if features.agent in observations:
                    row[: features.size] = features.numbers(observations[features.agent])
            return table


class StudentInputs(TeamInputs):
    """The same for a student that credits: actions must be Discrete from 0, and every agent there in every step."""

    def __init__(self, env: ParallelEnv) -> None:
        actions = {agent: env.action_space(agent) for agent in env.possible_agents}
        for agent, space in actions.items():
            if not isinstance(space, Discrete) or space.start != 0:
                raise TypeError(
                    f"a student needs actions that are whole numbers from 0 (Discrete), agent {agent!r} has {space}"
                )
        super().__init__(env)
        self.n_actions = tuple(int(space.n) for space in actions.values())

    @property
    def team(self) -> TeamSpec:
        """The agents, each in a role of its own."""
        return TeamSpec(self.agents, self.agents, self.sizes, self.n_actions)

    def __call__(self, observations: Mapping[str, Any]) -> np.ndarray:
        """Return (N, F) float32, where F is the longest row; shorter ones end in zeros.

        A missing agent, or an observation that does not fit its space, raises CreditError.
        """
        if missing := [agent for agent in self.agents if agent not in observations]:
            raise CreditError(
                f"agent {missing[0]!r} is not there; a student needs every agent in every step. Where agents come "
                "and go, credit comes after the episode: Deferred(critic), without labels="
            )
        return super().__call__(observations)

    def columns(self, tables: list[np.ndarray]) -> np.ndarray:
        """Return the observations of an episode, (T+1, N, F); (T+1, N) objects where agents' sizes differ."""
        stacked = np.stack(tables)
        if len(set(self.sizes)) == 1:
            return stacked
        cut = np.empty(stacked.shape[:2], dtype=object)
        for t, i in np.ndindex(*cut.shape):
            cut[t, i] = stacked[t, i, : self.sizes[i]]
        return cut
