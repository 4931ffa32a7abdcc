"""How sure the warehouse's estimated truth is: its error, and what other seeds say. It takes some minutes.

    python -m tests.benchmarks.delivery_noise [--rollouts 256] [--steps 60] [--seeds 4]

The error is the mean standard error that is stated, the noise the mean deviation of a credit from seed to seed, both
over all steps and agents of the first edition of the suite `rware-tiny`; ranks and signs are compared between every
two seeds.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations

import numpy as np

from credit_wrappers.adapters.rware_value import DeliveryValue
from credit_wrappers.bench.metrics import rank_correlation, sign_agreement
from credit_wrappers.bench.suite import load_suite
from credit_wrappers.bench.truth import TRUTH_KINDS
from credit_wrappers.exact.exact_credit import exact_credit
from credit_wrappers.exact.simulator import EnvSimulator


def main() -> None:
    """Print a row for each kind of credit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=256)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    suite = load_suite("rware-tiny")
    whole = suite.replay(snapshots=True)
    episodes = [whole[k] for k in suite.parts(range(len(whole)))[0]]
    simulator = EnvSimulator(suite.make_env)
    library = simulator.env.library
    DeliveryValue(library, count=2).values(episodes[0].snapshots[:1])  # compiles
    began = time.process_time()
    values = [DeliveryValue(library, seed, options.rollouts, options.steps) for seed in range(options.seeds)]
    found = {
        kind: [[exact_credit(episode, simulator, value, kind) for episode in episodes] for value in values]
        for kind in TRUTH_KINDS
    }
    seconds = (time.process_time() - began) / options.seeds
    print(f"{len(episodes)} episodes, {options.rollouts} rollouts of {options.steps} steps, {options.seeds} seeds")
    print(f"both kinds: {seconds:.1f} s of CPU time")
    for kind, sets in found.items():
        credits = np.array([np.concatenate([one.values.ravel() for one in each]) for each in sets])
        sums = np.array([np.concatenate([one.values.sum(axis=0) for one in each]) for each in sets])
        error = np.mean([one.error.mean() for each in sets for one in each])
        pairs = list(combinations(range(options.seeds), 2))
        rank, of_sums = (
            np.mean([rank_correlation(array[a], array[b]) for a, b in pairs]) for array in (credits.round(9), sums)
        )
        sign = np.mean([sign_agreement(credits[a].round(9), credits[b].round(9)) for a, b in pairs])
        print(
            f"{kind}: error {error:.4f}, spread {credits.std():.4f}, noise {credits.std(axis=0, ddof=1).mean():.4f}, "
            f"rank of steps {rank:.3f}, of sums {of_sums:.3f}, sign {sign:.3f}"
        )


if __name__ == "__main__":
    main()
