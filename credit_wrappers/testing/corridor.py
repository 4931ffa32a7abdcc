"""Corridor: a very small cooperative environment with a narrator, for tests and examples.

Every agent stands in a corridor of its own, `length` cells long. When all stand on their last cell, the team is paid 1
and the episode ends. Walking against a wall costs the team 0.05.

| Facts | |
|---|---|
| actions | Discrete(3): 0 stay, 1 back, 2 forward |
| observations | Box(N,) float32: all positions divided by length - 1, one's own first |
| team reward | 1 at the end, -0.05 for each bump, the same for all agents |
| cost | `infos[agent]["cost"]`: 1.0 for a bump |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.exact.value_function import Values, WayToGo

_ACTIONS = ("stay", "back", "forward")


@dataclass(frozen=True)
class CorridorState:
    """The whole state of a corridor, from which an episode goes on as it went on.

    Attributes:
        variant: Number of agents, cells of a corridor, horizon.
        position: (N,) each agent's cell.
        time: Steps taken.
        agents: The agents that act next; () before a reset and after the end.
        random: State of the random generator; None before the first reset.
    """

    variant: tuple[int, int, int]
    position: tuple[int, ...]
    time: int
    agents: tuple[str, ...]
    random: Mapping[str, Any] | None


@dataclass(frozen=True)
class CorridorValue(WayToGo):
    """Minus the steps, or moves, until all have arrived: the longest way, or the sum of all ways."""

    length: int

    def values(self, states: Sequence[Any]) -> Values:
        """Return the values of K states, without error."""
        ways = self.length - 1 - np.array([state.position for state in states], float)
        mean = -(ways.max(axis=1) if self.kind == "time" else ways.sum(axis=1))
        return Values(mean, np.zeros(len(states)))


@dataclass(eq=False)
class CorridorNarrator:
    """Narrates corridor episodes. Their moments are tuples of positions."""

    n_agents: int
    length: int
    live: CorridorEnv | None = None  # the environment that `capture` reads

    def detached(self) -> CorridorNarrator:
        """Return a copy without the environment."""
        return CorridorNarrator(self.n_agents, self.length)

    def capture(self, observations: Mapping[str, Any]) -> object:
        """Return all positions."""
        assert self.live is not None
        return tuple(self.live.position)

    def frames(self, moments: Sequence[Any], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return all positions, then for each step those that changed."""
        called = list(zip(names, order, strict=True))
        texts = ["; ".join(f"{name} at {moments[0][i]}" for name, i in called)]
        for before, after in pairwise(moments):
            moved = [f"{name} at {after[i]}" for name, i in called if before[i] != after[i]]
            texts.append("; ".join(moved) or "no change")
        return texts

    def describe(self) -> str:
        """Return the rules."""
        return (
            f"{self.n_agents} agents stand in corridors of their own, with cells 0 to {self.length - 1}. In "
            "every step each agent stays, goes back or goes forward by one cell. When all of them stand on "
            f"cell {self.length - 1} the team is paid 1 and the episode ends. Walking against a wall costs "
            "the team 0.05."
        )

    def notation(self) -> str:
        """Return how frames are written."""
        return "`agent_A at 2` says that agent_A stands on cell 2. After the start only moves are told."

    def worths(self) -> str:
        """Return what a step saved is here."""
        return f"A step towards cell {self.length - 1} is 1, a step back -1, walking against a wall -2."

    def examples(self) -> Mapping[str, str]:
        """Return one example for each definition."""
        goal = self.length - 1
        return {
            "temporal": f"the reward comes at the end; every step towards cell {goal} earned part of it.",
            "structural": "agent_A walked while agent_B stood still: the progress is agent_A's alone.",
            "under_collaboration": f"agent_A waits on cell {goal} and agent_B never comes: nothing is paid.",
            "over_collaboration": f"an agent on cell {goal} that walks on bumps into the wall for nothing.",
            "agreement": f"the team is paid only when all agents stand on cell {goal} in the same step.",
        }

    def action_name(self, agent: str, action: int) -> str:
        """Return `stay`, `back` or `forward`."""
        return _ACTIONS[action]

    def tasks(self) -> Sequence[str]:
        """Return the tasks an agent can be given."""
        return ("walk to the end", "wait")


class CorridorEnv(ParallelEnv):
    """The environment; the module's docstring describes it.

    Args:
        n_agents: Agents, each in its own corridor.
        length: Cells of a corridor.
        horizon: Steps after which the episode is truncated.
    """

    metadata: dict[str, Any] = {"name": "corridor_v0", "render_modes": []}  # noqa: RUF012  # PettingZoo's way

    def __init__(self, n_agents: int = 2, length: int = 4, horizon: int = 12) -> None:
        self.possible_agents = [f"walker_{i}" for i in range(n_agents)]
        self.agents: list[str] = []
        self.length = length
        self.horizon = horizon
        self.render_mode = None
        self.position = [0] * n_agents
        self.narrator = CorridorNarrator(n_agents, length, live=self)
        self._time = 0
        self._random: np.random.Generator | None = None
        self._action_space = {agent: Discrete(len(_ACTIONS)) for agent in self.possible_agents}
        self._observation_space = {agent: Box(0.0, 1.0, (n_agents,), np.float32) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> Box:
        """Return the observation space, the same object each time."""
        return self._observation_space[agent]

    def action_space(self, agent: str) -> Discrete:
        """Return the action space, the same object each time."""
        return self._action_space[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Put every agent on a random cell of the first half."""
        if seed is not None or self._random is None:
            self._random = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self._time = 0
        self.position = [int(self._random.integers(0, self.length // 2)) for _ in self.agents]
        return self._observe(), {agent: {"cost": 0.0} for agent in self.agents}

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Move every agent; pay the team."""
        bumped = []
        for i, agent in enumerate(self.agents):
            target = self.position[i] + {0: 0, 1: -1, 2: 1}[int(actions[agent])]
            bumped.append(not 0 <= target < self.length)
            self.position[i] = self.position[i] if bumped[i] else target
        self._time += 1
        arrived = all(position == self.length - 1 for position in self.position)
        late = not arrived and self._time >= self.horizon
        team = float(arrived) - 0.05 * sum(bumped)
        agents = self.agents
        if arrived or late:
            self.agents = []
        return (
            self._observe(),
            dict.fromkeys(agents, team),
            dict.fromkeys(agents, arrived),
            dict.fromkeys(agents, late),
            {agent: {"cost": float(hit)} for agent, hit in zip(agents, bumped, strict=True)},
        )

    def get_state(self) -> CorridorState:
        """Return the whole state, a value that no later step changes."""
        random = None if self._random is None else self._random.bit_generator.state
        return CorridorState(self._variant, tuple(self.position), self._time, tuple(self.agents), random)

    def set_state(self, state: CorridorState) -> None:
        """Restore a state that `get_state` returned, here or in another corridor of the same arguments.

        Raises:
            TypeError: It is no state of a corridor.
            ValueError: It is of a corridor with other arguments.
        """
        if not isinstance(state, CorridorState):
            raise TypeError(f"set_state takes what get_state returned, not {type(state).__name__}")
        if state.variant != self._variant:
            raise ValueError(
                f"the state is of a corridor with (n_agents, length, horizon) = {state.variant}, this one has "
                f"{self._variant}"
            )
        self.position, self._time, self.agents = list(state.position), state.time, list(state.agents)
        self._random = None
        if state.random is not None:
            self._random = np.random.default_rng()
            self._random.bit_generator.state = state.random

    def rewind(self, state: CorridorState) -> CorridorState:
        """Return a state with the clock at 0, in which the episode goes on unless all have arrived."""
        arrived = all(cell == self.length - 1 for cell in state.position)
        return replace(state, time=0, agents=() if arrived else tuple(self.possible_agents))

    def value_function(self, kind: str) -> CorridorValue:
        """Return minus the steps ("time") or moves ("work") until all have arrived, in closed form.

        Raises:
            ValueError: There is no such kind.
        """
        return CorridorValue(kind, self.length)

    @property
    def _variant(self) -> tuple[int, int, int]:
        return len(self.possible_agents), self.length, self.horizon

    def _observe(self) -> dict[str, np.ndarray]:
        scaled = np.asarray(self.position, np.float32) / np.float32(self.length - 1)
        return {agent: np.roll(scaled, -i) for i, agent in enumerate(self.possible_agents)}


def parallel_env(scenario: str = "", **arguments: Any) -> CorridorEnv:
    """Return a corridor, of which there is one scenario; the arguments are those of `CorridorEnv`.

    Raises:
        ValueError: A scenario is named.
    """
    if scenario:
        raise ValueError(f"the corridor has no scenario {scenario!r}; its name is just corridor")
    return CorridorEnv(**arguments)


def scripted_team(env: CorridorEnv) -> Callable[[], list[int]]:
    """Return a function that returns the joint action of a team that walks to the last cell and waits there."""
    return lambda: [2 if cell < env.length - 1 else 0 for cell in env.position]
