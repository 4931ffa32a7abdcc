"""Scripted tasks, written as the spans of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from credit_wrappers.scripted.event_log import EpisodeRules
from credit_wrappers.scripted.read_prompt import Transcript


def written_tasks(
    rules: EpisodeRules | None, episode: Transcript, team: Sequence[str], listed: Sequence[str], explain: bool
) -> list[dict[str, Any]]:
    """Return the answer's tasks: for each agent spans that cover the episode.

    Args:
        rules: They say which tasks are best; None: there are none for this environment, see `best_deeds`.
        episode: What was done.
        team: Who gets tasks.
        listed: The tasks that are asked for. The first one stands for any other.
        explain: Whether reasons are asked for.
    """
    same = best_deeds(episode, listed) if rules is None else {}
    given = [same] * len(episode.steps) if rules is None else list(rules.tasks(episode.start, episode.steps))
    spans: list[dict[str, Any]] = []
    for agent in team:
        meant = (step.get(agent, listed[0]) for step in given)
        start = 0
        for task, run in groupby(task if task in listed else listed[0] for task in meant):
            stop = start + sum(1 for _ in run)
            spans.append({"agent": agent, "from": start, "to": stop - 1, "task": task})
            if explain:
                spans[-1]["why"] = "was done when the team was paid most" if rules is None else rules.reason(task)
            start = stop
    return spans


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
