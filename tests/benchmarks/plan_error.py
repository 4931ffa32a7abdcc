"""How sure the truth of large Spaceworlds is, which is by plans: what other plans say, and what a search proves.

    python -m tests.benchmarks.plan_error [truss hazard crew] [--half report] [--edition 2] [--left 1] [--states 40]

Other plans compare other orders of deliveries. The stated error of a value is what makes the errors of credits right:
half of the root mean square of the differences between both credits, where the compared states differ. The search finds
the fewest steps of states in which so many modules are left at most; worlds with drifting debris cannot be searched.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_wrappers.bench.metrics import rank_correlation, sign_agreement
from credit_wrappers.bench.suite import load_suite
from credit_wrappers.bench.truth import TRUTH_KINDS
from credit_wrappers.core.episode import Episode
from credit_wrappers.core.errors import CreditError
from credit_wrappers.exact.exact_credit import ExactCredit, exact_credit
from credit_wrappers.exact.simulator import EnvSimulator
from credit_wrappers.exact.value_function import VALUE_NAMES, named_value
from spaceworld.planner import shortest_plan

MAX_STATES = 1_000_000  # of a search


def main() -> None:
    """Print rows for each suite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", default=["truss", "hazard", "crew"])
    parser.add_argument("--half", default="report")
    parser.add_argument("--edition", type=int)
    parser.add_argument("--left", type=int, default=1)
    parser.add_argument("--states", type=int, default=40)
    options = parser.parse_args()
    for name in options.suites:
        suite = load_suite(name)
        whole = suite.replay(snapshots=True)
        episodes = [whole[k] for k in suite.choose(options.half, edition=options.edition)]
        compare_plans(name, episodes, EnvSimulator(suite.make_env))
        compare_search(name, suite.make_env().unwrapped, episodes, options.left, options.states)


def compare_plans(name: str, episodes: Sequence[Episode], simulator: EnvSimulator) -> None:
    """Print how far the credit by plans is from that by other plans."""
    for value_name in VALUE_NAMES:
        value: Any = named_value(simulator.env, value_name)
        for kind in TRUTH_KINDS:
            pairs = [pair for episode in episodes if (pair := both(episode, simulator, value, kind)) is not None]
            one, two = (np.concatenate([pair[k].values.ravel() for pair in pairs]).round(9) for k in (0, 1))
            sums = [np.concatenate([pair[k].values.sum(axis=0) for pair in pairs]).round(9) for k in (0, 1)]
            differ = np.concatenate([(pair[0].error != 0).ravel() for pair in pairs])
            stated = np.concatenate([pair[0].error.ravel() for pair in pairs])[differ]
            rms = float(np.sqrt(((one - two)[differ] ** 2).mean()))
            print(
                f"{name}, {value_name} {kind}: {len(pairs)} of {len(episodes)} episodes, {len(one):,} credits, "
                f"{differ.mean():.0%} of other states; error of a value {rms / 2:.2f}, of a credit {rms / 2**0.5:.2f} "
                f"(stated {stated.mean():.2f}), spread {one.std():.2f}; rank of steps "
                f"{rank_correlation(one, two):.2f}, of sums {rank_correlation(*sums):.2f}, "
                f"sign {sign_agreement(one, two):.2f}",
                flush=True,
            )


def both(episode: Episode, simulator: EnvSimulator, value: Any, kind: Any) -> tuple[ExactCredit, ExactCredit] | None:
    """Return an episode's credit by plans and by other plans; None where a state has no plan."""
    try:
        one, two = (exact_credit(episode, simulator, each, kind) for each in (value, value.again()))
    except CreditError:
        return None
    return one, two


def compare_search(name: str, env: Any, episodes: Sequence[Episode], left: int, most: int) -> None:
    """Print by how much plans are longer than the shortest, in states with few modules left."""
    env.reset(seed=0)
    if any(debris.direction for debris in env.scenario.debris):
        print(f"{name}: debris drifts, so nothing is searched")
        return
    states = [state for episode in episodes for state in episode.snapshots[:-1] if 0 < undocked(env, state) <= left]
    chosen = np.random.default_rng(0).permutation(len(states))[:most]
    planned = -named_value(env, "time").values([states[k] for k in chosen]).mean
    longer, failed = [], 0
    for k, steps in zip(chosen, planned, strict=True):
        env.set_state(env.rewind(states[k]))
        try:
            longer.append(steps - len(shortest_plan(env, MAX_STATES)))
        except ValueError:
            failed += 1
    print(
        f"{name}: {len(longer)} of {len(chosen)} states with at most {left} modules left were searched; plans are "
        f"shortest in {np.mean(np.array(longer) == 0):.0%}, {np.mean(longer):.2f} steps too long on average "
        f"(deviation {np.std(longer):.2f}, at most {max(longer, default=0):.0f})",
        flush=True,
    )


def undocked(env: Any, state: Any) -> int:
    """Return how many modules of a state are not docked."""
    env.set_state(state)
    return sum(not module.docked for module in env.scene().modules)


if __name__ == "__main__":
    main()
