"""The critic that computes credit from a simulator: the ground truth that other critics are compared with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from credit_wrappers.core.credit import Credit, CreditEvent
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.exact.cases import Kind
from credit_wrappers.exact.exact_credit import Policy, check_kind, exact_credit
from credit_wrappers.exact.simulator import EnvSimulator
from credit_wrappers.exact.value_function import ValueFunction, check_value_name, named_value
from credit_wrappers.recording.team_reward import TeamRewardRule

_THAN = {
    "difference": "than with its default action",
    "average": "than with its average action",
    "shapley": "by its share of the step",
    "progress": "than with everybody's default action",
}


class CounterfactualCritic:
    """Pays each agent what its action changed, according to a simulator and a value function.

    Episodes need snapshots: `record_snapshots=True` of the wrapper, or `replay(..., snapshots=True)`.

    Kinds, for a joint action a of a state s, worth Q(s, a):

    - "difference": Q(s, a) - Q(s, a with the agent's default action) (Wolpert and Tumer 2002);
    - "average": Q(s, a) - its mean over the agent's actions, the others' kept (COMA; Foerster et al. 2018);
    - "shapley": the agent's Shapley value of the game in which those outside a coalition take their default action;
      exact up to 5 agents, of more a mean over sampled orders. The agents' values sum to the team's progress;
    - "progress": Q(s, a) - Q(s, everybody's default), the same for all agents.

    Args:
        env_factory: Makes the environment that recorded the episodes; picklable if the critic is to be pickled.
        value: "time" or "work", of the environment's own value functions, or a `ValueFunction`.
        kind: One of the above.
        policy: Returns the probabilities, (N, A), of a state's actions, for "average"; default: uniform over the
            possible actions.
        scale: Credit of one unit of the value.
        penalty: What one cost (a collision) takes from the worth of an outcome, in the value's unit.
        budget: Sampled orders of the agents for Shapley values of more than 5 agents.
        seed: Of this sample.
        explain: Whether credits have an event, with a reason, for each value that is not zero.
        team_reward: How agents' rewards become the team reward, see `CreditWrapper`.

    Raises:
        ValueError: There is no such kind or value, or another argument is outside its range.
        CreditError: The environment restores no states, or brings no such value function.
    """

    label = "exact"

    def __init__(
        self,
        env_factory: Callable[[], Any],
        value: str | ValueFunction = "time",
        kind: Kind = "difference",
        *,
        policy: Policy | None = None,
        scale: float = 1.0,
        penalty: float = 0.0,
        budget: int = 64,
        seed: int = 0,
        explain: bool = False,
        team_reward: TeamRewardRule = "auto",
    ) -> None:
        check_kind(kind, budget)
        if isinstance(value, str) or not hasattr(value, "values"):
            check_value_name(value)
        if not np.isfinite(scale) or not np.isfinite(penalty):
            raise ValueError(f"scale={scale}, penalty={penalty}: both must be finite")
        self.kind, self.policy, self.scale, self.penalty = kind, policy, scale, penalty
        self.budget, self.seed, self.explain = budget, seed, explain
        self.simulator = EnvSimulator(env_factory, team_reward=team_reward)
        self.value: ValueFunction = named_value(self.simulator.env, value) if isinstance(value, str) else value
        self._lock = threading.Lock()

    def score(self, episodes: Sequence[Episode]) -> list[Credit]:
        """Return the exact credit of each episode.

        Raises:
            CreditError: An episode has no snapshots or other agents, or a state cannot be valued.
        """
        with self._lock:
            return [self._score(episode) for episode in episodes]

    def _score(self, episode: Episode) -> Credit:
        if episode.agents != self.simulator.agents:
            raise CreditError(
                f"episode {episode.id} is of the agents {', '.join(episode.agents)}, the simulator of "
                f"{', '.join(self.simulator.agents)}: env_factory must make the environment that was recorded"
            )
        found = exact_credit(
            episode, self.simulator, self.value, self.kind,
            policy=self.policy, penalty=self.penalty, budget=self.budget, seed=self.seed,
        )  # fmt: skip
        values = (self.scale * found.values).astype(np.float32)
        events = self._events(episode, found.values) if self.explain else ()
        scaled = "" if self.scale == 1 else f" ({self.scale:g} of credit for each)"
        unit = self.value.unit
        summary = f"{self.kind} credit in {unit}{scaled}; the whole team gained {found.team.sum():g} {unit}"
        return Credit(values, events=events, summary=summary, source="exact")

    def _events(self, episode: Episode, values: np.ndarray) -> tuple[CreditEvent, ...]:
        events = []
        better, worse = ("more", "less") if self.value.counts_reward else ("nearer", "further")
        for t, i in np.argwhere(np.abs(values) > 1e-9):
            amount = float(values[t, i])
            size = f"{abs(amount):.3g}"
            unit = self.value.unit.removesuffix("s") if size == "1" else self.value.unit
            why = f"{size} {unit} {better if amount > 0 else worse} {_THAN[self.kind]}"
            events.append(CreditEvent(episode.agents[i], int(t), int(t) + 1, self.scale * amount, why))
        return tuple(events)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
