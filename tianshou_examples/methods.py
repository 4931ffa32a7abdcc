"""The methods that are compared: what pays a learner, and the environment that its team learns and plays in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pettingzoo import ParallelEnv

from credit_wrappers import CreditStore, CreditWrapper


@dataclass(frozen=True)
class Method:
    """How a method is drawn, and whether it asks the critic's model."""

    title: str
    colour: str
    asks: bool = False


METHODS = {
    "mca": Method("individual credit", "#0f766e", asks=True),
    "summed": Method("the same credit, summed over the team", "#b45309", asks=True),
    "shared": Method("shared team reward", "#64748b"),
    "equal": Method("equal split of the team reward", "#7c3aed"),
}


def learning_factory(method: str, make_env: Callable[[], ParallelEnv], store: CreditStore) -> Callable[[], ParallelEnv]:
    """Makes the environments that an arm of this method is trained in; all of them share the store."""
    return lambda: CreditWrapper(make_env(), store=store)


def playing_factory(method: str, make_env: Callable[[], ParallelEnv]) -> Callable[[], ParallelEnv]:
    """Makes the environments that a team of this method plays in, with the observations that it learned from."""
    return make_env
