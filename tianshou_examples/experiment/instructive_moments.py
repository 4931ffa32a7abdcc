"""A critic around another one, which keeps episode statistics, the newest labels and the most instructive moments."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from credit_wrappers import Credit, CreditEvent, Critic, Episode


@dataclass(frozen=True)
class Moment:
    """A credit event, with what the critic saw around it."""

    agent: str
    start: int
    stop: int
    amount: float
    why: str
    others: dict[str, float]  # what the other agents were credited in the same steps
    team_reward: float  # paid to the team in these steps
    source: str
    episode: int  # how many episodes were counted before
    before: str  # the frame before the span; the first frame of the episode when the span starts there
    lines: list[str]  # the steps, at most MOST_LINES of them


MOST_LINES = 6
KEPT = 20  # newest episodes with their credit, for the report
LESSONS = {
    "payoff": "the reward came, and those who earned it are paid",
    "on the way": "temporal credit: progress is paid although the team was paid nothing yet",
    "who did it": "structural credit: one agent is paid, the others are not",
    "at fault": "blame for the agent that caused a fault, not for the team",
    "undone": "going back costs what going forth had earned",
}


def lesson_of(amount: float, steps: int, reward: float, others: float, cost: float) -> list[tuple[str, float]]:
    """Return which lessons a credited span teaches, each with how clearly (more is clearer).

    Args:
        amount: Credit of the agent over the span.
        steps: Length of the span.
        reward: Paid to the team in the span.
        others: Largest credit of another agent in the span.
        cost: Collisions and violations of the agent itself in the span.
    """
    if amount > 0:
        if reward > 0:
            return [("payoff", amount)]
        found = [("on the way", steps + min(amount, 1.0))] if reward == 0 else []
        # clearest where the others were neither paid nor blamed
        return [*found, ("who did it", amount + 2 * others)] if others <= 0 else found
    if reward < 0 and cost > 0:
        return [("at fault", (others - amount) / steps)]  # the shorter the span, the surer that the fault is meant
    return [("undone", -amount)] if reward == 0 and amount < 0 else []


class MonitoredCritic:
    """A critic that scores with another one, and keeps episode statistics and the clearest moments; thread-safe.

    Args:
        critic: Does the scoring.
        window: Episodes over which the statistics are averaged.
        counts: Whether every episode is scored; otherwise call `count` with each.
    """

    def __init__(self, critic: Critic, window: int = 256, counts: bool = True) -> None:
        self.critic = critic
        self._counts = counts
        self._lock = threading.RLock()
        self.label = critic.label
        self.episodes = 0
        self.recent: deque[tuple[float, float, float]] = deque(maxlen=window)  # return, cost and success
        self.labels: deque[tuple[Episode, Credit]] = deque(maxlen=KEPT)
        self.best: dict[str, tuple[float, Moment]] = {}  # by lesson: how clear it is, and the moment

    def count_ended(self, ended: tuple[float, float, float]) -> None:
        """Count an episode that is not scored, by its return, cost and success."""
        with self._lock:
            self.episodes += 1
            self.recent.append(ended)

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the other critic's credits, unchanged."""
        credits = self.critic.score(episodes)
        with self._lock:
            for episode, credit in zip(episodes, credits, strict=True):
                self._compare(episode, credit)
                self.labels.append((episode, credit))
                if self._counts:
                    self.count(episode)
        return credits

    def count(self, episode: Episode) -> None:
        """Take an episode into the statistics."""
        numbers = float(episode.team_reward.sum()), float(episode.cost.sum()), float(episode.terminated)
        with self._lock:
            self.episodes += 1
            self.recent.append(numbers)

    def means(self) -> tuple[float, float, float]:
        """Return the mean return, cost and success of the recent episodes; zeros before the first."""
        with self._lock:
            recent = list(self.recent)
        if not recent:
            return 0.0, 0.0, 0.0
        returns, costs, successes = (sum(values) / len(recent) for values in zip(*recent, strict=True))
        return returns, costs, successes

    def _compare(self, episode: Episode, credit: Credit) -> None:
        index = {agent: i for i, agent in enumerate(episode.agents)}
        totals = np.concatenate([np.zeros((1, episode.n_agents)), credit.values.cumsum(axis=0)]).tolist()
        paid = np.concatenate([[0.0], episode.team_reward.cumsum()]).tolist()
        for event in credit.events:
            before, after = totals[event.start], totals[event.stop]
            rest = [after[i] - before[i] for a, i in index.items() if a != event.agent]
            reward = round(paid[event.stop] - paid[event.start], 9)
            cost = float(episode.cost[event.start : event.stop, index[event.agent]].sum())
            lessons = lesson_of(event.amount, event.stop - event.start, reward, max(rest, default=0.0), cost)
            for lesson, clearness in lessons:
                if clearness > self.best.get(lesson, (0.0, None))[0]:
                    self.best[lesson] = (clearness, self._moment(episode, credit, event, reward))

    def _moment(self, episode: Episode, credit: Credit, event: CreditEvent, reward: float) -> Moment:
        span = slice(event.start, event.stop)
        amounts = credit.values[span].sum(axis=0)
        frames, narrator = episode.frames, episode.narrator
        lines = []
        for t in range(event.start, min(event.stop, event.start + MOST_LINES)):
            joint = ", ".join(
                f"{a} {narrator.action_name(a, int(x)) if narrator else x}"
                for a, x in zip(episode.agents, episode.actions[t], strict=True)
            )
            lines.append(f"{t}: {joint} | {frames[t + 1] if frames else ''}")
        return Moment(
            **asdict(event),
            others={a: float(x) for a, x in zip(episode.agents, amounts, strict=True) if a != event.agent},
            team_reward=reward,
            source=credit.source,
            episode=self.episodes,
            before=frames[event.start] if frames else "",
            lines=lines,
        )

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps, as JSON values."""
        with self._lock:
            best = {lesson: [clear, asdict(moment)] for lesson, (clear, moment) in self.best.items()}
            return {"episodes": self.episodes, "recent": list(self.recent), "best": best}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.episodes = state["episodes"]
        self.recent.extend(tuple(x) for x in state["recent"])
        self.best = {lesson: (clear, Moment(**moment)) for lesson, (clear, moment) in state["best"].items()}
