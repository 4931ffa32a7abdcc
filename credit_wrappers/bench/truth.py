"""The truth that credit is compared with: difference and Shapley values in "time" and in "work".

"time" counts joint steps to the goal, "work" the agents' actions other than the default (see `CounterfactualCritic`).
A world brings its own value functions; where it brings none there is no truth, and the reason is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from pettingzoo.utils.env import ParallelEnv

from credit_wrappers.bench.metrics import loop_marks
from credit_wrappers.bench.suite import Suite
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.exact.cases import Kind
from credit_wrappers.exact.exact_credit import ExactCredit, exact_credit
from credit_wrappers.exact.simulator import EnvSimulator
from credit_wrappers.exact.value_function import VALUE_NAMES, ValueFunction, named_value
from credit_wrappers.narration.text_diff import clauses

TRUTH_KINDS: tuple[Kind, ...] = ("difference", "shapley")


@dataclass(frozen=True, eq=False)
class SuiteTruth:
    """What is known of a suite's episodes; lists have an entry for each episode.

    Attributes:
        credits: By value and kind, such as ("time", "shapley"): a (T, N) float64 array for each episode, NaN for one
            with a state that cannot be valued. Empty where there is no truth.
        error: Mean standard error of these credits; 0.0 where they are exact.
        missing: Why a value is missing, for all or for some episodes, by its name.
        idle: (T, N) bool for each episode: agents that took their default action.
        loops: (T, N) bool for each episode: agents in a closed loop.
    """

    credits: dict[tuple[str, str], list[np.ndarray]]
    error: dict[tuple[str, str], float]
    missing: dict[str, str]
    idle: list[np.ndarray]
    loops: list[np.ndarray]


def suite_truth(suite: Suite, episodes: Sequence[Episode]) -> SuiteTruth:
    """Return the truth about replayed episodes of a suite; see `truth_of`."""
    return truth_of(suite.make_env, episodes)


def truth_of(make_env: Callable[[], ParallelEnv], episodes: Sequence[Episode]) -> SuiteTruth:
    """Return the truth about episodes.

    Args:
        make_env: Makes the environment that simulates.
        episodes: With snapshots.
    """
    credits: dict[tuple[str, str], list[np.ndarray]] = {}
    error: dict[tuple[str, str], float] = {}
    missing: dict[str, str] = {}
    default: np.ndarray | int = 0
    try:
        simulator = EnvSimulator(make_env)
    except CreditError as failed:
        missing = dict.fromkeys(VALUE_NAMES, str(failed))
    else:
        default = simulator.default
        for name in VALUE_NAMES:
            try:
                value = named_value(simulator.env, name)
            except CreditError as failed:
                missing[name] = str(failed)
                continue
            for kind in TRUTH_KINDS:
                found, failures = _each(episodes, simulator, value, kind)
                if failures:
                    missing[name] = f"{len(failures)} of {len(episodes)} episodes cannot be valued; {failures[0]}"
                if len(failures) < len(episodes):
                    credits[name, kind] = [one.values for one in found]
                    error[name, kind] = float(np.nanmean([one.error.mean() for one in found]))
    idle = [(episode.actions == default) & episode.present for episode in episodes]
    return SuiteTruth(credits, error, missing, idle, [agent_loops(episode) for episode in episodes])


def _each(
    episodes: Sequence[Episode], simulator: EnvSimulator, value: ValueFunction, kind: Kind
) -> tuple[list[ExactCredit], list[str]]:
    """Return the credit of each episode, NaN where it cannot be computed, and the reasons for these."""
    found, failures = [], []
    for episode in episodes:
        try:
            found.append(exact_credit(episode, simulator, value, kind))
        except CreditError as failed:
            failures.append(str(failed))
            nothing = np.full(episode.actions.shape, np.nan)
            found.append(ExactCredit(nothing, nothing, nothing[:, 0]))
    return found, failures


def agent_loops(episode: Episode) -> np.ndarray:
    """Return (T, N) bool, the steps in which each agent goes through a closed loop.

    A state is what the narrator says of it, without the clock and without what it says of the other agents. So an agent
    that walks to and fro is in a loop even while the others get on. Without a narrator there are no loops.
    """
    marks = np.zeros((episode.length, episode.n_agents), np.bool_)
    if episode.narrator is None or not episode.moments:
        return marks
    order, names = range(episode.n_agents), episode.agents
    texts = [set(clauses(episode.narrator.frames([moment], order, names)[0])) for moment in episode.moments]
    for i, name in enumerate(names):
        others = tuple(f"{other} " for other in names if other != name)
        own = [frozenset(c for c in text if not c.startswith((*others, "step "))) for text in texts]
        marks[:, i] = loop_marks(own)
    return marks
