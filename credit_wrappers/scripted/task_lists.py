"""Which tasks a base prompt asks for and for whom, and an assignment for environments without rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from credit_wrappers.scripted.read_prompt import AGENT, Transcript, agents_told

_HEAD = "**Assign tasks.**"
_LIST = re.compile(r"\n\n((?:- [^\n]*(?:\n|$))+)")
_CALLED = re.compile(r"\bagents are called ((?:agent_[A-Z]+|, | and )+)")


@lru_cache(maxsize=64)
def tasks_asked(system: str) -> tuple[str, ...]:
    """Return the tasks that a base prompt lists at its end; () when it asks for none."""
    _, asked, rest = system.rpartition(_HEAD)
    listed = _LIST.search(rest) if asked else None
    return tuple(line.removeprefix("- ") for line in listed[1].splitlines()) if listed else ()


def team_of(system: str, episode: Transcript) -> list[str]:
    """Return the agents that get tasks: those that the base prompt names, or else those of the episode."""
    found = _CALLED.findall(system)
    return AGENT.findall(found[-1]) if found else agents_told(episode)


def assignment(team: Sequence[str], given: Mapping[str, str], listed: Sequence[str]) -> list[dict[str, str]]:
    """Return the answer's tasks, one for each agent: the one meant, or the first listed if that is not in the list."""
    meant = {agent: given.get(agent, listed[0]) for agent in team}
    return [{"agent": agent, "task": task if task in listed else listed[0]} for agent, task in meant.items()]


def best_deeds(episode: Transcript, listed: Sequence[str]) -> dict[str, str]:
    """Return what each agent did in the step that paid most (the last such step), where that is a listed task.

    Where one listed task begins another, the longer one is meant. When no step paid, nobody is given a task.
    """
    best = max(reversed(episode.steps), key=lambda step: step.reward, default=None)
    if best is None or best.reward <= 0:
        return {}
    found = {}
    for deed in best.deeds:
        agent, _, did = deed.partition(" ")
        fitting = [task for task in listed if f"{did} ".startswith(f"{task} ")]
        if fitting:
            found[agent] = max(fitting, key=len)
    return found
