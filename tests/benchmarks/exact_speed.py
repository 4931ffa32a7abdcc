"""Time of exact credit of an episode, its layout searched: `python -m tests.benchmarks.exact_speed pair lbf-5x5`.

One process, one core. Every episode of a packaged suite has a layout of its own. The first episode is not counted,
because kernels may be compiled in it.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from credit_wrappers import CounterfactualCritic
from credit_wrappers.adapters.lbf_table import steps_to_go
from credit_wrappers.bench.suite import load_suite


def milliseconds(suite_name: str, value: str, kind: str) -> np.ndarray:
    """Return the time of each episode but the first, in ms."""
    steps_to_go.cache_clear()  # tables of layouts that another case has solved
    suite = load_suite(suite_name)
    critic = CounterfactualCritic(suite.make_env, value, kind)  # type: ignore[arg-type]
    spent = []
    for episode in suite.replay(snapshots=True):
        began = time.perf_counter()
        critic.score([episode])
        spent.append(1000 * (time.perf_counter() - began))
    return np.array(spent[1:])


if __name__ == "__main__":
    print("| suite | value | kind | episodes | median, ms | longest, ms |\n|---|---|---|---|---|---|")
    for name in sys.argv[1:] or ["duet", "pair", "lbf-5x5", "lbf-8x8"]:
        for value in ("time", "work"):
            for kind in ("difference", "shapley"):
                spent = milliseconds(name, value, kind)
                print(f"| {name} | {value} | {kind} | {len(spent)} | {np.median(spent):.0f} | {spent.max():.0f} |")
