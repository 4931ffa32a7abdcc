"""ScriptedClient: the built-in stand-in for a model. Rules, not an LLM, and labelled so everywhere.

It reads the text that a model reads and answers with the JSON that a model must answer, events or curves. It needs no
key and no network, costs nothing and is deterministic, so tests and demonstrations use it. Episodes of Spaceworld,
Level-Based Foraging and Robotic Warehouse are judged by rules for that environment. For all others there is one general
rule: each agent gets an equal part of each reward. This says nothing about who earned it, so the log has one warning.
Where the base prompt asks for tasks, the same rules say in each step which would be best.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Literal

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.errors import ModelError
from credit_wrappers.llm.client import Completion, Request, form_asked
from credit_wrappers.llm.tokens import ANSWER_CHARACTERS, EPISODE_CHARACTERS, PREFIX_CHARACTERS
from credit_wrappers.scripted.curve_writer import curves_of
from credit_wrappers.scripted.event_log import EpisodeRules
from credit_wrappers.scripted.lbf_rules import ForagingRules
from credit_wrappers.scripted.read_prompt import Transcript, agents_told, read_transcripts, tasks_asked, team_of
from credit_wrappers.scripted.rware_rules import WarehouseRules
from credit_wrappers.scripted.spaceworld_rules import SpaceworldRules
from credit_wrappers.scripted.task_writer import written_tasks

_LOG = logging.getLogger("credit_wrappers")
RULES: tuple[type[EpisodeRules], ...] = (SpaceworldRules, ForagingRules, WarehouseRules)


class ScriptedClient:
    """Answers credit requests by rules that read only the request's text (ours)."""

    name = "scripted-4"  # the number changes with the rules: a ledger must not answer with old ones
    source: Literal["scripted"] = "scripted"
    _warned = False  # of an environment without rules; once for each client

    def complete(self, request: Request) -> Completion:
        """Return the judgement of every episode in the request, as the JSON text a model must return.

        Raises:
            ModelError: The request holds no episode.
        """
        began = time.perf_counter()
        transcripts = read_transcripts(request.prompt)
        if not transcripts:
            raise ModelError("the scripted critic found no episode in the request", "setup")
        rules = next(filter(None, (kind.for_system(request.system) for kind in RULES)), None)
        if rules is None and not self._warned:
            self._warned = True
            _LOG.warning(
                "the scripted critic has no rules for this environment: it splits each reward equally, which says "
                "nothing about who earned it. It judges Spaceworld, Level-Based Foraging and Robotic Warehouse only; "
                "give a model for any other"
            )
        asked = tasks_asked(request.system)
        judged: list[dict[str, Any]] = []
        for episode in transcripts:
            if rules is None:
                summary, events = equal_parts(episode)
            else:
                summary, events = rules.judge(episode.start, episode.steps)
            judged.append({"episode": episode.number, "summary": summary} | _written(request, episode, events))
            if asked:
                explain = form_asked(request.schema)[1]
                judged[-1]["tasks"] = written_tasks(rules, episode, team_of(request.system, episode), asked, explain)
        text = json.dumps({"episodes": judged}, separators=(",", ":"))
        usage = Usage(
            calls=1,
            input_tokens=round(len(request.system) / PREFIX_CHARACTERS + len(request.prompt) / EPISODE_CHARACTERS),
            output_tokens=round(len(text) / ANSWER_CHARACTERS),
            seconds=time.perf_counter() - began,
        )
        return Completion(text=text, usage=usage, model=self.name, stop_reason="end_turn")

    def __repr__(self) -> str:
        return "ScriptedClient()"


def _written(request: Request, episode: Transcript, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the events in the form of answers that a request asks for; as events where it asks for free text."""
    form, explain = form_asked(request.schema)
    if form != "curve":
        for event in events:
            event.pop("fault", None)
        return {"events": events}
    acted = (deed.partition(" ")[0] for step in episode.steps for deed in step.deeds if deed)
    agents = dict.fromkeys([*team_of(request.system, episode), *acted])
    agents.pop("nobody", None)  # acted
    return {"curves": curves_of(agents, events, len(episode.steps), explain)}


def equal_parts(episode: Transcript) -> tuple[str, list[dict[str, Any]]]:
    """Return an equal part of each step's reward for every agent that acted in it: the general rule."""
    team = agents_told(episode)
    why = "equal part of the team reward: the scripted critic has no rules for this environment"
    return "scripted: each reward split equally", [
        {"agent": a, "start": t, "stop": t + 1, "amount": round(step.reward / len(agents), 6), "why": why}
        for t, step in enumerate(episode.steps)
        if step.reward
        for agents in [[deed.partition(" ")[0] for deed in step.deeds if deed] or team]
        for a in agents
    ]
