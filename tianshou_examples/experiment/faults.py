"""Critics that are faulty on purpose, to see what a learner makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from credit_wrappers import Credit, CreditEvent, Critic, Episode

Change = Callable[[CreditEvent, tuple[str, ...], np.random.Generator], CreditEvent | None]

DROPPED, MOVED = 0.2, 0.2  # shares of a noisy critic's events


def noisy(event: CreditEvent, agents: tuple[str, ...], rng: np.random.Generator) -> CreditEvent | None:
    """Drop 20 % of the events, and move 20 % to a wrong agent."""
    chance = rng.random()
    if chance < DROPPED:
        return None
    others = [agent for agent in agents if agent != event.agent]
    if chance < DROPPED + MOVED and others:
        return replace(event, agent=others[int(rng.integers(len(others)))])
    return event


def farmable(event: CreditEvent, agents: tuple[str, ...], rng: np.random.Generator) -> CreditEvent | None:
    """Drop debits for letting go, while grips are still paid; the scripted rules' reasons tell which they are."""
    return None if event.amount < 0 and event.why.startswith("let go of") else event


@dataclass(frozen=True)
class Fault:
    """One fault of the scripted critic."""

    change: Change  # returns what becomes of an event, given the agents and a generator; None: it is dropped
    note: str  # describes it in the report


FAULTS = {
    "scripted-noisy": Fault(noisy, "of its events 20 % are dropped and 20 % moved to a wrong agent"),
    "scripted-farmable": Fault(farmable, "what it debits for letting go of a module is dropped"),
}


class FaultyCritic:
    """Another critic's credits after a fault, event by event; the same episode always gets the same credit.

    Args:
        critic: Explains all its credit by events.
        change: Returns what becomes of an event; see `Fault`.
    """

    def __init__(self, critic: Critic, change: Change) -> None:
        self.critic, self.change = critic, change
        self.label = f"{critic.label}, {change.__name__}"

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the credits of what is left of the events."""
        return [self._changed(*pair) for pair in zip(episodes, self.critic.score(episodes), strict=True)]

    def _changed(self, episode: Episode, credit: Credit) -> Credit:
        rng = np.random.default_rng(int(hashlib.blake2b(episode.key.encode(), digest_size=8).hexdigest(), 16))
        events = [self.change(event, episode.agents, rng) for event in credit.events]
        left = tuple(event for event in events if event is not None)
        values = np.zeros((episode.length, episode.n_agents))
        for event in left:
            share = event.amount / (event.stop - event.start)
            values[event.start : event.stop, episode.agents.index(event.agent)] += share
        return replace(credit, values=values.astype(np.float32), events=left)
