"""What can be told of any environment: its description, team, spaces and names of actions."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Dict, Discrete, Space, Tuple
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.narration.text_diff import is_clear, mentions
from credit_wrappers.recording.action_spaces import ActionWords
from credit_wrappers.recording.observation_spaces import MASK

ActionNames = Sequence[str] | Mapping[str, Sequence[str]]


EXAMPLES = {
    "temporal": "agent_A prepares at step 3 what pays the team at step 20: most of its credit belongs to the steps up "
    "to 3, although their reward is 0.",
    "structural": "the team is paid 1 for what agent_A finished while agent_B stood still: agent_A gets the credit, "
    "agent_B none.",
    "under_collaboration": "a sub-task needs two agents and only agent_A comes: it fails; agent_B is to blame for "
    "staying away.",
    "over_collaboration": "one agent is enough for a sub-task and both come: the second wastes its steps and deserves "
    "a little blame.",
    "agreement": "a sub-task needs both agents to choose the same thing in the same step: credit both when they do; "
    "when they choose differently, blame the one that left the common plan.",
}


class GenericNarrator:
    """The part of a narrator that fits any environment; `ArrayNarrator` documents the arguments."""

    def __init__(self, env: ParallelEnv, describe: str | None, action_names: ActionNames | None) -> None:
        self.agents = tuple(env.possible_agents)
        spaces = {agent: env.action_space(agent) for agent in self.agents}
        self.words = ActionWords(spaces, action_names)
        self._about = describe if describe is not None else _own_words(env)
        seen = [_space_text(env.observation_space(agent)) for agent in self.agents]
        self._unclear = [not is_clear(str(agent)) for agent in self.agents]
        # The frames must say who is who among the agents that the description or the actions name.
        self._named = [False] * len(self.agents)
        self._note_names([self._about, *(name for names in self.words.names.values() for name in names)])
        self._kinds = [(text, self.words.describe(a)) for text, a in zip(seen, self.agents, strict=True)]

    def describe(self) -> str:
        """Return the environment's text, the size of the team and the spaces."""
        kinds = Counter(self._kinds)
        if len(kinds) == 1:
            seen, done = self._kinds[0]
            spaces = f"Each agent observes {seen} and chooses from {done}."
        else:
            # Sorted, without names: which agent has which is part of the order that the prompt hides.
            each = sorted(f"{n} observing {seen} and choosing from {done}" for (seen, done), n in kinds.items())
            spaces = f"The agents differ: {'; '.join(each)}."
        return f"{self._about}\n\nA team of {len(self.agents)} agents. {spaces}".strip()

    def who(self, order: Sequence[int], names: Sequence[str], states: Iterable[str] = ()) -> list[str]:
        """Return who is who among the agents that the prompt calls by their own names.

        These are the agents that the description or the actions name, and those that `states` name by a word that may
        mean something else.
        """
        told = []
        for name, i in zip(names, order, strict=True):
            own = str(self.agents[i])
            named = self._named[i] or (self._unclear[i] and any(mentions(text, own) for text in states))
            if named and name != own:
                told.append(f"{name} is {own}")
        return told

    def examples(self) -> Mapping[str, str]:
        """Return examples that hold in any environment."""
        return EXAMPLES

    def action_name(self, agent: str, action: Any) -> str:
        """Return the action's name; see `ActionWords.name`."""
        return self.words.name(agent, action)

    def tasks(self) -> Sequence[str]:
        """Return the names of the actions, in order: advice that fits every environment.

        Empty where the agents' actions differ in number or name, or are vectors.

        Raises:
            ValueError: Two actions have one name, or a name is empty, ends in a blank or holds "; " or a line break.
        """
        space, *others = self.words.spaces.values()
        if not isinstance(space, Discrete) or any(other != space for other in others):
            return ()
        numbers = range(int(space.start), int(space.start + space.n))
        tasks, *rest = {tuple(self.words.name(agent, k) for k in numbers) for agent in self.agents}
        if rest:
            return ()
        bad = [name for name in tasks if [name.strip()] != name.splitlines() or "; " in name or tasks.count(name) > 1]
        if bad:
            raise ValueError(
                f"actions called {bad[0]!r} cannot be tasks: action_names must differ, and be texts of one line "
                'without "; " and without blanks around them'
            )
        return tasks

    def _note_names(self, texts: Iterable[str]) -> None:
        """Note which agents are named by texts that the prompt repeats word for word."""
        whole = "\n".join(texts)
        self._named = [
            named or mentions(whole, str(agent)) for named, agent in zip(self._named, self.agents, strict=True)
        ]


def _own_words(env: ParallelEnv) -> str:
    """Return what an environment says of itself: its name, and `describe()` or a docstring."""
    world = env.unwrapped
    if callable(getattr(world, "describe", None)):
        return str(world.describe()).strip()
    name = (getattr(env, "metadata", None) or {}).get("name") or type(world).__name__
    module = sys.modules.get(type(world).__module__)
    text = type(world).__doc__ or getattr(module, "__doc__", None) or ""
    return f"{name}. {inspect.cleandoc(text)}".strip()


def _space_text(space: Space) -> str:
    if isinstance(space, Dict):
        parts = [(key, _space_text(part)) for key, part in sorted(space.spaces.items()) if key != MASK]
        return parts[0][1] if len(parts) == 1 else " and ".join(f"{key} ({text})" for key, text in parts)
    if isinstance(space, Tuple):
        return " and ".join(_space_text(part) for part in space.spaces)
    if isinstance(space, Discrete):
        return f"a number from {int(space.start)} to {int(space.start + space.n) - 1}"
    if space.shape is None:
        return f"a {type(space).__name__}"
    size = int(np.prod(space.shape))
    shape = f" (shape {tuple(map(int, space.shape))})" if len(space.shape) > 1 else ""
    return f"{size} number{'s' * (size != 1)}{shape}"
