"""Tasks in an answer: every agent has one in every step, in the words of the given list (LLM-TACA).

An answer writes them as spans, `{"agent": "agent_A", "from": 0, "to": 7, "task": "load food_0", "why": "..."}`, or in
free text `agent_A task 0-7: load food_0`. Both steps belong to the span. The spans of an agent cover all steps of the
episode, without gaps and without overlaps, in any order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, cast

from credit_wrappers.core.credit import TaskSpan
from credit_wrappers.llm.answers.problems import Problems, quoted
from credit_wrappers.llm.answers.schema import EpisodeAnswer, TaskedEpisode, TaskSpanAnswer
from credit_wrappers.llm.prompts.render import with_own_names

# `agent_A task 0-7: load food_0`, in bold type, in a list or quoted. Possessive, like the patterns of the arrays.
_LINE = re.compile(
    r"""^[ \t>*`"'-]*+(\w++)[*`"']*+[ \t]++task[*`"']*+[ \t]++([0-9]{1,9})(?:[ \t]*+(?:-|to)[ \t]*+([0-9]{1,9}))?"""
    r"""[*`"']*+[ \t]*+[:=][ \t*`"']*+(.++)$""",
    re.MULTILINE | re.IGNORECASE,
)


def task_spans(answer: EpisodeAnswer, own: Mapping[str, str]) -> tuple[TaskSpan, ...] | None:
    """Return the tasks of an answer in order, with the agents' own names; None when none were asked for.

    Args:
        answer: The judgement of an episode.
        own: The agents' own names by those in the prompt.
    """
    if "tasks" not in answer:
        return None
    spans = [
        TaskSpan(own[s["agent"]], s["from"], s["to"] + 1, s["task"], with_own_names(s["why"], own))
        for s in cast(TaskedEpisode, answer)["tasks"]
    ]
    places = {agent: k for k, agent in enumerate(own.values())}
    return tuple(sorted(spans, key=lambda span: (places[span.agent], span.start)))


def read_task_lines(section: str, names: Sequence[str]) -> tuple[list[TaskSpanAnswer], str]:
    """Return the tasks that free text assigns, one span a line, and the text without these lines.

    A line with a name that is no agent's is commentary.
    """
    found: list[TaskSpanAnswer] = []

    def take(line: re.Match[str]) -> str:
        name, first, last, task = line.groups()
        if name not in names:
            return line[0]
        span: Any = {"agent": name, "from": int(first), "to": int(last or first)}
        found.append(span | {"task": task.rstrip("*`\"' \t\r."), "why": ""})
        return ""

    rest = _LINE.sub(take, section)
    return found, rest


def find_all_task_problems(
    judgements: Sequence[Any], lengths: Sequence[int], names: Sequence[str], tasks: Sequence[str], problems: Problems
) -> None:
    """Add to `problems` what is wrong with the tasks of each episode that was asked about."""
    for judged in judgements:
        if 1 <= (number := judged["episode"]) <= len(lengths):
            find_task_problems(number, judged["tasks"], lengths[number - 1], names, tasks, problems)


def find_task_problems(
    number: int,
    spans: Sequence[TaskSpanAnswer],
    length: int,
    names: Sequence[str],
    tasks: Sequence[str],
    problems: Problems,
) -> None:
    """Add to `problems` what is wrong with the tasks that are assigned in an episode of that number and length."""
    fitting = []
    for k, span in enumerate(spans, 1):
        agent, first, last, task = span["agent"], span["from"], span["to"], span["task"]
        if agent not in names:
            wrong = f"unknown agent {quoted(agent)}: the agents are {', '.join(names)}"
        elif not 0 <= first <= last < length:
            wrong = f"{agent} from {first} to {last}: 0 <= from <= to is needed, and the last step is {length - 1}"
        else:
            fitting.append((agent, first, last))
            if task in tasks:
                continue
            wrong = f"{agent} has the unknown task {quoted(task)}: the tasks are {', '.join(tasks)}"
        problems.add(f"episode {number}, task {k}: {wrong}")
    if len(fitting) < len(spans):
        return  # gaps may be theirs
    covered = {agent: [span[1:] for span in own] for agent, own in groupby(sorted(fitting), key=lambda span: span[0])}
    for agent in names:
        step = 0  # up to here it has tasks
        for first, last in [*covered.get(agent, ()), (length, length)]:
            if first < step:
                problems.add(f"episode {number}: {agent} has two tasks in {_steps(first, min(last, step - 1))}")
            elif first > step:
                problems.add(f"episode {number}: {agent} has no task in {_steps(step, first - 1)}")
            step = max(step, last + 1)


def _steps(first: int, last: int) -> str:
    return f"step {first}" if first == last else f"steps {first} to {last}"
