"""How fast one environment steps: `python -m tests.benchmarks.env_speed`. Prints ratios, asserts nothing.

Everything runs in one process, in turns, so that a noisy machine slows all rows alike; medians over the rounds.

    pair        Spaceworld `pair` through the PettingZoo dict API
    lbforaging  `Foraging-8x8-2p-3f-v3`, unwrapped (needs the extra `lbf`)
    wrapped     `pair` in an LLMCreditWrapper, deferred delivery; the episodes are scored outside the clock
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from credit_wrappers import CreditStore, LLMCreditWrapper, SharedCritic
from spaceworld import spaceworld_v0

Steps = Callable[[int], float]  # takes so many steps, returns the seconds


def spaceworld_steps(scenario: str, wrapped: bool) -> tuple[Steps, int]:
    """Random play of a scenario, and its number of agents."""
    env = spaceworld_v0.parallel_env(scenario=scenario)
    store = CreditStore(SharedCritic(), workers=0, episodes_per_query=10**9)  # nothing is scored inside the clock
    if wrapped:
        env = LLMCreditWrapper(env, store=store)
    env.reset(seed=0)
    n = len(env.possible_agents)
    rng = np.random.default_rng(0)

    def steps(count: int) -> float:
        # as for lbforaging, what is passed to step is made outside the clock
        chosen = [dict(zip(env.possible_agents, a, strict=True)) for a in rng.integers(0, 6, (count, n)).tolist()]
        began = time.perf_counter()
        for actions in chosen:
            if not env.agents:
                env.reset()
            env.step(actions)
        seconds = time.perf_counter() - began
        if wrapped:
            store.settle(range(10**6))
        return seconds

    return steps, n


def foraging_steps() -> Steps:
    """Random play of Level-Based Foraging, without the wrappers of `gymnasium.make`."""
    import gymnasium
    import lbforaging  # noqa: F401  # registers the environments

    env = gymnasium.make("Foraging-8x8-2p-3f-v3", disable_env_checker=True).unwrapped
    env.reset(seed=0)
    rng = np.random.default_rng(0)

    def steps(count: int) -> float:
        chosen = rng.integers(0, 6, (count, 2)).tolist()
        began = time.perf_counter()
        for actions in chosen:
            _, _, done, truncated, _ = env.step(actions)
            if done or truncated:
                env.reset()
        return time.perf_counter() - began

    return steps


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="pair")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=4000, help="steps of each row in each round")
    options = parser.parse_args()
    plain, n = spaceworld_steps(options.scenario, wrapped=False)
    wrapped, _ = spaceworld_steps(options.scenario, wrapped=True)
    rows: dict[str, Steps] = {options.scenario: plain, "lbforaging": foraging_steps(), "wrapped": wrapped}
    for steps in rows.values():
        steps(500)  # compile and warm up
    micros: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(options.rounds):
        for name, steps in rows.items():
            micros[name].append(1e6 * steps(options.steps) / options.steps)
    medians = {name: statistics.median(values) for name, values in micros.items()}
    print(f"medians of {options.rounds} interleaved rounds of {options.steps} steps, random play, one process")
    for name, value in medians.items():
        print(f"  {name:<12} {value:8.1f} us a step {1e6 / value:12,.0f} steps/s")
    ratio = medians["lbforaging"] / medians[options.scenario]
    extra = medians["wrapped"] - medians[options.scenario]
    print(f"{options.scenario} is {ratio:.1f} x as fast as lbforaging 8x8-2p-3f unwrapped")
    print(f"LLMCreditWrapper adds {extra:.1f} us a step, {extra / n:.1f} us per agent")


if __name__ == "__main__":
    main()
