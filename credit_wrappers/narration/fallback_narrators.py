"""Narrators for environments that bring none: they tell its numbers, or what it says of itself.

A model judges best what it understands: give your own environment at least a `describe_state()`, at best a narrator
(`credit_wrappers.testing.corridor` has a small one).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.core.content_digest import content_digest
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.narrator import Narrator
from credit_wrappers.narration.generic_narrator import ActionNames, GenericNarrator
from credit_wrappers.narration.live_narrator import LiveNarrator
from credit_wrappers.narration.text_diff import clauses, difference, listed, renamed
from credit_wrappers.recording.action_spaces import by_agent
from credit_wrappers.recording.observation_spaces import MOST_TOLD, Features

FeatureNames = Sequence[str | None] | Mapping[str, Sequence[str | None]]


def narrator_for(
    env: ParallelEnv,
    narrator: Narrator | None = None,
    *,
    describe: str | None = None,
    action_names: ActionNames | None = None,
    feature_names: FeatureNames | None = None,
) -> Narrator:
    """Return the narrator given, else the environment's own, else one made for it with the texts given.

    With `feature_names`, or without a `describe_state()`, an `ArrayNarrator` is made, which documents the texts, else a
    `StateNarrator`.

    Raises:
        ValueError: There are texts for a narrator that has its own.
    """
    texts = {"describe": describe, "action_names": action_names, "feature_names": feature_names}
    given = [name for name, value in texts.items() if value is not None]
    ready = narrator if narrator is not None else getattr(env.unwrapped, "narrator", None)
    if ready is None:
        if feature_names is None and callable(getattr(env.unwrapped, "describe_state", None)):
            return StateNarrator(env, describe=describe, action_names=action_names)
        return ArrayNarrator(env, describe=describe, action_names=action_names, feature_names=feature_names)
    if given:
        whose = "the narrator" if narrator is not None else "the environment's own narrator"
        raise ValueError(
            f"{whose}, {type(ready).__name__}, has its own words; remove {', '.join(given)}, or tell the environment "
            f"by its numbers: narrator=ArrayNarrator(env, {given[0]}=...)"
        )
    return ready


class ArrayNarrator(GenericNarrator):
    """A narrator that tells what the agents observe: all numbers at first, then those that changed.

    Numbers in a Dict space are named by its keys (`position.0`); action masks are left out. When an agent observes more
    than 256 numbers, such as an image, only its actions are told, with a warning.

    Args:
        env: The environment; its spaces and texts are read, and it is not kept.
        describe: What the environment is and what the team is to do. The more it says, the better the credits. Default:
            the environment's `describe()`, else the docstring of its class, else that of its module.
        action_names: Names of the actions, in order, or of the components of vectors; for all agents, or a mapping from
            agent to names. Default: `action 0`, `action 1`, ...
        feature_names: Names of the observed numbers, in the order in which they are flattened (Dict keys sorted), None
            for one that is not to be told; for all agents, or a mapping from agent to names. Default: the keys of Dict
            spaces, and indices.

    Raises:
        ValueError: There are more or fewer names than things to name; the message has both numbers.
    """

    def __init__(
        self,
        env: ParallelEnv,
        *,
        describe: str | None = None,
        action_names: ActionNames | None = None,
        feature_names: FeatureNames | None = None,
    ) -> None:
        super().__init__(env, describe, action_names)
        given = by_agent("feature_names", feature_names, self.agents)
        self._features = [Features(agent, env.observation_space(agent), given.get(agent)) for agent in self.agents]
        self._note_names(name for features in self._features for name in features.names if name and not name.isdigit())
        _warn_of_what_is_not_told(self._features)

    def capture(self, observations: Mapping[str, Any]) -> object:
        """Return each agent's numbers, (F,) float64, or a digest when none is told; None for one that is not there."""
        seen = [(features, observations.get(features.agent)) for features in self._features]
        return tuple(
            None if own is None else features.numbers(own) if features.told else _digest(own) for features, own in seen
        )

    def frames(self, moments: Sequence[Any], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return what each agent sees, then what changed in it; "" when nothing did."""
        texts: list[str] = []
        before: Sequence[Any] = [None] * len(self.agents)
        for moment in moments:
            told = []
            for name, i in zip(names, order, strict=True):
                row, old, features = moment[i], before[i], self._features[i]
                if row is None:
                    if old is not None or not texts:
                        told.append(f"{name} is gone" if texts else f"{name} is not there")
                elif old is None:
                    told.append(f"{name}: sees {features.whole(row)}" if features.told else f"{name} is there")
                elif features.told and (changes := features.changes(old, row)):
                    told.append(f"{name}: sees {changes}")
            texts.append("; ".join(told if texts else self.who(order, names) + told))
            before = moment
        return texts

    def notation(self) -> str:
        """Return how frames are written."""
        if not any(features.told for features in self._features):
            return "Only actions and rewards are written down; what the agents saw is not."
        named = any(name != str(k) for features in self._features for k, name in enumerate(features.names))
        example, said = ("energy=0.5", "`energy`") if named else ("3=0.5", "at index 3, counted from 0,")
        return (
            f"The start lists the numbers that each agent sees. Later only those are written that changed: `agent_A "
            f"action 1 sees {example}` says that agent_A took action 1 and that the number {said} of what it sees is "
            "0.5 afterwards."
        )


class StateNarrator(LiveNarrator, GenericNarrator):
    """A narrator that tells what the environment's `describe_state()` says: all of it at first, then what changed.

    The text is cut into clauses at "; " and at line breaks, so each clause should say by itself what it is about. Names
    of agents such as `robot_1` are replaced by their names in the prompt. A name that may also be another word, such as
    `a`, `1` or `robot`, stays, and the start says who is who. `ArrayNarrator` documents `describe` and `action_names`.
    """

    def __init__(
        self, env: ParallelEnv, *, describe: str | None = None, action_names: ActionNames | None = None
    ) -> None:
        LiveNarrator.__init__(self, env.unwrapped.describe_state)
        GenericNarrator.__init__(self, env, describe, action_names)

    def capture(self, observations: Mapping[str, Any]) -> str:
        """Return what the environment says of its state."""
        text = super().capture(observations)
        if not isinstance(text, str):
            raise CreditError(f"describe_state() returned {type(text).__name__}; a text is needed")
        return text

    def frames(self, moments: Sequence[Any], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return the first state whole, then the clauses that changed; "" when none did."""
        clear = [(name, i) for name, i in zip(names, order, strict=True) if not self._unclear[i]]
        called = {str(self.agents[i]): name for name, i in clear}
        states = {text: listed(clauses(renamed(text, called)), list(called.values())) for text in set(moments)}
        texts: list[str] = []
        before: list[str] = []
        for moment in moments:
            now = states[moment]
            texts.append("; ".join(difference(before, now) if texts else self.who(order, names, states) + now))
            before = now
        return texts

    def notation(self) -> str:
        """Return how frames are written."""
        text = (
            "The start is the state in the environment's own words, in clauses between semicolons. Later only the "
            "clauses that changed are written: a clause takes the place of the earlier one about the same thing, and "
            "`no longer ...` says that a clause holds no more."
        )
        left = sorted(f"`{agent}`" for agent, unclear in zip(self.agents, self._unclear, strict=True) if unclear)
        if left:
            text += (
                " Some names of agents may also be other words and stand as the environment wrote them: "
                f"{', '.join(left)}. Where such an agent has another name in the steps, the start says who it is. "
                "Whether the word means the agent, its clause tells."
            )
        return text


def _digest(observation: Any) -> bytes:
    """Return what tells an observation apart that is not told, so that its episode has a key of its own."""
    try:
        return content_digest(observation)
    except TypeError:
        return b""


def _warn_of_what_is_not_told(agents: Sequence[Features]) -> None:
    """Warn of the first agent that observes too many numbers, else of the first with spaces that are not numeric."""
    large = next((features for features in agents if features.size > MOST_TOLD and not features.told), None)
    unread = next((features for features in agents if features.unread), None)
    if large is not None:
        what = f"agent {large.agent!r} observes {large.size} numbers, more than {MOST_TOLD}: the critic is told "
        what += "actions and rewards only"
    elif unread is not None:
        what = f"the observations of agent {unread.agent!r} hold {', '.join(unread.unread)} spaces, which the critic "
        what += "is not told"
    else:
        return
    ways = "narrator=, a describe_state() method in the environment, or feature_names= with None for the rest"
    warnings.warn(f"{what}; ways out: {ways}", stacklevel=3)
