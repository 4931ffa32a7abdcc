"""Time of exact credit of an episode, its layout searched: `python -m tests.benchmarks.exact_speed pair lbf-5x5`.

One process, one core. Names are those of packaged suites or of published data sets; every episode has a layout of its
own. The first episode is not counted, because kernels may be compiled in it.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from credit_wrappers import CounterfactualCritic, dataset
from credit_wrappers.adapters.lbf_table import steps_to_go
from credit_wrappers.bench.suite import load_suite
from credit_wrappers.core.episode import Episode


def episodes_of(name: str) -> tuple[object, list[Episode]]:
    """Return what makes the environments of a suite (its first edition) or data set, and episodes with snapshots."""
    if name in dataset.published_names():
        make_env = dataset.load_card(name).make_env
        labels = dataset.replayed(dataset.iterate(name), make_env, snapshots=True)
        return make_env, [label.episode for label in labels]
    suite = load_suite(name)
    episodes = suite.replay(snapshots=True)
    return suite.make_env, [episodes[k] for k in suite.parts(range(len(episodes)))[0]]


def milliseconds(make_env: object, episodes: list[Episode], value: str, kind: str) -> np.ndarray:
    """Return the CPU time of each episode but the first, in ms."""
    steps_to_go.cache_clear()  # tables of layouts that another case has solved
    critic = CounterfactualCritic(make_env, value, kind)  # type: ignore[arg-type]
    spent = []
    for episode in episodes:
        began = time.process_time()
        critic.score([episode])
        spent.append(1000 * (time.process_time() - began))
    return np.array(spent[1:])


if __name__ == "__main__":
    print("| episodes of | value | kind | episodes | median, ms | longest, ms |\n|---|---|---|---|---|---|")
    for name in sys.argv[1:] or ["duet", "pair", "lbf-5x5", "lbf-8x8"]:
        make_env, episodes = episodes_of(name)
        for value in ("time", "work"):
            for kind in ("difference", "shapley"):
                spent = milliseconds(make_env, episodes, value, kind)
                print(f"| {name} | {value} | {kind} | {len(spent)} | {np.median(spent):.0f} | {spent.max():.0f} |")
