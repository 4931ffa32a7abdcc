"""The value of a state as the mean return of a policy from there on: for worlds too large for a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from credit_wrappers.exact.simulator import Simulator, StateError
from credit_wrappers.exact.value_function import Values


class RolloutValue:
    """The mean discounted team reward of a policy's rollouts, with its standard error (Monte Carlo).

    A rollout ends where the world ends it, and after `horizon` steps. With `rewind` it goes on past the environment's
    time limit; without, time running out ends it, and a state in which it has run out cannot be valued.

    The error is due to the policy's chance. Where states hold the environment's random stream, all rollouts of a state
    meet the same chance of the world, so the error does not hold that.

    Args:
        simulator: Tells what actions lead to.
        policy: Returns the joint actions, (K, N) int, that it takes in K states; or "random", uniform over the
            possible actions.
        rollouts: Rollouts of each state, from 2.
        horizon: Longest rollout in steps.
        discount: Of each step, above 0 and at most 1.
        seed: Of the random policy; the same states get the same values each time.
        rewind: Returns the same state with the episode's clock at 0; default: the simulator's.

    Raises:
        ValueError: An argument is outside its range.
    """

    unit = "reward"
    counts_reward = True

    def __init__(
        self,
        simulator: Simulator,
        policy: Callable[[Sequence[Any]], np.ndarray] | Literal["random"] = "random",
        rollouts: int = 16,
        horizon: int = 50,
        discount: float = 0.99,
        seed: int = 0,
        *,
        rewind: Callable[[Any], Any] | None = None,
    ) -> None:
        if policy != "random" and not callable(policy):
            raise ValueError(f"policy must be 'random' or a function (states) -> joint actions (K, N), got {policy!r}")
        if policy == "random" and not hasattr(simulator, "counts"):
            raise ValueError("policy='random' needs a simulator that knows the actions, such as EnvSimulator")
        if rollouts < 2 or horizon < 1 or not 0 < discount <= 1:
            raise ValueError(
                f"rollouts={rollouts}, horizon={horizon}, discount={discount}: needs rollouts from 2, horizon from 1, "
                "discount above 0 and at most 1"
            )
        self.simulator, self.policy = simulator, policy
        self.rollouts, self.horizon, self.discount, self.seed = rollouts, horizon, discount, seed
        self.rewind = rewind or getattr(simulator, "rewind", None)

    def values(self, states: Sequence[Any]) -> Values:
        """Return means and standard errors, both (K,) float64.

        Raises:
            StateError: No action can be taken in a state.
        """
        rng = np.random.default_rng(self.seed)
        now = [state for state in map(self._start, states) for _ in range(self.rollouts)]
        total = np.zeros(len(now))
        alive = np.arange(len(now))
        for step in range(self.horizon):
            if not len(alive):
                break
            try:
                found = self.simulator.outcomes(now, self._joints(now, rng))
            except StateError as error:
                raise StateError(str(error), int(alive[error.index]) // self.rollouts) from error
            total[alive] += self.discount**step * found.reward
            over = found.terminated if self.rewind else found.terminated | found.truncated
            late = found.truncated & ~over
            alive = alive[~over]
            now = [
                self._start(state) if gone else state
                for state, end, gone in zip(found.states, over, late, strict=True)
                if not end
            ]
        table = total.reshape(len(states), self.rollouts)
        return Values(table.mean(axis=1), table.std(axis=1, ddof=1) / np.sqrt(self.rollouts))

    def _start(self, state: Any) -> Any:
        return self.rewind(state) if self.rewind else state

    def _joints(self, states: list[Any], rng: np.random.Generator) -> np.ndarray:
        if callable(self.policy):
            return np.asarray(self.policy(states), np.int64)
        masks = possible(self.simulator, states)
        scores = np.where(masks, rng.random(masks.shape), -1.0)
        return scores.argmax(axis=2)

    def __getstate__(self) -> dict[str, Any]:
        own = self.rewind == getattr(self.simulator, "rewind", None)
        return {**self.__dict__, "rewind": None if own else self.rewind}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.rewind = self.rewind or getattr(self.simulator, "rewind", None)


def possible(simulator: Any, states: Sequence[Any]) -> np.ndarray:
    """Return which actions are possible, (K, N, A) bool: the environment's masks, else all actions of each agent."""
    masks: np.ndarray | None = simulator.masks(states) if hasattr(simulator, "masks") else None
    if masks is None:
        legal = np.arange(int(simulator.counts.max())) < simulator.counts[:, None]
        masks = np.broadcast_to(legal, (len(states), *legal.shape))
    return masks
