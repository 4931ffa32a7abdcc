"""Critics that are faulty on purpose, to see what a learner makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from credit_wrappers import Credit, CreditEvent, Critic, Episode

Fault = Callable[[CreditEvent, tuple[str, ...], np.random.Generator], CreditEvent | None]

DROPPED, MOVED = 0.2, 0.2  # shares of a noisy critic's events


def noisy(event: CreditEvent, agents: tuple[str, ...], rng: np.random.Generator) -> CreditEvent | None:
    """20 % of the events are dropped, 20 % are moved to a wrong agent."""
    chance = rng.random()
    if chance < DROPPED:
        return None
    others = [agent for agent in agents if agent != event.agent]
    if chance < DROPPED + MOVED and others:
        return replace(event, agent=others[int(rng.integers(len(others)))])
    return event


def farmable(event: CreditEvent, agents: tuple[str, ...], rng: np.random.Generator) -> CreditEvent | None:
    """Grips are paid, and nothing is taken back for letting go: the reasons of Spaceworld's scripted rules tell."""
    return None if event.amount < 0 and event.why.startswith("let go of") else event


FAULTS: dict[str, Fault] = {"scripted-noisy": noisy, "scripted-farmable": farmable}


class FaultyCritic:
    """Another critic's credits, event by event through a fault; the same for the same episode each time.

    Args:
        critic: gives reasons for all it pays.
        fault: returns what becomes of an event, given the agents and a generator; None: it is dropped.
    """

    def __init__(self, critic: Critic, fault: Fault) -> None:
        self.critic, self.fault = critic, fault
        self.label = f"{critic.label}, {fault.__name__}"

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """The credits of what is left of the events."""
        credits = self.critic.score(episodes)
        return [self._spoilt(episode, credit) for episode, credit in zip(episodes, credits, strict=True)]

    def _spoilt(self, episode: Episode, credit: Credit) -> Credit:
        rng = np.random.default_rng(int(hashlib.blake2b(episode.key.encode(), digest_size=8).hexdigest(), 16))
        events = [self.fault(event, episode.agents, rng) for event in credit.events]
        left = tuple(event for event in events if event is not None)
        values = np.zeros((episode.length, episode.n_agents))
        for event in left:
            values[event.start : event.stop, episode.agents.index(event.agent)] += event.amount / (
                event.stop - event.start
            )
        return replace(credit, values=values.astype(np.float32), events=left)
