"""The harder rewards of `--reward` for many worlds at once: what `credit_wrappers`' wrappers pay in one (ours)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spaceworld.batch import BatchStep
from tianshou_examples.experiment.paid_worlds import Pay


class PerturbedPay:
    """Shows another pay rewards that are harder to learn from: `perturb` makes them of the worlds' own.

    Args:
        inner: What pays the robots, given these rewards.
        perturb: Makes them.
    """

    def __init__(self, inner: Pay, perturb: Sparse | Delayed | Noisy) -> None:
        self._inner, self._perturb = inner, perturb

    def begin(self, chosen: np.ndarray, observations: np.ndarray) -> None:
        """See `Pay`."""
        self._perturb.begin(chosen)
        self._inner.begin(chosen, observations)

    def pay(self, actions: np.ndarray, step: BatchStep) -> np.ndarray:
        """See `Pay`."""
        return self._inner.pay(actions, replace(step, rewards=self._perturb.paid(step.rewards, step.status > 0)))


class Sparse:
    """Pays in the last step alone, everything that was earned; see `SparseReward`.

    Args:
        worlds: E.
    """

    def __init__(self, worlds: int) -> None:
        self._held = np.zeros(worlds)

    def begin(self, chosen: np.ndarray) -> None:
        """Begin episodes in the worlds `chosen`, (e,)."""
        self._held[chosen] = 0.0

    def paid(self, own: np.ndarray, over: np.ndarray) -> np.ndarray:
        """Return what is paid, (E,), for what was earned, (E,), in worlds that are over or not, (E,) bool."""
        self._held += own
        return np.where(over, self._held, 0.0)


class Delayed:
    """Pays `delay` steps late, and in the last step what is still due; see `DelayedReward`.

    Args:
        worlds: E.
        delay: Steps.
    """

    def __init__(self, worlds: int, delay: int) -> None:
        self._due = np.zeros((delay + 1, worlds))  # by the step in which it is paid
        self._now = 0

    def begin(self, chosen: np.ndarray) -> None:
        """Begin episodes in the worlds `chosen`, (e,)."""
        self._due[:, chosen] = 0.0

    def paid(self, own: np.ndarray, over: np.ndarray) -> np.ndarray:
        """Return what is paid, (E,), for what was earned, (E,), in worlds that are over or not, (E,) bool."""
        self._due[self._now - 1] = own  # the last row of the ring: it comes round after `delay` further steps
        paid = np.where(over, self._due.sum(axis=0), self._due[self._now])
        self._due[self._now] = 0.0
        self._now = (self._now + 1) % len(self._due)
        return paid


class Noisy:
    """Adds normally distributed noise to every reward; see `NoisyReward`.

    Args:
        worlds: E.
        scale: Standard deviation, in the reward's unit.
        random: Draws it.
    """

    def __init__(self, worlds: int, scale: float, random: np.random.Generator) -> None:
        self._scale, self._random = scale, random

    def begin(self, chosen: np.ndarray) -> None:
        """Begin episodes in the worlds `chosen`, (e,)."""

    def paid(self, own: np.ndarray, over: np.ndarray) -> np.ndarray:
        """Return what is paid, (E,), for what was earned, (E,)."""
        return own + self._scale * self._random.standard_normal(len(own))


def perturbed(
    make: Callable[[np.ndarray], Pay], told: str, worlds: int, random: np.random.Generator
) -> Callable[[np.ndarray], Pay]:
    """Return a maker of what pays the worlds under a reward as `--reward` names it.

    Args:
        make: Makes what pays under the worlds' own reward.
        told: A valid one; see `environments.reward_wrapper`.
        worlds: E.
        random: Draws noise.
    """
    kind, _, number = told.partition(":")
    if kind == "own":
        return make
    perturb: Sparse | Delayed | Noisy
    if kind == "sparse":
        perturb = Sparse(worlds)
    elif kind == "delayed":
        perturb = Delayed(worlds, int(number))
    else:
        perturb = Noisy(worlds, float(number), random)
    return lambda memory: PerturbedPay(make(memory), perturb)
