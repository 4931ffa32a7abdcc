"""A narrator for environments that bring none: it tells the observations as numbers.

A model judges better what it understands: an environment of your own deserves a narrator of its own (see
`credit_wrappers.testing.corridor` for a small one).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Dict, Discrete, Space, Tuple
from pettingzoo.utils.env import ParallelEnv


class ArrayNarrator:
    """Tells an episode by what the agents observed: all numbers at first, then those that changed.

    Args:
        env: The environment; only its spaces and texts are read, it is not kept.
        about: What the environment is and what the team is to do. The more it says the better the credits;
            default: the docstring of the environment.
        actions: What the actions are called, by number; default `action 0`, `action 1`, ...
    """

    def __init__(self, env: ParallelEnv, *, about: str = "", actions: Sequence[str] = ()) -> None:
        name = (getattr(env, "metadata", None) or {}).get("name") or type(env.unwrapped).__name__
        self.agents = tuple(env.possible_agents)
        self.about = about or f"{name}. {(type(env.unwrapped).__doc__ or '').strip()}".strip()
        self.actions = tuple(actions)
        self._spaces = [
            (_space_text(env.observation_space(agent)), _space_text(env.action_space(agent))) for agent in self.agents
        ]

    def capture(self, observations: Mapping[str, Any]) -> object:
        """Return the observations as one flat row of numbers for each agent; None for one that has left."""
        # `concatenate` copies: environments may write their next observation into the same array.
        return tuple(
            np.concatenate(list(_leaves(observations[agent]))) if agent in observations else None
            for agent in self.agents
        )

    def frames(self, moments: Sequence[Any], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return what each agent sees, then what changed in it as `index=value`."""
        texts: list[str] = []
        before: Sequence[Any] = [None] * len(self.agents)
        for moment in moments:
            clauses = []
            for name, i in zip(names, order, strict=True):
                row, old = moment[i], before[i]
                if row is None:
                    if old is not None or not texts:
                        clauses.append(f"{name} is gone")
                elif old is None:
                    clauses.append(f"{name} sees [{' '.join(map(_number, row))}]")
                else:
                    changed = np.flatnonzero(row != old)
                    if changed.size:
                        clauses.append(f"{name} {' '.join(f'{k}={_number(row[k])}' for k in changed)}")
            texts.append("; ".join(clauses) or "no change")
            before = moment
        return texts

    def describe(self) -> str:
        """Return the environment's text, the size of the team and the spaces."""
        shared = len(set(self._spaces)) == 1
        if shared:
            seen, done = self._spaces[0]
            spaces = f"Each agent observes {seen} and chooses from {done}."
        else:
            # Sorted, without names: which agent has which is part of the order that the prompt hides.
            kinds = sorted(f"observes {seen} and chooses from {done}" for seen, done in self._spaces)
            spaces = "The agents differ: " + "; ".join(f"one {kind}" for kind in kinds) + "."
        named = "".join(f"\n- action {k}: {text}" for k, text in enumerate(self.actions))
        return f"{self.about}\n\nA team of {len(self.agents)} agents. {spaces}{named}"

    def notation(self) -> str:
        """Return how frames are written."""
        return (
            "The first frame lists the numbers that each agent sees, index 0 first. Later frames list only "
            "what changed: `agent_A 3=0.5` says that the number at index 3 of what agent_A sees is now 0.5."
        )

    def examples(self) -> Mapping[str, str]:
        """Return examples that hold in any environment."""
        return {
            "temporal": "agent_A prepares at step 3 what pays the team at step 20: most of its credit "
            "belongs to the steps up to 3, although their reward is 0.",
            "structural": "the team is paid 1 for what agent_A finished while agent_B stood still: agent_A "
            "gets the credit, agent_B none.",
            "under_collaboration": "a sub-task needs two agents and only agent_A comes: it fails; agent_B is "
            "to blame for staying away.",
            "over_collaboration": "one agent is enough for a sub-task and both come: the second wastes its "
            "steps and deserves a little blame.",
            "agreement": "a sub-task needs both agents to choose the same thing in the same step: credit "
            "both when they do; when they choose differently, blame the one that left the common plan.",
        }

    def action_name(self, agent: str, action: int) -> str:
        """Return the action's name."""
        return self.actions[action] if action < len(self.actions) else f"action {action}"

    def tasks(self) -> Sequence[str]:
        """Return no tasks: numbers name none."""
        return ()


def _leaves(observation: Any) -> Iterator[np.ndarray]:
    """Yield the arrays of a nested observation, flat, in a fixed order."""
    if isinstance(observation, Mapping):
        for key in sorted(observation):
            yield from _leaves(observation[key])
    elif isinstance(observation, tuple):
        for part in observation:
            yield from _leaves(part)
    else:
        yield np.asarray(observation, dtype=np.float64).reshape(-1)


def _number(value: float) -> str:
    return f"{round(float(value), 4) + 0.0:g}"


def _space_text(space: Space) -> str:
    if isinstance(space, Discrete):
        first = int(space.start)
        return f"the numbers {first} to {first + int(space.n) - 1}"
    if isinstance(space, Dict):
        return " and ".join(f"{key} ({_space_text(part)})" for key, part in sorted(space.spaces.items()))
    if isinstance(space, Tuple):
        return " and ".join(_space_text(part) for part in space.spaces)
    if space.shape is not None:
        return f"{int(np.prod(space.shape))} numbers (shape {tuple(space.shape)})"
    return str(space)
