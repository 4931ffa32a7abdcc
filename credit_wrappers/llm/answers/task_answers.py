"""Tasks in an answer: every agent has exactly one, in the words of the given list (LLM-TACA)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from credit_wrappers.llm.answers.problems import Problems, quoted
from credit_wrappers.llm.answers.schema import EpisodeAnswer, TaskAnswer, TaskedEpisode

# `agent_A task: load food_0`, in bold type, in a list or quoted. Possessive, like the patterns of the arrays.
_LINE = re.compile(
    r"""^[ \t>*`"'-]*+(\w++)[*`"']*+[ \t]++task[*`"']*+[ \t]*+[:=][ \t*`"']*+(.++)$""", re.MULTILINE | re.IGNORECASE
)


def tasks_of(answer: EpisodeAnswer) -> dict[str, str]:
    """Return each agent's task by the agent's name in the prompt; empty when none were asked for."""
    return {assigned["agent"]: assigned["task"] for assigned in cast(TaskedEpisode, answer).get("tasks", ())}


def read_task_lines(section: str, names: Sequence[str]) -> tuple[list[TaskAnswer], str]:
    """Return the tasks that free text assigns, one a line, and the text without these lines.

    A line with a name that is no agent's is commentary.
    """
    found: list[TaskAnswer] = []

    def take(line: re.Match[str]) -> str:
        if line[1] not in names:
            return line[0]
        found.append({"agent": line[1], "task": line[2].rstrip("*`\"' \t\r.")})
        return ""

    rest = _LINE.sub(take, section)
    return found, rest


def find_task_problems(
    number: int, assigned: Sequence[TaskAnswer], names: Sequence[str], tasks: Sequence[str], problems: Problems
) -> None:
    """Add to `problems` what is wrong with the tasks that are assigned in an episode."""
    seen: set[str] = set()
    for item in assigned:
        agent, task = item["agent"], item["task"]
        if agent not in names:
            problems.add(f"episode {number}, tasks: unknown agent {quoted(agent)}: the agents are {', '.join(names)}")
        elif agent in seen:
            problems.add(f"episode {number}: {agent} has two tasks")
        elif task not in tasks:
            problems.add(
                f"episode {number}: {agent} has the unknown task {quoted(task)}: the tasks are {', '.join(tasks)}"
            )
        seen.add(agent)
    missing = [name for name in names if name not in seen]
    if missing:
        problems.add(f"episode {number}: no task for {', '.join(missing)}")
