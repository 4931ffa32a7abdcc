"""A label as values that JSON has: steps, texts, scenes, credit, reasons, exact credit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Usage
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.llm.budget import Prices
from credit_wrappers.llm.prompts.render import render_episode
from credit_wrappers.report.scene_table import scene_table


class SharedTexts:
    """Texts that several episodes share, such as a query's question, each kept once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int | None:
        """Return the place of a text; None for an empty one."""
        if not text:
            return None
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append(text)
        return self._places[text]


def episode_values(episode: Episode) -> dict[str, Any]:
    """Return what an episode holds without its credit."""
    scene, why = scene_table(episode)
    start, deeds, rest = told_steps(episode)
    return {
        "key": episode.key,
        "env": episode.env_id,
        "seed": episode.seed,
        "first": episode.start,
        "agents": list(episode.agents),
        "ended": episode.ended,
        "length": episode.length,
        "reward": short(episode.team_reward),
        "cost": short(episode.cost),
        "start": start,
        "deeds": deeds,
        "rest": rest,
        "scene": scene,
        "undrawn": why,
    }


def told_steps(episode: Episode) -> tuple[str, list[list[str]], list[str]]:
    """Return the first frame; for each step what each agent did, and what else changed. Agents have their own names."""
    agents, narrator = episode.agents, episode.narrator
    if narrator is None:
        written = [[_action(action) for action in joint] for joint in episode.actions]
        return "", written, [""] * episode.length
    try:
        frames = episode.frames or [""] * (episode.length + 1)
        text = render_episode(1, episode, frames, range(len(agents)), agents, narrator.action_name)
    except Exception as error:  # somebody else's narrator
        written = [[_action(action) for action in joint] for joint in episode.actions]
        return f"the narrator failed ({type(error).__name__}: {error})", written, [""] * episode.length
    start, _, body = text.partition("\nstart: ")[2].partition("\n0: ")
    lines = [line.partition(": ")[2] for line in ("0: " + body).split("\n")] if episode.length else []
    if len(lines) != episode.length:  # a frame with line breaks: it is told whole, without a place for each agent
        written = [[_action(action) for action in joint] for joint in episode.actions]
        return str(frames[0]), written, list(frames[1:])
    deeds, rest = [], []
    for line in lines:
        told, _, more = line.partition(" | ")
        deeds.append(_by_agent(told, agents))
        paid, _, others = more.partition(" | ")
        rest.append(others if paid.startswith("reward ") else more)
    return start, deeds, rest


def _by_agent(told: str, agents: Sequence[str]) -> list[str]:
    """Return what each agent did, from `name deed; name deed`."""
    found = dict.fromkeys(agents, "")
    last = None
    for deed in told.split("; "):
        who = next((agent for agent in agents if deed.startswith(f"{agent} ")), None)
        if who is None and last is not None:
            found[last] += f"; {deed}"
        elif who is not None:
            found[who], last = deed[len(who) + 1 :], who
    return list(found.values())


def _action(action: Any) -> str:
    if np.ndim(action):
        return "" if np.isnan(action).all() else " ".join(f"{x:g}" for x in action)
    return "" if action < 0 else f"action {int(action)}"


def judgement_values(label: LabelledEpisode, texts: SharedTexts, prices: Prices | None) -> dict[str, Any]:
    """Return what a critic said of an episode."""
    credit = label.credit
    return {
        "source": credit.source,
        "model": label.model,
        "query": label.query,
        "usage": _usage(credit.usage, prices),
        "summary": credit.summary,
        "tasks": [
            [label.episode.agents.index(span.agent), span.start, span.stop, span.task, span.why]
            for span in credit.tasks or ()
        ],
        "values": short(credit.values),
        "events": [
            [label.episode.agents.index(e.agent), e.start, e.stop, short(e.amount), e.why]
            for e in credit.events
            if e.agent in label.episode.agents
        ],
        "question": texts.place(label.question),
        "answer": texts.place(label.answer),
    }


def _usage(usage: Usage, prices: Prices | None) -> dict[str, Any]:
    if not usage.calls:
        return {}
    found: dict[str, Any] = {
        "calls": usage.calls,
        "read": usage.tokens - usage.output_tokens,
        "written": usage.output_tokens,
        "cached": usage.cached_tokens,
        "seconds": round(usage.seconds, 2),
    }
    return found if prices is None else found | {"cost": round(prices.cost(usage), 6)}


def short(values: Any) -> Any:
    """Return numbers with five digits, whole ones without a point; None where one is not finite."""
    if np.ndim(values):
        return [short(value) for value in values]
    number = float(values)
    if not np.isfinite(number):
        return None
    rounded = float(f"{number:.5g}")
    return int(rounded) if rounded == int(rounded) else rounded


def exact_scale(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the factor that brings exact credit to the size of a critic's, by least squares; 1.0 if there is none.

    Args:
        pairs: Of each episode, the critic's credit and the exact one, (T, N) each; NaN where it is unknown.
    """
    y, x = (
        np.concatenate([np.zeros(0), *(np.ravel(pair[side]).astype(np.float64) for pair in pairs)]) for side in (0, 1)
    )
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not (x @ x):
        return 1.0
    fitted = float(x @ y / (x @ x))
    if fitted <= 0:  # the critic says the opposite: the same mean size
        fitted = float(np.abs(y).mean() / np.abs(x).mean())
    return fitted or 1.0
