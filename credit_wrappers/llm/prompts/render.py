"""The text of the critic's questions: pure functions that fill in episodes and templates (see `templates`).

The base prompt has the four parts of the method (paper, section on LLM-MCA): environment, notation, definitions with
examples, task query. It is the same for every query of an environment, so that a provider can cache it; the episodes
follow in the user's part.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.core.narrator import DEFINITIONS, Narrator, checked_examples
from credit_wrappers.llm.client import AnswerForm
from credit_wrappers.llm.prompts.templates import PACKAGED, Templates

# What a step saved is, where a narrator has no method `worths`.
_WORTHS = (
    "A step nearer to what an agent has to do next is 1, and so is each action that has to be done there. A fault for "
    "which the environment takes something from the team is -2 for the agent that caused it."
)
_DIGEST = 12  # hex digits
_NEUTRAL = re.compile(r"\bagent_[A-Z]+\b")


def agent_name(k: int) -> str:
    """Return the neutral name of the k-th agent in prompt order: agent_A, ..., agent_Z, agent_AA, ..."""
    letters = ""
    while k >= 0:
        letters = chr(ord("A") + k % 26) + letters
        k = k // 26 - 1
    return f"agent_{letters}"


def with_own_names(text: str, own: Mapping[str, str]) -> str:
    """Return an explanation in which `own[neutral name]` replaces each neutral name."""
    if "agent_" not in text:  # most explanations name nobody
        return text
    return _NEUTRAL.sub(lambda found: own.get(found[0], found[0]), text)


def render_system(
    narrator: Narrator,
    names: Sequence[str],
    bound: float,
    *,
    form: AnswerForm = "events",
    explain: bool = True,
    naming: Literal["neutral", "own"] = "neutral",
    tasks: Sequence[str] = (),
    templates: Templates = PACKAGED,
) -> str:
    """Return the base prompt for an environment.

    Args:
        narrator: Describes the environment.
        names: The agents' names in the prompt.
        bound: Largest size of an agent's summed credits in one episode.
        form: The form of the answer.
        explain: Whether to ask for reasons.
        naming: "neutral" if each episode assigns names of its own, "own" if they are the agents' own.
        tasks: The tasks of which each agent is to get one in each step; empty: no tasks are asked for.
        templates: The templates to fill in.
    """
    examples = checked_examples(narrator)
    answer = render_form(form, explain, templates)
    if tasks:
        lines = "\n".join(f"- {task}" for task in tasks)
        why = ', "why": "one short sentence"' if explain else ""
        told = {} if form == "arrays" else {"why": why}
        answer += "\n\n" + templates.fill(f"tasks_{form}", tasks=lines, example=tasks[0], **told).strip()
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return templates.fill(
        "system",
        environment=narrator.describe().strip(),
        names=templates.fill(f"names_{naming}", agents=listed).strip(),
        notation=narrator.notation().strip(),
        worths=worths_of(narrator),
        query=templates.fill("query", bound=f"{bound:g}", form=answer).strip(),
        **{name: examples[name].strip() for name in DEFINITIONS},
    ).rstrip()


def worths_of(narrator: Narrator) -> str:
    """Return what a step saved is in an environment: its narrator's `worths()` if it has one, else a general rule."""
    told = getattr(narrator, "worths", None)
    return str(told()).strip() if callable(told) else _WORTHS


def prompt_digest(system: str) -> str:
    """Return a short name of a base prompt's wording, 12 hex digits of its sha256: for records of results."""
    return hashlib.sha256(system.encode()).hexdigest()[:_DIGEST]


def render_form(form: AnswerForm, explain: bool, templates: Templates = PACKAGED) -> str:
    """Return the text that describes a form of answers to the model."""
    return templates.fill(f"form_{form}" if explain else f"form_{form}_brief").strip()


def render_episode(
    number: int,
    episode: Episode,
    frames: Sequence[str],
    order: Sequence[int],
    names: Sequence[str],
    action_name: Callable[[str, Any], str],
) -> str:
    """Return one episode as text: a head, the first frame, then one line a step.

    A line is `t: agent_A action text; agent_B action text | reward r | rest`. A reward of 0 is left out. A frame
    consists of clauses separated by "; ". A clause of the form `agent_A: text` is written behind the action of that
    agent; all others are the rest, which is left out if it is empty.

    Args:
        number: Its number in the query, from 1.
        episode: The episode.
        frames: T+1 narrated frames, with the order and names below.
        order: Agent indices in prompt order.
        names: `names[k]` is the name of agent `order[k]`.
        action_name: Returns the name of an agent's action: an int, or a row (A,) if `episode.actions` is (T, N, A).
    """
    if len(frames) != episode.length + 1:
        raise CreditError(
            f"the narrator returned {len(frames)} frames for an episode of {episode.length} steps; "
            f"{episode.length + 1} are needed"
        )
    columns = [_acts(episode, i, name, action_name) for name, i in zip(names, order, strict=True)]
    rewards = episode.team_reward.tolist()
    # Adding zero turns -0.0 into 0.0.
    written = {reward: f"{round(reward, 4) + 0.0:g}" for reward in set(rewards)}
    lines = [f"## Episode {number}", f"steps: {episode.length}, ended: {episode.ended}", f"start: {frames[0]}"]
    for t, (joint, reward, frame) in enumerate(zip(zip(*columns, strict=True), rewards, frames[1:], strict=True)):
        by_agent, rest = _split_frame(frame, names)
        acts = []
        for name, act in zip(names, joint, strict=True):
            outcome = by_agent.pop(name, "")
            if act:
                acts.append(f"{act} {outcome}" if outcome else act)
            elif outcome:  # for an agent that did not act
                rest.append(f"{name}: {outcome}")
        line = f"{t}: {'; '.join(acts) or 'nobody acted'}"
        if written[reward] != "0" or (rest and rest[0].startswith("reward ")):  # which would look like one
            line += f" | reward {written[reward]}"
        lines.append(f"{line} | {'; '.join(rest)}" if rest else line)
    return "\n".join(lines)


def _acts(episode: Episode, agent: int, name: str, action_name: Callable[[str, Any], str]) -> list[str]:
    """Return what an agent did in each step; "" where it had left."""
    own, column = episode.agents[agent], episode.actions[:, agent]
    if column.ndim == 2:  # rows of numbers, all of them NaN where the agent had left
        return ["" if np.isnan(row).all() else f"{name} {action_name(own, row)}" for row in column]
    actions = column.tolist()
    texts = {a: f"{name} {action_name(own, a)}" if a >= 0 else "" for a in set(actions)}
    return [texts[a] for a in actions]


def _split_frame(frame: str, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the clauses of a frame that belong behind an agent's action, by agent, and the others."""
    by_agent: dict[str, str] = {}
    rest = []
    for clause in frame.split("; "):
        name, colon, text = clause.partition(": ")
        # A second colon may begin another agent's part: such a clause is left as it is.
        if colon and name in names and name not in by_agent and ": " not in text:
            by_agent[name] = text
        elif clause:
            rest.append(clause)
    return by_agent, rest


def render_reask(
    prompt: str, error: str, count: int, *, form: AnswerForm = "events", templates: Templates = PACKAGED
) -> str:
    """Return the corrective question: `prompt` again, its `count` episodes, and the `error` in the answer."""
    return templates.fill(f"reask_{form}", prompt=prompt, error=error, count=count).rstrip()
