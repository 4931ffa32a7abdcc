"""How an episode stores actions, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space

from credit_wrappers.recording.observation_spaces import number


def action_width(spaces: Sequence[Space]) -> int | None:
    """Return the length of the longest action vector; None when all actions are whole numbers from 0."""
    if all(isinstance(space, Discrete) and space.start >= 0 for space in spaces):
        return None  # -1 is free to mark an agent that has left
    return max(length(space) for space in spaces)


class ActionWords:
    """The names of each agent's actions.

    `names` are those of the actions of a Discrete space or of a vector's components, for all agents or by agent. A
    wrong number of names or an unknown agent raises ValueError.
    """

    def __init__(
        self, spaces: Mapping[str, Space], names: Sequence[str] | Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.spaces = dict(spaces)
        self.names: dict[str, Sequence[str]] = {}
        for agent, given in by_agent("action_names", names, list(spaces)).items():
            space = spaces[agent]
            count = int(space.n) if isinstance(space, Discrete) else length(space)
            if len(given) != count:
                what = "actions" if isinstance(space, Discrete) else "components in each action"
                raise ValueError(f"action_names has {len(given)} names, but agent {agent!r} has {count} {what}")
            self.names[agent] = list(given)

    def name(self, agent: str, action: Any) -> str:
        """Return an action's text: a name, `action 3`, or a vector `[0.1 -0.5]`, `[thrust=0.1 turn=-0.5]`.

        The action is an int, or a row (A,) that may be longer than this agent's vectors.
        """
        space, names = self.spaces[agent], self.names.get(agent)
        if isinstance(space, Discrete):
            chosen = int(np.ravel(action)[0])
            known = names is not None and 0 <= chosen - space.start < len(names)
            return names[chosen - space.start] if names and known else f"action {chosen}"
        values = list(map(number, np.ravel(action)[: length(space)]))
        if names is not None:
            values = [f"{name}={value}" for name, value in zip(names, values, strict=True)]
        return f"[{' '.join(values)}]"

    def describe(self, agent: str) -> str:
        """Return what the agent chooses from, in English."""
        space, names = self.spaces[agent], self.names.get(agent)
        if isinstance(space, Discrete):
            first, last = int(space.start), int(space.start + space.n) - 1
            return f"the actions {', '.join(names)}" if names else f"the actions {first} to {last}"
        kind = f"{length(space)} "
        if isinstance(space, MultiBinary):
            kind += "zeros and ones"
        elif isinstance(space, MultiDiscrete):
            ranges = (f"{low} to {low + n - 1}" for low, n in zip(space.start.flat, space.nvec.flat, strict=True))
            kind += f"whole numbers ({', '.join(ranges)})"
        else:
            kind += f"numbers{_bounds(space)}"
        return f"vectors of {kind}"


def by_agent(what: str, given: Any, agents: Sequence[str]) -> dict[str, Any]:
    """Return by agent what is given as a mapping, whose keys must be agents, or as one value for all; None is empty."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(agents, given)
    unknown = [key for key in given if key not in agents]
    if unknown:
        raise ValueError(f"{what} is given for {unknown}, but the agents are {list(agents)}")
    return dict(given)


def length(space: Space) -> int:
    """Return how many numbers an action of a space has."""
    return int(np.prod(space.shape))  # 1 for Discrete, whose shape is ()


def _bounds(space: Box) -> str:
    low, high = float(space.low.min()), float(space.high.max())
    same = space.low.max() == low and space.high.min() == high and np.isfinite([low, high]).all()
    return f" from {number(low)} to {number(high)}" if same else ""
