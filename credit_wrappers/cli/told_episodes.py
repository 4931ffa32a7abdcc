"""Episodes of a ledger, made again from the text that the critic read, with the agents' own names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.cli.reading import Reading
from credit_wrappers.cli.told_scenes import Scene, told_scenes
from credit_wrappers.core.episode import Episode
from credit_wrappers.llm.prompts.render import agent_name, with_own_names
from credit_wrappers.scripted.read_prompt import Step, Transcript

# What an action is called: `action 3` and `forward saying 01` are of several words, all others of one.
_ACTION = re.compile(r"action \S+|\w+ saying \S+|\S+")
_DIGITS = re.compile(r"(\d+)")


class ToldNarrator:
    """The narrator of an episode of which only its text is known; a moment is a frame's text and its scene, or None."""

    only_texts = True  # a report then prefers a replay

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names  # of the actions, by number

    def capture(self, observations: Mapping[str, Any]) -> object:
        """Fail: there is no environment."""
        raise NotImplementedError("an episode that was read from its text cannot be recorded")

    def frames(self, moments: Sequence[Any], order: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return the texts."""
        return [text for text, _ in moments]

    def scene(self, moment: tuple[str, Scene | None]) -> Scene | None:
        """Return the scene of a moment; None if its world is not known here."""
        return moment[1]

    def describe(self) -> str:
        """Return nothing: the question has it."""
        return ""

    def notation(self) -> str:
        """Return nothing: the question has it."""
        return ""

    def examples(self) -> Mapping[str, str]:
        """Return nothing: the question has them."""
        return {}

    def action_name(self, agent: str, action: Any) -> str:
        """Return what the text called an action."""
        return self._names[int(action)]

    def tasks(self) -> Sequence[str]:
        """Return nothing: the question has them."""
        return ()


def told_episode(system: str, reading: Reading, transcript: Transcript, env: ParallelEnv | None = None) -> Episode:
    """Return the episode that a text tells; its key is that of the episode that was recorded.

    Costs are 0 where the text names no faults. Actions are numbered as the environment does, so that they can be
    replayed; without it, or where it has other actions, in the order in which the text mentions them.

    Args:
        system: The base prompt.
        reading: The episode as the ledger has it.
        transcript: Its text.
        env: The environment that recorded it.
    """
    judged = reading.judged
    agents = tuple(sorted(judged.agents, key=_natural))
    if env is not None and set(env.possible_agents) == set(agents):
        agents = tuple(env.possible_agents)
    neutral = {agent: agent_name(k) for k, agent in enumerate(judged.agents)}
    called = {name: agent for agent, name in neutral.items()} | dict(zip(agents, agents, strict=True))
    steps = [_deeds(step, called) for step in transcript.steps]
    mentioned = list(dict.fromkeys(name for deeds, _ in steps for name, _ in deeds.values()))
    own = [] if env is None else _action_names(env)
    names = own if set(mentioned) <= set(own) else mentioned
    actions = [[names.index(deeds[a][0]) if a in deeds else -1 for a in agents] for deeds, _ in steps]
    frames = [with_own_names(transcript.start, called)]
    frames += ["; ".join([f"{a}: {deeds[a][1]}" for a in deeds if deeds[a][1]] + rest) for deeds, rest in steps]
    drawn = told_scenes(system, transcript, {neutral[own]: own for own in agents})
    name, _, rest_of_key = judged.key.partition("/")
    seed = rest_of_key.partition("/")[0]
    episode = Episode(
        id=0,
        agents=agents,
        actions=np.array(actions, np.int64).reshape(len(steps), len(agents)),
        team_reward=np.array([step.reward for step in transcript.steps]),
        cost=drawn.cost if drawn else np.zeros((len(steps), len(agents))),
        terminated=transcript.ended == "terminated",
        truncated=transcript.ended == "truncated",
        moments=tuple(zip(frames, drawn.scenes if drawn else [None] * len(frames), strict=True)),
        narrator=ToldNarrator(names),
        env_id=name,
        seed=int(seed) if seed.isdecimal() else None,
    )
    episode.__dict__["key"] = judged.key
    return episode


def _action_names(env: ParallelEnv) -> list[str]:
    """Return what the environment's narrator calls its actions, by number; () where agents differ, or without one."""
    narrator, spaces = getattr(env.unwrapped, "narrator", None), [env.action_space(a) for a in env.possible_agents]
    if narrator is None or not all(isinstance(space, Discrete) and space.start == 0 for space in spaces):
        return []
    each = [
        [narrator.action_name(a, k) for k in range(int(x.n))] for a, x in zip(env.possible_agents, spaces, strict=True)
    ]
    return each[0] if all(names == each[0] for names in each) else []


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a name's place in the order in which robot_2 comes before robot_10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name) if part]


def _deeds(step: Step, called: Mapping[str, str]) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Return what each agent did and what came of it, and what else changed."""
    deeds = {}
    rest = [with_own_names(clause, called) for clause in step.rest]
    for deed in step.deeds:
        who, _, told = deed.partition(" ")
        if who in called and (action := _ACTION.match(told)):
            deeds[called[who]] = action[0], with_own_names(told[action.end() :].strip(), called)
    return deeds, rest
