"""The exact value of every state that a small deterministic world can reach: it is explored, then solved."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import product
from typing import Any, Literal, get_args

import numpy as np

from credit_wrappers.core.errors import CreditError
from credit_wrappers.exact.simulator import EnvSimulator, StateError
from credit_wrappers.exact.value_function import Values, state_key

Objective = Literal["time", "work", "reward"]

_UNITS = {"time": "steps", "work": "actions", "reward": "reward"}
_DISCOUNT = 0.99
_SWEEPS = 10_000
_BATCH = 65_536  # outcomes of one call
_OUTCOMES = 20_000_000  # states x joint actions that a table holds


class TabularValue:
    """Optimal values of the states of a small deterministic world (value iteration).

    From the start states all joint actions are tried, in every state that is found, until no new one appears. Then
    the values are solved for. Time running out does not end the world: `rewind` sets the clock back.

    Args:
        simulator: The world, with a finite number of states.
        starts: States to start from.
        objective: "time": minus the fewest joint steps to the end of the world; "work": minus the fewest actions
            other than the default until then; "reward": the highest discounted team reward.
        discount: Of each step, above 0 and at most 1; default: 0.99 for "reward", else 1. With "reward" it must be
            below 1, or an agent that waits would lose nothing.
        max_states: States at most.
        rewind: Returns the same state with the episode's clock at 0, in which the agents are there; default: the
            environment's. An environment with a time limit needs one.

    Attributes:
        size: The number of states.

    Raises:
        ValueError: An argument is outside its range.
        CreditError: There are more states than `max_states`, time runs out for want of a `rewind`, or the values do not
            converge.
    """

    def __init__(
        self,
        simulator: EnvSimulator,
        starts: Iterable[Any],
        objective: Objective = "reward",
        discount: float | None = None,
        max_states: int = 20_000,
        *,
        rewind: Callable[[Any], Any] | None = None,
    ) -> None:
        if objective not in get_args(Objective):
            raise ValueError(f"unknown objective {objective!r}; valid: {', '.join(map(repr, get_args(Objective)))}")
        if discount is None:
            discount = _DISCOUNT if objective == "reward" else 1.0
        if not 0 < discount <= 1:
            raise ValueError(f"discount={discount}: needs a number above 0 and at most 1")
        if discount == 1 and objective == "reward":
            raise ValueError(
                "discount=1 with 'reward': waiting would cost nothing, so that hardly any action would earn credit; "
                f"give a discount below 1, such as {_DISCOUNT}, or count 'time' or 'work'"
            )
        self.unit, self.counts_reward, self.discount = _UNITS[objective], objective == "reward", discount
        self._simulator, self._rewind, self._max = simulator, rewind, max_states
        self._index: dict[Hashable, int] = {}  # of every state; -1 for one that the world ended
        self.size = 0
        joints = np.array(list(product(*map(range, simulator.counts))), np.int64)
        self._most = min(max_states, _OUTCOMES // len(joints))
        after, reward = self._explore(starts, joints)
        if objective == "time":
            reward = np.full_like(reward, -1.0)
        elif objective == "work":
            reward = np.tile(-(joints != simulator.default).sum(axis=1).astype(float), (len(reward), 1))
        self._table = self._solve(after, reward, 0.0 if objective == "reward" else -np.inf)

    def values(self, states: Sequence[Any]) -> Values:
        """Return the values of K states, without error.

        Raises:
            StateError: A state was not found, or no end can be reached from it.
        """
        found = np.zeros(len(states))
        for k, state in enumerate(states):
            number = self._index.get(state_key(self._back(state)))
            if number is None:
                raise StateError("the state was not reached from the start states: give it as one of `starts`", k)
            found[k] = self._table[number]
        if not np.isfinite(found).all():
            raise StateError("the world cannot reach its end from this state", int(np.isfinite(found).argmin()))
        return Values(found, np.zeros(len(states)))

    def _explore(self, starts: Iterable[Any], joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the next state, (S, J) int, -1 for the end, and the reward, (S, J), of each state and joint action."""
        waiting: list[Any] = []
        for state in starts:
            self._number(self._back(state), waiting)
        after, reward = [np.zeros((0, len(joints)), np.int64)], [np.zeros((0, len(joints)))]
        size = max(1, _BATCH // len(joints))
        while waiting:
            now, waiting = waiting[:size], waiting[size:]
            many = [state for state in now for _ in joints]
            try:
                found = self._simulator.outcomes(many, np.tile(joints, (len(now), 1)))
            except StateError as error:
                raise CreditError(f"{error}{self._advice()}") from error
            numbers = np.full(len(many), -1)
            for k, (state, ended) in enumerate(zip(found.states, found.terminated, strict=True)):
                if ended:
                    self._index.setdefault(state_key(self._back(state)), -1)
                else:
                    numbers[k] = self._number(self._back(state), waiting)
            after.append(numbers.reshape(len(now), -1))
            reward.append(found.reward.reshape(len(now), -1))
        return np.concatenate(after), np.concatenate(reward)

    def _number(self, state: Any, waiting: list[Any]) -> int:
        key = state_key(state)
        if key not in self._index:
            if self.size == self._most:
                raise CreditError(
                    f"the world has more than {self._most:,} states, and max_states={self._max:,}, or "
                    f"{_OUTCOMES:,} outcomes: raise max_states, give a `rewind` if states differ in their clock only, "
                    "or use RolloutValue"
                )
            self._index[key] = self.size
            self.size += 1
            waiting.append(state)
        return self._index[key]

    def _solve(self, after: np.ndarray, reward: np.ndarray, first: float) -> np.ndarray:
        table = np.append(np.full(len(after), first), 0.0)  # the last is the end's, number -1
        for _ in range(_SWEEPS):
            new = (reward + self.discount * table[after]).max(axis=1)
            settled = np.array_equal(new, table[:-1]) or np.nanmax(np.abs(_gap(new, table[:-1])), initial=0) < 1e-12
            table[:-1] = new
            if settled:
                return table
        raise CreditError(f"the values do not converge with discount={self.discount}: give a lower discount")

    def _advice(self) -> str:
        """Return what to do about a state that the episode's time limit has ended."""
        name = type(self._simulator.env).__name__
        if self._rewind is None and self._simulator.rewind is None:
            return f". {name} has no rewind(state): add it, or pass rewind="
        which = f"{name}.rewind(state)" if self._rewind is None else "rewind(state)"
        return (
            f". After set_state({which}) no agent is there: the state must hold the agents, and rewind bring them back"
        )

    def _back(self, state: Any) -> Any:
        rewind = self._rewind or self._simulator.rewind
        return rewind(state) if rewind else state


def _gap(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Return the changes; 0 where both are minus infinity."""
    both = np.isneginf(new) & np.isneginf(old)
    return np.where(both, 0.0, np.where(both, 0.0, new) - np.where(both, 0.0, old))
