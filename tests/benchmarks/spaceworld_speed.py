"""How fast Spaceworld is by itself: `python -m tests.benchmarks.spaceworld_speed`. Prints ratios, asserts nothing.

Everything but the starts runs in one process, in turns, so that a noisy machine slows all rows alike; medians over the
rounds. Random play. The yardstick is `lbforaging` 8x8-2p-3f, unwrapped (extra `lbf`).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spaceworld import spaceworld_v0
from spaceworld.vector import SpaceworldVectorEnv
from tests.benchmarks.env_speed import foraging_steps, spaceworld_steps

FIRST_STEP = """
import time; began = time.perf_counter()
from spaceworld import spaceworld_v0
env = spaceworld_v0.parallel_env(scenario="pair")
imported = time.perf_counter()
env.reset(seed=0)
env.step({agent: 0 for agent in env.agents})
print(imported - began, time.perf_counter() - imported)
"""


@dataclass
class Row:
    """One thing that is timed: `run(count)` does it that often and returns the seconds."""

    run: Callable[[int], float]
    count: int
    per_call: int = 1  # environment steps in one
    agents: int = 1


def batch_steps(
    scenario: str, worlds: int, threads: int = 1, observation: str = "vector"
) -> tuple[Callable[[int], float], int]:
    """Random play of many worlds at once."""
    envs = SpaceworldVectorEnv(worlds, scenario, threads=threads, observation=observation)
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, 6, (64, worlds, envs.n_agents))

    def run(count: int) -> float:
        began = time.perf_counter()
        for k in range(count):
            envs.step(chosen[k % 64])
        return time.perf_counter() - began

    return run, envs.n_agents


def layouts(scenario: str, worlds: int) -> Callable[[int], float]:
    """New episodes of many worlds at once: their layouts, checked to be solvable, and first observations."""
    envs = SpaceworldVectorEnv(worlds, scenario)
    envs.reset(seed=0)

    def run(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            envs.reset()
        return time.perf_counter() - began

    return run


def clones(scenario: str) -> Callable[[int], float]:
    """Snapshot and restore."""
    env = spaceworld_v0.parallel_env(scenario=scenario)
    env.reset(seed=0)

    def run(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            env.set_state(env.get_state())
        return time.perf_counter() - began

    return run


def pictures(scenario: str) -> Callable[[int], float]:
    """Pictures of random play, one a step; the steps are inside the clock."""
    env = spaceworld_v0.parallel_env(scenario=scenario, render_mode="rgb_array")
    rng = np.random.default_rng(0)
    env.reset(seed=0)

    def run(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            if not env.agents:
                env.reset()
            env.step(dict(zip(env.agents, rng.integers(0, 6, len(env.agents)).tolist(), strict=True)))
            env.render()
        return time.perf_counter() - began

    return run


def starts(rounds: int) -> tuple[float, float, float]:
    """Median seconds of `import spaceworld` in a fresh process, of importing all, and of the first reset and step."""
    plain, full, first = [], [], []
    for _ in range(rounds):
        code = "import time; t = time.perf_counter(); import spaceworld; print(time.perf_counter() - t)"
        plain.append(float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))
        out = subprocess.run([sys.executable, "-c", FIRST_STEP], capture_output=True, check=True).stdout.split()
        full.append(float(out[0]))
        first.append(float(out[1]))
    return statistics.median(plain), statistics.median(full), statistics.median(first)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--scale", type=float, default=1.0, help="of the work in a round")
    options = parser.parse_args()
    pair, station = spaceworld_steps("pair", False)[0], spaceworld_steps("station", False)[0]
    one, two, many = batch_steps("pair", 1024)[0], batch_steps("pair", 1024, 2)[0], batch_steps("station", 256)[0]
    large, shared = batch_steps("pair", 4096)[0], batch_steps("pair", 4096, 2)[0]
    seen, far = batch_steps("pair", 256, 1, "image")[0], batch_steps("station", 64, 1, "image")[0]
    rows = {
        "lbforaging 8x8-2p-3f": Row(foraging_steps(), 2000, agents=2),
        "pair, dict API": Row(pair, 4000, agents=2),
        "station, dict API": Row(station, 2000, agents=8),
        "pair, 1024 worlds": Row(one, 40, 1024, 2),
        "pair, 1024 worlds, 2 threads": Row(two, 40, 1024, 2),
        "pair, 4096 worlds": Row(large, 10, 4096, 2),
        "pair, 4096 worlds, 2 threads": Row(shared, 10, 4096, 2),
        "station, 256 worlds": Row(many, 20, 256, 8),
        "pair, 256 worlds, images": Row(seen, 10, 256, 2),
        "station, 64 worlds, images": Row(far, 10, 64, 8),
        "pair, new layouts": Row(layouts("pair", 256), 10, 256, 2),
        "station, new layouts": Row(layouts("station", 256), 1, 256, 8),
        "pair, clone and restore": Row(clones("pair"), 4000),
        "pair, step and picture": Row(pictures("pair"), 100),
    }
    for row in rows.values():
        row.run(max(2, row.count // 10))  # compile and warm up
    micros: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(options.rounds):
        for name, row in rows.items():
            count = max(1, int(row.count * options.scale))
            micros[name].append(1e6 * row.run(count) / count / row.per_call)
    medians = {name: statistics.median(values) for name, values in micros.items()}
    yard = medians["lbforaging 8x8-2p-3f"]
    print(f"medians of {options.rounds} interleaved rounds, random play, one process")
    for name, value in medians.items():
        agent_steps = 1e6 / value * rows[name].agents
        print(
            f"  {name:<30} {value:9.2f} us {1e6 / value:12,.0f}/s {agent_steps:12,.0f} agents/s {yard / value:7.1f} x"
        )
    station_share = medians["pair, 1024 worlds"] / 2 / (medians["station, 256 worlds"] / 8)
    image_share = medians["pair, 256 worlds, images"] / 2 / (medians["station, 64 worlds, images"] / 8)
    dict_share = medians["pair, dict API"] / 2 / (medians["station, dict API"] / 8)
    print(
        f"agent-steps/s of station against pair: {dict_share:.2f} by the dict API, {station_share:.2f} in batches, "
        f"{image_share:.2f} in batches with images"
    )
    one_thread = [f"pair, {worlds} worlds" for worlds in (1024, 4096)]
    speedup = [
        statistics.median(a / b for a, b in zip(micros[name], micros[f"{name}, 2 threads"], strict=True))
        for name in one_thread
    ]
    print(f"two threads against one: {speedup[0]:.2f} x with 1024 worlds, {speedup[1]:.2f} x with 4096")
    plain, full, first = starts(5)
    print(f"import spaceworld {plain:.2f} s, all of it {full:.2f} s; first reset and step {first:.2f} s (warm cache)")


if __name__ == "__main__":
    main()
