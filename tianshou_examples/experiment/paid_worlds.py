"""Many Spaceworlds that are stepped together and pay each robot its credit in the same call (ours)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from credit_wrappers.student.inference import StudentInference
from credit_wrappers.student.student_critic import StudentCritic
from spaceworld.batch import BatchStep
from spaceworld.env import SpaceworldEnv
from spaceworld.rules import packing as pk
from tianshou_examples.experiment.compiled_rules import CompiledRules


class Pay(Protocol):
    """What pays the robots of E worlds."""

    def begin(self, chosen: np.ndarray, observations: np.ndarray) -> None:
        """Begin episodes in the worlds `chosen`, (e,), with their first observations, (e, N, F)."""

    def pay(self, actions: np.ndarray, step: BatchStep) -> np.ndarray:
        """Return the credit of the last step, (E, N) float64; worlds that ended are not reset yet."""
        ...


class RulesPay:
    """Pays what the scripted critic says."""

    def __init__(self, memory: np.ndarray) -> None:
        self._rules = CompiledRules(memory)

    def begin(self, chosen: np.ndarray, observations: np.ndarray) -> None:
        """See `Pay`."""
        self._rules.begin(chosen)

    def pay(self, actions: np.ndarray, step: BatchStep) -> np.ndarray:
        """See `Pay`."""
        return self._rules.pay()


class StudentPay:
    """Pays what a student says."""

    def __init__(self, student: StudentCritic, worlds: int, agents: list[str]) -> None:
        self._inference = StudentInference(student, worlds, agents)
        self._all = np.arange(worlds)

    def begin(self, chosen: np.ndarray, observations: np.ndarray) -> None:
        """See `Pay`."""
        self._inference.begin(chosen, observations)

    def pay(self, actions: np.ndarray, step: BatchStep) -> np.ndarray:
        """See `Pay`."""
        return self._inference.pay(self._all, actions, step.observations, step.rewards, step.terminated)


class TeamPay:
    """Pays every robot a share of the team reward."""

    def __init__(self, share: float, agents: int) -> None:
        self._share, self._agents = share, agents

    def begin(self, chosen: np.ndarray, observations: np.ndarray) -> None:
        """See `Pay`."""

    def pay(self, actions: np.ndarray, step: BatchStep) -> np.ndarray:
        """See `Pay`."""
        return np.repeat(step.rewards[:, None] * self._share, self._agents, axis=1)


class SummedPay:
    """Pays every robot the sum of what another pay says."""

    def __init__(self, inner: Pay) -> None:
        self._inner = inner

    def begin(self, chosen: np.ndarray, observations: np.ndarray) -> None:
        """See `Pay`."""
        self._inner.begin(chosen, observations)

    def pay(self, actions: np.ndarray, step: BatchStep) -> np.ndarray:
        """See `Pay`."""
        credit = self._inner.pay(actions, step)
        return np.repeat(credit.sum(axis=1, keepdims=True), credit.shape[1], axis=1)


@dataclass(frozen=True, slots=True)
class PaidStep:
    """What one step of all worlds brought; arrays of E worlds and N robots.

    Attributes:
        observations: (E, N, F); of a world whose episode ended, the first of the next one.
        masks: (E, N, 6), of the same.
        credit: (E, N) float64, for the actions just taken.
        terminated: (E,) bool, the world ended the episode: no value follows.
        over: (E,) bool, terminated or truncated.
        last: (e, N, F), the last observations of the worlds that are over, in order.
        ended: (e, 3), return, cost and success of the same.
    """

    observations: np.ndarray
    masks: np.ndarray
    credit: np.ndarray
    terminated: np.ndarray
    over: np.ndarray
    last: np.ndarray
    ended: np.ndarray


class PaidWorlds:
    """E worlds; one that ends begins its next episode in the same step.

    Args:
        env: One world; the others are copies of it.
        worlds: E.
        pay: Makes what pays them, given their memory, (E, M).

    Attributes:
        blend: In [0, 1]; (1 - blend) * credit + blend * team reward is paid.
        cost_price: What each of its own collisions and violations costs a robot beyond that, in the same unit.
    """

    def __init__(self, env: SpaceworldEnv, worlds: int, pay: Callable[[np.ndarray], Pay]) -> None:
        self.env, self.worlds, self.agents = env, worlds, env.possible_agents
        self.blend = self.cost_price = 0.0
        self._batch = env.copies(worlds)
        self._pay = pay(self._batch.memory)
        self._all = np.arange(worlds)

    def reset(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Begin new episodes, world k with seed + k; return observations (E, N, F) and masks (E, N, 6)."""
        self._batch.seed(self._all, [seed + k for k in range(self.worlds)])
        return self._begin(self._all)

    def step(self, actions: np.ndarray) -> PaidStep:
        """Advance all worlds by one joint action, (E, N)."""
        step = self._batch.step(self._all, actions)
        credit = self._pay.pay(actions, step)
        if self.blend:
            credit = (1.0 - self.blend) * credit + self.blend * step.rewards[:, None]
        credit = credit - self.cost_price * step.costs
        over = step.status > 0
        chosen = np.flatnonzero(over)
        last, ended = step.observations[chosen], np.zeros((len(chosen), 3))
        if len(chosen):
            rows = self._batch.rows[chosen]
            docked = rows[:, pk.S_DOCKED] / self.env.scenario.total_mass
            ended[:, 0] = docked - self._batch.penalty * rows[:, pk.S_FAULTS]
            ended[:, 1], ended[:, 2] = rows[:, pk.S_FAULTS], step.terminated[chosen]
            step.observations[chosen], step.masks[chosen] = self._begin(chosen)
        return PaidStep(step.observations, step.masks, credit, step.terminated, over, last, ended)

    def _begin(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        observations, masks = self._batch.reset(chosen)
        self._pay.begin(chosen, observations)
        return observations, masks


def payer_of(method: str, student: Any, agents: list[str], worlds: int) -> Callable[[np.ndarray], Pay]:
    """Return a maker of what pays a method's robots.

    Args:
        method: One of mca, summed, shared and equal.
        student: Pays instead of the scripted rules; None: the rules do.
        agents: The robots' names.
        worlds: E.
    """

    def make(memory: np.ndarray) -> Pay:
        if method in ("shared", "equal"):
            return TeamPay(1.0 if method == "shared" else 1.0 / len(agents), len(agents))
        critic: Pay = RulesPay(memory) if student is None else StudentPay(student, worlds, agents)
        return SummedPay(critic) if method == "summed" else critic

    return make
