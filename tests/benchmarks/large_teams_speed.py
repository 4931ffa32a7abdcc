"""What describing things once for a whole team gains: `python -m tests.benchmarks.large_teams_speed`.

Steps each scenario with and without `spaceworld.observations.large_teams`, in turns and in one process, by random play.
Prints the median of the ratios of each round; above 1, describing things once is faster.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from spaceworld.env import SpaceworldEnv
from spaceworld.rules import packing as pk
from spaceworld.vector import SpaceworldVectorEnv


def batch_steps(scenario: str, shared: bool, worlds: int) -> Callable[[int], float]:
    """Return a function that steps many worlds `count` times and returns the seconds."""
    envs = SpaceworldVectorEnv(worlds, scenario)
    envs._batch.memory[:, pk.H_SHARED] = shared
    envs.reset(seed=0)
    chosen = np.random.default_rng(0).integers(0, 6, (64, worlds, envs.n_agents))

    def run(count: int) -> float:
        began = time.perf_counter()
        for k in range(count):
            envs.step(chosen[k % 64])
        return time.perf_counter() - began

    return run


def dict_steps(scenario: str, shared: bool) -> Callable[[int], float]:
    """Return a function that takes `count` steps by the dict API and returns the seconds."""
    env = SpaceworldEnv(scenario)
    env._memory[pk.H_SHARED] = shared
    env._use(env._memory)
    env.reset(seed=0)
    rng = np.random.default_rng(0)

    def run(count: int) -> float:
        rows = rng.integers(0, 6, (count, len(env.possible_agents))).tolist()
        chosen = [dict(zip(env.possible_agents, row, strict=True)) for row in rows]
        began = time.perf_counter()
        for actions in chosen:
            if not env.agents:
                env.reset()
            env.step(actions)
        return time.perf_counter() - began

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--scenarios", nargs="*", default=["crew", "station", "swarm"])
    options = parser.parse_args()
    for scenario in options.scenarios:
        rows = {
            "dict API": (dict_steps(scenario, False), dict_steps(scenario, True), 500),
            "256 worlds": (batch_steps(scenario, False, 256), batch_steps(scenario, True, 256), 8),
        }
        for name, (single, shared, count) in rows.items():
            single(count), shared(count)  # compile and warm up
            seconds = [(single(count), shared(count)) for _ in range(options.rounds)]
            gain = statistics.median(a / b for a, b in seconds)
            print(f"{scenario:<8} {name:<11} {gain:.2f} x as fast when things are described once", flush=True)


if __name__ == "__main__":
    main()
