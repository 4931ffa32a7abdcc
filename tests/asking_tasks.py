"""Questions that ask the scripted critic for tasks, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_wrappers import Episode, Request, ScriptedClient
from credit_wrappers.llm.prompts.render import agent_name, render_episode, render_system


def asking(system: str, tasks: Sequence[str]) -> str:
    """A base prompt that asks for tasks, too."""
    listed = "\n".join(f"- {task}" for task in tasks)
    return f"{system}\n\n**Name the tasks.** Each agent has one of these:\n\n{listed}\n\nIn every step."


def answer(system: str, prompt: str) -> list[dict[str, Any]]:
    """The answer's episodes."""
    told = ScriptedClient().complete(Request(system, prompt, None, "scripted", 100)).text
    return list(json.loads(told)["episodes"])


def named(system: str, prompt: str) -> list[dict[str, list[str]]]:
    """The task in each step of each episode, by agent; spans that do not follow one another are an error."""
    found: list[dict[str, list[str]]] = []
    for episode in answer(system, prompt):
        tasks: dict[str, list[str]] = {}
        for span in episode["tasks"]:
            own = tasks.setdefault(span["agent"], [])
            assert span["from"] == len(own) <= span["to"]
            assert not own or own[-1] != span["task"]  # else it were one span
            own += [span["task"]] * (span["to"] + 1 - span["from"])
        found.append(tasks)
    return found


def given(system: str, prompt: str) -> list[dict[str, str]]:
    """The tasks in the last step of each episode, by agent."""
    return [{agent: steps[-1] for agent, steps in episode.items()} for episode in named(system, prompt)]


def tasks_of(
    env: Any,
    moments: Sequence[Any],
    actions: Sequence[Sequence[int]] = (),
    order: Sequence[int] | None = None,
    vocabulary: Sequence[str] | None = None,
) -> dict[str, str]:
    """The tasks after a history, by the environment's own names: those of one more step, in which all stand still.

    Args:
        env: Whose narrator tells it.
        moments: T + 1 that it captured.
        actions: T joint ones.
        order: In which the agents are listed.
        vocabulary: The tasks that are listed; None: the narrator's.
    """
    moments, actions = [*moments, moments[-1]], [*actions, [0] * len(env.possible_agents)]
    agents, steps = env.possible_agents, len(actions)
    order = range(len(agents)) if order is None else order
    names = [agent_name(k) for k in range(len(agents))]
    table = np.array(actions, dtype=np.int64).reshape(steps, len(agents))
    episode = Episode(
        0, tuple(agents), table, np.zeros(steps), np.zeros(table.shape), False, True, tuple(moments), env.narrator
    )
    frames = env.narrator.frames(moments, order, names)
    prompt = render_episode(1, episode, frames, order, names, env.narrator.action_name)
    system = asking(render_system(env.narrator, names, 10.0), vocabulary or env.narrator.tasks())
    (tasks,) = given(system, prompt)
    assert list(tasks) == names
    return {agents[i]: tasks[name] for i, name in zip(order, names, strict=True)}
