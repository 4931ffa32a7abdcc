"""Reads a request back: the episodes that `prompts.render_episode` wrote, and the tasks that are asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

AGENT = re.compile(r"\bagent_[A-Z]+\b")

_EPISODE = re.compile(r"^## Episode (\d+)\n", re.MULTILINE)
_TASK_HEAD = "**Name the tasks.**"
_TASK_LIST = re.compile(r"\n\n((?:- [^\n]*(?:\n|$))+)")
_CALLED = re.compile(r"\bagents are called ((?:agent_[A-Z]+|, | and )+)")


@dataclass(frozen=True, slots=True)
class Step:
    """One line, "t: deed; deed | reward r | rest; rest"."""

    deeds: tuple[str, ...]  # "agent_A action", or "agent_A action what came of it"
    reward: float
    rest: tuple[str, ...]  # what else changed


@dataclass(frozen=True, slots=True)
class Transcript:
    """One episode as the request tells it."""

    number: int
    ended: str  # terminated, truncated, or not yet: the last steps of an episode that goes on
    start: str  # the first frame
    steps: tuple[Step, ...]


def read_transcripts(prompt: str) -> list[Transcript]:
    """Return the episodes told in a prompt, in order; what follows the last line of steps is not read."""
    found = []
    pieces = _EPISODE.split(prompt)[1:]
    for number, body in zip(pieces[::2], pieces[1::2], strict=True):
        header, _, rest = body.partition("\nstart: ")
        length = int(header.split(",", 1)[0].removeprefix("steps: "))
        ended = header.partition("ended: ")[2]
        lines = rest.split("\n", length + 1)
        found.append(Transcript(int(number), ended, lines[0], tuple(map(_step, lines[1 : length + 1]))))
    return found


def agents_told(episode: Transcript) -> list[str]:
    """Return the neutral names that an episode's steps mention, in order."""
    told = (text for step in episode.steps for text in (*step.deeds, *step.rest))
    return sorted({name for text in told for name in AGENT.findall(text)}, key=lambda name: (len(name), name))


@lru_cache(maxsize=64)
def tasks_asked(system: str) -> tuple[str, ...]:
    """Return the tasks that a base prompt lists at its end; () when it asks for none."""
    _, asked, rest = system.rpartition(_TASK_HEAD)
    listed = _TASK_LIST.search(rest) if asked else None
    return tuple(line.removeprefix("- ") for line in listed[1].splitlines()) if listed else ()


def team_of(system: str, episode: Transcript) -> list[str]:
    """Return the agents that get tasks: those that the base prompt names, or else those of the episode."""
    return list(_called(system)) or agents_told(episode)


@lru_cache(maxsize=64)
def _called(system: str) -> tuple[str, ...]:
    """Return the agents that a base prompt names; () when it names none."""
    found = _CALLED.findall(system)
    return tuple(AGENT.findall(found[-1])) if found else ()


def _step(line: str) -> Step:
    deeds, _, rest = line.partition(": ")[2].partition(" | ")
    reward = 0.0
    if rest.startswith("reward "):  # a change may begin with this word, too, but then a reward stands before it
        paid, _, rest = rest.partition(" | ")
        reward = float(paid.removeprefix("reward "))
    return Step(tuple(deeds.split("; ")), reward, tuple(rest.split("; ")) if rest else ())
