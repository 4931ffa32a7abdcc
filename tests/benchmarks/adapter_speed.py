"""What an adapter costs: `python -m tests.benchmarks.adapter_speed`. Prints ratios, asserts nothing.

Adapter and library play the same actions from the same seeds in turns, in one process, so that a noisy machine slows
both alike; what is counted is processor time. A ratio of 0.90 says that the adapter makes 0.90 as many steps a second
as the library's own environment, unwrapped; resets count as they come. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import gymnasium
import numpy as np

from credit_wrappers.adapters import lbf, rware

IDS = ("Foraging-8x8-2p-3f-v3", "Foraging-15x15-4p-4f-v3", "rware-tiny-2ag-v2", "rware-small-4ag-v2")


def adapter_seconds(env: Any, chosen: list[list[int]]) -> float:
    """Seconds of the PettingZoo dict API; the dicts are made outside the clock."""
    joint = [dict(zip(env.possible_agents, actions, strict=True)) for actions in chosen]
    began = time.process_time()
    env.reset(seed=0)
    for actions in joint:
        if not env.agents:
            env.reset()
        env.step(actions)
    return time.process_time() - began


def library_seconds(env: Any, chosen: list[list[int]]) -> float:
    """Seconds of the library's own environment."""
    began = time.process_time()
    env.reset(seed=0)
    over = False
    for actions in chosen:
        if over:
            env.reset()
        *_, over, _, _ = env.step(actions)
    return time.process_time() - began


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=1000, help="steps of each side in each round")
    parser.add_argument("ids", nargs="*", default=IDS)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"medians of {options.rounds} interleaved rounds of {options.steps} steps, random play, one process")
    for env_id in options.ids:
        adapter = (lbf if env_id.startswith("Foraging") else rware).parallel_env(env_id)
        raw = gymnasium.make(env_id, disable_env_checker=True).unwrapped  # registered now that the adapter is made
        count = 6 if env_id.startswith("Foraging") else 5
        micros: dict[str, list[float]] = {"adapter": [], "library": []}
        for k in range(options.rounds + 1):
            chosen = rng.integers(0, count, (options.steps, len(adapter.possible_agents))).tolist()
            sides = [("adapter", adapter_seconds, adapter), ("library", library_seconds, raw)]
            for name, seconds, env in sides if k % 2 else sides[::-1]:
                taken = seconds(env, chosen)
                if k:  # the first round warms up
                    micros[name].append(1e6 * taken / options.steps)
        ratios = [own / both for own, both in zip(micros["library"], micros["adapter"], strict=True)]
        medians = {name: statistics.median(values) for name, values in micros.items()}
        print(
            f"  {env_id:<24} library {medians['library']:7.1f} us, adapter {medians['adapter']:7.1f} us a step; "
            f"step rate adapter / library {statistics.median(ratios):.3f}"
        )


if __name__ == "__main__":
    main()
